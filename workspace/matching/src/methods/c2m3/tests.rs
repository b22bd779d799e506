mod refining;
mod schedules;

use onebasin_network::{Graph, Permutation, PermutationSpec, Role, Weights, permute};
use onebasin_repro::Stream;

use super::aligned_weights::GRAIN;
use super::soft_permutation::SoftPermutation;
use super::universe::Universe;
use super::{C2m3, Start, Stop, ascent, plain};
use crate::testing::{graph, mixed, random, shuffles};
use crate::{Alignment, Frame, FrankWolfe, Matcher, Outcome, Problem, UnitMap, objective};

fn mlp() -> Graph {
    graph(r#"{"family": "mlp", "hidden": [20, 24, 16]}"#, (1, 5, 5), 4)
}

fn models(graph: &Graph, count: usize) -> Vec<Weights> {
    (0..count).map(|model| random(graph.spec(), model as u64)).collect()
}

fn identity(spec: &PermutationSpec, count: usize) -> Vec<Vec<SoftPermutation>> {
    vec![spec.groups.iter().map(|group| SoftPermutation::vertex((0..group.units as u32).collect())).collect(); count]
}

fn align(matcher: &C2m3, spec: &PermutationSpec, models: &[&Weights]) -> Alignment {
    matcher.align(&Problem::new(spec, models.to_vec()), &Stream::root(3)).unwrap()
}

fn is_near(left: f64, right: f64, relative: f64) -> bool {
    (left - right).abs() <= relative * left.abs().max(right.abs()).max(1e-12)
}

/// A point in the interior, some steps from the identity towards random permutations.
fn soft_point(spec: &PermutationSpec, count: usize) -> Vec<Vec<SoftPermutation>> {
    let mut points = identity(spec, count);
    for round in 0..3 {
        for (model, point) in points.iter_mut().enumerate() {
            let vertices = shuffles(spec, 100 * round + model as u64);
            point.iter_mut().zip(&vertices).for_each(|(point, vertex)| point.step(0.3, vertex.as_slice()));
        }
    }
    points
}

#[test]
fn gradients_are_the_slopes_of_the_objective() {
    for (graph, count) in [(mlp(), 3), (mixed(), 4)] {
        let spec = graph.spec();
        let models = models(&graph, count);
        let models: Vec<&Weights> = models.iter().collect();
        let point = soft_point(spec, count);
        let universe = Universe::new(spec, &models, point.clone(), |_| false);
        let dense = plain::dense(&point);
        assert!(is_near(universe.objective(), plain::objective(spec, &models, &dense), 1e-6));
        for model in 0..count {
            for group in 0..spec.groups.len() {
                let plain = plain::gradient(spec, &models, &dense, model, group);
                let largest = plain.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
                let carried = universe.gradient(model, group).mapv(f64::from);
                assert!((&carried - &plain).iter().all(|error| error.abs() <= 2e-6 * largest), "model {model} group {group}");
                for (i, j) in [(0, 0), (1, 3), (4, 2)] {
                    let moved = |by: f64| {
                        let mut dense = dense.clone();
                        dense[model][group][[i, j]] += by;
                        plain::objective(spec, &models, &dense)
                    };
                    let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                    assert!((slope - plain[[i, j]]).abs() <= 1e-7 * largest, "{slope} {}", plain[[i, j]]);
                }
            }
        }
    }
}

#[test]
fn the_line_search_knows_the_objective_along_the_whole_way() {
    for (graph, count) in [(mlp(), 4), (mixed(), 3)] {
        let spec = graph.spec();
        let models = models(&graph, count);
        let models: Vec<&Weights> = models.iter().collect();
        let point = soft_point(spec, count);
        let mut universe = Universe::new(spec, &models, point.clone(), |_| false);
        let vertices = universe.vertices(&mut universe.solvers()).unwrap();
        let line = universe.line(&vertices);
        let hard =
            vertices.iter().map(|model| model.iter().map(|units| SoftPermutation::vertex(units.clone())).collect()).collect::<Vec<_>>();
        let (start, end) = (plain::dense(&point), plain::dense(&hard));
        let here = plain::objective(spec, &models, &start);
        let scale = plain::objective(spec, &models, &end).abs().max(here.abs());
        for step in [0.1, 0.4, 0.75, 1.0] {
            let there = plain::objective(spec, &models, &plain::mixed(&start, &end, step));
            assert!((line.gain(step) - (there - here)).abs() <= 1e-6 * scale, "{} {}", line.gain(step), there - here);
        }
        universe.advance(&vertices, 0.4);
        assert!((universe.objective() - here - line.gain(0.4)).abs() <= 1e-6 * scale);
    }
}

#[test]
fn the_carried_ascent_is_the_plain_one() {
    for (graph, count) in [(mlp(), 3), (mlp(), 5), (mixed(), 2), (mixed(), 4)] {
        let models = models(&graph, count);
        let models: Vec<&Weights> = models.iter().collect();
        let matcher = C2m3 { iterations: 15, stop: Stop::Absolute { tolerance: 0.0, patience: 100 }, ..C2m3::published() };
        let carried = align(&matcher, graph.spec(), &models).trace;
        let plain = plain::ascend(graph.spec(), &models, carried.len());
        assert!(carried.len() >= 5);
        for (carried, plain) in carried.iter().zip(plain) {
            assert!(is_near(carried.objective, plain, 1e-6), "{} {plain}", carried.objective);
        }
    }
}

#[test]
fn carried_images_stay_within_roundings_of_computed_ones() {
    let graph = mixed();
    let models = models(&graph, 3);
    let models: Vec<&Weights> = models.iter().collect();
    let mut carried = Universe::new(graph.spec(), &models, soft_point(graph.spec(), 3), |_| false);
    for round in 0..100 {
        let vertices: Vec<Vec<Vec<u32>>> =
            (0..3).map(|model| shuffles(graph.spec(), 1000 * model + round).iter().map(|map| map.as_slice().to_vec()).collect()).collect();
        carried.advance(&vertices, 0.02 - 0.02 % GRAIN);
    }
    let mut computed = carried.clone();
    computed.refresh();
    let drift = carried.distance(&computed);
    // Weights are below 1, and a rounding is 6e-8 of them: a hundred would be 6e-6.
    assert!(drift > 0.0 && drift < 1e-6, "{drift}");
    assert!(is_near(carried.objective(), computed.objective(), 1e-6));
}

#[test]
fn the_objective_of_a_plain_schedule_never_falls() {
    for start in [Start::Identity, Start::Sinkhorn] {
        for (graph, count) in [(mlp(), 2), (mlp(), 6), (mixed(), 3)] {
            let models = models(&graph, count);
            let models: Vec<&Weights> = models.iter().collect();
            let alignment = align(&C2m3 { start, ..C2m3::published() }, graph.spec(), &models);
            for pair in alignment.trace.windows(2) {
                let allowance = 1e-7 * pair[0].objective.abs();
                assert!(pair[1].objective >= pair[0].objective - allowance, "{} {}", pair[0].objective, pair[1].objective);
            }
            assert!(alignment.certificate.duality_gap.abs() < 1e-12 && alignment.certificate.worst_violation < 1e-12);
        }
    }
}

/// Exact copies for odd numbers; four exact ones trade places (see below), so they have noise of the size of the weights.
#[test]
fn shuffled_copies_of_one_model_are_brought_together() {
    let graph = graph(r#"{"family": "mlp", "hidden": [48, 40, 32]}"#, (1, 16, 16), 10);
    let spec = graph.spec();
    for (count, noise) in [(3, 0.0), (3, 1.0), (4, 1.0), (5, 0.0)] {
        for seed in 0..2 {
            let original = random(spec, 1000 * seed + count as u64);
            let noisy = |copy: usize| original.zip_map(&random(spec, 3 + copy as u64), |value, other| value + noise * other);
            let planted: Vec<Weights> = (0..count).map(noisy).collect();
            let shuffled = planted.iter().enumerate().map(|(copy, model)| permute(spec, model, &shuffles(spec, 77 * seed + copy as u64)));
            let shuffled: Vec<Weights> = shuffled.collect();
            let alignment = align(&C2m3::default(), spec, &shuffled.iter().collect::<Vec<_>>());
            let expected = objective(spec, &planted.iter().collect::<Vec<_>>());
            assert!(is_near(alignment.objective, expected, 1e-9), "{count} {noise}: {} of {expected}", alignment.objective);
            assert_eq!(alignment.outcome, Outcome::Converged);
        }
    }
}

/// Each of two copies is drawn to where the other is, and the common step takes both: a property of the published method, without refinement.
#[test]
fn two_copies_trade_places_and_the_pairwise_form_does_not() {
    let graph = graph(r#"{"family": "mlp", "hidden": [48, 40, 32]}"#, (1, 16, 16), 10);
    let spec = graph.spec();
    let original = random(spec, 2);
    let copies = [permute(spec, &original, &shuffles(spec, 0)), permute(spec, &original, &shuffles(spec, 1))];
    let copies: Vec<&Weights> = copies.iter().collect();
    let expected = objective(spec, &[&original, &original]);
    let together = align(&C2m3::published(), spec, &copies);
    assert!(together.objective < 0.9 * expected && together.outcome == Outcome::IterationLimit);
    let pairwise = FrankWolfe::default().align(&Problem::new(spec, copies), &Stream::root(0)).unwrap();
    assert!(is_near(pairwise.objective, expected, 1e-12) && pairwise.iterations < 20);
}

#[test]
fn maps_around_a_cycle_are_exactly_the_identity() {
    let graph = mixed();
    let models = models(&graph, 4);
    let alignment = align(&C2m3::default(), graph.spec(), &models.iter().collect::<Vec<_>>());
    assert_eq!(alignment.frame, Frame::Universe);
    assert_eq!(alignment.cycle_error, 0.0);
    let mut around: Option<Vec<Permutation>> = None;
    for (from, onto) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
        let step = alignment.pair_maps(from, onto).into_iter().map(|map| match map {
            UnitMap::Permutation(map) => map,
            _ => panic!("a soft map"),
        });
        around = Some(match around {
            None => step.collect(),
            Some(so_far) => so_far.iter().zip(step).map(|(so_far, step)| so_far.then(&step)).collect(),
        });
    }
    assert!(around.unwrap().iter().all(Permutation::is_identity));
}

/// Frank–Wolfe knows units only through the start: a model whose units are shuffled, and its start with them, ends as good.
#[test]
fn the_order_of_a_models_units_does_not_matter() {
    let graph = mixed();
    let spec = graph.spec();
    let models = models(&graph, 3);
    let shuffle = shuffles(spec, 9);
    let shuffled = permute(spec, &models[1], &shuffle);
    let ascend = |models: &[&Weights], start: Vec<Vec<SoftPermutation>>| {
        let universe = Universe::new(spec, models, start, |_| false);
        let (maps, solver_trace) = ascent::ascend(universe, ascent::Course::plain(60, Stop::default()), &|| false, &mut |_, _| {}).unwrap();
        let aligned: Vec<Weights> = models.iter().zip(&maps).map(|(model, maps)| permute(spec, model, maps)).collect();
        (solver_trace, aligned)
    };
    let mut start = identity(spec, 3);
    let (solver_trace, aligned) = ascend(&[&models[0], &models[1], &models[2]], start.clone());
    // Unit `i` of the shuffled model is unit `p[i]` of the other: it starts in that slot.
    start[1] = shuffle.iter().map(|map| SoftPermutation::vertex(map.inverse().as_slice().to_vec())).collect();
    let (other_course, other_aligned) = ascend(&[&models[0], &shuffled, &models[2]], start);
    for (one, other) in solver_trace.trace.iter().zip(&other_course.trace) {
        assert!(is_near(one.objective, other.objective, 1e-6));
    }
    assert!(aligned == other_aligned);
}

#[test]
fn running_statistics_do_not_matter() {
    let graph = mixed();
    let spec = graph.spec();
    let models = models(&graph, 3);
    let changed = models.iter().enumerate().map(|(model, weights)| {
        let mut arrays = weights.clone().into_arrays();
        for parameter in spec.parameters.iter().filter(|parameter| matches!(parameter.role, Role::RunningMean | Role::RunningVariance)) {
            arrays.get_mut(&parameter.name).unwrap().mapv_inplace(|value| 50.0 * (value + model as f32));
        }
        Weights::new(spec, arrays).unwrap()
    });
    let changed: Vec<Weights> = changed.collect();
    assert_ne!(changed, models);
    let of = |models: &[Weights]| align(&C2m3::default(), spec, &models.iter().collect::<Vec<_>>()).maps;
    assert_eq!(of(&changed), of(&models));
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let graph = mixed();
    let models = models(&graph, 4);
    let models: Vec<&Weights> = models.iter().collect();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| align(&C2m3::default(), graph.spec(), &models))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_random_start_depends_on_its_stream_alone() {
    let graph = mlp();
    let models = models(&graph, 3);
    let problem = Problem::new(graph.spec(), models.iter().collect());
    for start in [Start::Sinkhorn, Start::Random] {
        let matcher = C2m3 { start, ..C2m3::default() };
        let maps = |seed: u64| matcher.align(&problem, &Stream::root(seed)).unwrap().maps;
        assert!(matcher.is_random());
        assert_eq!(maps(1), maps(1));
        assert_ne!(maps(1), maps(2));
    }
    assert!(!C2m3::default().is_random());
}

#[test]
fn weights_of_another_scale_take_the_same_way() {
    let graph = mlp();
    let models = models(&graph, 3);
    let scaled: Vec<Weights> = models.iter().map(|weights| weights.map(|value| value / 64.0)).collect();
    let of = |models: &[Weights]| align(&C2m3::default(), graph.spec(), &models.iter().collect::<Vec<_>>());
    let (one, other) = (of(&models), of(&scaled));
    assert_eq!((one.maps, one.iterations), (other.maps, other.iterations));
}

#[test]
fn of_several_starts_the_best_end_is_kept_and_all_are_told() {
    let graph = mlp();
    let spec = graph.spec();
    let mut winners = std::collections::BTreeSet::new();
    for seed in 0..4 {
        let models: Vec<Weights> = (0..4).map(|model| random(spec, 10 * seed + model)).collect();
        let models: Vec<&Weights> = models.iter().collect();
        let restarts = vec![Start::Identity, Start::GitReBasin, Start::MergeMany, Start::Sinkhorn, Start::Sinkhorn];
        let matcher = C2m3 { restarts: restarts.clone(), ..C2m3::default() };
        assert!(matcher.is_random());
        let found = align(&matcher, spec, &models);
        assert_eq!(found, align(&matcher, spec, &models));
        let names: Vec<&str> = found.starts.iter().map(|restart| restart.start.as_str()).collect();
        assert_eq!(names, ["identity", "git-re-basin", "merge-many", "sinkhorn", "sinkhorn"]);
        let best = found.starts.iter().map(|restart| restart.objective).fold(f64::NEG_INFINITY, f64::max);
        let chosen: Vec<_> = found.starts.iter().filter(|restart| restart.chosen).collect();
        assert_eq!((chosen.len(), chosen[0].objective, found.objective), (1, best, best));
        assert_eq!((chosen[0].iterations, chosen[0].outcome), (found.iterations, found.outcome));
        // Two draws of one kind are two starts, and the identity is what it is alone.
        assert_ne!(found.starts[3].objective, found.starts[4].objective);
        assert_eq!(found.starts[0].objective, align(&C2m3::default(), spec, &models).objective);
        assert_eq!(found.cycle_error, 0.0);
        winners.insert(chosen[0].start.clone());
    }
    assert!(winners.iter().any(|start| start != "identity"), "{winners:?}");
}

#[test]
fn an_ascent_from_matched_models_starts_where_they_are() {
    let graph = mixed();
    let models = models(&graph, 3);
    let problem = Problem::new(graph.spec(), models.iter().collect());
    let stream = Stream::root(5);
    let point = Start::MergeMany.draw(&|| false, &problem, &stream).unwrap();
    let merged = crate::MergeMany::default().align(&problem, &stream.child("merge-many")).unwrap();
    let universe = Universe::new(graph.spec(), &problem.models, point, |_| false);
    assert!(is_near(universe.objective(), merged.objective, 1e-9));
}

#[test]
fn impossible_options_are_refused() {
    let both = C2m3 { start: Start::Sinkhorn, restarts: vec![Start::Identity], ..C2m3::default() };
    assert!(both.check().unwrap_err().to_string().contains("`start` is `sinkhorn`"));
    assert!(C2m3 { iterations: 0, ..C2m3::default() }.check().is_err());
    assert!(C2m3 { stop: Stop::Relative { tolerance: f64::NAN, patience: 5 }, ..C2m3::default() }.check().is_err());
    assert!(C2m3 { stop: Stop::Absolute { tolerance: 1e-6, patience: 0 }, ..C2m3::default() }.check().is_err());
    let error = serde_json::from_str::<C2m3>(r#"{"start": "sinkhorm"}"#).unwrap_err();
    assert!(error.to_string().contains("`sinkhorm`") && error.to_string().contains("`sinkhorn`"));
}

#[test]
fn nets_without_hidden_units_have_nothing_to_match() {
    let graph = graph(r#"{"family": "mlp", "hidden": []}"#, (1, 2, 2), 3);
    let models = models(&graph, 3);
    let alignment = align(&C2m3::default(), graph.spec(), &models.iter().collect::<Vec<_>>());
    assert_eq!(alignment.outcome, Outcome::Converged);
    assert!(is_near(alignment.trace[0].objective, alignment.objective, 1e-12));
}
