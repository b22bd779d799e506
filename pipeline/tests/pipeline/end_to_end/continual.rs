//! Models that are merged one after the other, as their tasks come.

use super::place::Place;
use super::rows::Rows;

const SPEC: &str = r#"
name = "smoke"
replay = 20
models = [
  { name = "t1", subset = { parts = [{ labels = [0, 1, 2] }] }, first-weights = "shared" },
  { name = "t2", subset = { parts = [{ labels = [3, 4, 5] }] }, first-weights = "shared" },
  { name = "t3", subset = { parts = [{ except = [0, 1, 2, 3, 4, 5] }, { labels = [5], count = 1 }] }, first-weights = "shared" },
  { name = "joint" },
]

[datasets.tiny-glyphs]
format = "glyphs"
train = 600
test = 300
size = 12
difficulty = 0.3

[architectures.mlp]
family = "mlp"
hidden = [16]
bias = false

[trainings.sgd]
epochs = 3
batch = 20
optimizer = { kind = "sgd", learning-rate = 0.05, momentum = 0.9 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "mlp"
training = "sgd"

[[methods]]
name = "joint"
models = ["t1", "t2"]
merging = { by = "model", model = "joint" }

[[methods]]
name = "avg"
models = ["t1", "t2"]
matching = { by = "identity" }
sequential = {}

[[methods]]
name = "all"
models = ["t1", "t2", "t3"]
matching = { by = "identity" }
sequential = {}

[[methods]]
name = "plain"
models = ["t1", "t2", "t3"]
matching = { by = "identity" }

[[methods]]
name = "ot"
models = ["t1", "t2"]
matching = { by = "ot-fusion", ground = "squared", output = "transported", cost-divisor = 100, clip-costs = [0.0, 0.05] }
merging = { by = "mean", columns = "unaligned" }
sequential = { onto = "next" }

[[methods]]
name = "tuned"
models = ["t1", "t2"]
matching = { by = "git-re-basin" }
fine-tuning = "sgd"
sequential = {}

[[methods]]
name = "curve"
models = ["t1", "t2"]
matching = { by = "identity" }
merging = { by = "curve", training = "sgd" }
sequential = {}

[evaluation]
pairs = "none"
splits = ["test"]
tasks = ["t1", "t2"]
"#;

#[test]
fn tasks_are_measured_after_each_of_them() {
    let place = Place::with(SPEC);
    let ran = place.complete(&[]).ran();
    let steps = |kind: &str| ran.iter().filter(|stage| stage.starts_with(kind) && stage.contains("/step-")).count();
    // The first two of `all` are merged as by `avg`, and once for both.
    assert_eq!((steps("merge/"), steps("curve/"), steps("fine-tune/")), (4, 1, 1));
    let (tasks, merged, models) = (Rows::read(&place, "tasks.csv"), Rows::read(&place, "merged.csv"), Rows::read(&place, "models.csv"));
    let accuracy = |method: &str, learned: &str, task: &str| {
        tasks.number(tasks.with(&[("method", method), ("learned", learned), ("task", task)])[0], "accuracy")
    };
    // Everything starts from the first model, which knows nothing of the second task.
    assert_eq!(accuracy("avg", "1", "t1"), accuracy("curve", "1", "t1"));
    assert!(accuracy("avg", "1", "t1") > 0.5 && accuracy("avg", "1", "t2") < 0.1);
    assert!(accuracy("tuned", "2", "t2") > accuracy("avg", "1", "t2"));
    assert!(tasks.with(&[("method", "joint"), ("learned", "1")]).is_empty(), "a baseline is measured at the end alone");
    // Equal shares of all in the end, to rounding.
    let loss = |method: &str| merged.number(merged.with(&[("method", method)])[0], "loss");
    assert!((loss("all") - loss("plain")).abs() < 1e-4 * loss("plain"), "{} {}", loss("all"), loss("plain"));
    let own = models.number(models.with(&[("model", "joint")])[0], "loss");
    assert!((loss("joint") - own).abs() < 1e-6);

    let continual = Rows::read(&place, "continual.csv");
    let of = |method: &str, column: &str| continual.text(continual.with(&[("method", method)])[0], column).to_owned();
    assert!(of("joint", "forgetting").is_empty() && !of("avg", "forgetting").is_empty());
    let transfer = accuracy("tuned", "2", "t1") - accuracy("tuned", "1", "t1");
    assert!((of("tuned", "backward_transfer").parse::<f64>().unwrap() - transfer).abs() < 1e-6);

    let two = Place::with(SPEC);
    two.complete(&["--jobs", "2"]);
    two.assert_same_bytes(&place);
}

#[test]
fn sequences_that_cannot_be_are_refused_where_they_are_written() {
    let refused = |from: &str, to: &str, expected: &str| {
        assert!(SPEC.contains(from), "{from}");
        let ended = Place::with(&SPEC.replacen(from, to, 1)).run(&[]);
        assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
    };
    refused("replay = 20", "replay = 0", "`replay` should be at least 1");
    refused("sequential = {}", "sequential = { onto = \"last\" }", "onto");
    refused("merging = { by = \"model\", model = \"joint\" }", "merging = { by = \"ensemble\" }\nsequential = {}", "only means and curves");
    refused("matching = { by = \"git-re-basin\" }", "matching = { by = \"c2m3\" }", "matchings of all models know no order");
    refused("tasks = [\"t1\", \"t2\"]", "tasks = [\"t1\"]", "at least 2 models");
    refused("tasks = [\"t1\", \"t2\"]", "tasks = [\"t1\", \"joint\"]", "no `labels` in its `subset`");
    refused("replay = 20", "replay = 2000", "key `replay`: expected at most the 180 images that a model sees, got `2000`");
    refused(
        "replay = 20\nmodels = [\n  { name = \"t1\", subset = { parts = [{ labels = [0, 1, 2] }] },",
        "replay = 301\nmodels = [\n  { name = \"t1\", subset = 0.5,",
        "`replay` is 301, but model `t1`, which `tuned` merges, sees 300 training images of `tiny-glyphs`",
    );
    refused(
        "name = \"all\"\nmodels = [\"t1\", \"t2\", \"t3\"]",
        "name = \"all\"\nmodels = [\"t2\", \"t1\", \"t3\"]",
        "`all` merges models in the order of the spec's `models`, and these are named in another\n",
    );
}

/// Tasks whose models are joined by curves, one after the other.
const CURVES: &str = r#"
[[methods]]
name = "mode"
models = ["t1", "t2", "t3"]
matching = { by = "identity" }
merging = { by = "curve", training = "sgd", at = 0.25 }
sequential = {}

[[methods]]
name = "best"
models = ["t1", "t2", "t3"]
matching = { by = "identity" }
merging = { by = "curve", training = "sgd", at = "best" }
sequential = {}

[evaluation]
path = 5
curve-plane = { methods = ["mode"], points = 3 }
"#;

#[test]
fn along_a_sequence_the_curve_that_is_measured_is_the_one_that_is_merged() {
    let spec = SPEC.replace("replay = 20\n", "replay = 20\nvalidation = 0.1\n").replace("[evaluation]\n", CURVES);
    let place = Place::with(&spec);
    place.complete(&[]);
    let (merged, paths) = (Rows::read(&place, "merged.csv"), Rows::read(&place, "paths.csv"));
    let rows = paths.with(&[("method", "mode"), ("models", "t1+t2+t3"), ("split", "test")]);
    let at = rows.iter().find(|row| (paths.number(row, "t") - 0.25).abs() < 1e-9).unwrap();
    let loss = merged.number(merged.with(&[("method", "mode"), ("split", "test")])[0], "loss");
    assert_eq!(rows.len(), 5);
    assert!((paths.number(at, "loss") - loss).abs() < 1e-6, "{} {loss}", paths.number(at, "loss"));
    let best = Rows::read(&place, "best-points.csv");
    let steps: Vec<&str> = best.with(&[("method", "best"), ("models", "t1+t2+t3")]).into_iter().map(|row| best.text(row, "step")).collect();
    assert_eq!((steps, best.rows.len()), (vec!["2", "3"], 2));
    assert!(std::fs::read_to_string(place.result("table.md")).unwrap().contains("| best, after 3 models |"));
    assert_eq!(Rows::read(&place, "curve-plane.csv").rows.len(), 9 + 4);
}
