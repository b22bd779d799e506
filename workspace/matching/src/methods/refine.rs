//! Coordinate ascent from permutations already found, over models and groups.

mod aligned_models;
mod kept_gains;
#[cfg(test)]
mod plain;

use onebasin_network::{Permutation, Weights, permute};
use onebasin_transport::assignment::Solver;

use self::aligned_models::{AlignedModels, Change};
use self::kept_gains::KeptGains;
use crate::gain::neighbours;
use crate::matcher::{Interrupted, go_on};
use crate::{Certificate, MatchingError, Problem, objective};

/// Gains of at most this share of the objective are none.
const TOLERANCE: f64 = 1e-9;

/// Raises `Σ_{p<q} Σ_ℓ ⟨U_ℓ^p, U_ℓ^q⟩` over permutations, one matrix `P_g^p` at a time.
///
/// With all else fixed the objective is linear in `P_g^p`: model `p` meets the sum of the other aligned models, which does not contain it. So
/// the best `P_g^p` is an assignment on the exact gradient. (A parameter that holds the group on both axes makes it quadratic; then the assignment
/// is a proposal.) It is taken only if the objective itself, in `f64`, is greater. A round visits every model and group; groups that share no
/// parameter do not see each other, so those of one model are solved side by side. A model and group is visited again only if something it
/// meets has changed.
///
/// Cost of the first round: for each model the products of one gradient and an assignment for each group. Later rounds shrink with what
/// still changes.
///
/// Source: Git Re-Basin (arXiv 2209.04836), algorithm 3, with one group in place of a whole model at each step, from a given start.
pub(crate) struct Refinement<'a> {
    problem: &'a Problem<'a>,
    interrupted: Interrupted<'a>,
    models: AlignedModels,
    maps: Vec<Vec<Permutation>>,
    objective: f64,
    gains: KeptGains,
    solvers: Vec<Vec<Solver>>,
    certificates: Vec<Vec<Certificate>>,
    /// Whether something that a model and group meets has changed since it was solved.
    stale: Vec<Vec<bool>>,
    /// Groups that share no parameter, together; in graph order.
    classes: Vec<Vec<usize>>,
    neighbours: Vec<Vec<usize>>,
}

impl<'a> Refinement<'a> {
    /// At these permutations.
    pub fn new(problem: &'a Problem<'a>, maps: Vec<Vec<Permutation>>, interrupted: Interrupted<'a>) -> Refinement<'a> {
        let (count, groups) = (problem.models.len(), problem.spec.groups.len());
        let models = AlignedModels::new(problem.spec, &problem.models, &maps);
        let solvers = (0..count).map(|_| problem.spec.groups.iter().map(|group| Solver::new(group.units)).collect()).collect();
        let neighbours = neighbours(problem.spec);
        Refinement {
            problem,
            interrupted,
            objective: value(problem, &maps),
            gains: KeptGains::new(&models.layout, count),
            models,
            maps,
            solvers,
            certificates: vec![vec![Certificate::default(); groups]; count],
            stale: vec![vec![true; groups]; count],
            classes: classes(&neighbours),
            neighbours,
        }
    }

    /// At most so many rounds, ending with one without a gain. The objective at the start and after each round; it rises in every round but
    /// possibly the last.
    pub fn run(&mut self, rounds: usize) -> Result<Vec<f64>, MatchingError> {
        let mut objectives = vec![self.objective];
        for _ in 0..rounds {
            let before = self.objective;
            for class in 0..self.classes.len() {
                for model in 0..self.maps.len() {
                    for change in self.better(model, class)? {
                        self.take(change);
                    }
                }
            }
            objectives.push(self.objective);
            if self.objective <= before {
                break;
            }
        }
        // Gains have been added up one by one; the end is told as everyone else would compute it.
        let reached = std::mem::replace(&mut self.objective, value(self.problem, &self.maps));
        for objective in &mut objectives[1..] {
            *objective = if *objective == reached { self.objective } else { objective.min(self.objective) };
        }
        Ok(objectives)
    }

    /// Whether one group of one model alone could still gain. Cost: at most that of a round; nothing after a round in which nothing gained.
    pub fn could_gain(&mut self) -> Result<bool, MatchingError> {
        for class in 0..self.classes.len() {
            for model in 0..self.maps.len() {
                if let Some(change) = self.better(model, class)?.first() {
                    // It has not been taken.
                    self.stale[model][change.group] = true;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What groups of one class gain in one model, each alone and all else held. They do not meet, so all may be taken.
    fn better(&mut self, model: usize, class: usize) -> Result<Vec<Change>, MatchingError> {
        let stale = &mut self.stale[model];
        let groups: Vec<usize> = self.classes[class].iter().copied().filter(|&group| std::mem::take(&mut stale[group])).collect();
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        go_on(self.interrupted)?;
        let (models, least) = (&self.models, TOLERANCE * self.objective.abs());
        let mut solvers: Vec<(usize, &mut Solver)> =
            self.solvers[model].iter_mut().enumerate().filter(|(group, _)| groups.contains(group)).collect();
        let solved = self.gains.visit(models, model, &mut solvers, |group, solver, gains| {
            let best = solver.maximise(gains)?;
            let held: f64 = gains.diag().iter().map(|&gain| f64::from(gain)).sum();
            let change = (best.value - held > least).then(|| models.change(model, group, order(&best.columns)));
            Ok((best.certificate(gains).into(), change.filter(|change| change.gain > least)))
        });
        let mut changes = Vec::new();
        for (&group, solved) in groups.iter().zip(solved) {
            let transport = |source| MatchingError::Transport { group: self.problem.spec.groups[group].name.clone(), source };
            let (certificate, change) = solved.map_err(transport)?;
            self.certificates[model][group] = certificate;
            changes.extend(change);
        }
        Ok(changes)
    }

    fn take(&mut self, change: Change) {
        self.gains.follow(&self.models, &change);
        self.models.apply(&change);
        let Change { model, group, order, gain, .. } = change;
        let held = self.maps[model][group].as_slice();
        let map = order.iter().map(|&slot| held[slot as usize]).collect();
        self.maps[model][group] = Permutation::new(map).expect("a permutation after a permutation");
        self.objective += gain;
        for (other, stale) in self.stale.iter_mut().enumerate() {
            stale[group] |= other != model;
            self.neighbours[group].iter().for_each(|&near| stale[near] = true);
        }
    }

    /// The worst over the last assignments of all models.
    pub fn certificate(&self) -> Certificate {
        self.certificates.iter().flatten().copied().fold(Certificate::default(), Certificate::worst)
    }

    pub fn into_maps(self) -> Vec<Vec<Permutation>> {
        self.maps
    }
}

/// The objective at these maps.
fn value(problem: &Problem<'_>, maps: &[Vec<Permutation>]) -> f64 {
    let aligned: Vec<Weights> = problem.models.iter().zip(maps).map(|(weights, maps)| permute(problem.spec, weights, maps)).collect();
    objective(problem.spec, &aligned.iter().collect::<Vec<_>>())
}

/// Each group in the first class none of whose groups is its neighbour.
fn classes(neighbours: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for (group, near) in neighbours.iter().enumerate() {
        match classes.iter_mut().find(|class| !class.iter().any(|other| near.contains(other))) {
            Some(class) => class.push(group),
            None => classes.push(vec![group]),
        }
    }
    classes
}

/// From the new slot of each old one to the old slot of each new one.
fn order(columns: &[u32]) -> Vec<u32> {
    let mut order = vec![0; columns.len()];
    for (slot, &column) in (0_u32..).zip(columns) {
        order[column as usize] = slot;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{graph, mixed, random, shuffles};
    use crate::{Alignment, C2m3, Matcher};
    use onebasin_network::Graph;
    use onebasin_repro::Stream;
    use proptest::prelude::*;

    /// The only convolution of a residual body holds the stream on both axes.
    fn tied_to_itself() -> Graph {
        let text = r#"{"layers": [
            {"op": "conv", "out": 6, "kernel": 3},
            {"op": "relu"},
            {"op": "residual", "body": [{"op": "conv", "out": 6, "kernel": 3}, {"op": "relu"}], "shortcut": []},
            {"op": "global-mean"},
            {"op": "flatten"},
            {"op": "linear", "out": "classes"}
        ]}"#;
        graph(text, (2, 4, 4), 3)
    }

    struct Refined {
        maps: Vec<Vec<Permutation>>,
        objectives: Vec<f64>,
        certificate: Certificate,
    }

    fn refine(problem: &Problem<'_>, maps: Vec<Vec<Permutation>>, rounds: usize) -> Refined {
        let mut refinement = Refinement::new(problem, maps, &|| false);
        let objectives = refinement.run(rounds).unwrap();
        let certificate = refinement.certificate();
        Refined { maps: refinement.into_maps(), objectives, certificate }
    }

    /// Models that share something, as trained ones do: shuffled copies of one, with noise.
    fn related(graph: &Graph, count: usize, noise: f32, seed: u64) -> Vec<Weights> {
        let spec = graph.spec();
        let original = random(spec, seed);
        let noisy = |copy: usize| original.zip_map(&random(spec, seed + 1 + copy as u64), |value, other| value + noise * other);
        (0..count).map(|copy| permute(spec, &noisy(copy), &shuffles(spec, seed + copy as u64))).collect()
    }

    /// Weights on a grid so coarse that no product or sum rounds: whatever is kept and skipped, not a bit may change. Exact copies
    /// would tie assignments, where the earlier prices of a warm solver decide.
    #[test]
    fn kept_matrices_and_skipped_visits_change_no_map() {
        let vgg = r#"{"family": "vgg", "stages": [[6], [8, 8]], "head": [10], "norm": "batch"}"#;
        let resnet = r#"{"family": "resnet", "depth": 8, "width": 4, "norm": "layer"}"#;
        let mlp = graph(r#"{"family": "mlp", "hidden": [24, 20, 16]}"#, (1, 4, 4), 3);
        for graph in [mlp, mixed(), tied_to_itself(), graph(vgg, (2, 8, 8), 3), graph(resnet, (2, 8, 8), 3)] {
            for (count, noise, seed) in [(2, 1.0, 1), (3, 0.5, 2), (5, 2.0, 3), (5, 0.25, 4)] {
                let coarse = |weights: Weights| weights.map(|value| (value * 128.0).round() / 128.0);
                let models: Vec<Weights> = related(&graph, count, noise, seed).into_iter().map(coarse).collect();
                let problem = Problem::new(graph.spec(), models.iter().collect());
                let refined = refine(&problem, problem.identity_maps(), 100);
                let (expected, rounds) = plain::refine(&problem, problem.identity_maps(), 100);
                assert!(refined.maps == expected, "{} groups, {count} models, seed {seed}", graph.spec().groups.len());
                assert_eq!(refined.objectives.len(), rounds + 1);
            }
        }
    }

    #[test]
    fn no_single_matrix_can_be_bettered_in_the_end() {
        let graph = mixed();
        let models = related(&graph, 3, 1.0, 7);
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let refined = refine(&problem, problem.identity_maps(), 100);
        assert!(refined.objectives.len() < 101 && refined.certificate.duality_gap.abs() < 1e-9);
        let last = refined.objectives[refined.objectives.len() - 1];
        for (model, group) in (0..3).flat_map(|model| (0..graph.spec().groups.len()).map(move |group| (model, group))) {
            for first in 0..graph.spec().groups[group].units {
                for second in 0..first {
                    let mut maps = refined.maps.clone();
                    let mut order = maps[model][group].as_slice().to_vec();
                    order.swap(first, second);
                    maps[model][group] = Permutation::new(order).unwrap();
                    assert!(value(&problem, &maps) <= last + 1e-6, "model {model}, group {group}: {first} and {second}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_objective_never_falls_from_any_start(kind in 0_usize..3, count in 2_usize..5, noise in 0.0_f32..4.0, seed in 0_u64..1000) {
            let graph = vec![mixed(), tied_to_itself(), graph(r#"{"family": "mlp", "hidden": [12, 9]}"#, (1, 4, 4), 3)].swap_remove(kind);
            let models = related(&graph, count, noise, seed);
            let problem = Problem::new(graph.spec(), models.iter().collect());
            let start: Vec<Vec<Permutation>> = (0..count).map(|model| shuffles(graph.spec(), 31 * seed + model as u64)).collect();
            let refined = refine(&problem, start.clone(), 20);
            prop_assert_eq!(refined.objectives[0], value(&problem, &start));
            prop_assert!(refined.objectives.windows(2).all(|pair| pair[1] >= pair[0]), "{:?}", refined.objectives);
            prop_assert_eq!(refined.objectives[refined.objectives.len() - 1], value(&problem, &refined.maps));
            // A random start has something to gain, and finds it, unless the only group meets itself and its proposals may all be turned down.
            prop_assert!(kind == 1 || refined.objectives[refined.objectives.len() - 1] > refined.objectives[0]);
        }

        #[test]
        fn a_refined_alignment_is_never_below_the_plain_one_and_closes_its_cycles(kind in 0_usize..2, count in 2_usize..5, noise in 0.5_f32..4.0, seed in 0_u64..1000) {
            let graph = vec![mixed(), tied_to_itself()].swap_remove(kind);
            let models = related(&graph, count, noise, seed);
            let problem = Problem::new(graph.spec(), models.iter().collect());
            let align = |matcher: C2m3| -> Alignment { matcher.align(&problem, &Stream::root(seed)).unwrap() };
            let (plain, refined) = (align(C2m3::published()), align(C2m3 { refine: 20, ..C2m3::published() }));
            prop_assert_eq!(refined.refinement[0], plain.objective);
            prop_assert_eq!(refined.refinement[refined.refinement.len() - 1], refined.objective);
            prop_assert!(refined.objective >= plain.objective);
            prop_assert_eq!((&refined.trace, refined.iterations), (&plain.trace, plain.iterations));
            prop_assert_eq!(refined.cycle_error, 0.0);
            prop_assert!(plain.refinement.is_empty());
        }
    }

    #[test]
    fn refinement_gains_where_frank_wolfe_went_astray() {
        let graph = graph(r#"{"family": "mlp", "hidden": [20, 24, 16]}"#, (1, 5, 5), 4);
        let models: Vec<Weights> = (0..4).map(|seed| random(graph.spec(), seed)).collect();
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let found = C2m3 { refine: 20, iterations: 3, ..C2m3::published() }.align(&problem, &Stream::root(0)).unwrap();
        assert!(found.objective > found.refinement[0], "{:?}", found.refinement);
    }
}
