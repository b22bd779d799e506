//! What the default reaches beside the published ascent, and that the latter stays what it was.

use super::*;

fn architectures() -> [(&'static str, Graph); 3] {
    let vgg = r#"{"family": "vgg", "stages": [[8], [12, 12]], "head": [16], "norm": "layer"}"#;
    let resnet = r#"{"family": "resnet", "depth": 8, "width": 8, "norm": "layer"}"#;
    let mlp = r#"{"family": "mlp", "hidden": [32, 32, 24]}"#;
    [("mlp", graph(mlp, (1, 5, 5), 4)), ("vgg", graph(vgg, (3, 8, 8), 4)), ("resnet", graph(resnet, (3, 8, 8), 4))]
}

/// Shuffled copies of one model with noise; without anything in common where `noise` is none.
fn planted(spec: &PermutationSpec, count: u64, noise: Option<f32>, seed: u64) -> Vec<Weights> {
    let common = random(spec, seed);
    let model = |copy: u64| {
        let own = random(spec, 1000 * seed + copy);
        let weights = noise.map_or_else(|| own.clone(), |noise| common.zip_map(&own, |common, own| common + noise * own));
        permute(spec, &weights, &shuffles(spec, 1000 * seed + copy))
    };
    (0..count).map(model).collect()
}

/// Models with nothing in common have many ends of nearly one height; there it may be the lower one by a few percent.
#[test]
fn the_default_ends_no_lower_than_the_published_ascent_where_models_have_something_in_common() {
    let (mut cases, mut below) = (0, Vec::new());
    for (name, graph) in architectures() {
        for (count, noise) in [2, 3, 5].into_iter().flat_map(|count| [None, Some(0.5), Some(1.0)].map(|noise| (count, noise))) {
            for seed in 1..4 {
                let models = planted(graph.spec(), count, noise, seed);
                let models: Vec<&Weights> = models.iter().collect();
                let published = C2m3 { stop: Stop::Absolute { tolerance: 1e-6, patience: 5 }, ..C2m3::published() };
                let [found, published] = [C2m3::default(), published].map(|matcher| align(&matcher, graph.spec(), &models).objective);
                cases += 1;
                if found < published * (1.0 - 1e-9) {
                    assert!(noise.is_none(), "{name}, {count} models, seed {seed}: {found} below {published}");
                    assert!(found > 0.9 * published, "{name}, {count} models, seed {seed}: {found} below {published}");
                    below.push((name, count, seed));
                }
            }
        }
    }
    assert!(10 * below.len() < cases, "{below:?}");
}

/// The first steps and the maps of published ascents, on which recipes rely.
#[test]
fn published_ascents_end_where_they_did() {
    let mut found = Vec::new();
    for (_, graph) in architectures() {
        let models = planted(graph.spec(), 3, Some(0.5), 9);
        let alignment = align(&C2m3::published(), graph.spec(), &models.iter().collect::<Vec<_>>());
        let maps: Vec<Vec<Permutation>> = (0..3).map(|model| alignment.permutations(model).unwrap()).collect();
        // A polynomial in all indices, so that any other map gives another number.
        let digest = maps
            .iter()
            .flatten()
            .flat_map(|map| map.as_slice())
            .fold(0_u64, |digest, &unit| digest.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(u64::from(unit) + 1));
        let first: Vec<String> = alignment.trace[..4].iter().map(|iterate| format!("{:.2}", iterate.objective)).collect();
        found.push(format!("{} iterations, {:?}, {}: {digest:x}", alignment.iterations, alignment.outcome, first.join(" ")));
    }
    let expected = [
        "16 iterations, Converged, 402.07 586.47 819.85 1292.76: 2949e5e4f48b9980",
        "9 iterations, Converged, 314.53 1036.95 1523.23 2222.87: a6488ed40aabe324",
        "9 iterations, Converged, 976.49 1885.09 4355.17 8217.01: 9aa22fcb7eafb2c",
    ];
    assert_eq!(found, expected);
}
