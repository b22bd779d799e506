use std::collections::BTreeMap;

use ndarray::Array2;
use onebasin_network::{Permutation, PermutationSpec, Weights};
use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use crate::{Activations, MatchingError, Problem, align, cycle, objective::objective};

/// Whether to stop a matching; models that are matched side by side ask from several threads.
pub type Interrupted<'a> = &'a (dyn Fn() -> bool + Sync);

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
    /// one.
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

    /// Whether it looks at the activations of each layer, class scores included, besides those of each group.
    fn needs_layers(&self) -> bool {
        false
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
    /// `plan[[i, j]]` is the share of the model's unit `j` in frame slot `i`, both where units are read from and where they are read; rows
    /// sum to 1, or to 0 for a slot that no unit reaches.
    Plan(Array2<f32>),
    /// What a slot is made of, and what becomes of a unit, apart.
    Transport(Transport),
    /// Another plan for each parameter: layers that write to the same units are matched apart, which no order of units can follow.
    Untied(Untied),
}

/// A plan between units that are not of one number or mass: what a slot is made of is a mean, and what a unit gave is shared out.
#[derive(Clone, Debug, PartialEq)]
pub struct Transport {
    /// `[slots, units]`, for rows of parameters: rows sum to 1, or to 0 for a slot that no unit reaches.
    pub incoming: Array2<f32>,
    /// `[slots, units]`, for columns of parameters: columns sum to 1, or to 0 for a unit that reaches no slot. What units gave to those who
    /// read them is then given by the slots they are in, as a unit that is made of two equal ones counts for both.
    pub outgoing: Array2<f32>,
}

/// Plans `[slots, units]` of a group by the names of parameters; rows of plans sum to 1, or to 0 for a slot that no unit reaches.
#[derive(Clone, Debug, PartialEq)]
pub struct Untied {
    /// For parameters whose rows are the group's units.
    pub rows: BTreeMap<String, Array2<f32>>,
    /// For parameters whose columns are.
    pub columns: BTreeMap<String, Array2<f32>>,
}

impl UnitMap {
    /// How many slots it fills.
    pub fn units(&self) -> usize {
        match self {
            UnitMap::Permutation(permutation) => permutation.len(),
            UnitMap::Plan(plan) => plan.nrows(),
            UnitMap::Transport(transport) => transport.incoming.nrows(),
            UnitMap::Untied(untied) => untied.rows.values().next().map_or(0, Array2::nrows),
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

    /// The worst of this one and another model's: a cap on the iterations counts for all.
    pub fn worst(self, other: SolverTrace) -> SolverTrace {
        SolverTrace {
            outcome: if other.outcome == Outcome::IterationLimit { other.outcome } else { self.outcome },
            iterations: self.iterations.max(other.iterations),
            certificate: self.certificate.worst(other.certificate),
            marginal_error: self.marginal_error.max(other.marginal_error),
            ..self
        }
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
    /// How far the soft plan that fits worst misses its marginals, as a share of the mass, before its rows are divided by their sums: at
    /// most 2; 0 for permutations. Of an unbalanced plan, how far it misses those that its relaxation asks for. A large one is the mark of
    /// a plan that was stopped too early.
    pub marginal_error: f64,
    /// [`crate::cycle_error`] of the maps; exactly 0 for permutations, which compose through the frame.
    pub cycle_error: f64,
}

impl Alignment {
    /// Completes found maps by what every alignment says: objective in the frame and cycle error.
    pub fn assemble(problem: &Problem<'_>, frame: Frame, maps: Vec<UnitMaps>, solver_trace: SolverTrace) -> Alignment {
        let spec = problem.frame_spec(frame);
        let mut groups: Vec<String> = spec.groups.iter().map(|group| group.name.clone()).collect();
        if maps.iter().any(|maps| maps.len() > groups.len()) {
            groups.push(OUTPUT.to_owned());
        }
        let own = match frame {
            Frame::Reference(reference) => Some(problem.models[reference]),
            Frame::Universe => None,
        };
        let aligned: Vec<Weights> =
            problem.models.iter().zip(&maps).map(|(weights, maps)| align::to_frame_with(spec, weights, maps, own)).collect();
        let objective = objective(spec, &aligned.iter().collect::<Vec<_>>());
        let specs: Vec<&PermutationSpec> = (0..problem.models.len()).map(|model| problem.spec_of(model)).collect();
        let cycle_error = cycle::cycle_error_of(&specs, &problem.models, |from, onto| align::pair_maps(&maps[from], &maps[onto]));
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
