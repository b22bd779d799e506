pub(crate) mod ascent;
mod images;
mod layout;
pub(crate) mod mixture;
#[cfg(test)]
mod plain;
mod quartic;
mod segment;
mod start;
mod stop;
#[cfg(test)]
mod tests;
pub(crate) mod universe;

use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

pub use self::start::Start;
pub use self::stop::Stop;
use self::universe::Universe;
use super::at_least_one;
use crate::{Alignment, Frame, Matcher, MatchingError, Problem};

/// C²M³: all models at once into a universe, by Frank–Wolfe on `f(P) = Σ_{p<q} Σ_ℓ ⟨U_ℓ^p, U_ℓ^q⟩` with `U_ℓ^p = (P_r^p)ᵀ W_ℓ^p P_c^p`.
///
/// Each model `p` and group of `d` units has one doubly stochastic matrix `P` [d units, d slots of the universe]. An iteration finds, for
/// all of them at the same point, the permutation that gains most along the gradient, and moves all by one common step, the
/// best on the whole way: there the objective is a quartic. At the end each matrix goes to its nearest permutation, whose
/// transpose is the map model → universe. Maps between models run through the universe, so every cycle of them is the identity.
///
/// A stationary point, not the optimum; it depends on the start, and from the identity on nothing else. Nearly equal copies in an even number
/// can trade places for ever, all of them moving at once; a pair is better matched, and sooner, by [`FrankWolfe`](super::frank_wolfe::FrankWolfe).
/// Time per iteration and memory are
/// linear in the number of models: `Σ_ℓ` of two products [out, in] × [in, out] and an assignment for each model and group.
///
/// Source: C²M³ (arXiv 2405.17897), section 3 and algorithm 1. Deviations: the line search is exact, so steps can be 0 or 1; sums over
/// pairs are sums over models; running statistics are never matched; an iteration without a step ends the ascent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct C2m3 {
    /// Where to start; default identity, as in the paper.
    pub start: Start,
    /// The most iterations; default 200, as published.
    pub iterations: usize,
    /// When to stop earlier; default relative. As published: `{ rule = "absolute" }`.
    pub stop: Stop,
}

impl Default for C2m3 {
    fn default() -> C2m3 {
        C2m3 { start: Start::Identity, iterations: 200, stop: Stop::Relative { tolerance: 1e-7, patience: 5 } }
    }
}

impl Matcher for C2m3 {
    fn align(&self, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        let start = self.start.draw(problem.spec, problem.models.len(), stream);
        let universe = Universe::new(problem.spec, &problem.models, start, |_| false);
        let (maps, course) = ascent::climb(universe, self.iterations, self.stop)?;
        Ok(Alignment::from_permutations(problem, Frame::Universe, maps, course))
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("iterations", self.iterations)?;
        self.stop.check()
    }

    fn is_random(&self) -> bool {
        self.start != Start::Identity
    }

    fn is_joint(&self) -> bool {
        true
    }
}
