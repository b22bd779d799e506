use std::cell::Cell;

use onebasin_network::Weights;

use crate::MatchingError;

/// How far the sum of coefficients may be from 1.
const SUM_TOLERANCE: f64 = 1e-6;

/// The mean of models that are in one frame, each with its coefficient (all equal if none are given); summed in `f64`.
///
/// # Errors
/// No models; coefficients that are not one finite number for each model with the sum 1 (within 1e-6: a mean that
/// rescales the weights is another model, so nothing is normalised silently).
pub fn mean(models: &[&Weights], coefficients: Option<&[f64]>) -> Result<Weights, MatchingError> {
    let wrong = |problem: String| Err(MatchingError::Coefficients { problem });
    let Some((first, _)) = models.split_first() else { return wrong("a mean of no models".to_owned()) };
    let even = vec![1.0 / models.len() as f64; models.len()];
    let coefficients = coefficients.unwrap_or(&even);
    if coefficients.len() != models.len() {
        return wrong(format!("{} coefficients for {} models", coefficients.len(), models.len()));
    }
    if let Some(value) = coefficients.iter().find(|value| !value.is_finite()) {
        return wrong(format!("the coefficient `{value}` is not finite"));
    }
    let sum: f64 = coefficients.iter().sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return wrong(format!("the coefficients sum to `{sum}`"));
    }
    let mut sums = vec![0.0; first.len()];
    for (weights, &coefficient) in models.iter().zip(coefficients) {
        let mut rest = sums.as_mut_slice();
        for (_, array) in weights.iter() {
            let (sums, after) = rest.split_at_mut(array.len());
            let values = array.as_slice().expect("arrays are made contiguous when the weights are made");
            sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += coefficient * f64::from(value));
            rest = after;
        }
    }
    // `map` meets the numbers in the same order: by name, then row by row.
    let next = Cell::new(0);
    Ok(first.map(|_| sums[next.replace(next.get() + 1)] as f32))
}

/// `(1 − λ) a + λ b`, entry by entry in `f64`; exactly `a` at 0 and `b` at 1.
pub fn interpolate(a: &Weights, b: &Weights, lambda: f64) -> Weights {
    a.zip_map(b, |a, b| ((1.0 - lambda) * f64::from(a) + lambda * f64::from(b)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, mixed, numbers, random};

    #[test]
    fn means_by_hand() {
        let graph = chain(&[2]);
        let models = [[1.0, 2.0], [5.0, -2.0]].map(|row| numbers(graph.spec(), &[&row, &[8.0, 0.0]]));
        let models: Vec<&Weights> = models.iter().collect();
        assert_eq!(mean(&models, None).unwrap(), numbers(graph.spec(), &[&[3.0, 0.0], &[8.0, 0.0]]));
        assert_eq!(mean(&models, Some(&[0.25, 0.75])).unwrap(), numbers(graph.spec(), &[&[4.0, -1.0], &[8.0, 0.0]]));
    }

    #[test]
    fn the_mean_of_equal_models_is_that_model() {
        let graph = mixed();
        let model = random(graph.spec(), 1);
        assert_eq!(mean(&[&model; 7], None).unwrap(), model);
    }

    #[test]
    fn a_line_has_its_ends_exactly() {
        let graph = mixed();
        let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
        assert_eq!((interpolate(&a, &b, 0.0), interpolate(&a, &b, 1.0)), (a.clone(), b.clone()));
        assert_eq!(interpolate(&a, &b, 0.5), mean(&[&a, &b], None).unwrap());
    }

    #[test]
    fn coefficients_that_make_no_mean_are_errors_that_say_why() {
        let graph = chain(&[2]);
        let model = random(graph.spec(), 1);
        let says = |coefficients: &[f64], text: &str| {
            let error = mean(&[&model, &model], Some(coefficients)).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("hint: "), "{error}");
        };
        says(&[1.0], "1 coefficients for 2 models");
        says(&[0.5, f64::NAN], "`NaN` is not finite");
        says(&[0.5, 0.6], "sum to `1.1`");
        assert!(mean(&[], None).unwrap_err().to_string().contains("no models"));
    }
}
