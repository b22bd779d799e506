//! How well units agree by what they give.

use ndarray::{Array1, Array2};
use onebasin_network::{GroupMoments, StreamTaps, Tap};
use serde::{Deserialize, Serialize};

use crate::{MatchingError, Problem};

/// Which activations a method looks at: of training images, as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Activations {
    /// Before or after a ReLU; default after.
    pub tap: Tap,
    /// Which tensors of a residual stream; default the last one.
    pub stream: StreamTaps,
    /// The first so many images; all if not given.
    pub images: Option<usize>,
    /// Whether images are drawn, anew for each draw of the method, in place of the first ones; default false.
    pub drawn: bool,
}

impl Activations {
    /// An error unless there is an image to look at.
    pub(crate) fn check(&self) -> Result<(), MatchingError> {
        match self.images {
            Some(images) => crate::methods::at_least_one("images", images),
            None if self.drawn => {
                let hint = "without a number all images are taken, and there is nothing to draw";
                Err(MatchingError::Setting { key: "drawn", value: "true".to_owned(), expected: "`images` beside it", hint })
            }
            None => Ok(()),
        }
    }
}

/// How the agreement of two units is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Pearson's correlation, as REPAIR has it; 0 for a unit that always gives the same.
    #[default]
    Correlation,
    /// The mean product, not centred, as Git Re-Basin has it for MLPs.
    Product,
}

/// A variance below this share of the mean square is rounding: the unit always gives the same.
const CONSTANT: f64 = 1e-10;

impl Score {
    /// The agreement of two models' units, `[units of p, units of q]`.
    ///
    /// # Panics
    /// As [`GroupMoments::product`].
    pub fn of(self, moments: &GroupMoments, p: usize, q: usize) -> Array2<f64> {
        let samples = (moments.samples as f64).max(1.0);
        let mut score = moments.product(p, q) / samples;
        if self == Score::Correlation {
            let [(mean_p, deviation_p), (mean_q, deviation_q)] = [p, q].map(|model| spread(moments, model, samples));
            for ((a, b), value) in score.indexed_iter_mut() {
                let scale = deviation_p[a] * deviation_q[b];
                *value = if scale > 0.0 { ((*value - mean_p[a] * mean_q[b]) / scale).clamp(-1.0, 1.0) } else { 0.0 };
            }
        }
        score
    }

    /// The most that a matching of two models could score: as many units as there are, or by Cauchy and Schwarz.
    pub fn most(self, moments: &GroupMoments, p: usize, q: usize) -> f64 {
        match self {
            Score::Correlation => moments.sums[p].len() as f64,
            Score::Product => {
                let [p, q] = [p, q].map(|model| moments.squares[model].sum() / (moments.samples as f64).max(1.0));
                (p * q).sqrt()
            }
        }
    }
}

/// Mean and standard deviation of each unit; the deviation is exactly 0 for one that always gives the same.
fn spread(moments: &GroupMoments, model: usize, samples: f64) -> (Array1<f64>, Array1<f64>) {
    let mean = &moments.sums[model] / samples;
    let deviation = mean.iter().zip(&moments.squares[model]).map(|(mean, squares)| {
        let square = squares / samples;
        let variance = square - mean * mean;
        if variance > CONSTANT * square { variance.sqrt() } else { 0.0 }
    });
    let deviation = deviation.collect();
    (mean, deviation)
}

/// The moments that a method needs of a problem, one for each group.
pub(crate) fn moments<'a>(problem: &Problem<'a>) -> Result<&'a [GroupMoments], MatchingError> {
    problem.moments.map(|moments| &moments[..problem.spec.groups.len()]).ok_or(MatchingError::NoMoments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn moments(samples: &[[[f64; 2]; 2]]) -> GroupMoments {
        let mut moments = GroupMoments::zero(2, 2);
        for models in samples {
            moments.samples += 1;
            for (model, units) in models.iter().enumerate() {
                for (unit, value) in units.iter().enumerate() {
                    moments.sums[model][unit] += value;
                    moments.squares[model][unit] += value * value;
                }
            }
            for a in 0..2 {
                for b in 0..2 {
                    moments.products[0][[a, b]] += models[0][a] * models[1][b];
                }
            }
        }
        moments
    }

    #[test]
    fn correlation_is_centred_and_the_product_is_not() {
        // Unit 0 of the first model goes with unit 1 of the second, and against its unit 0.
        let moments = moments(&[[[1.0, 2.0], [4.0, 1.0]], [[2.0, 2.0], [3.0, 2.0]], [[3.0, 2.0], [2.0, 3.0]]]);
        let correlation = Score::Correlation.of(&moments, 0, 1);
        assert!((correlation[[0, 0]] + 1.0).abs() < 1e-12 && (correlation[[0, 1]] - 1.0).abs() < 1e-12);
        let product = Score::Product.of(&moments, 0, 1);
        assert!((product[[0, 0]] - 16.0 / 3.0).abs() < 1e-12 && (product[[1, 1]] - 4.0).abs() < 1e-12);
        assert_eq!(Score::Product.of(&moments, 1, 0), product.t());
    }

    #[test]
    fn units_that_always_give_the_same_correlate_with_nothing() {
        // The first model's second unit is constant, the second model's first is dead.
        let moments = moments(&[[[1.0, 0.1], [0.0, 1.0]], [[2.0, 0.1], [0.0, 2.0]], [[4.0, 0.1], [0.0, 4.0]]]);
        assert_eq!(Score::Correlation.of(&moments, 0, 1), array![[0.0, 1.0], [0.0, 0.0]]);
    }
}
