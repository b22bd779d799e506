//! A shuffled copy of a network, and what coordinate ascent after the last projection makes of it.

use super::*;

/// Two hidden permutations, one of them behind a skip.
fn skip() -> Graph {
    let text = r#"{"layers": [{"op": "flatten"}, {"op": "linear", "out": 30},
        {"op": "residual", "body": [{"op": "linear", "out": 50}, {"op": "relu"}, {"op": "linear", "out": 30}], "shortcut": []},
        {"op": "linear", "out": "classes"}]}"#;
    graph(text, (1, 4, 4), 10)
}

fn copies(graph: &Graph, count: u64, seed: u64) -> Vec<Weights> {
    let original = random(graph.spec(), seed);
    (0..count).map(|copy| permute(graph.spec(), &original, &shuffles(graph.spec(), 1000 * seed + copy))).collect()
}

#[test]
fn shuffled_copies_are_brought_back_whatever_their_number() {
    let one = |hidden: &str| graph(&format!(r#"{{"family": "mlp", "hidden": {hidden}}}"#), (1, 4, 4), 10);
    for (graph, seeds) in [(one("[3]"), 100), (one("[8, 8]"), 30), (one("[30, 30]"), 5), (skip(), 5)] {
        for (count, seed) in (2..=6).flat_map(|count| (0..seeds).map(move |seed| (count, seed))) {
            let models = copies(&graph, count, seed);
            let found = align(&C2m3::default(), graph.spec(), &models.iter().collect::<Vec<_>>());
            let aligned: Vec<Weights> =
                models.iter().zip(&found.maps).map(|(model, maps)| crate::to_frame(graph.spec(), model, maps)).collect();
            assert!(aligned.windows(2).all(|pair| pair[0] == pair[1]), "{count} copies, seed {seed}");
            assert_eq!(found.outcome, Outcome::Converged, "{count} copies, seed {seed}");
        }
    }
}

#[test]
fn converged_is_never_where_a_single_group_alone_could_gain() {
    let small = graph(r#"{"family": "mlp", "hidden": [3]}"#, (1, 4, 4), 10);
    let mut seen = std::collections::BTreeMap::new();
    for (graph, count) in [(&small, 2), (&small, 4), (&mlp(), 3), (&mixed(), 4)] {
        for seed in 0..30 {
            let models = copies(graph, count, seed);
            let with = |refine| align(&C2m3 { refine, ..C2m3::published() }, graph.spec(), &models.iter().collect::<Vec<_>>());
            let (plain, refined) = (with(0), with(1));
            let gains = refined.objective > plain.objective;
            assert!(!(gains && plain.outcome == Outcome::Converged), "seed {seed}");
            assert!(gains || plain.outcome != Outcome::Stationary, "seed {seed}");
            *seen.entry(format!("{:?}", plain.outcome)).or_insert(0) += 1;
        }
    }
    assert!(seen.contains_key("Converged") && seen.contains_key("Stationary"), "{seen:?}");
}

#[test]
fn an_ascent_cut_short_converges_by_its_refinement() {
    let graph = mlp();
    for count in [2, 3] {
        let models = models(&graph, count);
        let of = |refine| align(&C2m3 { iterations: 1, refine, ..C2m3::published() }, graph.spec(), &models.iter().collect::<Vec<_>>());
        let (published, refined) = (of(0), of(50));
        assert_eq!((published.outcome, refined.outcome), (Outcome::IterationLimit, Outcome::Converged));
        assert!(published.refinement.is_empty() && refined.objective > published.objective);
    }
}
