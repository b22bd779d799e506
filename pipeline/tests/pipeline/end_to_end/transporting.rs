//! Optimal transport in every way, on a network with skips.

use std::collections::BTreeMap;
use std::fs;

use super::place::Place;

const SPEC: &str = r#"
name = "smoke"
models = 3

[datasets.tiny-glyphs]
format = "glyphs"
train = 300
test = 100
size = 12
difficulty = 0.1

[architectures.residual]
family = "resnet"
depth = 8
width = 4
norm = "none"

[trainings.adam]
epochs = 1
batch = 20
optimizer = { kind = "adam", learning-rate = 3e-3 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "residual"
training = "adam"

[[methods]]
name = "tied"
matching = { by = "ot-fusion" }

[[methods]]
name = "by-weights"
matching = { by = "ot-fusion", append-vectors = false, output = "transported", residual = "skips" }

[[methods]]
name = "by-activations"
matching = { by = "ot-fusion", features = "activations", activations = { tap = "before-relu", images = 100 }, output = "transported", residual = "skips" }

[[methods]]
name = "unbalanced"
matching = { by = "ot-fusion", plan = "unbalanced", regularisation = 0.05, relaxation = 5, normalise-costs = "mean" }

[[methods]]
name = "partial"
matching = { by = "ot-fusion", plan = "partial", mass = 0.8, ground = "cosine" }

[[methods]]
name = "partial-skips"
matching = { by = "ot-fusion", plan = "partial", mass = 0.5, residual = "skips" }

[[methods]]
name = "unbalanced-skips"
matching = { by = "ot-fusion", plan = "unbalanced", relaxation = 0.1, residual = "skips" }

[[methods]]
name = "weighed"
matching = { by = "ot-fusion", masses = "l2", iterated = true }
merging = { by = "mean", coefficients = [0.5, 0.25, 0.25] }
repair = { kind = "repair", images = 100 }

[evaluation]
lambdas = 3
splits = ["train"]
images = 100
"#;

#[test]
fn every_transport_merges_and_each_model_is_looked_at_once_for_all_layers() {
    let place = Place::with(SPEC);
    let ran = place.complete(&[]).ran();
    let moments: Vec<&String> = ran.iter().filter(|stage| stage.starts_with("moments/")).collect();
    assert_eq!(moments, ["moments/tiny-glyphs-residual/replicate-0/before-relu/images-100/layers"]);
    let rows = |file: &str| -> Vec<BTreeMap<String, String>> {
        let text = fs::read_to_string(place.result(file)).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let heading = lines.next().unwrap();
        lines.map(|line| heading.iter().cloned().zip(line).collect()).collect()
    };
    let merged = rows("merged.csv");
    for method in ["tied", "by-weights", "by-activations", "unbalanced", "partial", "partial-skips", "unbalanced-skips", "weighed"] {
        let row = merged.iter().find(|row| row["method"] == method).unwrap_or_else(|| panic!("{method}: {merged:?}"));
        assert!(row["loss"].parse::<f64>().unwrap().is_finite(), "{method}: {row:?}");
        let end = rows("matching.csv").into_iter().find(|row| row["method"] == method).unwrap();
        // Only permutations through one frame come back from a cycle.
        let is_hard = end["cycle_error"].parse::<f64>().unwrap() == 0.0;
        assert_eq!(is_hard, method == "tied", "{method}: {end:?}");
        assert!(end["marginal_error"].parse::<f64>().unwrap() < 1e-3, "{method}: {end:?}");
    }
    // The middle of a line is the mean of two models whose slots are filled alike, so it is a network like any other.
    assert!(rows("barriers.csv").iter().all(|row| row["loss"].parse::<f64>().unwrap().is_finite()));
}
