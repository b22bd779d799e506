mod aligned_weights;
pub(crate) mod ascent;
mod iterates;
pub(crate) mod layout;
mod line_search;
#[cfg(test)]
mod plain;
mod quartic;
mod shares;
pub(crate) mod soft_permutation;
pub(crate) mod start;
mod stop;
#[cfg(test)]
mod tests;
pub(crate) mod universe;

use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

pub use self::iterates::SoftIterate;
pub use self::shares::Shares;
pub use self::start::Start;
pub use self::stop::Stop;
use self::universe::Universe;
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
/// A stationary point, not the optimum; it depends on the start, and from the identity on nothing else. The ascent alone can fail nearly
/// equal models in an even number: they trade places for ever, all of them moving at once, or each of two takes the other's place. So its
/// permutations are refined by coordinate ascent, one model at a time; without (`refine = 0`, as published), an end that one group of one
/// model alone would better is told as [`Outcome::Stationary`].
/// Time per iteration and memory are linear in the number of models: `Σ_ℓ` of two products [out, in] × [in, out] and an assignment for each model and group.
///
/// Source: C²M³ (arXiv 2405.17897), section 3 and algorithm 1. Deviations: the line search is exact, so steps can be 0 or 1; sums over
/// pairs are sums over models; running statistics are never matched; an iteration without a step ends the ascent; permutations are refined
/// unless `refine = 0`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct C2m3 {
    /// Where to start; default identity, as in the paper.
    pub start: Start,
    /// The most iterations; default 200, as published.
    pub iterations: usize,
    /// When to stop earlier; default relative. As published: `{ rule = "absolute" }`.
    pub stop: Stop,
    /// Several starts in place of `start`, each with an ascent of its own: the one whose permutations, refined if asked for, have the greatest objective
    /// is kept. Of equals the first. A kind may be named again, and then draws anew. Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Start>,
    /// The most rounds of coordinate ascent over the models after the final permutations are found, which can only raise the objective. It ends
    /// with the first round without a gain, usually after 2 to 10; default 50. As published: 0. Nothing is moved then, but the outcome says
    /// whether a single group could gain.
    pub refine: usize,
}

impl Default for C2m3 {
    fn default() -> C2m3 {
        C2m3 {
            start: Start::Identity,
            iterations: 200,
            stop: Stop::Relative { tolerance: 1e-7, patience: 5 },
            restarts: Vec::new(),
            refine: 50,
        }
    }
}

impl C2m3 {
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
        let (maps, mut solver_trace) = ascent::ascend(universe, self.iterations, self.stop, interrupted, &mut |_, _| {})?;
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
        self.stop.check()
    }

    fn is_random(&self) -> bool {
        self.start.is_random() || self.restarts.iter().any(|start| start.is_random())
    }

    fn is_joint(&self) -> bool {
        true
    }
}
