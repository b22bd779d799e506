//! Methods with a repair, on networks that have something to repair.

use std::collections::BTreeMap;
use std::fs;

use onebasin_network::Checkpoint;

use super::place::Place;
use super::rows::Rows;
use super::shared::repaired;

/// Two pairs, with and without batch norms of their own, and the same merge repaired in every way.
pub const SPEC: &str = r#"
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
epochs = 5
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
repair = { kind = "repair", layers = "convolutions" }

[[methods]]
name = "c2m3"
matching = { by = "c2m3" }

[[methods]]
name = "c2m3-repair"
matching = { by = "c2m3" }
repair = { kind = "repair", layers = "convolutions" }

[[methods]]
name = "c2m3-repair-as-published"
matching = { by = "c2m3" }
repair = { kind = "repair", layers = "convolutions", endpoints = "as-published" }

[[methods]]
name = "c2m3-repair-all"
matching = { by = "c2m3" }
repair = { kind = "repair", layers = "all" }

[[methods]]
name = "soft-repair"
matching = { by = "ot-fusion", plan = "sinkhorn" }
repair = { kind = "repair", layers = "convolutions" }

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
splits = ["train"]
images = 200
variances = 600
"#;

/// Loss on the training images, by architecture and method (and λ), of a result file.
fn losses(file: &str) -> BTreeMap<(String, String, String), f64> {
    let text = fs::read_to_string(repaired().place.result(file)).unwrap();
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows = lines.map(|line| heading.iter().copied().zip(line.split(',')).collect::<BTreeMap<&str, &str>>());
    let rows = rows.filter(|row| row["split"] == "train");
    let key = |row: &BTreeMap<&str, &str>| {
        (row["architecture"].to_owned(), row["method"].to_owned(), row.get("lambda").copied().unwrap_or_default().to_owned())
    };
    rows.map(|row| (key(&row), row["loss"].parse().unwrap())).collect()
}

/// Loss on the training images of a merged model.
fn merged(architecture: &str, method: &str) -> f64 {
    losses("merged.csv")[&(architecture.to_owned(), method.to_owned(), String::new())]
}

/// Loss on the training images at a point of a line.
fn at(architecture: &str, method: &str, lambda: f64) -> f64 {
    let lines = losses("barriers.csv");
    let row = lines.iter().find(|((a, m, l), _)| a == architecture && m == method && l.parse::<f64>().unwrap() == lambda);
    *row.unwrap().1
}

#[test]
fn repairs_share_the_alignment_the_merge_and_the_statistics_of_what_they_repair() {
    let ran = repaired().ended.ran();
    for (kind, count) in [("align/", 6), ("merge/", 6), ("repair/", 12), ("statistics/", 12)] {
        assert_eq!(ran.iter().filter(|stage| stage.starts_with(kind)).count(), count, "{ran:?}");
    }
}

#[test]
fn a_repair_towards_matched_channels_is_better_than_one_towards_unmatched_ones_and_than_none() {
    let order = ["c2m3-repair", "c2m3-repair-as-published", "c2m3"].map(|method| merged("residual", method));
    assert!(order.is_sorted() && 1.5 * order[0] < order[2], "{order:?}");
    assert!(merged("residual", "naive-repair") < merged("residual", "naive"));
}

#[test]
fn a_repair_gives_the_outputs_of_its_layers_the_variance_and_the_mean_they_had() {
    let rows = Rows::read(&repaired().place, "variances.csv");
    for architecture in ["residual", "normed"] {
        let of = |method: &str, column: &str| -> Vec<f64> {
            let found = rows.with(&[("architecture", architecture), ("method", method)]);
            let is_repaired = |layer: &str| method == "c2m3-repair-all" || layer.contains("conv") || layer.starts_with("skip");
            let found: Vec<_> = found.into_iter().filter(|row| is_repaired(rows.text(row, "layer"))).collect();
            assert!(found.len() >= 2, "{architecture}, {method}");
            found.iter().map(|row| rows.number(row, column)).collect()
        };
        for method in ["c2m3-repair", "c2m3-repair-all", "naive-repair", "soft-repair"] {
            for column in ["variance_ratio", "mean_ratio"] {
                let ratios = of(method, column);
                assert!(ratios.iter().all(|ratio| (ratio - 1.0).abs() < 0.02), "{architecture}, {method}, {column}: {ratios:?}");
            }
        }
        // Rescaled or not, matched units follow the end points further than unmatched ones.
        let follows = |method: &str| of(method, "correlation").iter().sum::<f64>() / of(method, "correlation").len() as f64;
        assert!(follows("c2m3") > follows("naive") && follows("c2m3-repair") > follows("naive-repair"), "{architecture}");
        let least = |method: &str| of(method, "variance_ratio").into_iter().fold(f64::INFINITY, f64::min);
        assert!(least("naive") < 0.9 && least("c2m3") < 0.95, "{architecture}: {} and {}", least("naive"), least("c2m3"));
    }
}

#[test]
fn statistics_of_batch_norms_are_renewed_where_there_are_any() {
    assert_eq!(merged("residual", "c2m3-batch-norm"), merged("residual", "c2m3"));
    assert!(merged("normed", "c2m3-batch-norm") < merged("normed", "c2m3"));
    assert!(at("normed", "c2m3-batch-norm", 0.5) < at("normed", "c2m3", 0.5));
    assert!((at("residual", "c2m3-batch-norm", 0.5) - at("residual", "c2m3", 0.5)).abs() < 1e-4);
}

#[test]
fn a_repair_in_front_of_batch_norms_does_what_renewing_their_statistics_does() {
    // A batch norm behind a convolution undoes what a repair does to it: all three are one network.
    for method in ["c2m3-repair", "c2m3-repair-as-published"] {
        let ratio = merged("normed", method) / merged("normed", "c2m3-batch-norm");
        assert!((ratio - 1.0).abs() < 0.05, "{method}: {ratio}");
    }
}

#[test]
fn a_repair_lowers_the_middle_of_a_line_and_leaves_its_ends() {
    for (method, repaired) in [("naive", "naive-repair"), ("c2m3", "c2m3-repair"), ("soft", "soft-repair")] {
        assert!(at("residual", repaired, 0.5) < at("residual", method, 0.5), "{repaired}");
        for (architecture, end) in [("residual", 0.0), ("residual", 1.0), ("normed", 0.0), ("normed", 1.0)] {
            let (before, after) = (at(architecture, method, end), at(architecture, repaired, end));
            if (architecture, method, end) == ("normed", "soft", 1.0) {
                // A model whose units are mixed has stale batch norms already.
                assert!(after < before, "{before} {after}");
            } else {
                assert!((before - after).abs() < 0.05, "{architecture}, {method}, end {end}: {before} {after}");
            }
        }
    }
}

#[test]
fn a_repaired_model_carries_the_architecture_it_has_now() {
    let models = repaired().place.entries().into_iter().map(|entry| entry.join("weights.safetensors"));
    let models = models.filter(|path| path.exists()).map(|path| Checkpoint::load(&path).unwrap());
    let rewritten = models.filter(|model| model.weights.iter().any(|(name, _)| name == "skip1.weight")).count();
    assert_eq!(rewritten, 5);
}

#[test]
fn one_job_and_two_repair_with_the_same_bytes_and_a_second_run_is_all_hits() {
    let two = Place::with(SPEC);
    two.complete(&["--jobs", "2"]);
    two.assert_same_bytes(&repaired().place);
    assert_eq!(two.complete(&[]).number("ran"), 0);
}
