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
difficulty = 0.3

[architectures.residual]
family = "resnet"
depth = 8
width = 4
norm = "layer"

[architectures.normed]
family = "vgg"
stages = [[8], [12]]
head = [16]
norm = "batch"

[trainings.adam]
epochs = 6
batch = 20
optimizer = { kind = "adam", learning-rate = 1e-2 }

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
    // One alignment and one merge a matching, whatever is done afterwards.
    for kind in ["align/", "merge/"] {
        assert_eq!(ran.iter().filter(|stage| stage.starts_with(kind)).count(), if kind == "merge/" { 4 } else { 6 }, "{ran:?}");
    }
    assert_eq!(ran.iter().filter(|stage| stage.starts_with("repair/")).count(), 8, "{ran:?}");

    let merged = losses(&place, "merged.csv");
    let loss = |architecture: &str, method: &str| merged[&(architecture.to_owned(), method.to_owned(), String::new())];
    for architecture in ["residual", "normed"] {
        let [naive, repaired] = ["naive", "naive-repair"].map(|method| loss(architecture, method));
        assert!(repaired < naive, "{architecture}: {repaired} after, {naive} before the repair");
        let [aligned, published] = ["c2m3-repair", "c2m3-repair-as-published"].map(|method| loss(architecture, method));
        assert!((aligned - published).abs() > 1e-3, "{architecture}: {aligned} {published}");
    }
    // Batch norms: there are none in the one, and stale ones in the other.
    assert_eq!(loss("residual", "c2m3-batch-norm"), loss("residual", "c2m3"));
    assert!(loss("normed", "c2m3-batch-norm") < loss("normed", "c2m3"));

    let lines = losses(&place, "barriers.csv");
    let at = |architecture: &str, method: &str, lambda: f64| {
        let row = lines.iter().find(|((a, m, l), _)| a == architecture && m == method && l.parse::<f64>().unwrap() == lambda);
        *row.unwrap().1
    };
    for architecture in ["residual", "normed"] {
        assert!(at(architecture, "naive-repair", 0.5) < at(architecture, "naive", 0.5), "{architecture}");
        for end in [0.0, 1.0] {
            let [plain, repaired] = ["naive", "naive-repair"].map(|method| at(architecture, method, end));
            assert!((plain - repaired).abs() < 0.25 * (1.0 + plain), "{architecture}, end {end}: {plain} {repaired}");
        }
    }
    assert!(at("normed", "c2m3-batch-norm", 0.5) < at("normed", "c2m3", 0.5));
    assert_eq!(at("residual", "c2m3-batch-norm", 0.5), at("residual", "c2m3", 0.5));

    // The repaired model carries the architecture it has now.
    let models = fs::read_dir(place.path().join(".store")).unwrap().map(|entry| entry.unwrap().path().join("weights.safetensors"));
    let models = models.filter(|path| path.exists()).map(|path| Checkpoint::load(&path).unwrap());
    let rewritten = models.filter(|model| model.weights.iter().any(|(name, _)| name == "skip1.weight")).count();
    assert_eq!(rewritten, 3);

    let other = Place::with(SPEC);
    other.complete(&["--jobs", "2"]);
    assert!(place.published() == other.published(), "published bytes differ");
    assert!(place.artifacts() == other.artifacts(), "artifacts differ");
    assert_eq!(place.complete(&[]).number("ran"), 0);
}
