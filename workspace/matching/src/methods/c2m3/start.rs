//! Where the ascent starts.

use ndarray::Array2;
use onebasin_repro::Stream;
use onebasin_transport::sinkhorn::doubly_stochastic;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::soft_permutation::SoftPermutation;
use crate::matcher::Interrupted;
use crate::{GitReBasin, Matcher, MatchingError, MergeMany, Problem};

/// The matrices to start from, one for each model and group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Every unit in the slot of its own index.
    #[default]
    Identity,
    /// Nearly even: 1/d with up to a hundredth of noise, then rows and columns normalised in turn. Even matrices without noise would
    /// tie every assignment.
    Sinkhorn,
    /// Uniform on [0, 1), as published: not doubly stochastic, so the objective before the first full step is not comparable.
    Random,
    /// The permutations that [`GitReBasin`] finds, by its defaults: every model matched to the first.
    GitReBasin,
    /// The permutations that [`MergeMany`] finds, by its defaults: every model matched to the mean of the others.
    MergeMany,
}

/// Sweeps of normalisation at most.
const SWEEPS: usize = 10_000;

impl Start {
    /// As a spec writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Start::Identity => "identity",
            Start::Sinkhorn => "sinkhorn",
            Start::Random => "random",
            Start::GitReBasin => "git-re-basin",
            Start::MergeMany => "merge-many",
        }
    }

    /// Whether another stream could give other matrices.
    pub(crate) fn is_random(self) -> bool {
        self != Start::Identity
    }

    /// Draws or finds the matrices: outer index model, inner index group.
    pub(crate) fn draw(
        self,
        interrupted: Interrupted<'_>,
        problem: &Problem<'_>,
        stream: &Stream,
    ) -> Result<Vec<Vec<SoftPermutation>>, MatchingError> {
        let found = match self {
            Start::Identity | Start::Sinkhorn | Start::Random => {
                let model = |model: usize| {
                    let groups = problem.spec.groups.iter();
                    groups.map(|group| self.matrix(group.units, &stream.child(format!("model-{model}/{}", group.name)))).collect()
                };
                return Ok((0..problem.models.len()).map(model).collect());
            }
            Start::GitReBasin => GitReBasin::default().align_unless(interrupted, problem, &stream.child("git-re-basin"))?,
            Start::MergeMany => MergeMany::default().align_unless(interrupted, problem, &stream.child("merge-many"))?,
        };
        let vertices = |model| {
            let maps = found.permutations(model).expect("weight matching makes permutations");
            maps.iter().map(|map| SoftPermutation::vertex(map.as_slice().to_vec())).collect()
        };
        Ok((0..problem.models.len()).map(vertices).collect())
    }

    fn matrix(self, size: usize, stream: &Stream) -> SoftPermutation {
        match self {
            Start::Identity | Start::GitReBasin | Start::MergeMany => SoftPermutation::vertex((0..size as u32).collect()),
            Start::Sinkhorn => nearly_even(size, stream),
            Start::Random => {
                let mut rng = stream.rng();
                SoftPermutation::dense(Array2::from_shape_simple_fn((size, size), || rng.random::<f64>()))
            }
        }
    }
}

/// `1/d + U(0, 0.01/d) + 1e-6`, rows and columns normalised in turn: doubly stochastic, and without ties.
///
/// Source: the authors' code of C²M³, start "sinkhorn"; sweeps are capped.
pub(crate) fn nearly_even(size: usize, stream: &Stream) -> SoftPermutation {
    let mut rng = stream.rng();
    let even = 1.0 / size as f64;
    let mut matrix = Array2::from_shape_simple_fn((size, size), || even + 0.01 * even * rng.random::<f64>() + 1e-6);
    doubly_stochastic(&mut matrix, 1e-8, SWEEPS);
    SoftPermutation::dense(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::c2m3::soft_permutation::is_doubly_stochastic;

    #[test]
    fn names_are_those_of_a_spec() {
        for start in [Start::Identity, Start::Sinkhorn, Start::Random, Start::GitReBasin, Start::MergeMany] {
            assert_eq!(serde_json::to_value(start).unwrap(), start.name());
        }
    }

    #[test]
    fn the_sinkhorn_start_is_doubly_stochastic_and_its_own_for_each_stream() {
        let stream = Stream::root(7);
        let matrix = |name: &str| Start::Sinkhorn.matrix(40, &stream.child(name)).to_dense();
        assert!(is_doubly_stochastic(matrix("a").view(), 2e-8));
        assert_eq!(matrix("a"), matrix("a"));
        assert_ne!(matrix("a"), matrix("b"));
    }
}
