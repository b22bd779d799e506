use onebasin_network::{PermutationSpec, Role, Weights};

use crate::Alignment;
use crate::align::to_frame;

/// What of two models is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The parameter of this name.
    Parameter(String),
    /// The matrices of linear layers and the kernels of convolutions, as one vector. Norms are left out: their factors stay near the 1
    /// they begin at in every model, and make models look alike before anything is matched.
    Matrices,
    /// Every parameter, as one vector.
    All,
}

/// How close two models are in some of their parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightSimilarity {
    /// The indices of the two models, the lesser first.
    pub pair: (usize, usize),
    /// In what.
    pub compared: Compared,
    /// `⟨a, b⟩ / (‖a‖ ‖b‖)`; `None` where one of the two is zero.
    pub cosine: Option<f64>,
    /// `‖a − b‖`.
    pub distance: f64,
}

/// Cosine and Euclidean distance of every pair of models, for each parameter, for all matrices and for all parameters as one vector; of the
/// models as they are, or in the frame of an alignment. Running statistics take no part.
///
/// Rows come pair after pair, parameters in the order of the spec and the two vectors last. Sums are `f64`. Cost: n² / 2 passes over the models.
///
/// Source: C²M³ (arXiv 2405.17897), figures 5 and 16.
///
/// # Panics
/// When models or alignment are not of `spec`, which is a bug of the caller.
pub fn weight_similarity(spec: &PermutationSpec, models: &[&Weights], alignment: Option<&Alignment>) -> Vec<WeightSimilarity> {
    let aligned: Vec<Weights> = match alignment {
        Some(alignment) => models.iter().zip(&alignment.maps).map(|(weights, maps)| to_frame(spec, weights, maps)).collect(),
        None => Vec::new(),
    };
    let models: Vec<&Weights> = if alignment.is_some() { aligned.iter().collect() } else { models.to_vec() };
    let mut rows = Vec::new();
    for p in 0..models.len() {
        for q in p + 1..models.len() {
            let (mut matrices, mut whole) = (Sums::default(), Sums::default());
            for parameter in spec.parameters.iter().filter(|parameter| parameter.role.is_matched()) {
                let sums = Sums::of(models[p].values(&parameter.name), models[q].values(&parameter.name));
                whole.add(&sums);
                if parameter.role == Role::Weight {
                    matrices.add(&sums);
                }
                rows.push(sums.row((p, q), Compared::Parameter(parameter.name.clone())));
            }
            rows.push(matrices.row((p, q), Compared::Matrices));
            rows.push(whole.row((p, q), Compared::All));
        }
    }
    rows
}

/// `⟨a, b⟩`, `‖a‖²`, `‖b‖²` and `‖a − b‖²`.
#[derive(Default)]
struct Sums {
    inner: f64,
    left: f64,
    right: f64,
    apart: f64,
}

impl Sums {
    fn of(left: &[f32], right: &[f32]) -> Sums {
        let mut sums = Sums::default();
        for (&left, &right) in left.iter().zip(right) {
            let (left, right) = (f64::from(left), f64::from(right));
            sums.inner += left * right;
            sums.left += left * left;
            sums.right += right * right;
            // Not from the other three: nearly equal models would cancel.
            sums.apart += (left - right) * (left - right);
        }
        sums
    }

    fn add(&mut self, other: &Sums) {
        self.inner += other.inner;
        self.left += other.left;
        self.right += other.right;
        self.apart += other.apart;
    }

    fn row(&self, pair: (usize, usize), compared: Compared) -> WeightSimilarity {
        let norms = self.left.sqrt() * self.right.sqrt();
        let cosine = (norms > 0.0).then(|| self.inner / norms);
        WeightSimilarity { pair, compared, cosine, distance: self.apart.sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, mixed, numbers, random, shuffles};
    use crate::{Frame, Problem, SolverTrace};
    use onebasin_network::permute;

    #[test]
    fn two_models_by_hand() {
        let graph = chain(&[2]);
        let (a, b) = (numbers(graph.spec(), &[&[3.0, 4.0], &[0.0, 0.0]]), numbers(graph.spec(), &[&[4.0, 3.0], &[1.0, 0.0]]));
        let rows = weight_similarity(graph.spec(), &[&a, &b], None);
        let compared: Vec<&Compared> = rows.iter().map(|row| &row.compared).collect();
        let named = |name: &str| Compared::Parameter(name.to_owned());
        assert_eq!(compared, [&named("fc1.weight"), &named("fc2.weight"), &Compared::Matrices, &Compared::All]);
        assert_eq!((rows[0].cosine, rows[0].distance), (Some(24.0 / 25.0), 2.0_f64.sqrt()));
        assert_eq!((rows[1].cosine, rows[1].distance), (None, 1.0));
        assert_eq!((rows[3].cosine, rows[3].distance), (rows[2].cosine, rows[2].distance), "nothing but matrices");
        assert_eq!((rows[2].cosine, rows[2].distance), (Some(24.0 / (5.0 * 26.0_f64.sqrt())), 3.0_f64.sqrt()));
    }

    #[test]
    fn shuffled_copies_are_far_as_they_are_and_one_point_in_the_frame() {
        let graph = mixed();
        let spec = graph.spec();
        let original = random(spec, 1);
        let maps = [2, 3, 4].map(|seed| shuffles(spec, seed));
        let back = |maps: &Vec<_>| permute(spec, &original, &maps.iter().map(onebasin_network::Permutation::inverse).collect::<Vec<_>>());
        let copies: Vec<Weights> = maps.iter().map(back).collect();
        let problem = Problem::new(spec, copies.iter().collect());
        let alignment = Alignment::from_permutations(&problem, Frame::Universe, maps.to_vec(), SolverTrace::direct(Default::default()));
        let (before, after) = (weight_similarity(spec, &problem.models, None), weight_similarity(spec, &problem.models, Some(&alignment)));
        assert_eq!(before.len(), 3 * (2 + spec.parameters.iter().filter(|parameter| parameter.role.is_matched()).count()));
        assert!(after.iter().all(|row| row.distance == 0.0 && (row.cosine.unwrap() - 1.0).abs() < 1e-12));
        let whole: Vec<&WeightSimilarity> = before.iter().filter(|row| row.compared == Compared::All).collect();
        assert_eq!(whole.iter().map(|row| row.pair).collect::<Vec<_>>(), [(0, 1), (0, 2), (1, 2)]);
        let matrices: Vec<&WeightSimilarity> = before.iter().filter(|row| row.compared == Compared::Matrices).collect();
        assert!(matrices.iter().zip(&whole).all(|(some, all)| some.distance < all.distance));
        assert!(whole.iter().all(|row| row.distance > 1.0 && row.cosine.unwrap() < 0.9));
    }
}
