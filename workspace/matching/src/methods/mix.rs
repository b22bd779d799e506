use ndarray::{Array2, ArrayView2};
use onebasin_network::{Permutation, Weights};
use serde::{Deserialize, Serialize};

use super::number;
use crate::activations::{Activations, Score, moments};
use crate::objective::length;
use crate::{MatchingError, Problem};

/// A score of weights and activations.
///
/// With the share w of weights the ascent climbs `w ⟨A, π(B)⟩ / (‖A‖ ‖B‖) + (1 − w) Σ_g ⟨P_g, C_g⟩ / Σ_g m_g`, where `C_g` scores the units of a
/// group by what they give and `m_g` is the most it could come to. Both terms are at most 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mix {
    /// The share of weights, from 0 to 1; default 0.5.
    pub weights: f64,
    /// How the agreement of two units' activations is counted; default correlation.
    pub score: Score,
    /// Which activations.
    pub activations: Activations,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix { weights: 0.5, score: Score::default(), activations: Activations::default() }
    }
}

impl Mix {
    pub(super) fn check(&self) -> Result<(), MatchingError> {
        if !(0.0..=1.0).contains(&self.weights) {
            let (value, hint) = (number(self.weights), "0.5 counts weights and activations alike");
            return Err(MatchingError::Setting { key: "weights", value, expected: "a share from 0 to 1", hint });
        }
        self.activations.check()
    }

    /// What it adds to the ascent of one model.
    pub(super) fn blend(&self, problem: &Problem<'_>, fixed: usize, moving: usize) -> Result<Blend, MatchingError> {
        let moments = moments(problem)?;
        let norm = |weights: &Weights| length(problem.spec, weights);
        let norms = norm(problem.models[fixed]) * norm(problem.models[moving]);
        let most: f64 = moments.iter().map(|moments| self.score.most(moments, fixed, moving)).sum();
        let over = |share: f64, of: f64| if of > 0.0 { share / of } else { 0.0 };
        let scale = over(1.0 - self.weights, most);
        let scores = moments.iter().map(|moments| self.score.of(moments, fixed, moving) * scale).collect();
        Ok(Blend { weights: over(self.weights, norms), scores })
    }
}

/// A score of the units of a pair, besides the agreement of their weights.
pub(crate) struct Blend {
    /// What the agreement of weights is multiplied by.
    weights: f64,
    /// For each group, `[fixed units, moving units]`.
    scores: Vec<Array2<f64>>,
}

impl Blend {
    pub(super) fn value(&self, weights: f64, maps: &[Permutation]) -> f64 {
        let of_group = |(map, score): (&Permutation, &Array2<f64>)| -> f64 {
            map.as_slice().iter().zip(score.rows()).map(|(&unit, row)| row[unit as usize]).sum()
        };
        self.weights * weights + maps.iter().zip(&self.scores).map(of_group).sum::<f64>()
    }

    /// The gains of a group.
    pub(super) fn gain(&self, weights: ArrayView2<'_, f64>, group: usize) -> Array2<f64> {
        &weights * self.weights + &self.scores[group]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{activations, copies, mixed, random};
    use crate::{GitReBasin, Matcher, to_frame};
    use onebasin_repro::Stream;

    fn by(weights: f64) -> GitReBasin {
        GitReBasin { mix: Some(Mix { weights, ..Mix::default() }), ..GitReBasin::default() }
    }

    #[test]
    fn weights_alone_are_git_re_basin_and_activations_alone_know_nothing_of_weights() {
        let graph = mixed();
        let spec = graph.spec();
        let (a, b) = (random(spec, 1), random(spec, 2));
        let (_, maps) = copies(spec, &a, 2);
        let moments = activations(spec, &maps, 0.1);
        let problem = Problem::new(spec, vec![&a, &b]).with_moments(&moments);
        let align = |matcher: &GitReBasin| matcher.align(&problem, &Stream::root(3)).unwrap();
        assert_eq!(align(&by(1.0)).maps, align(&GitReBasin::default()).maps);
        // Activations say that the second model is the first one shuffled.
        let found = align(&by(0.0)).permutations(1).unwrap();
        let expected: Vec<Permutation> = maps[1].iter().map(Permutation::inverse).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_shuffled_copy_comes_back_by_both_and_the_score_is_the_most_there_is() {
        let graph = mixed();
        let spec = graph.spec();
        let (models, maps) = copies(spec, &random(spec, 1), 2);
        let moments = activations(spec, &maps, 0.0);
        let problem = Problem::new(spec, models.iter().collect()).with_moments(&moments);
        let alignment = by(0.5).align(&problem, &Stream::root(3)).unwrap();
        assert_eq!(to_frame(spec, &models[1], &alignment.maps[1]), models[0]);
        let end = alignment.trace.last().unwrap().objective;
        assert!((end - 1.0).abs() < 1e-6, "{end}");
    }

    #[test]
    fn a_share_outside_of_0_to_1_is_refused() {
        for weights in [-0.1, 1.1, f64::NAN] {
            assert!(by(weights).check().unwrap_err().to_string().contains("`weights` is"), "{weights}");
        }
    }
}
