//! Coordinate ascent from permutations already found, over models and groups.

use onebasin_network::{Permutation, Weights, permute};
use onebasin_repro::Stream;
use onebasin_transport::assignment::Solver;

use super::git_rebasin::{Ascent, Order, solvers};
use crate::margins::sum_without;
use crate::matcher::Interrupted;
use crate::{Certificate, MatchingError, Problem, objective};

/// Gains of at most this share of a model's agreement with the others are none.
const TOLERANCE: f64 = 1e-9;

/// The most sweeps over the groups of one model in one round.
const SWEEPS: usize = 100;

/// Raises `Σ_{p<q} Σ_ℓ ⟨U_ℓ^p, U_ℓ^q⟩` over permutations, one matrix `P_g^p` at a time.
///
/// With all else fixed the objective is linear in `P_g^p`: model `p` meets the sum of the other aligned models, which does not contain it. So
/// the best `P_g^p` is an assignment on the exact gradient. (A parameter that holds the group on both axes makes it quadratic; then the assignment
/// is a proposal, taken only if it gains.) A round goes over the models; each ascends over its groups in graph order until it gains no more,
/// and what it found is taken only if the objective itself, in `f64`, is greater.
///
/// Cost of a round: for each model the products of one gradient and an assignment for each group, then what still changes.
///
/// Source: Git Re-Basin (arXiv 2209.04836), algorithm 1 within algorithm 3, from a given start.
pub(crate) struct Refinement<'a> {
    problem: &'a Problem<'a>,
    interrupted: Interrupted<'a>,
    maps: Vec<Vec<Permutation>>,
    aligned: Vec<Weights>,
    objective: f64,
    solvers: Vec<Vec<Solver>>,
    certificates: Vec<Certificate>,
    /// Whether another model has moved since this one was matched.
    stale: Vec<bool>,
}

/// What a model's own ascent found.
struct Better {
    maps: Vec<Permutation>,
    aligned: Weights,
    objective: f64,
}

impl<'a> Refinement<'a> {
    /// At these permutations.
    pub fn new(problem: &'a Problem<'a>, maps: Vec<Vec<Permutation>>, interrupted: Interrupted<'a>) -> Refinement<'a> {
        let count = problem.models.len();
        let aligned: Vec<Weights> = problem.models.iter().zip(&maps).map(|(weights, maps)| permute(problem.spec, weights, maps)).collect();
        let objective = objective(problem.spec, &aligned.iter().collect::<Vec<_>>());
        let solvers = (0..count).map(|_| solvers(problem.spec)).collect();
        let (certificates, stale) = (vec![Certificate::default(); count], vec![true; count]);
        Refinement { problem, interrupted, maps, aligned, objective, solvers, certificates, stale }
    }

    /// At most so many rounds, ending with one without a gain. The objective at the start and after each round; it rises in every round but
    /// possibly the last.
    pub fn run(&mut self, rounds: usize) -> Result<Vec<f64>, MatchingError> {
        let mut objectives = vec![self.objective];
        for _ in 0..rounds {
            let before = self.objective;
            for model in 0..self.maps.len() {
                if !std::mem::take(&mut self.stale[model]) {
                    continue;
                }
                if let Some(Better { maps, aligned, objective }) = self.better(model, SWEEPS)? {
                    (self.maps[model], self.aligned[model], self.objective) = (maps, aligned, objective);
                    (0..self.maps.len()).filter(|other| *other != model).for_each(|other| self.stale[other] = true);
                }
            }
            objectives.push(self.objective);
            if self.objective <= before {
                break;
            }
        }
        Ok(objectives)
    }

    /// Whether one group of one model alone could still gain. Cost: at most that of a round; nothing after a round in which nothing gained.
    pub fn could_gain(&mut self) -> Result<bool, MatchingError> {
        for model in 0..self.maps.len() {
            if self.stale[model] && self.better(model, 1)?.is_some() {
                return Ok(true);
            }
            self.stale[model] = false;
        }
        Ok(false)
    }

    /// What a model's ascent over its groups gains, all other models held; nothing if it gains nothing.
    fn better(&mut self, model: usize, sweeps: usize) -> Result<Option<Better>, MatchingError> {
        let Problem { spec, models, .. } = self.problem;
        let ascent = Ascent { order: Order::Forward, sweeps, tolerance: TOLERANCE, blend: None, interrupted: self.interrupted };
        let others = sum_without(spec, &self.aligned, model);
        // The order of groups is given, so the stream is never drawn from.
        let ascended = ascent.ascend(spec, &others, models[model], self.maps[model].clone(), &mut self.solvers[model], &Stream::root(0))?;
        self.certificates[model] = ascended.certificate;
        if ascended.maps == self.maps[model] {
            return Ok(None);
        }
        let aligned = permute(spec, models[model], &ascended.maps);
        let old = std::mem::replace(&mut self.aligned[model], aligned);
        let objective = objective(spec, &self.aligned.iter().collect::<Vec<_>>());
        let aligned = std::mem::replace(&mut self.aligned[model], old);
        Ok((objective > self.objective).then_some(Better { maps: ascended.maps, aligned, objective }))
    }

    /// The worst over the last assignments of all models.
    pub fn certificate(&self) -> Certificate {
        self.certificates.iter().copied().fold(Certificate::default(), Certificate::worst)
    }

    pub fn into_maps(self) -> Vec<Vec<Permutation>> {
        self.maps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{graph, mixed, random, shuffles};
    use crate::{Alignment, C2m3, Matcher};
    use onebasin_network::Graph;
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

    fn value(problem: &Problem<'_>, maps: &[Vec<Permutation>]) -> f64 {
        let aligned: Vec<Weights> = problem.models.iter().zip(maps).map(|(weights, maps)| permute(problem.spec, weights, maps)).collect();
        objective(problem.spec, &aligned.iter().collect::<Vec<_>>())
    }

    /// Models that share something, as trained ones do: shuffled copies of one, with noise.
    fn related(graph: &Graph, count: usize, noise: f32, seed: u64) -> Vec<Weights> {
        let spec = graph.spec();
        let original = random(spec, seed);
        let noisy = |copy: usize| original.zip_map(&random(spec, seed + 1 + copy as u64), |value, other| value + noise * other);
        (0..count).map(|copy| permute(spec, &noisy(copy), &shuffles(spec, seed + copy as u64))).collect()
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
            let (plain, refined) = (align(C2m3 { refine: 0, ..C2m3::default() }), align(C2m3 { refine: 20, ..C2m3::default() }));
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
        let found = C2m3 { refine: 20, iterations: 3, ..C2m3::default() }.align(&problem, &Stream::root(0)).unwrap();
        assert!(found.objective > found.refinement[0], "{:?}", found.refinement);
    }
}
