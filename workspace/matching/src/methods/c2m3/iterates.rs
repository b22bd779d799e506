//! The points of an ascent itself, for those who want to see how they harden.

use ndarray::Array2;
use onebasin_repro::Stream;

use super::{C2m3, ascent, universe::Universe};
use crate::{Iterate, MatchingError, Problem};

/// A doubly stochastic matrix after an iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftIterate {
    /// The objective and the step.
    pub iterate: Iterate,
    /// `P`, [units of the model, slots of the universe].
    pub matrix: Array2<f64>,
}

impl C2m3 {
    /// The matrix of `group` of `model` after each of the first `count` iterations, fewer where the ascent ends sooner. The ascent is that of
    /// [`align`](crate::Matcher::align) from the same stream, as far as it goes; of several starts the one with the index `restart`.
    ///
    /// Source: C²M³ (arXiv 2405.17897), figure 13. Cost: so many iterations, and the final assignments.
    ///
    /// # Errors
    /// As of [`align`](crate::Matcher::align).
    ///
    /// # Panics
    /// When there is no such model, group or start, which is a bug of the caller.
    pub fn iterates(
        &self,
        problem: &Problem<'_>,
        stream: &Stream,
        restart: usize,
        (model, group): (usize, usize),
        count: usize,
    ) -> Result<Vec<SoftIterate>, MatchingError> {
        crate::Matcher::check(self)?;
        problem.check()?;
        let (start, stream) = self.restart(restart, stream);
        let universe = Universe::new(problem.spec, &problem.models, start.draw(&|| false, problem, &stream)?, |_| false);
        let mut seen = Vec::with_capacity(count);
        let mut look = |universe: &Universe, iterate: Iterate| seen.push(SoftIterate { iterate, matrix: universe.point(model, group) });
        ascent::ascend(universe, ascent::Course { shown: count, ..self.course() }, &|| false, &mut look)?;
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matcher;
    use crate::methods::c2m3::Start;
    use crate::methods::c2m3::soft_permutation::is_doubly_stochastic;
    use crate::testing::{mixed, random};

    #[test]
    fn iterates_are_the_points_of_the_alignments_own_ascent() {
        let graph = mixed();
        let models: Vec<_> = (0..3).map(|seed| random(graph.spec(), seed)).collect();
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let stream = Stream::root(5);
        for matcher in [C2m3::default(), C2m3 { restarts: vec![Start::Identity, Start::Sinkhorn], ..C2m3::default() }] {
            let alignment = matcher.align(&problem, &stream).unwrap();
            let chosen = alignment.starts.iter().position(|restart| restart.chosen).unwrap_or(0);
            let seen = matcher.iterates(&problem, &stream, chosen, (1, 0), 4).unwrap();
            assert_eq!(seen.len(), 4);
            let iterates: Vec<Iterate> = seen.iter().map(|soft| soft.iterate).collect();
            assert_eq!(iterates, alignment.trace[..4]);
            assert!(seen.iter().all(|soft| is_doubly_stochastic(soft.matrix.view(), 1e-6)));
        }
    }

    #[test]
    fn each_iterate_lies_on_the_way_to_the_next_and_an_ascent_that_ends_gives_fewer() {
        let graph = mixed();
        let models: Vec<_> = (0..3).map(|seed| random(graph.spec(), seed)).collect();
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let seen = C2m3::default().iterates(&problem, &Stream::root(5), 0, (0, 1), 100_000).unwrap();
        assert!(seen.len() <= C2m3::default().iterations);
        for pair in seen.windows(2) {
            let step = pair[1].iterate.step.unwrap();
            // What is left of a step is its vertex, weighed by the step: one entry for each unit.
            let moved = &pair[1].matrix - &(&pair[0].matrix * (1.0 - step));
            let entries: Vec<f64> = moved.iter().copied().filter(|entry| entry.abs() > 1e-9).collect();
            let expected = if step > 0.0 { moved.nrows() } else { 0 };
            assert_eq!(entries.len(), expected);
            assert!(entries.iter().all(|entry| (entry - step).abs() < 1e-9));
        }
    }
}
