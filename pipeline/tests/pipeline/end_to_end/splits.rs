//! Models that see different images, and how sure they are.

use super::place::Place;
use super::rows::Rows;

const SPEC: &str = r#"
name = "smoke"
models = [
  { name = "a", subset = { order = "shared", parts = [{ labels = [0, 1] }] } },
  { name = "b", subset = { order = "shared", parts = [{ except = [0, 1], to = 0.5 }] } },
  { name = "all" },
]

[datasets.tiny-glyphs]
format = "glyphs"
classes = 4
train = 400
test = 200
size = 12
difficulty = 0.1

[architectures.mlp]
family = "mlp"
hidden = [16]

[trainings.adam]
epochs = 6
batch = 20
optimizer = { kind = "adam", learning-rate = 3e-3 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "mlp"
training = "adam"

[[methods]]
name = "git-re-basin"
matching = { by = "git-re-basin" }

[[methods]]
name = "ensemble"
merging = { by = "ensemble", average = "log-probabilities" }

[evaluation]
pairs = [["a", "b"]]
merges = [2]
lambdas = 3
calibration = 5
class-accuracy = true
"#;

#[test]
fn models_know_the_classes_that_they_have_seen_and_are_surest_of_them() {
    let place = Place::with(SPEC);
    place.complete(&[]);

    let (seen, classes) = (Rows::read(&place, "model-classes.csv"), Rows::read(&place, "classes.csv"));
    let images = |model: &str| -> Vec<f64> { seen.with(&[("model", model)]).iter().map(|row| seen.number(row, "images")).collect() };
    let all: Vec<f64> = classes.rows.iter().map(|row| classes.number(row, "train")).collect();
    assert_eq!(images("all"), all);
    assert_eq!((&images("a")[..2], &images("a")[2..]), (&all[..2], &[0.0, 0.0][..]));
    assert_eq!(images("b")[..2], [0.0, 0.0]);
    assert_eq!(images("b").iter().sum::<f64>(), ((all[2] + all[3]) / 2.0).round());

    let accuracy = Rows::read(&place, "class-accuracy.csv");
    for (model, unseen) in [("a", "2"), ("b", "0")] {
        let rows = accuracy.with(&[("model", model), ("split", "test"), ("class", unseen)]);
        assert!(accuracy.number(rows[0], "accuracy") < 0.05, "{model} is never right about a class it has not seen");
    }

    let (errors, bins) = (Rows::read(&place, "calibration.csv"), Rows::read(&place, "reliability.csv"));
    assert_eq!(errors.rows.len(), (3 + 2) * 2 * 2, "networks, splits, kinds");
    let error = |model: &str| {
        let rows = errors.with(&[("method", "endpoints"), ("model", model), ("split", "test"), ("kind", "top-label")]);
        errors.number(rows[0], "error")
    };
    assert!(error("a") > error("all") + 0.1 && error("b") > error("all") + 0.1, "half of what they are sure of is wrong");
    for row in &errors.rows {
        let of = |column: &'static str| (column, errors.text(row, column));
        let rows = bins.with(&[of("method"), of("model"), of("split"), of("kind")]);
        let total: f64 = rows.iter().map(|row| bins.number(row, "count")).sum();
        let images = if errors.text(row, "split") == "test" { 200.0 } else { 400.0 };
        assert_eq!((rows.len(), total), (5, if errors.text(row, "kind") == "top-label" { images } else { 4.0 * images }));
        if errors.text(row, "kind") == "top-label" {
            // The error is what its bins come to.
            let full = rows.iter().filter(|row| bins.number(row, "count") > 0.0);
            let distance = |row: &&&Vec<String>| {
                bins.number(row, "count") * (bins.number(row, "probability") - bins.number(row, "frequency")).abs() / total
            };
            let sum: f64 = full.map(|row| distance(&row)).sum();
            assert!((sum - errors.number(row, "error")).abs() < 1e-5, "{row:?}");
        }
    }
    assert!(place.plot("reliability-tiny-glyphs-mlp.svg").exists());
}
