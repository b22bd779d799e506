use ndarray::Array2;
use onebasin_network::{GroupMoments, Parameter, Permutation, PermutationSpec, Role, Weights};
use onebasin_repro::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::git_rebasin::reference;
use crate::ground_metric::{CostScale, Ground, Rows};
use crate::matcher::{Interrupted, go_on};
use crate::{
    Activations, Alignment, Certificate, Frame, Matcher, MatchingError, Outcome, Problem, SolverTrace, UnitMap, UnitMaps, mean,
    to_frame_with,
};

mod checks;
mod masses;
mod options;
mod plan;
mod skips;
mod target;

pub use options::{Correction, Features, Masses, OutputUnits, PlanKind, Residual, Target};

/// Optimal-transport fusion: layer by layer from the input, the units of each model are transported onto the reference's, by the distance
/// of their incoming weights, which are first brought into the order the layer before has got; or by the distance of what they give. One
/// pass, no way back.
///
/// An exact plan between equally many units of one mass is a permutation, and is returned as one. Every other plan is soft. A slot of the
/// frame is then the mean of the units that reach it, weighted by mass; what a unit gave to the next layer is shared out among the slots
/// that it reaches ([`Correction`] has the rule as published). Models may have other widths than the reference, whose shape the result has
/// ([`Problem::of_widths`]).
///
/// As published it is `append-vectors = false`, `output = "transported"`, and for residual networks `residual = "skips"`. Extensions of
/// ours, as the paper knows chains of layers without norms only: parameters of one number per unit (biases, norm scales and shifts) are
/// appended to a unit's incoming weights (`append-vectors`); units tied by residual connections get one plan, from the squared distances
/// summed over all layers that write to them, in a second pass where the first has not yet met them all. Unbalanced plans are the
/// program's, partial ones are ours.
///
/// Source: Singh and Jaggi (arXiv 1910.05653), algorithm 1, and the authors' program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtFusion {
    /// The model whose units are the frame; default 0.
    pub reference: usize,
    /// How the plan is found; default exact.
    pub plan: PlanKind,
    /// Sinkhorn and unbalanced: weight of the entropy, in the unit of the cost; default 0.01.
    pub regularisation: f64,
    /// Sinkhorn and unbalanced: the most iterations; default 1000. Where they run out in Sinkhorn's, a second attempt scales the
    /// regularisation down in steps: see [`onebasin_transport::sinkhorn::Sinkhorn::plan`]. `Alignment::marginal_error` says how well the
    /// plan fits that comes of it.
    pub iterations: usize,
    /// Sinkhorn and unbalanced: error of the marginals at which it stops; default 1e-9.
    pub tolerance: f64,
    /// The distance between two units; default Euclidean, as in all runs of the paper's program.
    pub ground: Ground,
    /// Whether the vectors of units are brought to length 1 first; default false.
    pub normalise_rows: bool,
    /// Whether class scores are transported too; default fixed: their meaning is given by the labels, so any other plan than the identity
    /// is an error of the matching. The paper's program transports them.
    pub output: OutputUnits,
    /// Whether biases, norm scales and shifts count as further incoming weights; default true. They follow the plan either way.
    pub append_vectors: bool,
    /// What of units is compared; default weights.
    #[serde(skip_serializing_if = "options::is_default")]
    pub features: Features,
    /// Activations only: which. The paper has those before the ReLU, of 200 images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activations: Option<Activations>,
    /// What costs are divided by; default nothing, as in all runs of the paper's program.
    #[serde(skip_serializing_if = "CostScale::is_none")]
    pub normalise_costs: CostScale,
    /// What costs are divided by before all else; default 1.
    #[serde(skip_serializing_if = "options::is_one")]
    pub cost_divisor: f64,
    /// What scaled costs are held between; default nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_costs: Option<[f64; 2]>,
    /// How much each unit counts; default uniform.
    #[serde(skip_serializing_if = "options::is_default")]
    pub masses: Masses,
    /// Soft plans only: how a plan becomes weights; default proper.
    #[serde(skip_serializing_if = "options::is_default")]
    pub correction: Correction,
    /// Unbalanced only: what missing a marginal costs, ρ, in the unit of the cost; default 1.
    #[serde(skip_serializing_if = "options::is_one")]
    pub relaxation: f64,
    /// Partial only: the share of the mass that moves, at most 1; default 1, which is exact.
    #[serde(skip_serializing_if = "options::is_one")]
    pub mass: f64,
    /// What becomes of units that are tied by residual connections; default tied.
    #[serde(skip_serializing_if = "options::is_default")]
    pub residual: Residual,
    /// Whether each further model is transported onto the mean of those before it, in place of the reference; default false. Of two models
    /// it is the same.
    #[serde(skip_serializing_if = "options::is_default")]
    pub iterated: bool,
    /// Weights only: what all models are transported onto; default the reference.
    #[serde(skip_serializing_if = "options::is_default")]
    pub target: Target,
}

impl Default for OtFusion {
    fn default() -> OtFusion {
        OtFusion {
            reference: 0,
            plan: PlanKind::Exact,
            regularisation: 0.01,
            iterations: 1000,
            tolerance: 1e-9,
            ground: Ground::Euclidean,
            normalise_rows: false,
            output: OutputUnits::Fixed,
            append_vectors: true,
            features: Features::Weights,
            activations: None,
            normalise_costs: CostScale::None,
            cost_divisor: 1.0,
            clip_costs: None,
            masses: Masses::Uniform,
            correction: Correction::Proper,
            relaxation: 1.0,
            mass: 1.0,
            residual: Residual::Tied,
            iterated: false,
            target: Target::Reference,
        }
    }
}

/// The reference, or what stands for it, and the model that is transported onto it: fixed and moving.
struct Pair<'a> {
    specs: [&'a PermutationSpec; 2],
    weights: [&'a Weights; 2],
    /// Which models of the moments they are.
    models: [usize; 2],
    seen: Seen<'a>,
}

/// The maps of one model, and how they were found.
type Found = (UnitMaps, SolverTrace);

/// Moments of what units give; none where weights are compared.
#[derive(Clone, Copy, Default)]
struct Seen<'a> {
    groups: Option<&'a [GroupMoments]>,
    /// Where these are asked for.
    layers: Option<&'a [GroupMoments]>,
}

impl Pair<'_> {
    fn fixed_spec(&self) -> &PermutationSpec {
        self.specs[0]
    }

    /// Units of a group in either model.
    fn units(&self, group: usize) -> [usize; 2] {
        self.specs.map(|spec| spec.groups[group].units)
    }
}

impl Matcher for OtFusion {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check_widths()?;
        if self.target == Target::Random {
            return self.align_onto_random(interrupted, problem, stream);
        }
        let fixed = reference(problem, self.reference)?;
        self.check_output(problem.spec)?;
        let seen = self.seen(problem)?;
        let frame_spec = problem.spec_of(self.reference);
        let onto = |target: &Weights, model: usize| {
            let (specs, weights) = ([frame_spec, problem.spec_of(model)], [target, problem.models[model]]);
            self.transport(interrupted, &Pair { specs, weights, models: [self.reference, model], seen })
        };
        let others = (0..problem.models.len()).filter(|&model| model != self.reference);
        let found = if self.iterated {
            // The models so far, in the frame: each further one is transported onto their mean.
            let mut fused = vec![fixed.clone()];
            let one_by_one = others.map(|model| {
                let found = onto(&mean(&fused.iter().collect::<Vec<_>>(), None)?, model)?;
                fused.push(to_frame_with(frame_spec, problem.models[model], &found.0, Some(fixed)));
                Ok(found)
            });
            one_by_one.collect::<Result<Vec<_>, MatchingError>>()?
        } else {
            side_by_side(others, |model| onto(fixed, model))?
        };
        let (mut maps, solver_trace) = self.together(found);
        maps.insert(self.reference, self.stay(frame_spec));
        Ok(Alignment::assemble(problem, Frame::Reference(self.reference), maps, solver_trace))
    }

    fn check(&self) -> Result<(), MatchingError> {
        self.check_options()
    }

    fn is_random(&self) -> bool {
        self.activations.is_some_and(|activations| activations.drawn) || self.target == Target::Random
    }

    fn is_joint(&self) -> bool {
        false
    }

    fn reference(&self) -> Option<usize> {
        (self.target == Target::Reference).then_some(self.reference)
    }

    fn set_reference(&mut self, reference: usize) {
        self.reference = reference;
    }

    fn permutes(&self) -> bool {
        let is_exact = self.plan == PlanKind::Exact || self.plan == PlanKind::Partial && self.mass == 1.0;
        is_exact && self.output == OutputUnits::Fixed && self.masses == Masses::Uniform && self.residual == Residual::Tied
    }

    fn needs(&self) -> Option<Activations> {
        (self.features == Features::Activations).then(|| self.activations.unwrap_or_default())
    }

    fn needs_layers(&self) -> bool {
        let looks = self.output == OutputUnits::Transported || self.residual == Residual::Skips;
        self.features == Features::Activations && looks
    }
}

impl OtFusion {
    /// The moments that it looks at.
    fn seen<'a>(&self, problem: &Problem<'a>) -> Result<Seen<'a>, MatchingError> {
        if self.features == Features::Weights {
            return Ok(Seen::default());
        }
        let seen = Seen { groups: Some(crate::activations::moments(problem)?), layers: problem.layer_moments() };
        if self.needs_layers() && seen.layers.is_none() {
            let problem = "none of layers, which `output = \"transported\"` and `residual = \"skips\"` look at".to_owned();
            return Err(MatchingError::Moments { problem });
        }
        Ok(seen)
    }

    /// The reference's own maps.
    fn stay(&self, spec: &PermutationSpec) -> UnitMaps {
        let sizes = spec.groups.iter().map(|group| group.units);
        let output = (self.output == OutputUnits::Transported).then(|| output_units(spec));
        sizes.chain(output).map(|units| UnitMap::Permutation(Permutation::identity(units))).collect()
    }

    /// How the plans are found, of no model yet.
    fn trace(&self) -> SolverTrace {
        let mut trace = SolverTrace::direct(Certificate::default());
        if matches!(self.plan, PlanKind::Sinkhorn | PlanKind::Unbalanced) {
            trace.outcome = Outcome::Converged;
        }
        trace
    }

    /// What was found of each model, as one.
    fn together(&self, found: Vec<Found>) -> (Vec<UnitMaps>, SolverTrace) {
        let (maps, traces): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        (maps, traces.into_iter().fold(self.trace(), SolverTrace::worst))
    }

    /// The maps of one model onto the reference.
    fn transport(&self, interrupted: Interrupted<'_>, pair: &Pair<'_>) -> Result<Found, MatchingError> {
        if self.residual == Residual::Skips {
            return self.transport_apart(interrupted, pair);
        }
        let mut solver_trace = self.trace();
        let spec = pair.fixed_spec();
        let mut maps = vec![None; spec.groups.len()];
        let mut complete = true;
        let mut certificates = vec![Certificate::default(); spec.groups.len()];
        for pass in 0..2 {
            for (group, found) in spec.groups.iter().enumerate() {
                go_on(interrupted)?;
                let parameters = || spec.parameters.iter().filter(|parameter| parameter.rows.is_some_and(|rows| rows.group == group));
                let (costs, all) = match pair.seen.groups {
                    Some(moments) => (self.distances(&moments[group], pair), true),
                    None => self.costs(parameters(), pair.units(group), pair, &maps),
                };
                complete &= all;
                let masses = self.masses.of(pair.weights, pair.units(group), || parameters().filter(|parameter| self.counts(parameter)));
                let (map, certificate) = self.solve(costs, masses, &found.name, &mut solver_trace)?;
                certificates[group] = certificate;
                maps[group] = Some(map);
            }
            if complete || pass == 1 {
                break;
            }
        }
        if self.output == OutputUnits::Transported {
            let costs = match pair.seen.layers {
                Some(moments) => {
                    let layer = crate::problem::layers(spec).position(is_output).expect("one layer makes the scores");
                    self.distances(&moments[layer], pair)
                }
                None => {
                    let rows = spec.parameters.iter().filter(|parameter| is_output(parameter));
                    self.costs(rows, [output_units(spec); 2], pair, &maps).0
                }
            };
            let (map, certificate) = self.solve(costs, None, crate::matcher::OUTPUT, &mut solver_trace)?;
            certificates.push(certificate);
            maps.push(Some(map));
        }
        solver_trace.certificate = certificates.into_iter().fold(solver_trace.certificate, Certificate::worst);
        Ok((maps.into_iter().flatten().collect(), solver_trace))
    }

    /// Whether the numbers of a parameter count as incoming weights.
    fn counts(&self, parameter: &Parameter) -> bool {
        parameter.role.is_matched() && (parameter.role == Role::Weight || self.append_vectors)
    }

    /// The cost matrix from what units give.
    fn distances(&self, moments: &GroupMoments, pair: &Pair<'_>) -> Array2<f64> {
        let [fixed, moving] = pair.models;
        Rows::of_moments(moments, fixed, moving).costs(self.ground, self.normalise_rows)
    }

    /// The cost matrix from the rows of `parameters` whose other axis is fixed or mapped already, and whether that is all of them.
    fn costs<'a>(
        &self,
        parameters: impl Iterator<Item = &'a Parameter>,
        [fixed_units, moving_units]: [usize; 2],
        pair: &Pair<'_>,
        maps: &[Option<UnitMap>],
    ) -> (Array2<f64>, bool) {
        let [fixed, moving] = pair.weights;
        let mut rows = Rows::new(fixed_units, moving_units);
        let mut complete = true;
        for parameter in parameters.filter(|parameter| self.counts(parameter)) {
            let columns = match &parameter.columns {
                None => None,
                Some(binding) => match &maps[binding.group] {
                    Some(map) => Some((map.columns(&parameter.name), binding.block)),
                    None => {
                        complete = false;
                        continue;
                    }
                },
            };
            rows.add(parameter, fixed, moving, columns);
        }
        (rows.costs(self.ground, self.normalise_rows), complete)
    }
}

/// What is found of each model, several at once; bytes and errors are those of one after the other.
fn side_by_side(
    models: impl Iterator<Item = usize>,
    find: impl Fn(usize) -> Result<Found, MatchingError> + Send + Sync,
) -> Result<Vec<Found>, MatchingError> {
    let models: Vec<usize> = models.collect();
    let found: Vec<_> = models.into_par_iter().with_max_len(1).map(find).collect();
    found.into_iter().collect()
}

/// Whether the rows of a parameter are class scores.
fn is_output(parameter: &Parameter) -> bool {
    parameter.rows.is_none() && matches!(parameter.role, Role::Weight | Role::Bias)
}

/// How many class scores there are.
fn output_units(spec: &PermutationSpec) -> usize {
    spec.parameters.iter().rfind(|parameter| is_output(parameter)).map_or(0, |parameter| parameter.shape[0])
}

#[cfg(test)]
mod tests;
