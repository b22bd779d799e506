//! Where the ascent starts.

use ndarray::Array2;
use onebasin_network::PermutationSpec;
use onebasin_repro::Stream;
use onebasin_transport::sinkhorn::doubly_stochastic;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::mixture::Mixture;

/// The matrices to start from, one for each model and group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Sweeps of normalisation at most.
const SWEEPS: usize = 10_000;

impl Start {
    /// Draws the matrices: outer index model, inner index group.
    pub(crate) fn draw(self, spec: &PermutationSpec, models: usize, stream: &Stream) -> Vec<Vec<Mixture>> {
        let model = |model: usize| {
            spec.groups.iter().map(|group| self.matrix(group.units, &stream.child(format!("model-{model}/{}", group.name)))).collect()
        };
        (0..models).map(model).collect()
    }

    fn matrix(self, size: usize, stream: &Stream) -> Mixture {
        let mut rng = stream.rng();
        let mut draw = || rng.random::<f64>();
        match self {
            Start::Identity => Mixture::vertex((0..size as u32).collect()),
            Start::Sinkhorn => {
                let even = 1.0 / size as f64;
                let mut matrix = Array2::from_shape_simple_fn((size, size), || even + 0.01 * even * draw() + 1e-6);
                doubly_stochastic(&mut matrix, 1e-8, SWEEPS);
                Mixture::dense(matrix)
            }
            Start::Random => Mixture::dense(Array2::from_shape_simple_fn((size, size), draw)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::c2m3::mixture::is_doubly_stochastic;

    #[test]
    fn the_sinkhorn_start_is_doubly_stochastic_and_its_own_for_each_stream() {
        let stream = Stream::root(7);
        let matrix = |name: &str| Start::Sinkhorn.matrix(40, &stream.child(name)).to_dense();
        assert!(is_doubly_stochastic(matrix("a").view(), 2e-8));
        assert_eq!(matrix("a"), matrix("a"));
        assert_ne!(matrix("a"), matrix("b"));
    }
}
