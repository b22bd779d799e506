//! Where the ascent of a pair starts.

use ndarray::Array2;
use onebasin_network::PermutationSpec;
use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use crate::methods::c2m3::soft_permutation::SoftPermutation;
use crate::methods::c2m3::start::nearly_even;

/// The matrix to start from, one for each group of `d` units.
///
/// Source: C²M³ (arXiv 2405.17897), table 6, where the three are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Every unit in the slot of its own index.
    #[default]
    Identity,
    /// 1/d everywhere, the middle of all permutations. Gradients tell units apart nevertheless, because the other model's units are held.
    Barycenter,
    /// The middle with up to a hundredth of noise, then rows and columns normalised in turn: as the start of that name of
    /// [`C2m3`](crate::C2m3).
    Sinkhorn,
}

impl Start {
    /// Whether another stream could give other matrices.
    pub(crate) fn is_random(self) -> bool {
        self == Start::Sinkhorn
    }

    /// By reference, as serde hands it over.
    pub(super) fn is_identity(&self) -> bool {
        *self == Start::Identity
    }

    /// The matrices of one model, group after group.
    pub(super) fn draw(self, spec: &PermutationSpec, stream: &Stream) -> Vec<SoftPermutation> {
        let matrix = |size: usize, name: &str| match self {
            Start::Identity => SoftPermutation::vertex((0..size as u32).collect()),
            Start::Barycenter => SoftPermutation::dense(Array2::from_elem((size, size), 1.0 / size as f64)),
            Start::Sinkhorn => nearly_even(size, &stream.child(name)),
        };
        spec.groups.iter().map(|group| matrix(group.units, &group.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::c2m3::soft_permutation::is_doubly_stochastic;
    use crate::testing::mixed;

    #[test]
    fn names_are_those_of_a_spec_and_every_start_is_doubly_stochastic() {
        let graph = mixed();
        for (start, name) in [(Start::Identity, "identity"), (Start::Barycenter, "barycenter"), (Start::Sinkhorn, "sinkhorn")] {
            assert_eq!(serde_json::to_value(start).unwrap(), name);
            let matrices = start.draw(graph.spec(), &Stream::root(1));
            for (matrix, group) in matrices.iter().zip(&graph.spec().groups) {
                let matrix = matrix.to_dense();
                assert_eq!(matrix.dim(), (group.units, group.units));
                assert!(is_doubly_stochastic(matrix.view(), 2e-8), "{start:?}");
            }
        }
    }

    #[test]
    fn the_middle_is_even_and_the_sinkhorn_start_lies_near_it_and_not_on_it() {
        let graph = mixed();
        let stream = Stream::root(1);
        let (middle, near) = (Start::Barycenter.draw(graph.spec(), &stream), Start::Sinkhorn.draw(graph.spec(), &stream));
        for (middle, near) in middle.iter().zip(&near) {
            let even = 1.0 / middle.to_dense().nrows() as f64;
            assert!(middle.to_dense().iter().all(|&value| value == even));
            assert!(near.to_dense().iter().all(|&value| (value - even).abs() < 0.02 * even));
            assert!(near.to_dense().iter().any(|&value| (value - even).abs() > 1e-4 * even));
        }
    }
}
