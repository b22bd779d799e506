//! Merged models that are trained on, beside baselines with the same budget.

use super::place::Place;
use super::rows::Rows;

const SPEC: &str = r#"
name = "smoke"
models = 2

[datasets.tiny-glyphs]
format = "glyphs"
train = 400
test = 200
size = 12
difficulty = 0.3

[architectures.mlp]
family = "mlp"
hidden = [16]

[trainings.adam]
epochs = 2
batch = 20
optimizer = { kind = "adam", learning-rate = 3e-3 }

[trainings.short]
epochs = 2
batch = 20
optimizer = { kind = "sgd", learning-rate = 0.05, momentum = 0.9 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "mlp"
training = "adam"

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "naive-tuned"
matching = { by = "identity" }
fine-tuning = "short"

[[methods]]
name = "repaired-and-tuned"
matching = { by = "git-re-basin" }
repair = { kind = "repair", images = 200 }
fine-tuning = "short"

[[methods]]
name = "first"
merging = { by = "model", model = "a" }

[[methods]]
name = "first-tuned"
merging = { by = "model", model = "a" }
fine-tuning = "short"

[evaluation]
lambdas = 3
"#;

#[test]
fn what_is_trained_on_gets_better_than_what_it_starts_from() {
    let place = Place::with(SPEC);
    let ran = place.complete(&[]).ran();
    assert_eq!(ran.iter().filter(|stage| stage.starts_with("fine-tune/")).count(), 3);
    let (merged, models) = (Rows::read(&place, "merged.csv"), Rows::read(&place, "models.csv"));
    let loss = |method: &str| merged.number(merged.with(&[("method", method), ("split", "train")])[0], "loss");
    let own = models.number(models.with(&[("model", "a"), ("split", "train")])[0], "loss");
    assert!((loss("first") - own).abs() < 1e-6, "a model as it is");
    assert!(loss("first-tuned") < 0.9 * loss("first"));
    assert!(loss("naive-tuned") < 0.5 * loss("naive"));
    assert!(loss("repaired-and-tuned") < loss("first"));
    // There is no line through a model that is trained on, nor through one.
    let lines = Rows::read(&place, "barriers.csv");
    assert!(lines.rows.iter().all(|row| lines.text(row, "method") == "naive"));
    let methods = Rows::read(&place, "methods.csv");
    let merging: Vec<&str> = methods.rows.iter().map(|row| methods.text(row, "merging")).collect();
    assert_eq!(merging, ["mean", "mean fine-tuned", "mean fine-tuned", "model", "model fine-tuned"]);

    // Whatever the order of the work.
    let two = Place::with(SPEC);
    two.complete(&["--jobs", "2"]);
    two.assert_same_bytes(&place);
}

#[test]
fn batch_norms_may_be_folded_when_a_merged_model_is_trained_on() {
    let normed = SPEC.replace("hidden = [16]", "hidden = [16]\nnorm = \"batch\"");
    let place = Place::with(&normed.replace("momentum = 0.9 }", "momentum = 0.9 }\nfold-norms = true"));
    place.complete(&[]);
    let merged = Rows::read(&place, "merged.csv");
    let loss = |method: &str| merged.number(merged.with(&[("method", method), ("split", "train")])[0], "loss");
    assert!(loss("first-tuned") < loss("first") && loss("repaired-and-tuned") < loss("naive"));
}

#[test]
fn a_training_that_is_not_there_and_an_ensemble_to_train_on_are_refused() {
    let refused = |from: &str, to: &str, expected: &str| {
        let ended = Place::with(&SPEC.replace(from, to)).run(&[]);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    };
    refused("fine-tuning = \"short\"", "fine-tuning = \"shrt\"", "unknown training `shrt`");
    let ensemble = "merging = { by = \"ensemble\" }\nfine-tuning";
    refused("merging = { by = \"model\", model = \"a\" }\nfine-tuning", ensemble, "it has no model to train on");
    refused("model = \"a\"", "model = \"z\"", "unknown model `z`");
    refused("name = \"first\"", "name = \"first\"\nmatching = { by = \"c2m3\" }", "it has no use for a matching");
}
