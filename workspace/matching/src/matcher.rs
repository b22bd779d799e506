use std::collections::BTreeMap;

use ndarray::Array2;
use onebasin_network::{GroupMoments, Permutation, PermutationSpec, Weights};
use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use crate::{Activations, Loss, MatchingError, align, cycle, objective::objective};

/// Models of one architecture that want a common order of units.
#[derive(Clone, Debug)]
pub struct Problem<'a> {
    /// Which axes of which parameters belong to which group of units.
    pub spec: &'a PermutationSpec,
    /// At least two, each checked against `spec` by [`Problem::check`].
    pub models: Vec<&'a Weights>,
    /// The moments of the models' activations, for each group, where a method asks for them ([`Matcher::needs`]).
    pub moments: Option<&'a [GroupMoments]>,
    /// The loss that the models were trained on, where a method asks for it ([`Matcher::needs_loss`]).
    pub loss: Option<&'a dyn Loss>,
}

impl<'a> Problem<'a> {
    /// Models to be matched by their weights.
    pub fn new(spec: &'a PermutationSpec, models: Vec<&'a Weights>) -> Problem<'a> {
        Problem { spec, models, moments: None, loss: None }
    }

    /// The same with the moments of their activations.
    #[must_use]
    pub fn with_moments(self, moments: &'a [GroupMoments]) -> Problem<'a> {
        Problem { moments: Some(moments), ..self }
    }

    /// The same with the loss that they were trained on.
    #[must_use]
    pub fn with_loss(self, loss: &'a dyn Loss) -> Problem<'a> {
        Problem { loss: Some(loss), ..self }
    }

    /// Says whether there is something to match.
    ///
    /// # Errors
    /// Fewer than two models, a model of another architecture, a weight that is not finite, moments of other models.
    pub fn check(&self) -> Result<(), MatchingError> {
        if self.models.len() < 2 {
            return Err(MatchingError::TooFewModels { found: self.models.len() });
        }
        for (model, weights) in self.models.iter().enumerate() {
            self.check_shapes(model, weights)?;
            if let Some((name, _)) = weights.iter().find(|(_, array)| !array.iter().all(|value| value.is_finite())) {
                return Err(MatchingError::NotFinite { model, parameter: name.to_owned() });
            }
        }
        self.moments.map_or(Ok(()), |moments| self.check_moments(moments))
    }

    fn check_moments(&self, moments: &[GroupMoments]) -> Result<(), MatchingError> {
        let wrong = |problem| Err(MatchingError::Moments { problem });
        if moments.len() != self.spec.groups.len() {
            return wrong(format!("{} groups, expected {}", moments.len(), self.spec.groups.len()));
        }
        for (moments, group) in moments.iter().zip(&self.spec.groups) {
            let (models, units) = (moments.models(), moments.sums.first().map_or(0, |sums| sums.len()));
            if (models, units) != (self.models.len(), group.units) {
                let expected = format!("{} models and {} units", self.models.len(), group.units);
                return wrong(format!("group `{}` is of {models} models and {units} units, expected {expected}", group.name));
            }
            let vectors = moments.sums.iter().chain(&moments.squares).flatten();
            if !vectors.chain(moments.products.iter().flatten()).all(|value| value.is_finite()) {
                return wrong(format!("group `{}` holds a sum that is not finite", group.name));
            }
        }
        Ok(())
    }

    fn check_shapes(&self, model: usize, weights: &Weights) -> Result<(), MatchingError> {
        let wrong = |problem| MatchingError::OtherArchitecture { model, problem };
        let found: BTreeMap<&str, &[usize]> = weights.iter().map(|(name, array)| (name, array.shape())).collect();
        for parameter in &self.spec.parameters {
            match found.get(parameter.name.as_str()) {
                None => return Err(wrong(format!("`{}` is missing", parameter.name))),
                Some(&shape) if shape != parameter.shape => {
                    return Err(wrong(format!("`{}` has shape {shape:?}, expected {:?}", parameter.name, parameter.shape)));
                }
                Some(_) => {}
            }
        }
        if found.len() != self.spec.parameters.len() {
            return Err(wrong(format!("it has {} arrays, expected {}", found.len(), self.spec.parameters.len())));
        }
        Ok(())
    }

    /// The identity for every model and group.
    pub fn identity_maps(&self) -> Vec<Vec<Permutation>> {
        vec![self.spec.groups.iter().map(|group| Permutation::identity(group.units)).collect(); self.models.len()]
    }
}

/// Whether to stop a matching.
pub type Interrupted<'a> = &'a dyn Fn() -> bool;

/// An error if it is time to stop.
pub(crate) fn go_on(interrupted: Interrupted<'_>) -> Result<(), MatchingError> {
    if interrupted() { Err(MatchingError::Interrupted) } else { Ok(()) }
}

/// A way to find the maps of models into one frame; implemented by the options of each method.
pub trait Matcher {
    /// Finds the maps. Inputs are never changed; chance comes from `stream` alone, so equal calls give equal bytes.
    ///
    /// # Errors
    /// A problem that does not pass [`Problem::check`], options that do not pass [`Matcher::check`].
    fn align(&self, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.align_unless(&|| false, problem, stream)
    }

    /// As [`Matcher::align`], unless `interrupted` says to stop: it is asked between iterations, and between groups where these are solved one by
    /// one, on the calling thread.
    ///
    /// # Errors
    /// As [`Matcher::align`], and [`MatchingError::Interrupted`].
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError>;

    /// Says whether the options make sense.
    ///
    /// # Errors
    /// The key with its value, what was expected, and a hint.
    fn check(&self) -> Result<(), MatchingError>;

    /// Whether another stream could give other maps.
    fn is_random(&self) -> bool;

    /// Whether the maps of all models are sought together (a pair's maps then depend on the other models too).
    fn is_joint(&self) -> bool;

    /// The model whose units are the frame, by index; `None` for methods that take none as their reference.
    fn reference(&self) -> Option<usize> {
        None
    }

    /// Takes another model as the reference; methods that take none stay as they are.
    fn set_reference(&mut self, _reference: usize) {}

    /// Whether every map is a permutation of hidden units, so that a model in the frame computes what it did.
    fn permutes(&self) -> bool {
        true
    }

    /// The activations whose moments a problem must have; `None` for methods that look at weights alone.
    fn needs(&self) -> Option<Activations> {
        None
    }

    /// Whether a problem must have a loss.
    fn needs_loss(&self) -> bool {
        false
    }
}

/// The order of units that all maps lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frame {
    /// The units of the model with this index.
    Reference(usize),
    /// An order that belongs to no model.
    Universe,
}

/// Where one group's units of one model go.
#[derive(Clone, Debug, PartialEq)]
pub enum UnitMap {
    /// Frame slot `i` holds the model's unit `p[i]`.
    Permutation(Permutation),
    /// `plan[[i, j]]` is the share of the model's unit `j` in frame slot `i`; rows sum to 1.
    Plan(Array2<f32>),
}

impl UnitMap {
    /// How many slots it fills.
    pub fn units(&self) -> usize {
        match self {
            UnitMap::Permutation(permutation) => permutation.len(),
            UnitMap::Plan(plan) => plan.nrows(),
        }
    }
}

/// The maps model → frame of one model: one for each group in graph order, and possibly one more for the class scores
/// (only optimal transport moves those, and only when asked to).
pub type UnitMaps = Vec<UnitMap>;

/// One iteration of a method, for the objective's trace.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iterate {
    /// The objective after it.
    pub objective: f64,
    /// The step size, for methods that have one.
    pub step: Option<f64>,
}

/// How a method ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its stop rule fired. Of C²M³: no group of one model alone, all others held, could gain.
    Converged,
    /// Its stop rule fired where one group of one model alone, all others held, could still gain: a stationary point of an ascent that moves
    /// all groups at once. `refine` takes such gains.
    Stationary,
    /// It was stopped by the cap on its iterations.
    IterationLimit,
    /// It does not iterate.
    Direct,
}

/// How far assignments are, at worst, from a proof that they are optimal: 0 and 0 prove it. Both figures are relative; see
/// [`onebasin_transport::Certificate`]. A method that solves no assignment has zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Certificate {
    /// Dual value less primal value, over the sum of the rows' greatest magnitudes.
    pub duality_gap: f64,
    /// The greatest violation of dual feasibility, over the matrix' greatest magnitude.
    pub worst_violation: f64,
}

impl Certificate {
    /// The worse of both, each figure on its own.
    #[must_use]
    pub fn worst(self, other: Certificate) -> Certificate {
        let duality_gap = if other.duality_gap.abs() > self.duality_gap.abs() { other.duality_gap } else { self.duality_gap };
        Certificate { duality_gap, worst_violation: self.worst_violation.max(other.worst_violation) }
    }
}

impl From<onebasin_transport::Certificate> for Certificate {
    fn from(certificate: onebasin_transport::Certificate) -> Certificate {
        Certificate { duality_gap: certificate.duality_gap, worst_violation: certificate.worst_violation }
    }
}

/// One of several starts of a method, and how far it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Restart {
    /// The start, as the spec writes it.
    pub start: String,
    /// [`crate::objective`] of the models in the frame it led to.
    pub objective: f64,
    /// How many iterations ran.
    pub iterations: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the alignment is this one.
    pub chosen: bool,
}

/// What a method did on its way to the maps.
#[derive(Clone, Debug, PartialEq)]
pub struct SolverTrace {
    /// The objective after each iteration.
    pub trace: Vec<Iterate>,
    /// The objective before the first round of refinement and after each; empty without refinement.
    pub refinement: Vec<f64>,
    /// Why it ended.
    pub outcome: Outcome,
    /// How many iterations ran.
    pub iterations: usize,
    /// The worst over the final assignments.
    pub certificate: Certificate,
    /// The worst over all soft plans, see [`Alignment::marginal_error`].
    pub marginal_error: f64,
}

impl SolverTrace {
    /// Of a method that iterates once for each point of `trace`.
    pub fn iterated(trace: Vec<Iterate>, outcome: Outcome, certificate: Certificate) -> SolverTrace {
        let iterations = trace.len();
        SolverTrace { trace, refinement: Vec::new(), outcome, iterations, certificate, marginal_error: 0.0 }
    }

    /// Of a method that does not iterate.
    pub fn direct(certificate: Certificate) -> SolverTrace {
        SolverTrace::iterated(Vec::new(), Outcome::Direct, certificate)
    }
}

/// The result of every method: maps of all models into one frame, and how they were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// Where the maps lead.
    pub frame: Frame,
    /// Names of the groups, in the order of each model's maps; `output` at the end when the class scores are moved too.
    pub groups: Vec<String>,
    /// For each model, its maps into the frame.
    pub maps: Vec<UnitMaps>,
    /// The method's objective after each iteration.
    pub trace: Vec<Iterate>,
    /// The objective before the first round of refinement and after each; empty without refinement.
    pub refinement: Vec<f64>,
    /// All starts, where several were asked for; the rest of this alignment tells of the chosen one.
    pub starts: Vec<Restart>,
    /// How the method ended.
    pub outcome: Outcome,
    /// [`crate::objective`] of the models in the frame.
    pub objective: f64,
    /// How many iterations ran (the most over the models, where each has its own).
    pub iterations: usize,
    /// The worst over the final assignments.
    pub certificate: Certificate,
    /// How far the soft plan that fits worst misses its marginals, as a share of the mass, before its rows are divided by their sums: at most 2; 0 for
    /// permutations. A large one is the mark of a plan that was stopped too early.
    pub marginal_error: f64,
    /// [`crate::cycle_error`] of the maps; exactly 0 for permutations, which compose through the frame.
    pub cycle_error: f64,
}

impl Alignment {
    /// Completes found maps by what every alignment says: objective in the frame and cycle error.
    pub fn assemble(problem: &Problem<'_>, frame: Frame, maps: Vec<UnitMaps>, solver_trace: SolverTrace) -> Alignment {
        let spec = problem.spec;
        let mut groups: Vec<String> = spec.groups.iter().map(|group| group.name.clone()).collect();
        if maps.iter().any(|maps| maps.len() > groups.len()) {
            groups.push(OUTPUT.to_owned());
        }
        let aligned: Vec<Weights> = problem.models.iter().zip(&maps).map(|(weights, maps)| align::to_frame(spec, weights, maps)).collect();
        let objective = objective(spec, &aligned.iter().collect::<Vec<_>>());
        let cycle_error = cycle::cycle_error(spec, &problem.models, |from, onto| align::pair_maps(&maps[from], &maps[onto]));
        let SolverTrace { trace, refinement, outcome, iterations, certificate, marginal_error } = solver_trace;
        let starts = Vec::new();
        Alignment {
            frame,
            groups,
            maps,
            trace,
            refinement,
            starts,
            outcome,
            objective,
            iterations,
            certificate,
            marginal_error,
            cycle_error,
        }
    }

    /// As [`Alignment::assemble`], from permutations: one list over groups for each model.
    pub fn from_permutations(problem: &Problem<'_>, frame: Frame, maps: Vec<Vec<Permutation>>, solver_trace: SolverTrace) -> Alignment {
        let maps = maps.into_iter().map(|maps| maps.into_iter().map(UnitMap::Permutation).collect()).collect();
        Alignment::assemble(problem, frame, maps, solver_trace)
    }

    /// Whether every map is a permutation, so that models in the frame compute what they did before.
    pub fn is_hard(&self) -> bool {
        self.maps.iter().flatten().all(|map| matches!(map, UnitMap::Permutation(_)))
    }

    /// The maps of one model as permutations, if all are.
    pub fn permutations(&self, model: usize) -> Option<Vec<Permutation>> {
        align::permutations(&self.maps[model])
    }

    /// The maps that bring model `from` onto the units of model `onto`: through the frame.
    pub fn pair_maps(&self, from: usize, onto: usize) -> UnitMaps {
        align::pair_maps(&self.maps[from], &self.maps[onto])
    }
}

/// The name of the map of class scores, which are no group.
pub(crate) const OUTPUT: &str = "output";
