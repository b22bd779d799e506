use ndarray::{Array2, ArrayView2, Axis};

/// How alike two models see the same inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureSimilarity {
    /// The indices of the two models, the lesser first.
    pub pair: (usize, usize),
    /// Linear centred kernel alignment, in [0, 1]; `None` where one of the two sees all inputs alike.
    pub cka: Option<f64>,
    /// `‖X − Y‖_F` of the features as they are; `None` where the two have not equally many units.
    pub distance: Option<f64>,
}

/// Linear CKA and Frobenius distance of every pair of models, from their features `[inputs, units]` for the same inputs in one order.
///
/// `CKA(X, Y) = HSIC(X, Y) / √(HSIC(X, X) HSIC(Y, Y))` with `HSIC(X, Y) = tr(K_X H K_Y H) / (N − 1)²`, `K_X = X Xᵀ` and `H` centring. It
/// does not change with a permutation or any rotation of units, nor with their common scale; the distance does. All sums are `f64`.
/// Cost, for N inputs and p units: N p · min(p, 2 N) for each pair, and N p numbers held for each model.
///
/// Source: Kornblith et al., Similarity of Neural Network Representations Revisited (2019), equations 3 and 4; C²M³ (arXiv 2405.17897),
/// figure 15, whose printed HSIC lacks one centring.
///
/// # Panics
/// When models have seen different numbers of inputs, which is a bug of the caller.
pub fn feature_similarity(features: &[ArrayView2<'_, f32>]) -> Vec<FeatureSimilarity> {
    let inputs = features.first().map_or(0, ArrayView2::nrows);
    assert!(features.iter().all(|features| features.nrows() == inputs), "features of one number of inputs");
    let centred: Vec<Array2<f64>> = features.iter().map(centred).collect();
    let own: Vec<f64> = centred.iter().map(|features| hsic(features, features)).collect();
    let mut rows = Vec::new();
    for p in 0..features.len() {
        for q in p + 1..features.len() {
            let norms = own[p].sqrt() * own[q].sqrt();
            let cka = (norms > 0.0).then(|| hsic(&centred[p], &centred[q]) / norms);
            rows.push(FeatureSimilarity { pair: (p, q), cka, distance: distance(&features[p], &features[q]) });
        }
    }
    rows
}

/// The features with the mean over inputs of each unit taken away.
fn centred(features: &ArrayView2<'_, f32>) -> Array2<f64> {
    let mut centred = features.mapv(f64::from);
    let count = centred.nrows().max(1) as f64;
    for mut unit in centred.axis_iter_mut(Axis(1)) {
        let mean = unit.sum() / count;
        unit.mapv_inplace(|value| value - mean);
    }
    centred
}

/// `(N − 1)² HSIC` of centred features, in whichever space is smaller.
fn hsic(x: &Array2<f64>, y: &Array2<f64>) -> f64 {
    let (inputs, p, q) = (x.nrows(), x.ncols(), y.ncols());
    if p.saturating_mul(q) <= inputs.saturating_mul(p + q) { over_units(x, y) } else { over_inputs(x, y) }
}

/// `‖XᵀY‖²_F`, which is the same trace turned around.
fn over_units(x: &Array2<f64>, y: &Array2<f64>) -> f64 {
    x.t().dot(y).iter().map(|value| value * value).sum()
}

/// `⟨X Xᵀ, Y Yᵀ⟩`.
fn over_inputs(x: &Array2<f64>, y: &Array2<f64>) -> f64 {
    x.dot(&x.t()).iter().zip(y.dot(&y.t()).iter()).map(|(x, y)| x * y).sum()
}

fn distance(x: &ArrayView2<'_, f32>, y: &ArrayView2<'_, f32>) -> Option<f64> {
    let squares = || x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>();
    (x.dim() == y.dim()).then(|| squares().sqrt())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use onebasin_repro::Stream;
    use rand::Rng;

    use super::*;

    fn random(inputs: usize, units: usize, seed: u64) -> Array2<f32> {
        let mut rng = Stream::root(seed).rng();
        Array2::from_shape_simple_fn((inputs, units), || 2.0 * rng.random::<f32>() - 0.5)
    }

    fn cka(x: &Array2<f32>, y: &Array2<f32>) -> f64 {
        feature_similarity(&[x.view(), y.view()])[0].cka.unwrap()
    }

    /// The formula as printed, with all its N × N matrices.
    fn as_defined(x: &Array2<f32>, y: &Array2<f32>) -> f64 {
        let inputs = x.nrows();
        let centring = Array2::<f64>::eye(inputs) - 1.0 / inputs as f64;
        let kernel = |features: &Array2<f32>| {
            let features = features.mapv(f64::from);
            features.dot(&features.t())
        };
        let hsic = |x: &Array2<f64>, y: &Array2<f64>| x.dot(&centring).dot(y).dot(&centring).diag().sum() / ((inputs - 1) as f64).powi(2);
        let (x, y) = (kernel(x), kernel(y));
        hsic(&x, &y) / (hsic(&x, &x) * hsic(&y, &y)).sqrt()
    }

    #[test]
    fn one_unit_by_hand() {
        // Centred: (-1, 0, 1) and (-1, -1, 2), whose inner products are 2, 6 and 3: 3² / (2 · 6).
        let rows = feature_similarity(&[
            array![[0.0], [1.0], [2.0]].view(),
            array![[0.0], [0.0], [3.0]].view(),
            array![[5.0], [5.0], [5.0]].view(),
        ]);
        let pairs: Vec<(usize, usize)> = rows.iter().map(|row| row.pair).collect();
        assert_eq!(pairs, [(0, 1), (0, 2), (1, 2)]);
        assert!((rows[0].cka.unwrap() - 0.75).abs() < 1e-12, "{rows:?}");
        assert_eq!(rows[0].distance, Some(2.0_f64.sqrt()));
        assert_eq!((rows[1].cka, rows[1].distance), (None, Some(50.0_f64.sqrt())), "a unit that never changes shows nothing");
    }

    #[test]
    fn it_is_the_printed_formula_with_few_units_and_with_many() {
        for (inputs, p, q) in [(30, 4, 7), (6, 40, 50), (5, 3, 60)] {
            let (x, y) = (random(inputs, p, 1), random(inputs, q, 2));
            let expected = as_defined(&x, &y);
            assert!((cka(&x, &y) - expected).abs() < 1e-10 && expected < 0.99, "{expected}");
            let (x, y) = (centred(&x.view()), centred(&y.view()));
            let (units, inputs) = (over_units(&x, &y), over_inputs(&x, &y));
            assert!((units / inputs - 1.0).abs() < 1e-10, "{units} {inputs}");
        }
    }

    #[test]
    fn it_does_not_change_when_units_are_permuted_turned_scaled_or_moved_together() {
        let (x, y) = (random(40, 6, 3), random(40, 6, 4));
        let before = cka(&x, &y);
        assert!((cka(&x, &x) - 1.0).abs() < 1e-12 && before < 0.9, "{before}");
        let permuted = y.select(Axis(1), &[3, 0, 5, 1, 4, 2]);
        let (sine, cosine) = 0.7_f32.sin_cos();
        let mut turned = y.clone();
        for mut row in turned.rows_mut() {
            (row[1], row[4]) = (cosine * row[1] - sine * row[4], sine * row[1] + cosine * row[4]);
        }
        for (other, tolerance) in
            [(permuted, 1e-12), (turned, 1e-6), (y.mapv(|value| -4.0 * value), 1e-12), (y.mapv(|value| value + 3.0), 1e-6)]
        {
            assert!((cka(&x, &other) - before).abs() < tolerance);
            assert_ne!(feature_similarity(&[x.view(), other.view()])[0].distance, feature_similarity(&[x.view(), y.view()])[0].distance);
        }
        // One unit alone scaled is another matter.
        let mut stretched = y.clone();
        stretched.column_mut(0).mapv_inplace(|value| 5.0 * value);
        assert!((cka(&x, &stretched) - before).abs() > 1e-3);
    }
}
