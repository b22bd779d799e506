//! Methods with a repair, on networks that have something to repair.

use std::collections::BTreeMap;
use std::fs;

use onebasin_network::Checkpoint;

use super::place::Place;

/// Two pairs, with and without batch norms of their own, and the same merge repaired in every way.
const SPEC: &str = r#"
name = "smoke"
models = 2

[datasets.tiny-glyphs]
format = "glyphs"
train = 600
test = 200
size = 12
difficulty = 0.1

[architectures.residual]
family = "resnet"
depth = 8
width = 8
norm = "layer"

[architectures.normed]
family = "vgg"
stages = [[8], [12]]
head = [16]
norm = "batch"

[trainings.adam]
epochs = 10
batch = 20
optimizer = { kind = "adam", learning-rate = 3e-3 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "residual"
training = "adam"

[[pairs]]
dataset = "tiny-glyphs"
architecture = "normed"
training = "adam"

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "naive-repair"
matching = { by = "identity" }
repair = { kind = "repair" }

[[methods]]
name = "c2m3"
matching = { by = "c2m3" }

[[methods]]
name = "c2m3-repair"
matching = { by = "c2m3" }
repair = { kind = "repair" }

[[methods]]
name = "c2m3-repair-as-published"
matching = { by = "c2m3" }
repair = { kind = "repair", endpoints = "as-published" }

[[methods]]
name = "soft-repair"
matching = { by = "ot-fusion", plan = "sinkhorn" }
repair = { kind = "repair" }

[[methods]]
name = "soft"
matching = { by = "ot-fusion", plan = "sinkhorn" }

[[methods]]
name = "c2m3-batch-norm"
matching = { by = "c2m3" }
repair = { kind = "batch-norm", images = 300, batch = 50 }

[evaluation]
pairs = "all"
lambdas = 3
splits = ["train", "test"]
"#;

/// Loss on the training images, by architecture and method (and λ), of a result file.
fn losses(place: &Place, file: &str) -> BTreeMap<(String, String, String), f64> {
    let text = fs::read_to_string(place.path().join("results/smoke").join(file)).unwrap();
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows = lines.map(|line| heading.iter().copied().zip(line.split(',')).collect::<BTreeMap<&str, &str>>());
    let rows = rows.filter(|row| row["split"] == "train");
    let key = |row: &BTreeMap<&str, &str>| {
        (row["architecture"].to_owned(), row["method"].to_owned(), row.get("lambda").copied().unwrap_or_default().to_owned())
    };
    rows.map(|row| (key(&row), row["loss"].parse().unwrap())).collect()
}

#[test]
fn repaired_merges_are_measured_beside_the_ones_they_are_made_of() {
    let place = Place::with(SPEC);
    let first = place.complete(&["--jobs", "1"]);
    let ran = first.ran();
    // One alignment and one merge for each pair and matching, whatever is done afterwards; statistics once for each pair and model.
    for (kind, count) in [("align/", 6), ("merge/", 6), ("repair/", 10), ("statistics/", 4)] {
        assert_eq!(ran.iter().filter(|stage| stage.starts_with(kind)).count(), count, "{ran:?}");
    }

    let merged = losses(&place, "merged.csv");
    let loss = |architecture: &str, method: &str| merged[&(architecture.to_owned(), method.to_owned(), String::new())];
    // Statistics over channels that are not matched make a worse goal than those over matched ones.
    let order = ["c2m3-repair", "c2m3-repair-as-published", "c2m3"].map(|method| loss("residual", method));
    assert!(order.is_sorted() && 2.0 * order[0] < order[2], "{order:?}");
    assert!(loss("residual", "naive-repair") < loss("residual", "naive"));
    // There are no batch norms in the one, and stale ones in the other.
    assert_eq!(loss("residual", "c2m3-batch-norm"), loss("residual", "c2m3"));
    assert!(loss("normed", "c2m3-batch-norm") < loss("normed", "c2m3"));
    // A batch norm behind a convolution undoes what a repair does to it: all three are one network.
    for method in ["c2m3-repair", "c2m3-repair-as-published"] {
        assert!((loss("normed", method) / loss("normed", "c2m3-batch-norm") - 1.0).abs() < 0.05, "{method}");
    }

    let lines = losses(&place, "barriers.csv");
    let at = |architecture: &str, method: &str, lambda: f64| {
        let row = lines.iter().find(|((a, m, l), _)| a == architecture && m == method && l.parse::<f64>().unwrap() == lambda);
        *row.unwrap().1
    };
    for (method, repaired) in [("naive", "naive-repair"), ("c2m3", "c2m3-repair"), ("soft", "soft-repair")] {
        assert!(at("residual", repaired, 0.5) < at("residual", method, 0.5), "{repaired}");
        for (architecture, end) in [("residual", 0.0), ("residual", 1.0), ("normed", 0.0), ("normed", 1.0)] {
            if (architecture, method, end) == ("normed", "soft", 1.0) {
                // A model whose units are mixed has stale batch norms already.
                assert!(at(architecture, repaired, end) < at(architecture, method, end));
                continue;
            }
            let (before, after) = (at(architecture, method, end), at(architecture, repaired, end));
            assert!((before - after).abs() < 0.05, "{architecture}, {method}, end {end}: {before} {after}");
        }
    }
    assert!(at("normed", "c2m3-batch-norm", 0.5) < at("normed", "c2m3", 0.5));
    assert!((at("residual", "c2m3-batch-norm", 0.5) - at("residual", "c2m3", 0.5)).abs() < 1e-4);

    // The repaired model carries the architecture it has now.
    let models = fs::read_dir(place.path().join(".store")).unwrap().map(|entry| entry.unwrap().path().join("weights.safetensors"));
    let models = models.filter(|path| path.exists()).map(|path| Checkpoint::load(&path).unwrap());
    let rewritten = models.filter(|model| model.weights.iter().any(|(name, _)| name == "skip1.weight")).count();
    assert_eq!(rewritten, 4);

    let other = Place::with(SPEC);
    other.complete(&["--jobs", "2"]);
    assert!(place.published() == other.published(), "published bytes differ");
    assert!(place.artifacts() == other.artifacts(), "artifacts differ");
    assert_eq!(place.complete(&[]).number("ran"), 0);
}
