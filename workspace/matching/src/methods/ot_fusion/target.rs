//! Transport of all models onto a network with fresh weights.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use onebasin_network::{PermutationSpec, Role, Weights};
use onebasin_repro::Stream;
use rand::Rng;

use super::{OtFusion, Pair, Seen, side_by_side};
use crate::matcher::Interrupted;
use crate::{Alignment, Frame, MatchingError, Problem};

impl OtFusion {
    /// Transports every model onto a network that is drawn from `stream / target / PARAMETER`; the frame is a universe.
    pub(super) fn align_onto_random(
        &self,
        interrupted: Interrupted<'_>,
        problem: &Problem<'_>,
        stream: &Stream,
    ) -> Result<Alignment, MatchingError> {
        if problem.specs.is_some() {
            let hint = "take `target = \"reference\"`";
            return Err(MatchingError::Setting { key: "target", value: "random".to_owned(), expected: "models of one shape", hint });
        }
        self.check_output(problem.spec)?;
        let target = fresh(problem.spec, &stream.child("target"));
        let onto = |model: usize| {
            let weights = [&target, problem.models[model]];
            self.transport(interrupted, &Pair { specs: [problem.spec; 2], weights, models: [model; 2], seen: Seen::default() })
        };
        let (maps, solver_trace) = self.together(side_by_side(0..problem.models.len(), onto)?);
        Ok(Alignment::assemble(problem, Frame::Universe, maps, solver_trace))
    }
}

/// Weights and biases uniform in ±1/√fan-in, norms at scale 1 and shift 0, as PyTorch has them.
fn fresh(spec: &PermutationSpec, stream: &Stream) -> Weights {
    let mut fan_in = 1;
    let mut arrays = BTreeMap::new();
    for parameter in &spec.parameters {
        if parameter.role == Role::Weight {
            fan_in = parameter.shape[1..].iter().product::<usize>().max(1);
        }
        let spread = 1.0 / (fan_in as f64).sqrt();
        let mut rng = stream.child(&parameter.name).rng();
        let value = || match parameter.role {
            Role::Weight | Role::Bias => ((2.0 * rng.random::<f64>() - 1.0) * spread) as f32,
            Role::Scale | Role::RunningVariance => 1.0,
            Role::Shift | Role::RunningMean => 0.0,
        };
        arrays.insert(parameter.name.clone(), ArrayD::from_shape_simple_fn(parameter.shape.as_slice(), value));
    }
    Weights::new(spec, arrays).expect("every parameter of the spec has its shape")
}
