//! Every kind of method beside every measurement: what a spec accepts is run to its end and measured.

use std::path::Path;

use onebasin::experiment;
use onebasin::spec::Overrides;
use onebasin_datasets::SearchPaths;

use super::place::Place;

/// All but methods and measurements. The models know classes of their own, as tasks need it.
const HEAD: &str = r#"
name = "smoke"
validation = 0.2
models = [
  { name = "a", subset = { parts = [{ labels = [0, 1, 2] }] } },
  { name = "b", subset = { parts = [{ labels = [3, 4, 5] }] } },
  { name = "c", subset = { parts = [{ labels = [6, 7, 8, 9] }] } },
]

[datasets.tiny-glyphs]
format = "glyphs"
train = 200
test = 60
size = 12
difficulty = 0.3

[architectures.net]
layers = [
  { op = "conv", out = 3, kernel = 3 },
  { op = "norm", kind = "batch" },
  { op = "relu" },
  { op = "global-mean" },
  { op = "linear", out = "classes" },
]

[trainings.short]
epochs = 2
batch = 20
optimizer = { kind = "adam", learning-rate = 3e-3 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "net"
training = "short"
"#;

/// One method of each kind.
const METHODS: [(&str, &str); 16] = [
    ("a mean", r#"matching = { by = "git-re-basin" }"#),
    ("a mean of models matched together", r#"matching = { by = "c2m3" }"#),
    ("a mean of matched activations", r#"matching = { by = "activation-matching" }"#),
    ("a mean of transported models", "matching = { by = \"ot-fusion\" }\nfine-tuning = \"short\""),
    ("draws", "matching = { by = \"git-re-basin\", order = \"random\" }\nmatching-seeds = 2"),
    ("a weighed mean", "matching = { by = \"identity\" }\nmerging = { by = \"mean\", coefficients = [0.5, 0.25, 0.25] }"),
    (
        "a weighed mean of two",
        "models = [\"a\", \"c\"]\nmatching = { by = \"identity\" }\nmerging = { by = \"mean\", coefficients = [0.5, 0.5] }",
    ),
    ("the middle of an arc", "models = [\"a\", \"b\"]\nmatching = { by = \"git-re-basin\" }\nmerging = { by = \"spherical\" }"),
    ("a repaired mean", "matching = { by = \"merge-many\" }\nrepair = { kind = \"repair\" }"),
    ("an ensemble", r#"merging = { by = "ensemble" }"#),
    ("one of the models", r#"merging = { by = "model", model = "b" }"#),
    ("a student", "merging = { by = \"fresh\" }\nfine-tuning = \"short\"\ndistillation = {}"),
    (
        "a curve",
        "models = [\"a\", \"b\"]\nmatching = { by = \"identity\" }\nmerging = { by = \"curve\", training = \"short\", at = \"best\" }",
    ),
    ("a sequence of means", "matching = { by = \"git-re-basin\" }\nsequential = {}\nfine-tuning = \"short\""),
    ("a sequence of curves", "matching = { by = \"identity\" }\nmerging = { by = \"curve\", training = \"short\" }\nsequential = {}"),
    (
        "a chain",
        "models = [\"b\", \"c\"]\nmatching = { by = \"ot-fusion\" }\nmerging = { by = \"curve\", training = \"short\", kind = \"polygonal\", bends = 2 }",
    ),
];

/// Keys of `[evaluation]`, each with the table that it asks for.
const MEASUREMENTS: [(&str, &str); 18] = [
    ("pairs = \"all\"", "barriers.csv"),
    ("epochs = [1]", "epochs.csv"),
    ("subsets = [2]", "subsets.csv"),
    ("cycles = [[\"a\", \"b\", \"c\"]]", "cycles.csv"),
    ("similarity = true", "similarity.csv"),
    ("norms = true", "norms.csv"),
    ("variances = 40", "variances.csv"),
    ("calibration = 5", "calibration.csv"),
    ("class-accuracy = true", "class-accuracy.csv"),
    ("rounds = [1, 2]", "rounds.csv"),
    ("features = { images = 20 }", "features.csv"),
    ("plane = { points = 3, images = 20 }", "plane.csv"),
    ("lead = { of = \"tested\", over = \"naive\", controls = [\"all\"] }", "lead.csv"),
    ("tasks = [\"a\", \"b\"]", "tasks.csv"),
    ("path = 3", "paths.csv"),
    ("curve-plane = { points = 3 }", "curve-plane.csv"),
    ("iterates = 2", "iterates.csv"),
    ("margins = true", "margins.csv"),
];

/// The spec with a method, a plain one that merges whatever is asked for, another that merges two, and some measurements.
fn spec(method: &str, measurements: &[&str]) -> String {
    let merges = if method.contains("coefficients = [0.5, 0.25") { "merges = [3]\n" } else { "merges = [2, 3]\n" };
    let plain = "[[methods]]\nname = \"naive\"\nmatching = { by = \"identity\" }\n\n[[methods]]\nname = \"all\"\nmodels = [\"a\", \"b\"]\nmatching = { by = \"identity\" }";
    format!(
        "{HEAD}\n[[methods]]\nname = \"tested\"\n{method}\n\n{plain}\n\n[evaluation]\nlambdas = 3\n{merges}{}\n",
        measurements.join("\n")
    )
}

fn is_accepted(spec: &str) -> bool {
    experiment::parse(spec, Path::new("smoke.toml"), &Overrides::default(), &SearchPaths::offline([], "/nonexistent")).is_ok()
}

#[test]
fn what_a_spec_accepts_of_a_method_and_a_measurement_is_run_and_measured() {
    let mut accepted = vec![0; MEASUREMENTS.len()];
    for (what, method) in METHODS {
        assert!(is_accepted(&spec(method, &[])), "{what}");
        let mut asked: Vec<&str> = Vec::new();
        for (place, (key, _)) in MEASUREMENTS.iter().enumerate() {
            let more: Vec<&str> = asked.iter().copied().chain([*key]).collect();
            if is_accepted(&spec(method, &more)) {
                asked = more;
                accepted[place] += 1;
            }
        }
        let place = Place::with(&spec(method, &asked));
        let ended = place.run(&[]);
        assert_eq!(ended.code, Some(0), "{what}: {}", ended.stderr);
        for (key, file) in MEASUREMENTS.iter().filter(|(key, _)| asked.contains(key)) {
            let rows = std::fs::read_to_string(place.result(file)).map_or(0, |text| text.lines().count());
            assert!(rows > 1, "{what}: `{key}` leaves no `{file}`");
        }
    }
    for ((key, _), count) in MEASUREMENTS.iter().zip(accepted) {
        assert!(count > 0, "no method has `{key}`");
    }
}
