use onebasin_network::Weights;
use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use super::coordinate_ascent::{Ascended, Ascent, Order, solvers};
use super::mix::Mix;
use super::{at_least_one, tolerance};
use crate::activations::Activations;
use crate::matcher::Interrupted;
use crate::{Alignment, Certificate, Frame, Iterate, Matcher, MatchingError, Outcome, Problem, SolverTrace};

/// Git Re-Basin's weight matching: each model is matched to the reference by ascending `⟨A, π(B)⟩` over one group of units after another.
///
/// For each group in turn, the assignment that is best while all others stay is found exactly, and taken if it gains.
/// A local optimum: another order of groups may end elsewhere. At most `sweeps` passes over the groups, usually 10 to 40.
/// The trace is `Σ ⟨A, π(B)⟩` over the models B beside the reference A, after each sweep.
///
/// Source: Git Re-Basin (arXiv 2209.04836), algorithm 1. Deviations: gains count relative to the objective, without a gain the old
/// permutation stays, and a group none of whose neighbours has changed since its last solve is not solved again (it would not change).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GitReBasin {
    /// The model whose units are the frame; default 0.
    pub reference: usize,
    /// In which order a sweep visits the groups; default random.
    pub order: Order,
    /// The most sweeps; default 100.
    pub sweeps: usize,
    /// A gain of at most this times the objective is none; default 1e-9.
    pub tolerance: f64,
    /// So many orders are tried, each with draws of its own, and the best end is kept for each model; default 1.
    #[serde(skip_serializing_if = "is_one")]
    pub trials: usize,
    /// Whether activations count beside weights, and how much; default weights alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<Mix>,
}

impl Default for GitReBasin {
    fn default() -> GitReBasin {
        GitReBasin { reference: 0, order: Order::Random, sweeps: 100, tolerance: 1e-9, trials: 1, mix: None }
    }
}

/// By reference, as serde hands it over.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_one(trials: &usize) -> bool {
    *trials == 1
}

impl Matcher for GitReBasin {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        let fixed = reference(problem, self.reference)?;
        let ascent = Ascent { order: self.order, sweeps: self.sweeps, tolerance: self.tolerance, blend: None, interrupted };
        let mut maps = problem.identity_maps();
        let mut ascents = Vec::new();
        for (model, moving) in problem.models.iter().enumerate().filter(|(model, _)| *model != self.reference) {
            let stream = stream.child(format!("model-{model}"));
            let blend = self.mix.as_ref().map(|mix| mix.blend(problem, self.reference, model)).transpose()?;
            let ascent = Ascent { blend: blend.as_ref(), ..ascent };
            let mut best: Option<Ascended> = None;
            for trial in 0..self.trials {
                let stream = if trial == 0 { stream.clone() } else { stream.child(format!("trial-{trial}")) };
                let start = maps[model].clone();
                let ascended = ascent.ascend(problem.spec, fixed, moving, start, &mut solvers(problem.spec), &stream)?;
                if best.as_ref().is_none_or(|best| ascended.end() > best.end()) {
                    best = Some(ascended);
                }
            }
            let best = best.expect("there is at least one trial");
            maps[model].clone_from(&best.maps);
            ascents.push(best);
        }
        Ok(Alignment::from_permutations(problem, Frame::Reference(self.reference), maps, solver_trace(&ascents)))
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("sweeps", self.sweeps)?;
        at_least_one("trials", self.trials)?;
        if self.trials > 1 && self.order != Order::Random {
            let (value, hint) = (self.trials.to_string(), "another order is drawn for each: `order = \"random\"`");
            return Err(MatchingError::Setting { key: "trials", value, expected: "1 beside an order that is not random", hint });
        }
        self.mix.as_ref().map_or(Ok(()), Mix::check)?;
        tolerance("tolerance", self.tolerance)
    }

    fn is_random(&self) -> bool {
        self.order == Order::Random || self.mix.as_ref().is_some_and(|mix| mix.activations.drawn)
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

    fn needs(&self) -> Option<Activations> {
        self.mix.as_ref().map(|mix| mix.activations)
    }
}

/// The model that is the frame.
pub(crate) fn reference<'a>(problem: &Problem<'a>, reference: usize) -> Result<&'a Weights, MatchingError> {
    let models = problem.models.len();
    problem.models.get(reference).copied().ok_or(MatchingError::Reference { reference, models })
}

/// The ascents of all models as one: objectives summed, a model that has ended keeping its last.
pub(super) fn solver_trace(ascents: &[Ascended]) -> SolverTrace {
    let iterations = ascents.iter().map(|ascended| ascended.trace.len()).max().unwrap_or(0);
    let after = |ascended: &Ascended, sweep: usize| ascended.trace.get(sweep).or(ascended.trace.last()).copied().unwrap_or(ascended.start);
    let trace = (0..iterations).map(|sweep| Iterate { objective: ascents.iter().map(|ascended| after(ascended, sweep)).sum(), step: None });
    let ended = ascents.iter().all(|ascended| ascended.converged);
    let outcome = if ended { Outcome::Converged } else { Outcome::IterationLimit };
    let certificate = ascents.iter().fold(Certificate::default(), |worst, ascended| worst.worst(ascended.certificate));
    SolverTrace::iterated(trace.collect(), outcome, certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gain::{gain, neighbours};
    use crate::testing::{chain, graph, mixed, numbers, random, shuffles};
    use crate::{UnitMap, objective, to_frame};
    use onebasin_network::{Permutation, permute};

    fn all_orders() -> impl Iterator<Item = (GitReBasin, Stream)> {
        let orders = [Order::Forward, Order::Backward].into_iter().map(|order| (order, 0));
        let orders = orders.chain((0..10).map(|seed| (Order::Random, seed)));
        orders.map(|(order, seed)| (GitReBasin { order, ..GitReBasin::default() }, Stream::root(seed)))
    }

    fn permutations(maps: &[UnitMap]) -> Vec<&[u32]> {
        fn indices(map: &UnitMap) -> &[u32] {
            match map {
                UnitMap::Permutation(permutation) => permutation.as_slice(),
                _ => panic!("weight matching makes permutations"),
            }
        }
        maps.iter().map(indices).collect()
    }

    /// Three linear layers on which layer-by-layer matching stays at the identity. Source: Git Re-Basin, section A.7.2.
    #[test]
    fn more_trials_end_no_lower_and_the_first_is_that_of_one() {
        let graph = mixed();
        let spec = graph.spec();
        let (a, b) = (random(spec, 1), random(spec, 2));
        let problem = Problem::new(spec, vec![&a, &b]);
        let of = |trials: usize| GitReBasin { trials, ..GitReBasin::default() }.align(&problem, &Stream::root(4)).unwrap().objective;
        let found = [1, 2, 5, 20].map(of);
        assert!(found.is_sorted() && found[3] > found[0], "{found:?}");
    }

    #[test]
    fn the_case_on_which_greedy_matching_fails_is_swapped_twice_in_any_order() {
        let graph = chain(&[2, 2]);
        let small = 0.125;
        let a = numbers(graph.spec(), &[&[1.0, 1.0 + small], &[1.0, 0.0, 0.0, small], &[1.0, 0.0]]);
        let b = numbers(graph.spec(), &[&[1.0, 1.0 + small], &[0.0, 0.0, 0.0, 1.0], &[0.0, 1.0]]);
        let problem = Problem::new(graph.spec(), vec![&a, &b]);
        for (matching, stream) in all_orders() {
            let alignment = matching.align(&problem, &stream).unwrap();
            assert_eq!(permutations(&alignment.maps[1]), [&[1, 0], &[1, 0]], "{:?}", matching.order);
            // (1 + ε) from each of both units of the first layer, 1 from the second, 1 from the third.
            assert_eq!(alignment.objective, 2.0 * 1.125 + 1.0 + 1.0);
            assert_eq!((alignment.outcome, alignment.cycle_error), (Outcome::Converged, 0.0));
        }
    }

    #[test]
    fn shuffled_copies_are_matched_back_exactly() {
        for blueprint in [r#"{"family": "mlp", "hidden": [30, 20, 10]}"#, r#"{"family": "mlp", "hidden": [12], "bias": false}"#] {
            let graph = graph(blueprint, (1, 4, 4), 5);
            let a = random(graph.spec(), 1);
            let copies = [2, 3].map(|seed| permute(graph.spec(), &a, &shuffles(graph.spec(), seed)));
            let problem = Problem::new(graph.spec(), vec![&copies[0], &a, &copies[1]]);
            let matching = GitReBasin { reference: 1, ..GitReBasin::default() };
            let alignment = matching.align(&problem, &Stream::root(0)).unwrap();
            for (model, maps) in problem.models.iter().zip(&alignment.maps) {
                assert_eq!(to_frame(graph.spec(), model, maps), a);
            }
            assert_eq!(alignment.frame, Frame::Reference(1));
        }
    }

    #[test]
    fn the_trace_never_falls_and_ends_where_no_group_alone_can_gain() {
        let graph = mixed();
        let spec = graph.spec();
        let (a, b) = (random(spec, 1), random(spec, 2));
        let problem = Problem::new(spec, vec![&a, &b]);
        let start = objective(spec, &[&a, &b]);
        for (matching, stream) in all_orders() {
            let alignment = matching.align(&problem, &stream).unwrap();
            let trace: Vec<f64> = alignment.trace.iter().map(|iterate| iterate.objective).collect();
            assert!(trace[0] > start && trace.windows(2).all(|pair| pair[0] <= pair[1]), "{trace:?}");
            let last = trace[trace.len() - 1];
            assert!((alignment.objective - last).abs() < 1e-9 * last.abs(), "{} and {last}", alignment.objective);
            let certificate = alignment.certificate;
            assert!(certificate.duality_gap.abs() < 1e-12 && certificate.worst_violation < 1e-12, "{certificate:?}");
            let maps: Vec<Permutation> =
                permutations(&alignment.maps[1]).into_iter().map(|indices| Permutation::new(indices.to_vec()).unwrap()).collect();
            for (group, map) in maps.iter().enumerate() {
                let gain = gain(spec, group, &a, &b, &maps);
                let held: f64 = map.as_slice().iter().enumerate().map(|(slot, &unit)| gain[[slot, unit as usize]]).sum();
                let best = onebasin_transport::assignment::maximise(gain.view()).unwrap().value;
                assert!(best - held < 1e-6, "group {group}: {best} over {held}");
            }
        }
    }

    /// A residual body of one layer holds its stream on both axes, where the matrix is only a slope.
    #[test]
    fn a_stream_on_both_axes_of_a_layer_never_loses_by_a_step() {
        let text = r#"{"layers": [{"op": "flatten"}, {"op": "linear", "out": 8},
            {"op": "residual", "body": [{"op": "linear", "out": 8}], "shortcut": []}, {"op": "linear", "out": "classes"}]}"#;
        let graph = graph(text, (1, 2, 2), 3);
        let spec = graph.spec();
        assert_eq!(neighbours(spec), [[0]]);
        for seed in 0..20 {
            let (a, b) = (random(spec, seed), random(spec, 100 + seed));
            let problem = Problem::new(spec, vec![&a, &b]);
            let alignment = GitReBasin::default().align(&problem, &Stream::root(seed)).unwrap();
            let trace: Vec<f64> = alignment.trace.iter().map(|iterate| iterate.objective).collect();
            assert!(trace[0] >= objective(spec, &[&a, &b]) && trace.windows(2).all(|pair| pair[0] <= pair[1]), "{trace:?}");
        }
    }

    /// The algorithm as published: every group in every sweep, every matrix and every assignment from nothing.
    #[test]
    fn kept_matrices_warm_starts_and_skipped_groups_change_no_map() {
        let graph = mixed();
        let spec = graph.spec();
        for seed in 0..10 {
            let (a, b, stream) = (random(spec, seed), random(spec, 50 + seed), Stream::root(seed));
            let mut maps = crate::testing::identities(spec);
            let (mut sweep, mut progress) = (0, true);
            while std::mem::take(&mut progress) {
                for group in Order::Random.visit(spec.groups.len(), sweep, &stream.child("model-1")) {
                    let gain = gain(spec, group, &a, &b, &maps);
                    let best = onebasin_transport::assignment::maximise(gain.view()).unwrap();
                    let held: f64 = maps[group].as_slice().iter().enumerate().map(|(slot, &unit)| gain[[slot, unit as usize]]).sum();
                    if best.value - held > 1e-6 {
                        maps[group] = Permutation::new(best.columns).unwrap();
                        progress = true;
                    }
                }
                sweep += 1;
            }
            let problem = Problem::new(spec, vec![&a, &b]);
            let alignment = GitReBasin::default().align(&problem, &stream).unwrap();
            let expected: Vec<&[u32]> = maps.iter().map(Permutation::as_slice).collect();
            assert_eq!(permutations(&alignment.maps[1]), expected, "seed {seed}");
        }
    }

    #[test]
    fn the_cap_on_sweeps_is_kept_and_said() {
        let graph = mixed();
        let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
        let problem = Problem::new(graph.spec(), vec![&a, &b]);
        let alignment = GitReBasin { sweeps: 1, ..GitReBasin::default() }.align(&problem, &Stream::root(0)).unwrap();
        assert_eq!((alignment.outcome, alignment.iterations, alignment.trace.len()), (Outcome::IterationLimit, 1, 1));
    }

    #[test]
    fn impossible_options_are_errors_that_name_the_key() {
        let graph = chain(&[2]);
        let model = random(graph.spec(), 1);
        let problem = Problem::new(graph.spec(), vec![&model, &model]);
        let says = |matching: GitReBasin, text: &str| {
            let error = matching.align(&problem, &Stream::root(0)).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("hint: "), "{error}");
        };
        says(GitReBasin { sweeps: 0, ..GitReBasin::default() }, "`sweeps` is `0`");
        says(GitReBasin { tolerance: -1e-9, ..GitReBasin::default() }, "`tolerance` is");
        says(GitReBasin { reference: 2, ..GitReBasin::default() }, "`reference` is `2`, but there are 2 models");
    }
}
