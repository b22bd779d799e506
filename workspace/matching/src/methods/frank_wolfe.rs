mod start;

use onebasin_network::{Permutation, Weights};
use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

pub use self::start::Start;
use super::c2m3::Stop;
use super::c2m3::ascent::{Course, ascend};
use super::c2m3::universe::Universe;
use super::{at_least_one, git_rebasin::reference};
use crate::matcher::Interrupted;
use crate::{Alignment, Certificate, Frame, Iterate, Matcher, MatchingError, Outcome, Problem, SolverTrace};

/// More starts than anyone waits for are a slip of the pen.
const MOST_TRIALS: usize = 1000;

/// Frank–Wolfe between two models, not factorised: `f(P) = Σ_ℓ ⟨W_ℓ^A, P_r W_ℓ^B P_cᵀ⟩` with `P` mapping the units of B onto those of A.
///
/// Each group of `d` units has one doubly stochastic matrix [d units of A, d units of B], which starts as [`Start`] says. Of more than two
/// models each is matched to the reference, whose units are the frame. It is the problem of [`C2m3`](super::c2m3::C2m3) with A held in
/// the universe, where its line search becomes a parabola: so both share their code.
///
/// Source: C²M³ (arXiv 2405.17897), section 3, equation of two models; 400 iterations at a tolerance of 1e-4 as in the authors' settings. The line
/// search is exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FrankWolfe {
    /// The model whose units are the frame; default 0.
    #[serde(skip_serializing_if = "is_first")]
    pub reference: usize,
    /// Where to start; default identity, as in the paper.
    #[serde(skip_serializing_if = "Start::is_identity")]
    pub start: Start,
    /// How many sinkhorn starts are drawn for each model, each with an ascent of its own; the one whose ascent ends at the greatest objective, before
    /// the final assignment, is kept, of equals the first. As published; default 1.
    #[serde(skip_serializing_if = "is_one")]
    pub trials: usize,
    /// The most iterations for each model; default 400, as published.
    pub iterations: usize,
    /// When to stop earlier; default, as published, absolute with tolerance 1e-4 and patience 5.
    pub stop: Stop,
}

impl Default for FrankWolfe {
    fn default() -> FrankWolfe {
        let stop = Stop::Absolute { tolerance: 1e-4, patience: 5 };
        FrankWolfe { reference: 0, start: Start::Identity, trials: 1, iterations: 400, stop }
    }
}

/// The first reference is not written: artifacts made before there was a choice keep their fingerprints.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_first(reference: &usize) -> bool {
    *reference == 0
}

/// As [`is_first`], of trials.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_one(trials: &usize) -> bool {
    *trials == 1
}

/// Where one ascent of a pair began, how it went, and the permutations it ended at.
struct Ascent {
    start: f64,
    solver_trace: SolverTrace,
    maps: Vec<Permutation>,
}

impl Ascent {
    /// The objective before the final assignment.
    fn reached(&self) -> f64 {
        self.solver_trace.trace.last().map_or(self.start, |iterate| iterate.objective)
    }
}

impl FrankWolfe {
    /// Matches `pair[1]` to `pair[0]`: the best of all trials.
    fn ascend(
        &self,
        interrupted: Interrupted<'_>,
        problem: &Problem<'_>,
        pair: [&Weights; 2],
        stream: &Stream,
    ) -> Result<Ascent, MatchingError> {
        let spec = problem.spec;
        let mut best: Option<Ascent> = None;
        for trial in 0..self.trials {
            let start = self.start.draw(spec, &stream.child(format!("trial-{trial}")));
            let held = Start::Identity.draw(spec, stream);
            let universe = Universe::new(spec, &pair, vec![held, start], |model| model == 0);
            let start = universe.objective();
            let (found, solver_trace) = ascend(universe, Course::plain(self.iterations, self.stop), interrupted, &mut |_, _| {})?;
            let maps = found.into_iter().nth(1).expect("maps of both models");
            let ascent = Ascent { start, solver_trace, maps };
            if best.as_ref().is_none_or(|best| ascent.reached() > best.reached()) {
                best = Some(ascent);
            }
        }
        Ok(best.expect("at least one trial"))
    }
}

impl Matcher for FrankWolfe {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        let fixed = reference(problem, self.reference)?;
        let mut maps = problem.identity_maps();
        let mut solver_traces = Vec::new();
        for (model, moving) in problem.models.iter().enumerate().filter(|(model, _)| *model != self.reference) {
            let ascent = self.ascend(interrupted, problem, [fixed, *moving], &stream.child(format!("model-{model}")))?;
            maps[model] = ascent.maps;
            solver_traces.push((ascent.start, ascent.solver_trace));
        }
        Ok(Alignment::from_permutations(problem, Frame::Reference(self.reference), maps, together(&solver_traces)))
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("iterations", self.iterations)?;
        let trials = |expected, hint| MatchingError::Setting { key: "trials", value: self.trials.to_string(), expected, hint };
        if self.trials > MOST_TRIALS {
            return Err(trials("at most 1000", "the paper draws 10"));
        }
        if self.trials == 0 {
            return Err(trials("a number of at least 1", "leave it out for a single start; the paper draws 10"));
        }
        if self.trials > 1 && !self.start.is_random() {
            return Err(trials("1 beside a start that draws nothing", "take `start = \"sinkhorn\"`, or leave `trials` out"));
        }
        self.stop.check()
    }

    fn is_random(&self) -> bool {
        self.start.is_random()
    }

    fn is_joint(&self) -> bool {
        false
    }

    fn reference(&self) -> Option<usize> {
        Some(self.reference)
    }

    fn set_reference(&mut self, reference: usize) {
        self.reference = reference;
    }
}

/// The traces of all pairs as one: objectives summed, a pair that has ended keeping its last. Steps are told for a single pair only.
fn together(solver_traces: &[(f64, SolverTrace)]) -> SolverTrace {
    let iterations = solver_traces.iter().map(|(_, solver_trace)| solver_trace.iterations).max().unwrap_or(0);
    let after = |(start, solver_trace): &(f64, SolverTrace), iteration: usize| {
        solver_trace.trace.get(iteration).or(solver_trace.trace.last()).map_or(*start, |iterate| iterate.objective)
    };
    let step = |iteration: usize| match solver_traces {
        [(_, solver_trace)] => solver_trace.trace[iteration].step,
        _ => None,
    };
    let iterate = |iteration| Iterate {
        objective: solver_traces.iter().map(|solver_trace| after(solver_trace, iteration)).sum(),
        step: step(iteration),
    };
    let converged = solver_traces.iter().all(|(_, solver_trace)| solver_trace.outcome == Outcome::Converged);
    let outcome = if converged { Outcome::Converged } else { Outcome::IterationLimit };
    let certificate = solver_traces.iter().fold(Certificate::default(), |worst, (_, solver_trace)| worst.worst(solver_trace.certificate));
    SolverTrace::iterated((0..iterations).map(iterate).collect(), outcome, certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{graph, mixed, random, shuffles};
    use crate::{UnitMap, objective, to_frame};
    use onebasin_network::permute;

    fn align(spec: &onebasin_network::PermutationSpec, models: &[&Weights]) -> Alignment {
        FrankWolfe::default().align(&Problem::new(spec, models.to_vec()), &Stream::root(0)).unwrap()
    }

    #[test]
    fn the_first_model_is_the_frame_and_a_shuffled_copy_is_brought_back() {
        let graph = graph(r#"{"family": "mlp", "hidden": [48, 40, 32]}"#, (1, 8, 8), 10);
        let spec = graph.spec();
        let original = random(spec, 1);
        let copies = [permute(spec, &original, &shuffles(spec, 2)), permute(spec, &original, &shuffles(spec, 3))];
        let alignment = align(spec, &[&original, &copies[0], &copies[1]]);
        assert_eq!(alignment.frame, Frame::Reference(0));
        assert_eq!(alignment.cycle_error, 0.0);
        assert!(alignment.maps[0].iter().all(|map| matches!(map, UnitMap::Permutation(map) if map.is_identity())));
        for (copy, maps) in copies.iter().zip(&alignment.maps[1..]) {
            assert!(to_frame(spec, copy, maps) == original);
        }
    }

    #[test]
    fn another_model_is_the_frame_when_it_is_the_reference() {
        let graph = mixed();
        let spec = graph.spec();
        let models = [random(spec, 1), random(spec, 2), random(spec, 3)];
        let problem = Problem::new(spec, vec![&models[1], &models[2], &models[0]]);
        let last = FrankWolfe { reference: 2, ..FrankWolfe::default() }.align(&problem, &Stream::root(0)).unwrap();
        let first = align(spec, &[&models[0], &models[1], &models[2]]);
        assert_eq!(last.frame, Frame::Reference(2));
        assert_eq!([&last.maps[2], &last.maps[0], &last.maps[1]], [&first.maps[0], &first.maps[1], &first.maps[2]]);
        let error = FrankWolfe { reference: 3, ..FrankWolfe::default() }.align(&problem, &Stream::root(0)).unwrap_err().to_string();
        assert!(error.contains("`reference` is `3`, but there are 3 models"), "{error}");
    }

    #[test]
    fn the_trace_is_the_pairs_objective_and_never_falls() {
        let graph = mixed();
        let spec = graph.spec();
        let models = [random(spec, 1), random(spec, 2)];
        let alignment = align(spec, &[&models[0], &models[1]]);
        let start = objective(spec, &[&models[0], &models[1]]);
        assert!(alignment.trace[0].objective > start);
        for pair in alignment.trace.windows(2) {
            assert!(pair[1].objective >= pair[0].objective - 1e-7 * pair[0].objective.abs());
        }
        // A parabola that opens upwards has its top at an end, so most steps are whole, and here the last point is a vertex.
        let last = alignment.trace.last().unwrap().objective;
        assert!((last - alignment.objective).abs() <= 1e-6 * last.abs(), "{last} {}", alignment.objective);
        assert!(alignment.objective > 2.0 * start.abs());
    }

    #[test]
    fn pairs_are_matched_each_on_its_own() {
        let graph = mixed();
        let spec = graph.spec();
        let models = [random(spec, 1), random(spec, 2), random(spec, 3)];
        let both = align(spec, &[&models[0], &models[1], &models[2]]);
        assert_eq!(both.maps[1], align(spec, &[&models[0], &models[1]]).maps[1]);
        assert_eq!(both.maps[2], align(spec, &[&models[0], &models[2]]).maps[1]);
        assert_eq!(both.iterations, both.trace.len());
    }

    fn from(start: Start) -> FrankWolfe {
        FrankWolfe { start, ..FrankWolfe::default() }
    }

    #[test]
    fn a_shuffled_copy_is_brought_back_from_every_start() {
        let graph = graph(r#"{"family": "mlp", "hidden": [48, 40, 32]}"#, (1, 8, 8), 10);
        let spec = graph.spec();
        let original = random(spec, 1);
        let copy = permute(spec, &original, &shuffles(spec, 2));
        for start in [Start::Identity, Start::Barycenter, Start::Sinkhorn] {
            let problem = Problem::new(spec, vec![&original, &copy]);
            let alignment = from(start).align(&problem, &Stream::root(0)).unwrap();
            assert!(to_frame(spec, &copy, &alignment.maps[1]) == original, "{start:?}");
        }
    }

    /// Wide enough that a hundredth of noise changes assignments.
    fn wide() -> onebasin_network::Graph {
        graph(r#"{"family": "mlp", "hidden": [64, 64, 64]}"#, (1, 8, 8), 10)
    }

    #[test]
    fn only_the_sinkhorn_start_knows_its_stream_and_equal_streams_give_equal_bytes() {
        let graph = wide();
        let models = [random(graph.spec(), 1), random(graph.spec(), 2)];
        let problem = Problem::new(graph.spec(), models.iter().collect());
        for start in [Start::Identity, Start::Barycenter, Start::Sinkhorn] {
            let with = |seed: u64| from(start).align(&problem, &Stream::root(seed)).unwrap();
            assert_eq!(with(1), with(1), "{start:?}");
            let differ = (2..8).any(|seed| with(seed) != with(1));
            assert_eq!(differ, from(start).is_random(), "{start:?}");
        }
    }

    #[test]
    fn of_several_trials_the_one_that_ends_highest_is_kept() {
        let graph = wide();
        let spec = graph.spec();
        let models = [random(spec, 1), random(spec, 2)];
        let problem = Problem::new(spec, models.iter().collect());
        let alone = |root: &Stream, trial: usize| {
            let stream = root.child("model-1").child(format!("trial-{trial}"));
            let starts = vec![Start::Identity.draw(spec, &stream), Start::Sinkhorn.draw(spec, &stream)];
            let universe = Universe::new(spec, &problem.models, starts, |model| model == 0);
            let (_, solver_trace) = ascend(universe, Course::plain(400, FrankWolfe::default().stop), &|| false, &mut |_, _| {}).unwrap();
            solver_trace.trace.last().unwrap().objective
        };
        // Most noise leads to where none would: the first stream of which some leads elsewhere.
        let ends = |root: &Stream| -> Vec<f64> { (0..8).map(|trial| alone(root, trial)).collect() };
        let mut roots = (0..40).map(Stream::root);
        let root = roots.find(|root| ends(root).windows(2).any(|pair| pair[0] != pair[1])).expect("noise that matters");
        let ends = ends(&root);
        let with = |trials: usize| FrankWolfe { trials, ..from(Start::Sinkhorn) }.align(&problem, &root).unwrap();
        let best = |trials: usize| ends[..trials].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for trials in [1, 3, 8] {
            assert_eq!(with(trials).trace.last().unwrap().objective, best(trials), "{ends:?}");
        }
    }

    #[test]
    fn impossible_trials_are_refused_and_defaults_are_not_written() {
        let error = |matcher: FrankWolfe| matcher.check().unwrap_err().to_string();
        let none = error(FrankWolfe { trials: 0, ..from(Start::Sinkhorn) });
        assert!(none.contains("`trials` is `0`") && none.contains("hint: "), "{none}");
        let many = error(FrankWolfe { trials: 1_000_000, ..from(Start::Sinkhorn) });
        assert!(many.contains("at most 1000"), "{many}");
        let useless = error(FrankWolfe { trials: 3, ..from(Start::Barycenter) });
        assert!(useless.contains("`trials` is `3`") && useless.contains("sinkhorn"), "{useless}");
        let written = serde_json::to_value(FrankWolfe::default()).unwrap();
        assert!(written.get("start").is_none() && written.get("trials").is_none(), "{written}");
        let written = serde_json::to_value(FrankWolfe { trials: 10, ..from(Start::Sinkhorn) }).unwrap();
        assert_eq!((&written["start"], &written["trials"]), (&serde_json::json!("sinkhorn"), &serde_json::json!(10)));
    }
}
