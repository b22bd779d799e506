mod aligned_weights;
pub(crate) mod ascent;
mod iterates;
pub(crate) mod layout;
mod line_search;
#[cfg(test)]
mod plain;
mod quartic;
mod schedule;
mod shares;
pub(crate) mod soft_permutation;
pub(crate) mod start;
mod stop;
#[cfg(test)]
mod tests;
pub(crate) mod universe;
mod written;

use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use self::ascent::Course;
pub use self::iterates::SoftIterate;
pub use self::schedule::Schedule;
pub use self::shares::Shares;
pub use self::start::Start;
pub use self::stop::Stop;
use self::universe::Universe;
use self::written::Written;
use super::at_least_one;
use super::refine::Refinement;
use crate::matcher::Interrupted;
use crate::{Alignment, Frame, Matcher, MatchingError, Outcome, Problem, Restart};

/// C²M³: all models at once into a universe, by Frank–Wolfe on `f(P) = Σ_{p<q} Σ_ℓ ⟨U_ℓ^p, U_ℓ^q⟩` with `U_ℓ^p = (P_r^p)ᵀ W_ℓ^p P_c^p`.
///
/// Each model `p` and group of `d` units has one doubly stochastic matrix `P` [d units, d slots of the universe]. An iteration finds, for
/// all of them at the same point, the permutation that gains most along the gradient, and moves all by one common step, the
/// best on the whole way: there the objective is a quartic. At the end each matrix goes to its nearest permutation, whose
/// transpose is the map model → universe. Maps between models run through the universe, so every cycle of them is the identity.
///
/// A stationary point, not the optimum; it depends on the start, and from the identity on nothing else. By default the ascent is
/// [`Schedule::Graduated`]: 20 iterations that mostly come out higher than 200 plain ones. Then permutations are refined by coordinate ascent, one group of
/// one model at a time. As published, the ascent is [`Schedule::Plain`] and nothing is refined (`refine = 0`): nearly equal models in an even number may then
/// trade places for ever, all of them moving at once, and an end that one group of one model alone would better is told as [`Outcome::Stationary`].
/// Time per iteration and memory are linear in the number of models: `Σ_ℓ` of two products [out, in] × [in, out] and an assignment for each model and group.
///
/// Source: C²M³ (arXiv 2405.17897), section 3 and algorithm 1. Deviations: the line search is exact, so steps can be 0 or 1; sums over
/// pairs are sums over models; running statistics are never matched; an iteration without a step ends a plain ascent; unless `refine = 0`, the
/// ascent is graduated and its permutations are refined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "Written", rename_all = "kebab-case")]
pub struct C2m3 {
    /// Where to start; default identity, as in the paper.
    pub start: Start,
    /// The most iterations of a plain schedule, default 200, as published; the number of a graduated one, default 20.
    pub iterations: usize,
    /// When to stop a plain schedule earlier; default relative. As published: `{ rule = "absolute" }`.
    pub stop: Stop,
    /// What is ascended; default graduated, but plain where `stop` is written or `refine = 0`.
    // A plain schedule is left out: recipes of published settings say nothing of it.
    #[serde(skip_serializing_if = "Schedule::is_plain")]
    pub schedule: Schedule,
    /// Several starts in place of `start`, each with an ascent of its own: the one whose permutations, refined if asked for, have the greatest objective
    /// is kept. Of equals the first. A kind may be named again, and then draws anew. Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Start>,
    /// The most rounds of coordinate ascent over the models after the final permutations are found, which can only raise the objective. It ends
    /// with the first round without a gain, usually after 5 to 30; default 50. As published: 0. Nothing is moved then, but the outcome says
    /// whether a single group could gain.
    pub refine: usize,
}

impl Default for C2m3 {
    fn default() -> C2m3 {
        C2m3::from(Written::default())
    }
}

impl C2m3 {
    /// The published ascent, without refinement, but for its stopping rule, which is relative.
    pub fn published() -> C2m3 {
        C2m3::from(Written { refine: Some(0), ..Written::default() })
    }

    fn course(&self) -> Course {
        Course { schedule: self.schedule, iterations: self.iterations, stop: self.stop, shown: self.iterations }
    }

    /// The start with this index, and the stream it draws from.
    fn restart(&self, index: usize, stream: &Stream) -> (Start, Stream) {
        if self.restarts.is_empty() {
            (self.start, stream.clone())
        } else {
            (self.restarts[index], stream.child(format!("restart-{index}")))
        }
    }

    /// An ascent from one start.
    fn ascend(
        &self,
        interrupted: Interrupted<'_>,
        problem: &Problem<'_>,
        start: Start,
        stream: &Stream,
    ) -> Result<Alignment, MatchingError> {
        let universe = Universe::new(problem.spec, &problem.models, start.draw(interrupted, problem, stream)?, |_| false);
        let (maps, mut solver_trace) = ascent::ascend(universe, self.course(), interrupted, &mut |_, _| {})?;
        let mut refinement = Refinement::new(problem, maps, interrupted);
        if self.refine > 0 {
            solver_trace.refinement = refinement.run(self.refine)?;
            solver_trace.certificate = solver_trace.certificate.worst(refinement.certificate());
        }
        solver_trace.outcome = match (solver_trace.outcome, refinement.could_gain()?) {
            (Outcome::Converged, true) => Outcome::Stationary,
            // What ends the refinement is the end, wherever the ascent before it was cut off.
            (Outcome::IterationLimit, false) if self.refine > 0 => Outcome::Converged,
            (outcome, _) => outcome,
        };
        Ok(Alignment::from_permutations(problem, Frame::Universe, refinement.into_maps(), solver_trace))
    }
}

impl Matcher for C2m3 {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        if self.restarts.is_empty() {
            return self.ascend(interrupted, problem, self.start, stream);
        }
        let mut starts = Vec::new();
        let mut best: Option<(usize, Alignment)> = None;
        for index in 0..self.restarts.len() {
            let (start, stream) = self.restart(index, stream);
            let found = self.ascend(interrupted, problem, start, &stream)?;
            let Alignment { objective, iterations, outcome, .. } = found;
            starts.push(Restart { start: start.name().to_owned(), objective, iterations, outcome, chosen: false });
            if best.as_ref().is_none_or(|(_, best)| objective > best.objective) {
                best = Some((index, found));
            }
        }
        let (chosen, alignment) = best.expect("there is a start");
        starts[chosen].chosen = true;
        Ok(Alignment { starts, ..alignment })
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("iterations", self.iterations)?;
        if self.start != Start::Identity && !self.restarts.is_empty() {
            let (value, hint) = (self.start.name().to_owned(), "name it in `restarts` too, and leave `start` out");
            return Err(MatchingError::Setting { key: "start", value, expected: "no `start` beside `restarts`", hint });
        }
        if self.schedule == Schedule::Graduated && self.stop != Stop::default() {
            let (value, hint) = ("graduated".to_owned(), "leave `stop` out, or take `schedule = \"plain\"`");
            return Err(MatchingError::Setting { key: "schedule", value, expected: "`plain` beside a `stop`", hint });
        }
        self.stop.check()
    }

    fn is_random(&self) -> bool {
        self.start.is_random() || self.restarts.iter().any(|start| start.is_random())
    }

    fn is_joint(&self) -> bool {
        true
    }
}
