//! Curves between two models whose bends are trained, beside joint training and models of their own subsets.

use std::fs;

use super::place::Place;
use super::rows::Rows;

const SPEC: &str = r#"
name = "smoke"
validation = 0.2
models = [{ name = "a" }, { name = "joint", training = "short" }, { name = "b" }]

[datasets.tiny-glyphs]
format = "glyphs"
train = 400
test = 200
size = 12
difficulty = 0.3

[subsets.class]
a = { order = "file", parts = [{ labels = [4] }, { except = [4], to = 0.2 }] }
b = { order = "file", parts = [{ except = [4], from = 0.2 }] }

[architectures.mlp]
family = "mlp"
hidden = [16]
bias = false

[trainings.adam]
epochs = 2
batch = 20
optimizer = { kind = "adam", learning-rate = 3e-3 }

[trainings.short]
epochs = 4
batch = 20
optimizer = { kind = "sgd", learning-rate = 0.05, momentum = 0.9, reset-each-epoch = true }
schedule = { kind = "plateau-linear", per = "epoch", minimum = 5e-4 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "mlp"
training = "adam"
subsets = "class"
augmentation = { kind = "flip", probability = 0.1 }

[[methods]]
name = "joint"
merging = { by = "model", model = "joint" }
models = ["a", "b"]

[[methods]]
name = "naive"
models = ["a", "b"]
matching = { by = "identity" }

[[methods]]
name = "ot-random"
models = ["a", "b"]
matching = { by = "ot-fusion", target = "random", ground = "squared" }

[[methods]]
name = "curve"
models = ["b", "a"]
matching = { by = "identity" }
merging = { by = "curve", training = "short" }

[[methods]]
name = "curve-start"
models = ["a", "b"]
matching = { by = "identity" }
merging = { by = "curve", training = "short", at = 0 }

[[methods]]
name = "curve-best"
models = ["a", "b"]
matching = { by = "identity" }
merging = { by = "curve", training = "short", at = "best" }

[[methods]]
name = "chain"
models = ["a", "b"]
matching = { by = "git-re-basin" }
merging = { by = "curve", training = "short", kind = "polygonal", bends = 2, start = "random", penalty = 1e-4 }

[[methods]]
name = "as-published"
models = ["a", "b"]
matching = { by = "identity" }
merging = { by = "curve", training = "short", start = "random", ends = "mean-first" }

[[methods]]
name = "strangers"
models = ["a", "b"]
matching = { by = "identity" }
merging = { by = "curve", training = "short", start = "random", ends = "random" }
fine-tuning = "short"

[evaluation]
pairs = "none"
path = 5
curve-plane = { methods = ["curve"], points = 3 }
"#;

#[test]
fn curves_lead_from_one_model_to_the_other_through_better_ones() {
    let place = Place::with(SPEC);
    let ran = place.complete(&[]).ran();
    assert_eq!(ran.iter().filter(|stage| stage.starts_with("curve/")).count(), 4, "points of one curve share it");
    let (merged, models) = (Rows::read(&place, "merged.csv"), Rows::read(&place, "models.csv"));
    let loss = |method: &str| merged.number(merged.with(&[("method", method), ("split", "train")])[0], "loss");
    let own = |model: &str| models.number(models.with(&[("model", model), ("split", "train")])[0], "loss");
    assert!(merged.rows.iter().all(|row| merged.number(row, "models") == 2.0));
    assert!((loss("joint") - own("joint")).abs() < 1e-6 && (loss("curve-start") - own("a")).abs() < 1e-6);
    for method in ["curve", "curve-best", "chain", "as-published"] {
        assert!(loss(method) < loss("naive"), "{method}");
    }

    let paths = Rows::read(&place, "paths.csv");
    let point = |method: &str, t: f64, column: &str| {
        let rows = paths.with(&[("method", method), ("split", "train")]);
        let row = rows.into_iter().find(|row| (paths.number(row, "t") - t).abs() < 1e-9).unwrap();
        paths.number(row, column)
    };
    assert!((point("curve", 0.0, "loss") - own("a")).abs() < 1e-6 && (point("curve", 1.0, "loss") - own("b")).abs() < 1e-6);
    assert!((point("curve", 0.5, "loss") - loss("curve")).abs() < 1e-6);
    assert!((point("as-published", 0.0, "loss") - loss("naive")).abs() < 1e-6, "the mean stands first");
    assert_eq!(point("curve", 0.0, "step"), 0.0);
    assert!(point("curve", 0.25, "step") > 0.0);

    let best = Rows::read(&place, "best-points.csv");
    let [row] = best.rows.as_slice() else { panic!("one curve has a best point: {:?}", best.rows) };
    let t = best.number(row, "t");
    assert_eq!(best.text(row, "method"), "curve-best");
    assert!((0..=60).any(|place| (t - f64::from(place) / 60.0).abs() < 1e-6) && best.number(row, "validation_loss") > 0.0, "{t}");
    assert!(fs::read_to_string(place.result("table.md")).unwrap().contains("### Best points of curves"));

    let plane = Rows::read(&place, "curve-plane.csv");
    let marked = |mark: &str, column: &str| plane.number(plane.with(&[("mark", mark)])[0], column);
    assert_eq!(plane.rows.len(), 9 + 4);
    let test = |method: &str| merged.number(merged.with(&[("method", method), ("split", "test")])[0], "loss");
    assert!((marked("middle", "loss") - test("curve")).abs() < 1e-4);
    assert_eq!((marked("first", "x"), marked("first", "y"), marked("last", "y")), (0.0, 0.0, 0.0));

    // A fifth of the images is put aside; the special class is whole for one model, and absent for the other.
    let classes = Rows::read(&place, "model-classes.csv");
    let seen = |model: &str, class: Option<&str>| -> f64 {
        let rows = classes.with(&[("model", model)]);
        rows.into_iter()
            .filter(|row| class.is_none_or(|class| classes.text(row, "label") == class))
            .map(|row| classes.number(row, "images"))
            .sum()
    };
    assert_eq!(seen("a", None) + seen("b", None), 320.0);
    assert_eq!(seen("joint", None), 320.0);
    assert!(seen("a", Some("4")) > 0.0 && seen("b", Some("4")) == 0.0);

    // Whatever the order of the work.
    let two = Place::with(SPEC);
    two.complete(&["--jobs", "2"]);
    two.assert_same_bytes(&place);
}

#[test]
fn a_curve_between_models_of_a_list_is_measured_as_any_other() {
    let spec = SPEC.replace("models = [\"b\", \"a\"]\n", "").replace("[evaluation]\n", "[evaluation]\nmerges = [2, [\"joint\", \"b\"]]\n");
    let spec = spec.replacen("\"curve\", training = \"short\" }", "\"curve\", training = \"short\", at = \"best\" }", 1);
    let place = Place::with(&spec);
    place.complete(&[]);
    let (paths, best) = (Rows::read(&place, "paths.csv"), Rows::read(&place, "best-points.csv"));
    for models in ["a+joint", "joint+b"] {
        assert_eq!(paths.with(&[("method", "curve"), ("models", models), ("split", "test")]).len(), 5, "{models}");
        assert_eq!(best.with(&[("method", "curve"), ("models", models), ("step", "")]).len(), 1, "{models}");
    }
    let table = fs::read_to_string(place.result("table.md")).unwrap();
    assert_eq!(table.matches("| curve, joint+b |").count(), 2, "{table}");
}

#[test]
fn curves_that_cannot_be_are_refused_where_they_are_written() {
    let refused = |from: &str, to: &str, expected: &str| {
        let ended = Place::with(&SPEC.replacen(from, to, 1)).run(&[]);
        assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
    };
    refused(
        "training = \"short\" }\n\n[[methods]]\nname = \"curve-start\"",
        "training = \"shrt\" }\n\n[[methods]]\nname = \"curve-start\"",
        "unknown training `shrt`",
    );
    refused("validation = 0.2\n", "", "there are none");
    refused("validation = 0.2\n", "validation = 1.0\n", "above 0 and below 1");
    refused("validation = 0.2\n", "validation = 0.001\n", "puts 1 training image of `tiny-glyphs` aside, expected at least 10");
    refused("validation = 0.2\n", "validation = 0.999\n", "leaves 1 of 400 training images of `tiny-glyphs`, expected at least 10");
    refused("models = [\"b\", \"a\"]", "models = [\"a\", \"joint\", \"b\"]", "a curve is between 2 models: it cannot merge 3");
    refused("models = [\"b\", \"a\"]", "models = [\"a\"]", "names 1 models");
    refused("bends = 2", "bends = 0", "`bends` is `0`");
    refused("at = 0 }", "at = 1.5 }", "`at` should be a number from 0 to 1");
    refused("penalty = 1e-4", "penalty = -1", "`penalty` should be a number");
    refused("points = 3", "points = 1", "should be from 3");
    refused("methods = [\"curve\"]", "methods = [\"chain\"]", "no method with a Bézier curve");
    refused("path = 5", "path = 4", "should be odd");
    refused("subsets = \"class\"", "subsets = \"classes\"", "unknown subsets `classes`");
    refused("a = { order", "z = { order", "unknown model `z`");
    refused("labels = [4]", "labels = [77]", "77 in part 0");
}
