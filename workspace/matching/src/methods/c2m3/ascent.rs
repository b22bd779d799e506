//! The loop of Frank–Wolfe, for any number of models.

use super::aligned_weights::GRAIN;
use super::schedule::{STEP, Schedule, own_weight};
use super::stop::Stop;
use super::universe::Universe;
use crate::matcher::{Interrupted, go_on};
use crate::{Iterate, MatchingError, Outcome, SolverTrace};
use onebasin_network::Permutation;

/// Steps after which carried weights are computed anew. A carried entry is off by at most one rounding for each step, so this keeps it
/// within 1e-5 of the greatest weight; a full step clears what was carried by itself.
const REFRESH: usize = 100;

/// How an ascent goes, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    pub schedule: Schedule,
    /// The most iterations of a plain schedule; as many as a graduated one has.
    pub iterations: usize,
    /// Ends a plain schedule sooner.
    pub stop: Stop,
    /// Iterations after which the course is broken off, wherever it is.
    pub shown: usize,
}

impl Course {
    /// On the objective itself.
    pub fn plain(iterations: usize, stop: Stop) -> Course {
        Course { schedule: Schedule::Plain, iterations, stop, shown: iterations }
    }
}

/// Climbs from where `universe` is, then takes the nearest permutations. Whoever wants to see the points on the way may `look` after each iteration.
///
/// # Errors
/// Gradients beyond single precision, and an interruption.
pub(crate) fn ascend(
    mut universe: Universe,
    course: Course,
    interrupted: Interrupted<'_>,
    look: &mut dyn FnMut(&Universe, Iterate),
) -> Result<(Vec<Vec<Permutation>>, SolverTrace), MatchingError> {
    let Course { schedule, iterations, stop, shown } = course;
    let mut solvers = universe.solvers();
    let mut watch = stop.watch(universe.objective());
    let mut trace = Vec::new();
    // A graduated schedule has no other end than its last iteration.
    let mut outcome = if schedule == Schedule::Graduated { Outcome::Converged } else { Outcome::IterationLimit };
    let mut carried = 0;
    while trace.len() < iterations.min(shown) {
        go_on(interrupted)?;
        if schedule == Schedule::Graduated {
            universe.weigh_own(own_weight(trace.len(), iterations));
        }
        let vertices = universe.vertices(&mut solvers)?;
        let step = match schedule {
            _ if universe.is_at(&vertices) => 0.0,
            Schedule::Graduated => STEP,
            Schedule::Plain => rounded(universe.line(&vertices).best_step()),
        };
        if step > 0.0 {
            universe.advance(&vertices, step);
            carried = if step >= 1.0 { 0 } else { carried + 1 };
            if carried == REFRESH {
                universe.refresh();
                carried = 0;
            }
        }
        let iterate = Iterate { objective: universe.objective(), step: Some(step) };
        trace.push(iterate);
        look(&universe, iterate);
        // Without a step the next iteration would be this one again.
        if schedule == Schedule::Plain && (step == 0.0 || watch.ended(universe.objective())) {
            outcome = Outcome::Converged;
            break;
        }
    }
    let (maps, certificate) = universe.project()?;
    Ok((maps, SolverTrace::iterated(trace, outcome, certificate)))
}

/// The nearest step that the aligned weights can take without rounding it.
fn rounded(step: f64) -> f64 {
    (step / GRAIN).round() * GRAIN
}
