//! Where the time of an ascent goes.

use onebasin_repro::Stream;
use onebasin_transport::assignment::Solver;

use super::universe::Universe;
use super::{C2m3, ascent};
use crate::{Iterate, MatchingError, Problem};

/// What so many iterations take, and what their parts take one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Iterations over which the rest is summed.
    pub iterations: usize,
    /// Seconds of the iterations themselves, on as many threads as there are.
    pub ascent: f64,
    /// Seconds in the gradients' matrix products, the packing of their factors included.
    pub products: f64,
    /// Seconds in assignments.
    pub assignments: f64,
    /// Operations of those products, a multiplication and an addition counted as two.
    pub operations: f64,
}

impl C2m3 {
    /// Times the ascent from `start`, and at its points gradients and assignments, one after the other on the calling thread; `clock` gives seconds, of the processor
    /// where the machine is shared. What the ascent takes beyond its parts is the line search, the steps and sums.
    ///
    /// Cost: the ascent, and all its gradients and assignments again.
    ///
    /// # Errors
    /// As of [`align`](crate::Matcher::align).
    pub fn shares(&self, problem: &Problem<'_>, stream: &Stream, clock: &dyn Fn() -> f64) -> Result<Shares, MatchingError> {
        crate::Matcher::check(self)?;
        problem.check()?;
        let universe = Universe::new(problem.spec, &problem.models, self.start.draw(&|| false, problem, stream)?, |_| false);
        let groups = &problem.spec.groups;
        let mut solvers: Vec<Vec<Solver>> =
            problem.models.iter().map(|_| groups.iter().map(|group| Solver::new(group.units)).collect()).collect();
        let operations = universe.operations();
        let mut shares = Shares::default();
        let mut failed = None;
        let mut left = clock();
        let mut look = |universe: &Universe, _: Iterate| {
            shares.ascent += clock() - left;
            for (model, solvers) in solvers.iter_mut().enumerate() {
                for (group, solver) in solvers.iter_mut().enumerate() {
                    let begun = clock();
                    let gain = universe.gradient(model, group);
                    let multiplied = clock();
                    let solved = solver.maximise(gain.view());
                    shares.products += multiplied - begun;
                    shares.assignments += clock() - multiplied;
                    if let Err(source) = solved {
                        failed.get_or_insert(MatchingError::Transport { group: groups[group].name.clone(), source });
                    }
                }
            }
            shares.iterations += 1;
            shares.operations += operations;
            left = clock();
        };
        ascent::ascend(universe, self.course(), &|| false, &mut look)?;
        failed.map_or(Ok(shares), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, random};
    use std::cell::Cell;

    #[test]
    fn every_gradient_and_assignment_is_timed_once_and_operations_are_those_of_its_products() {
        let graph = chain(&[3, 5]);
        let models = [random(graph.spec(), 1), random(graph.spec(), 2)];
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let ticks = Cell::new(0.0);
        let clock = || {
            ticks.set(ticks.get() + 1.0);
            ticks.get()
        };
        let matcher = C2m3 { iterations: 2, ..C2m3::default() };
        let shares = matcher.shares(&problem, &Stream::root(0), &clock).unwrap();
        assert_eq!(shares.iterations, 2);
        // Two models of two groups, a tick each, in both iterations; and one for each iteration.
        assert_eq!(shares.ascent, 2.0);
        assert_eq!((shares.products, shares.assignments), (8.0, 8.0));
        // Of one model: 3 x 3 by the input's column, 5 x 5 by the output's row, and the 5 x 3 between by its rows and by its columns.
        let once = 2.0 * (9.0 + 25.0 + 25.0 * 3.0 + 9.0 * 5.0);
        assert_eq!(shares.operations, 2.0 * 2.0 * once);
    }
}
