//! Transport of all models onto a network with fresh weights.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use onebasin_network::{PermutationSpec, Role, Weights};
use onebasin_repro::Stream;
use rand::Rng;

use super::{Features, OtFusion, OutputUnits, Pair, PlanKind, Seen};
use crate::matcher::Interrupted;
use crate::{Alignment, Certificate, Frame, MatchingError, Outcome, Problem, SolverTrace};

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
        let mut solver_trace = SolverTrace::direct(Certificate::default());
        if matches!(self.plan, PlanKind::Sinkhorn | PlanKind::Unbalanced) {
            solver_trace.outcome = Outcome::Converged;
        }
        let mut maps = Vec::with_capacity(problem.models.len());
        for (model, &moving) in problem.models.iter().enumerate() {
            let pair = Pair { specs: [problem.spec; 2], weights: [&target, moving], models: [model; 2], seen: Seen::default() };
            maps.push(self.transport(interrupted, &pair, &mut solver_trace)?);
        }
        Ok(Alignment::assemble(problem, Frame::Universe, maps, solver_trace))
    }

    /// Keys that make no sense with a network that belongs to no model.
    pub(super) fn check_random_target(&self) -> Result<(), MatchingError> {
        let wrong = |key, value: &str, expected, hint| Err(MatchingError::Setting { key, value: value.to_owned(), expected, hint });
        let hint = "a target with fresh weights belongs to no model; leave `target` out";
        if self.features == Features::Activations {
            return wrong("features", "activations", "`weights` beside `target = \"random\"`", hint);
        }
        if self.reference != 0 {
            return wrong("reference", "a model", "nothing beside `target = \"random\"`", hint);
        }
        if self.iterated {
            return wrong("iterated", "true", "`false` beside `target = \"random\"`", hint);
        }
        if self.plan == PlanKind::Unbalanced || self.plan == PlanKind::Partial {
            return wrong("plan", "unbalanced or partial", "a plan that keeps its marginals beside `target = \"random\"`", hint);
        }
        if self.output == OutputUnits::Transported {
            return wrong("output", "transported", "`fixed` beside `target = \"random\"`", "classes have a meaning; leave `output` out");
        }
        Ok(())
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
