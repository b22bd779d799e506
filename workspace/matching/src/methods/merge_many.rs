use onebasin_network::{Weights, permute};
use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use super::coordinate_ascent::{Ascent, Order, solvers};
use super::{at_least_one, tolerance};
use crate::matcher::Interrupted;
use crate::{Alignment, Certificate, Frame, Iterate, Matcher, MatchingError, Outcome, Problem, SolverTrace, mean, objective};

/// Git Re-Basin's merging of many models: in a random order, again and again, each model is matched to the mean of the others.
///
/// All models start at the identity and all may move, so the frame that comes of it belongs to none of them: a universe. A round ends
/// the search when no model gained. At most `rounds` of them, usually 10 to 40; for two models it is weight matching.
///
/// Source: Git Re-Basin (arXiv 2209.04836), algorithm 3. Deviations: a matching starts from the model's present map, gains count relative to
/// the objective, and a model is not matched again while the others stand still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MergeMany {
    /// The most rounds over the models; default 100.
    pub rounds: usize,
    /// The most sweeps over the groups in one matching; default 100.
    pub sweeps: usize,
    /// In which order a sweep visits the groups; default random.
    pub order: Order,
    /// A gain of at most this times the objective is none; default 1e-9.
    pub tolerance: f64,
}

impl Default for MergeMany {
    fn default() -> MergeMany {
        MergeMany { rounds: 100, sweeps: 100, order: Order::Random, tolerance: 1e-9 }
    }
}

impl Matcher for MergeMany {
    /// Memory: a copy of every model. Cost: that of a weight matching for each model that moves in a round.
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        let spec = problem.spec;
        let ascent = Ascent { order: self.order, sweeps: self.sweeps, tolerance: self.tolerance, blend: None, interrupted };
        let count = problem.models.len();
        let mut maps = problem.identity_maps();
        let mut aligned: Vec<Weights> = problem.models.iter().map(|&weights| weights.clone()).collect();
        let mut solvers: Vec<_> = (0..count).map(|_| solvers(spec)).collect();
        let mut certificates = vec![Certificate::default(); count];
        // Whether another model has moved since this one was matched.
        let mut stale = vec![true; count];
        let mut trace = Vec::new();
        let mut outcome = Outcome::IterationLimit;
        for round in 0..self.rounds {
            let stream = stream.child(format!("round-{round}"));
            let mut gained = false;
            for model in stream.child("order").shuffled(count).into_iter().map(|model| model as usize) {
                if !std::mem::take(&mut stale[model]) {
                    continue;
                }
                let others: Vec<&Weights> =
                    aligned.iter().enumerate().filter(|(other, _)| *other != model).map(|(_, aligned)| aligned).collect();
                let target = mean(&others, None)?;
                let start = maps[model].clone();
                let ascended = ascent.ascend(
                    spec,
                    &target,
                    problem.models[model],
                    start,
                    &mut solvers[model],
                    &stream.child(format!("model-{model}")),
                )?;
                certificates[model] = ascended.certificate;
                let reached = ascended.trace.last().copied().unwrap_or(ascended.start);
                if reached - ascended.start <= self.tolerance * reached.abs() {
                    continue;
                }
                gained = true;
                aligned[model] = permute(spec, problem.models[model], &ascended.maps);
                maps[model] = ascended.maps;
                (0..count).filter(|other| *other != model).for_each(|other| stale[other] = true);
            }
            let objective = objective(spec, &aligned.iter().collect::<Vec<_>>());
            trace.push(Iterate { objective, step: None });
            if !gained {
                outcome = Outcome::Converged;
                break;
            }
        }
        let certificate = certificates.into_iter().fold(Certificate::default(), Certificate::worst);
        Ok(Alignment::from_permutations(problem, Frame::Universe, maps, SolverTrace::iterated(trace, outcome, certificate)))
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("rounds", self.rounds)?;
        at_least_one("sweeps", self.sweeps)?;
        tolerance("tolerance", self.tolerance)
    }

    /// Always: the models are visited in a random order.
    fn is_random(&self) -> bool {
        true
    }

    fn is_joint(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{graph, mixed, random, shuffles};
    use crate::to_frame;

    #[test]
    fn shuffled_copies_of_one_model_meet_in_one_order() {
        let graph = graph(r#"{"family": "mlp", "hidden": [20]}"#, (1, 4, 4), 5);
        let spec = graph.spec();
        let first = random(spec, 1);
        let copies: Vec<Weights> = (0..4).map(|seed| permute(spec, &first, &shuffles(spec, seed))).collect();
        let problem = Problem::new(spec, copies.iter().collect());
        let alignment = MergeMany::default().align(&problem, &Stream::root(3)).unwrap();
        let aligned: Vec<Weights> = copies.iter().zip(&alignment.maps).map(|(copy, maps)| to_frame(spec, copy, maps)).collect();
        assert!(aligned.iter().all(|other| *other == aligned[0]));
        assert_eq!((alignment.frame, alignment.outcome), (Frame::Universe, Outcome::Converged));
    }

    #[test]
    fn the_objective_never_falls_from_round_to_round() {
        let graph = mixed();
        let spec = graph.spec();
        let models: Vec<Weights> = (0..4).map(|seed| random(spec, seed)).collect();
        let problem = Problem::new(spec, models.iter().collect());
        let alignment = MergeMany::default().align(&problem, &Stream::root(3)).unwrap();
        let trace: Vec<f64> = alignment.trace.iter().map(|iterate| iterate.objective).collect();
        assert!(
            trace[0] > objective(spec, &problem.models) && trace.windows(2).all(|pair| pair[0] <= pair[1] * (1.0 + 1e-12)),
            "{trace:?}"
        );
        assert_eq!(alignment.objective, trace[trace.len() - 1]);
        assert_eq!(alignment.cycle_error, 0.0);
    }

    #[test]
    fn impossible_options_are_errors() {
        assert!(MergeMany { rounds: 0, ..MergeMany::default() }.check().unwrap_err().to_string().contains("`rounds` is `0`"));
        assert!(
            MergeMany { tolerance: f64::NAN, ..MergeMany::default() }.check().unwrap_err().to_string().contains("`tolerance` is `NaN`")
        );
    }
}
