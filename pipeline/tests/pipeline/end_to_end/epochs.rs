//! Models measured on the way of their training.

use std::collections::BTreeSet;

use super::place::Place;
use super::rows::Rows;

const SPEC: &str = r#"
name = "smoke"
models = 2

[datasets.tiny-glyphs]
format = "glyphs"
train = 600
test = 200
size = 12
difficulty = 0.1

[architectures.mlp]
family = "mlp"
hidden = [24, 24]

[trainings.adam]
epochs = 4
batch = 30
optimizer = { kind = "adam", learning-rate = 3e-3 }
schedule = { kind = "cosine", warmup-epochs = 1 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "mlp"
training = "adam"

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "git-re-basin"
matching = { by = "git-re-basin" }

[[methods]]
name = "activation-matching"
matching = { by = "activation-matching" }

[evaluation]
lambdas = 5
"#;

/// The columns of a results file but for `stage`, which names how a figure was made.
fn figures(place: &Place, file: &str) -> Vec<Vec<String>> {
    let Rows { columns, rows } = Rows::read(place, file);
    let stage = columns.iter().position(|name| name == "stage").unwrap();
    rows.into_iter().map(|row| row.into_iter().enumerate().filter(|(place, _)| *place != stage).map(|(_, cell)| cell).collect()).collect()
}

#[test]
fn a_training_cut_into_parts_is_measured_after_each_and_ends_at_the_same_weights() {
    let whole = Place::with(SPEC);
    whole.complete(&[]);
    let cut = Place::with(&format!("{SPEC}epochs = [1, 3, 4]\n"));
    let ran: BTreeSet<String> = cut.complete(&["--jobs", "2"]).ran();
    let trained: Vec<&str> = ran.iter().filter_map(|stage| stage.strip_prefix("train/tiny-glyphs-mlp/replicate-0/a")).collect();
    assert_eq!(trained, ["", "/epoch-1", "/epoch-3"], "the last epoch is that of the whole training");
    for file in ["models.csv", "merged.csv", "barriers.csv", "learning-curves.csv", "matching.csv", "traces.csv"] {
        assert_eq!(figures(&cut, file), figures(&whole, file), "{file}");
    }

    let (table, lines) = (Rows::read(&cut, "epochs.csv"), Rows::read(&cut, "barriers.csv"));
    assert_eq!(table.rows.len(), 3 * 3 * 2, "methods, epochs, splits");
    for method in ["naive", "git-re-basin", "activation-matching"] {
        let of = |epoch: &str, column: &str| {
            let rows = table.with(&[("method", method), ("epoch", epoch), ("split", "test")]);
            table.number(rows[0], column)
        };
        // After the last epoch it is the line that is measured anyway.
        let line = lines.with(&[("method", method), ("split", "test")]);
        let losses: Vec<f64> = line.iter().map(|row| lines.number(row, "loss")).collect();
        let ends = (losses[0] + losses[4]) / 2.0;
        assert!((of("4", "barrier_mean") - (losses.iter().copied().fold(f64::MIN, f64::max) - ends)).abs() < 1e-5, "{method}");
        assert!((of("4", "midpoint_loss") - losses[2]).abs() < 1e-6 && (of("4", "end_loss") - ends).abs() < 1e-5, "{method}");
        // Networks learn on the way.
        assert!(of("1", "end_loss") > 1.2 * of("4", "end_loss"), "{method}");
    }
    assert!(cut.plot("epochs-tiny-glyphs-mlp.svg").exists());
    assert!(!whole.result("epochs.csv").exists());
}

#[test]
fn epochs_that_no_training_has_or_that_nothing_is_measured_after_are_refused() {
    let refused = |epochs: &str, expected: &str| {
        let ended = Place::with(&format!("{SPEC}{epochs}\n")).run(&[]);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    };
    refused("epochs = [1, 5]", "`evaluation.epochs` holds 5, but a training of `tiny-glyphs-mlp` has 4 whole epochs");
    refused("epochs = [2, 2]", "`evaluation.epochs` should hold whole numbers from 1, in rising order");
    refused("epochs = [0]", "`evaluation.epochs` should hold whole numbers from 1, in rising order");
    let alone = SPEC.split("[[methods]]").next().unwrap().to_owned();
    let ensemble = "[[methods]]\nname = \"ensemble\"\nmerging = { by = \"ensemble\" }\n\n[evaluation]\nepochs = [1]\n";
    let ended = Place::with(&format!("{alone}{ensemble}")).run(&[]);
    assert!(ended.stderr.contains("but no method has any"), "{}", ended.stderr);
    refused("pairs = \"none\"\nepochs = [1]", "`evaluation.epochs` measures lines between models, but there are none");
}
