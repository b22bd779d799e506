//! What an ascent ascends, from its first iteration to its last.

use serde::{Deserialize, Serialize};

/// What Frank–Wolfe ascends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// At first an objective that favours soft matrices, at last one that favours permutations. Among permutations all of them
    /// differ by a constant only. So units whose partners are unclear at first stay undecided for longer. Every step is one half: what was
    /// thought so many iterations ago weighs half as much with each, and no step needs a line search.
    ///
    /// Source: graduated nonconvexity and concavity, Liu and Qiao, IEEE TPAMI 36 (2014), with a fixed number of iterations.
    Graduated,
    /// The objective itself, as published.
    Plain,
}

impl Schedule {
    pub(crate) fn is_plain(&self) -> bool {
        *self == Schedule::Plain
    }
}

/// The length of every step.
pub(crate) const STEP: f64 = 0.5;

/// Weights of each model's own norm, first and last; 1 is the objective itself.
const FIRST: f64 = 1.3;
const LAST: f64 = 0.9;

/// The weight in one of so many iterations: from [`FIRST`] down towards [`LAST`], in even steps.
pub(crate) fn own_weight(iteration: usize, iterations: usize) -> f64 {
    FIRST + (LAST - FIRST) * iteration as f64 / iterations as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_falls_evenly_and_starts_soft() {
        let weights: Vec<f64> = (0..4).map(|iteration| own_weight(iteration, 4)).collect();
        for (weight, expected) in weights.iter().zip([1.3, 1.2, 1.1, 1.0]) {
            assert!((weight - expected).abs() < 1e-12, "{weights:?}");
        }
    }
}
