use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ndarray::{Array1, Array2, Axis};
use onebasin_matching::{
    Alignment, Frame, Matching, MatchingError, Outcome, Problem, Transport, UnitMap, UnitMaps, mean, objective, to_frame, to_frame_with,
};
use onebasin_network::{Graph, Weights, permute};
use onebasin_repro::Stream;

use crate::networks::{Quadratic, activations, all, identities, large, random, shuffles};

/// Every method by its name alone, and the variants that take other paths.
pub fn methods() -> Vec<Matching> {
    let plain = Matching::NAMES.iter().map(|name| format!(r#"{{"by": "{name}"}}"#));
    let variants = [
        r#"{"by": "git-re-basin", "order": "forward"}"#,
        r#"{"by": "git-re-basin", "order": "backward", "reference": 1}"#,
        r#"{"by": "straight-through", "keep": "last", "epochs": 3, "batch": 4, "reference": 1}"#,
        r#"{"by": "c2m3", "restarts": ["identity", "git-re-basin", "merge-many", "sinkhorn"], "refine": 10}"#,
        r#"{"by": "ot-fusion", "plan": "sinkhorn", "regularisation": 0.1}"#,
        r#"{"by": "ot-fusion", "ground": "squared", "normalise-rows": true, "output": "transported", "append-vectors": false}"#,
        r#"{"by": "ot-fusion", "features": "activations", "activations": {"tap": "before-relu"}, "ground": "cosine", "output": "transported"}"#,
        r#"{"by": "ot-fusion", "plan": "unbalanced", "regularisation": 0.1, "relaxation": 10}"#,
        r#"{"by": "ot-fusion", "plan": "partial", "mass": 0.9}"#,
        r#"{"by": "ot-fusion", "masses": "l2", "iterated": true}"#,
        r#"{"by": "ot-fusion", "residual": "skips", "append-vectors": false}"#,
        r#"{"by": "wb-fusion", "plan": "sinkhorn", "regularisation": 0.01, "rounds": 10}"#,
    ];
    plain.chain(variants.map(str::to_owned)).map(|text| serde_json::from_str(&text).unwrap()).collect()
}

/// Calls `check` for three random models of every architecture and every method.
fn everywhere(check: impl Fn(&str, &Matching, &Graph, &Problem<'_>)) {
    on(all(), check);
}

fn on(graphs: Vec<(&str, Graph)>, check: impl Fn(&str, &Matching, &Graph, &Problem<'_>)) {
    for (name, graph) in graphs {
        let models: Vec<Weights> = (0..3).map(|seed| random(graph.spec(), seed)).collect();
        let moments = activations(graph.spec(), &[(); 3].map(|()| identities(graph.spec())), 3.0);
        let loss = Quadratic(random(graph.spec(), 9));
        let problem = Problem::new(graph.spec(), models.iter().collect()).with_moments(&moments).with_loss(&loss);
        for matching in methods() {
            check(&format!("{matching:?} on {name}"), &matching, &graph, &problem);
        }
    }
}

fn align(matching: &Matching, problem: &Problem<'_>, seed: u64) -> Alignment {
    matching.matcher().align(problem, &Stream::root(seed)).unwrap()
}

/// Everything an alignment leaves on disk.
fn bytes(alignment: &Alignment) -> BTreeMap<String, Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    alignment.save(directory.path()).unwrap();
    assert_eq!(Alignment::load(directory.path()).unwrap(), *alignment);
    let files = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two() {
    let pools = [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    let graphs = all().into_iter().chain([large()]).collect();
    on(graphs, |what, matching, _, problem| {
        let first = bytes(&align(matching, problem, 7));
        for pool in &pools {
            assert_eq!(pool.install(|| bytes(&align(matching, problem, 7))), first, "{what}");
        }
    });
}

#[test]
fn only_methods_that_say_so_depend_on_the_seed() {
    everywhere(|what, matching, _, problem| {
        if !matching.is_random() {
            assert_eq!(align(matching, problem, 1), align(matching, problem, 2), "{what}");
        }
    });
}

/// The negative control: what the objective rewards must not come from moving units about.
#[test]
fn random_permutations_make_no_better_mean_than_plain_averaging() {
    let (_, graph) = all().swap_remove(0);
    let spec = graph.spec();
    let original = random(spec, 1);
    let copies = [2, 3].map(|seed| permute(spec, &original, &shuffles(spec, seed)));
    // How far the mean is from a network that both copies compute, whatever its order: the mean of unlike weights is short.
    let length = |weights: &Weights| weights.flat().iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let of_mean = |models: [&Weights; 2]| length(&mean(&models, None).unwrap()) / length(&original);
    let [first, second] = &copies;
    let plain = of_mean([first, second]);
    let shuffled = (10..60).map(|seed| of_mean([first, &permute(spec, second, &shuffles(spec, seed))]));
    let best = shuffled.fold(0.0, f64::max);
    assert!(best < plain + 0.1 && best < 0.9, "{best} and {plain}");
    let matched = align(&serde_json::from_str(r#"{"by": "git-re-basin"}"#).unwrap(), &Problem::new(spec, vec![first, second]), 3);
    assert!(of_mean([first, &to_frame(spec, second, &matched.maps[1])]) > 0.99);
}

#[test]
fn an_interrupted_matching_ends_at_its_next_look() {
    everywhere(|what, matching, _, problem| {
        let stream = Stream::root(3);
        if let Matching::Identity(_) = matching {
            return;
        }
        for looks in [0_usize, 1, 3] {
            let left = AtomicUsize::new(looks);
            let interrupted = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err();
            let error = matching.matcher().align_unless(&interrupted, problem, &stream).expect_err(what);
            assert!(matches!(error, MatchingError::Interrupted), "{what}: {error}");
        }
        assert_eq!(matching.matcher().align_unless(&|| false, problem, &stream).unwrap(), align(matching, problem, 3), "{what}");
    });
}

#[test]
fn every_group_of_every_model_has_a_map_of_its_size_and_plans_have_unit_rows() {
    everywhere(|what, matching, graph, problem| {
        let alignment = align(matching, problem, 3);
        assert_eq!(alignment.maps.len(), problem.models.len(), "{what}");
        for maps in &alignment.maps {
            assert_eq!(maps.len(), alignment.groups.len(), "{what}");
            for (group, map) in graph.spec().groups.iter().zip(maps) {
                assert_eq!(map.units(), group.units, "{what}");
                // Slots that no unit reaches, and units that reach no slot, have no share.
                let are_shares = |sums: Array1<f32>| sums.iter().all(|&sum| sum == 0.0 || (sum - 1.0).abs() < 1e-5);
                let are_rows = |plan: &Array2<f32>| plan.iter().all(|share| *share >= 0.0) && are_shares(plan.sum_axis(Axis(1)));
                let is_sound = match map {
                    UnitMap::Permutation(_) => true,
                    UnitMap::Plan(plan) => are_rows(plan) && plan.rows().into_iter().all(|row| row.sum() > 0.0),
                    UnitMap::Transport(transport) => {
                        let Transport { incoming, outgoing } = transport;
                        are_rows(incoming) && outgoing.iter().all(|share| *share >= 0.0) && are_shares(outgoing.sum_axis(Axis(0)))
                    }
                    UnitMap::Untied(untied) => untied.rows.values().chain(untied.columns.values()).all(are_rows),
                };
                assert!(is_sound, "{what}: {map:?}");
            }
        }
        // The reference stands still.
        if let Frame::Reference(reference) = alignment.frame {
            assert_eq!(to_frame(graph.spec(), problem.models[reference], &alignment.maps[reference]), *problem.models[reference], "{what}");
        }
    });
}

#[test]
fn permutations_compose_to_the_identity_around_every_cycle() {
    everywhere(|what, matching, graph, problem| {
        let alignment = align(matching, problem, 3);
        if !alignment.is_hard() {
            assert!(alignment.cycle_error > 0.0, "{what}");
            return;
        }
        assert_eq!(alignment.cycle_error, 0.0, "{what}");
        for (from, weights) in problem.models.iter().enumerate() {
            let there = to_frame(graph.spec(), weights, &alignment.pair_maps(from, (from + 1) % 3));
            let further = to_frame(graph.spec(), &there, &alignment.pair_maps((from + 1) % 3, (from + 2) % 3));
            let back = to_frame(graph.spec(), &further, &alignment.pair_maps((from + 2) % 3, from));
            assert_eq!(back, **weights, "{what}");
        }
    });
}

#[test]
fn the_objective_is_that_of_the_models_in_the_frame_and_better_than_doing_nothing() {
    everywhere(|what, matching, graph, problem| {
        let alignment = align(matching, problem, 3);
        let own = match alignment.frame {
            Frame::Reference(reference) => Some(problem.models[reference]),
            Frame::Universe => None,
        };
        let in_frame = |(weights, maps): (&&Weights, &UnitMaps)| to_frame_with(graph.spec(), weights, maps, own);
        let aligned: Vec<Weights> = problem.models.iter().zip(&alignment.maps).map(in_frame).collect();
        let found = objective(graph.spec(), &aligned.iter().collect::<Vec<_>>());
        assert_eq!(alignment.objective, found, "{what}");
        let naive = objective(graph.spec(), &problem.models);
        if matches!(matching, Matching::GitReBasin(_) | Matching::MergeMany(_) | Matching::C2m3(_) | Matching::FrankWolfe(_)) {
            assert!(found > naive, "{what}: {found} and {naive}");
            assert_eq!(alignment.iterations, alignment.trace.len(), "{what}");
        }
        if let Matching::Identity(_) = matching {
            assert_eq!((found, alignment.outcome), (naive, Outcome::Direct), "{what}");
        }
        let certificate = alignment.certificate;
        assert!(certificate.duality_gap.abs() < 1e-9 && certificate.worst_violation < 1e-9, "{what}: {certificate:?}");
    });
}

#[test]
fn a_shuffled_copy_of_a_net_with_one_hidden_layer_is_matched_back_exactly() {
    let blueprint: onebasin_network::Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": [16]}"#).unwrap();
    let graph = Graph::build(&blueprint.build(onebasin_network::Shape::new(1, 4, 4), 5).unwrap()).unwrap();
    let spec = graph.spec();
    let original = random(spec, 1);
    let maps = [identities(spec), shuffles(spec, 2)];
    let copy = permute(spec, &original, &maps[1]);
    let moments = activations(spec, &maps, 0.1);
    let loss = Quadratic(original.map(|_| 0.0));
    let problem = Problem::new(spec, vec![&original, &copy]).with_moments(&moments).with_loss(&loss);
    for matching in methods() {
        let alignment = align(&matching, &problem, 3);
        let [first, second] = [0, 1].map(|model| to_frame(spec, problem.models[model], &alignment.maps[model]));
        match (&matching, alignment.is_hard()) {
            // Nothing is moved, so the copy stays shuffled.
            (Matching::Identity(_), _) => assert_ne!(first, second),
            // It goes to where the loss falls, which here is as far from the first model as can be.
            (Matching::SteepestDescent(_), _) => {
                let slope = |model: &Weights| objective(spec, &[&first, model]);
                assert!(slope(&second) < slope(&copy));
            }
            (_, true) => assert_eq!(first, second, "{matching:?}"),
            // A tenth of the mass stays out, and with it what one unit gives; every unit reads what its original does.
            (Matching::OtFusion(options), false) if options.mass < 1.0 => {
                let aligned = to_frame_with(spec, &copy, &alignment.maps[1], Some(&original));
                for name in ["fc1.weight", "fc1.bias"] {
                    assert_eq!(aligned.get(name), original.get(name), "{matching:?}");
                }
            }
            // A soft plan spreads every unit a little; most of it arrives where it belongs.
            (_, false) => {
                let plan = &alignment.maps[1][0];
                let aligned = to_frame(spec, &copy, &alignment.maps[1]);
                let distance = |left: &Weights, right: &Weights| -> f64 {
                    left.flat().iter().zip(right.flat()).map(|(&left, right)| f64::from(left - right).powi(2)).sum::<f64>().sqrt()
                };
                assert!(distance(&aligned, &original) < 0.05 * distance(&copy, &original), "{matching:?}: {plan:?}");
            }
        }
    }
}
