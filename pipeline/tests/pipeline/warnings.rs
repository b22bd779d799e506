//! Known causes of bad or empty figures, told before anything runs.

use std::fs;
use std::path::Path;

use super::command::{onebasin, texts};

/// Pictures of one pixel in folders `0`, `1`, `2`, `10` for training, and without `10` for test.
fn pictures(folder: &Path) {
    for (split, classes) in [("train", &["0", "1", "2", "10"][..]), ("test", &["0", "1", "2"])] {
        for (shade, class) in classes.iter().enumerate() {
            let place = folder.join("set").join(split).join(class);
            fs::create_dir_all(&place).unwrap();
            for number in 0..2 {
                image::GrayImage::from_pixel(4, 4, image::Luma([60 * shade as u8 + number]))
                    .save(place.join(format!("{number}.png")))
                    .unwrap();
            }
        }
    }
}

fn spec(layers: &str, repair: &str) -> String {
    format!(
        r#"name = "warned"
models = 2

[datasets.set]
format = "folder"
directory = "set"

[architectures.net]
layers = [{layers}]

[trainings.adam]
epochs = 1
optimizer = {{ kind = "adam", learning-rate = 1e-3 }}

[[pairs]]
dataset = "set"
architecture = "net"
training = "adam"

[[methods]]
name = "naive"
matching = {{ by = "identity" }}
{repair}

[evaluation]
lambdas = 3
"#
    )
}

const PLAIN: &str = r#"{ op = "flatten" }, { op = "linear", out = "classes" }"#;
const NORMED: &str = r#"{ op = "conv", out = 2, kernel = 3, padding = 1 }, { op = "norm", kind = "batch" }, { op = "relu" },
    { op = "flatten" }, { op = "linear", out = "classes" }"#;

fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path());
    fs::write(folder.path().join("warned.toml"), text).unwrap();
    folder
}

#[test]
fn a_class_without_test_pictures_is_a_warning_a_row_and_a_note() {
    let folder = folder(&spec(PLAIN, ""));
    let (code, _, error) = texts(&onebasin(folder.path(), &["plan", "warned.toml"]));
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("warning: data set `set` has no test pictures of 1 of 4 classes: `10`"), "{error}");
    let (code, text, error) = texts(&onebasin(folder.path(), &["describe", "warned.toml"]));
    assert!(
        code == 0 && text.contains("label  class  train  test\n0      0      2      2\n1      1      2      2\n2      10     2      0\n"),
        "{error}{text}"
    );
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "warned.toml"]));
    assert!(code == 0 && error.contains("warning: data set `set`"), "{error}");
    let classes = fs::read_to_string(folder.path().join("results/warned/classes.csv")).unwrap();
    let rows: Vec<&str> = classes.lines().map(|line| line.rsplit_once(',').unwrap().0).collect();
    assert_eq!(rows, ["dataset,label,class,train,test", "set,0,0,2,2", "set,1,1,2,2", "set,2,10,2,0", "set,3,2,2,2"]);
    let table = fs::read_to_string(folder.path().join("results/warned/table.md")).unwrap();
    assert!(table.contains("1 of 4 classes have no test images: `10`."), "{table}");
    let pictures: Vec<&str> = table.lines().filter_map(|line| line.split_once("](")?.1.strip_suffix(')')).collect();
    assert!(!pictures.is_empty() && pictures.iter().all(|path| folder.path().join("results/warned").join(path).exists()), "{table}");
}

#[test]
fn batch_norms_without_new_statistics_are_a_warning_that_names_the_key() {
    let warned = |layers: &str, repair: &str| {
        let folder = folder(&spec(layers, repair));
        let (code, _, error) = texts(&onebasin(folder.path(), &["plan", "warned.toml"]));
        assert_eq!(code, 0, "{error}");
        error.contains("warning: `net` has batch norms, and `naive` merges it without new running statistics")
            && error.contains("`repair = { kind = \"batch-norm\" }`")
    };
    assert!(warned(NORMED, ""));
    assert!(!warned(NORMED, "repair = { kind = \"batch-norm\" }") && !warned(PLAIN, ""));
}

#[test]
fn images_that_do_not_show_every_class_are_a_warning_a_table_and_a_note() {
    let text = spec(PLAIN, "").replace("lambdas = 3", "lambdas = 3\nsplits = [\"train\", \"test\"]\nimages = 3\nclass-accuracy = true");
    let whole = folder(&text.replace("images = 3", "images = 100"));
    let (code, _, error) = texts(&onebasin(whole.path(), &["plan", "warned.toml"]));
    assert!(code == 0 && !error.contains("`evaluation.images = "), "{error}");
    let folder = folder(&text);
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "warned.toml"]));
    let warning = "warning: `evaluation.images = 3` measures the first images of data set `set`, which show only 2 of 4 classes on train and \
                   2 of 4 classes on test\nhint: ";
    assert!(code == 0 && error.contains(warning), "{error}");
    let sampled = spec(PLAIN, "repair = { kind = \"repair\", images = 3 }").replace("lambdas = 3", "lambdas = 3\nvariances = 3");
    let (_, _, error) = texts(&onebasin(crate::warnings::folder(&sampled).path(), &["plan", "warned.toml"]));
    let few =
        "its first images show only some of them: the repair of `naive`: 2 of 4 classes on train; `variances`: 2 of 4 classes on train";
    assert!(error.contains(few), "{error}");
    let results = folder.path().join("results/warned");
    let classes = fs::read_to_string(results.join("measured-classes.csv")).unwrap();
    let rows: Vec<&str> = classes.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().0).collect();
    let expected = ["test,0,2", "test,1,1", "test,2,0", "test,3,0", "train,0,2", "train,1,1", "train,2,0", "train,3,0"];
    assert_eq!(rows, expected.map(|row| format!("set,{row}")));
    let table = fs::read_to_string(results.join("table.md")).unwrap();
    assert!(table.contains("show only 2 of 4 classes on train and 2 of 4 classes on test."), "{table}");
    // Folders `10` and `2` are labels 2 and 3.
    let picture = fs::read_to_string(folder.path().join("plots/warned/class-accuracy-set-net.svg")).unwrap();
    assert!(picture.contains("2 10") && picture.contains("3 2") && picture.contains("by class"), "{picture}");
}

#[test]
fn one_model_is_not_merged_and_nothing_is_said_of_what_merges_it() {
    let folder = folder(&spec(NORMED, "").replace("models = 2", "models = 1"));
    let (code, _, error) = texts(&onebasin(folder.path(), &["plan", "warned.toml"]));
    assert!(code == 0 && error.contains("nothing is merged") && !error.contains("batch norms"), "{error}");
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "warned.toml"]));
    let table = fs::read_to_string(folder.path().join("results/warned/table.md")).unwrap();
    assert!(code == 0 && table.contains("\n1 model. `endpoints`"), "{error}{table}");
}

#[test]
fn models_stand_everywhere_in_the_order_of_the_spec() {
    let models = "[[models]]\nname = \"left\"\n\n[[models]]\nname = \"right-1\"\n\n[[models]]\nname = \"third\"\n\n[datasets.set]";
    let text = spec(PLAIN, "").replace("models = 2\n", "").replace("[datasets.set]", models);
    let folder = folder(&text.replace("lambdas = 3", "lambdas = 3\nsimilarity = true\nclass-accuracy = true"));
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "warned.toml"]));
    assert_eq!(code, 0, "{error}");
    for (name, place) in [("models.csv", 3), ("learning-curves.csv", 3), ("class-accuracy.csv", 5)] {
        let table = fs::read_to_string(folder.path().join("results/warned").join(name)).unwrap();
        let mut models: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split(',').nth(place)).collect();
        models.retain(|model| !model.is_empty());
        models.dedup();
        assert_eq!(models, ["left", "right-1", "third"], "{name}");
    }
    for name in ["learning-curves", "similarity", "matrices"] {
        let picture = fs::read_to_string(folder.path().join(format!("plots/warned/{name}-set-net.svg"))).unwrap();
        assert!(picture.contains("left, right-1 and third"), "{name}");
    }
}
