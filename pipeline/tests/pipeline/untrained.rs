//! Networks that did not train: a warning, a table, signs, and words below the pictures.

use std::fs;

use super::command::{folder, onebasin, texts};

#[test]
fn a_training_that_ends_where_it_began_is_told_whenever_it_is_used() {
    let (folder, _) = folder();
    let run = |more: &[&str]| {
        let still = ["--set", "trainings.adam.optimizer.learning-rate=1e-12", "--results", "results", "--plots", "plots"];
        texts(&onebasin(folder.path(), &[&["run", "small.toml"], &still[..], more].concat()))
    };
    let (code, _, error) = run(&[]);
    assert_eq!(code, 0, "{error}");
    let warnings = |error: &str| error.lines().filter(|line| line.starts_with("  WARNING ")).count();
    assert_eq!(warnings(&error), 4, "each of two networks, when it ends and at the end: {error}");
    assert!(error.contains("/a: the network did not train: training loss 2.") && error.contains(" of ln 10 = 2.303 at its end"), "{error}");
    let (code, out, error) = run(&["--json"]);
    assert!(code == 0 && warnings(&error) == 2 && error.contains("0 run"), "all is cached: {error}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report[0]["warnings"].as_object().map(serde_json::Map::len), Some(2), "{out}");
    let results = folder.path().join("results/small");
    let rows = fs::read_to_string(results.join("untrained.csv")).unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    assert!(rows[0] == "dataset,architecture,replicate,model,loss,classes,stage" && rows.len() == 3, "{rows:?}");
    let table = fs::read_to_string(results.join("table.md")).unwrap();
    assert!(table.contains("| endpoints † |") && table.contains("| naive † |"), "{table}");
    assert!(table.contains("† Not trained: a and b (training loss 2."), "{table}");
    let plots = folder.path().join("plots/small");
    let mut pictures = 0;
    for file in fs::read_dir(&plots).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".svg") && !name.starts_with("seconds") {
            let picture = fs::read_to_string(&file).unwrap();
            assert!(picture.contains("not trained: a and b (training loss 2."), "{name}");
            pictures += 1;
        }
    }
    assert!(pictures >= 3, "{pictures}");
    let still = ["--set", "trainings.adam.optimizer.learning-rate=1e-12", "--results", "results"];
    let (code, _, error) = texts(&onebasin(folder.path(), &[&["report", "small.toml"], &still[..]].concat()));
    assert_eq!(code, 0, "{error}");
    let page = fs::read_to_string(results.join("report.html")).unwrap();
    assert!(page.contains("† few-glyphs-mlp: a and b (training loss 2."), "the page says so first");
    let header = "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\n";
    fs::write(folder.path().join("bands.csv"), format!("{header}few-glyphs,mlp,naive,2,accuracy,test,0.5,,0.5,anything\n")).unwrap();
    let (code, out, error) = texts(&onebasin(folder.path(), &[&["check", "small.toml", "--against", "bands.csv"], &still[..]].concat()));
    assert!(
        code == 0 && out.starts_with("fine") && error.contains("warning: of few-glyphs-mlp, not trained: a and b (training"),
        "{error}"
    );
}

/// Three networks, none of which trains, measured in every way that has a table of methods.
const EVERYTHING: &str = r#"name = "dead"
models = 3
replicates = 2
validation = 0.2

[datasets.few-glyphs]
format = "glyphs"
train = 200
test = 50
size = 12

[architectures.mlp]
family = "mlp"
hidden = [8]

[trainings.still]
epochs = 1
optimizer = { kind = "adam", learning-rate = 1e-12 }

[[pairs]]
dataset = "few-glyphs"
architecture = "mlp"
training = "still"

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "weights"
matching = { by = "git-re-basin" }
matching-seeds = 2

[[methods]]
name = "curve"
models = ["a", "b"]
matching = { by = "identity" }
merging = { by = "curve", training = "still", at = "best" }

[evaluation]
lambdas = 3
merges = [2]
subsets = [2]
cycles = [["a", "b", "c"]]
calibration = 5
epochs = [1]
rounds = [1]
path = 3
lead = { of = "weights", over = "naive", controls = ["curve"] }
"#;

#[test]
fn every_table_of_methods_has_the_sign_of_networks_that_did_not_train() {
    let (folder, _) = folder();
    fs::write(folder.path().join("dead.toml"), EVERYTHING).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "dead.toml", "--results", "results", "--plots", "plots"]));
    assert_eq!(code, 0, "{error}");
    let table = fs::read_to_string(folder.path().join("results/dead/table.md")).unwrap();
    let known = ["endpoints", "naive", "weights", "curve", "a", "b", "c"];
    let mut heading = "";
    let mut signed = std::collections::BTreeMap::new();
    for line in table.lines() {
        heading = line.strip_prefix("### ").unwrap_or(heading);
        let cell = line.strip_prefix("| ").and_then(|line| line.split(" |").next()).unwrap_or_default();
        if known.contains(&cell.split([' ', ',', '#']).next().unwrap_or_default()) {
            assert!(cell.ends_with(" †"), "{heading}: {line}");
            *signed.entry(heading).or_insert(0) += 1;
        }
    }
    for section in [
        "Barriers of pairs",
        "Calibration",
        "Barriers on the way",
        "Rounds",
        "Cycles of maps",
        "Curves between two models",
        "Best points of curves",
    ] {
        assert!(signed.contains_key(section), "{section}: {signed:?}");
    }
}

#[test]
fn networks_that_train_are_not_told() {
    let (folder, _) = folder();
    let sets = ["--set", "trainings.adam.epochs=40", "--set", "trainings.adam.optimizer.learning-rate=1e-2"];
    let (code, _, error) = texts(&onebasin(folder.path(), &[&["run", "small.toml", "--results", "results"], &sets[..]].concat()));
    assert!(code == 0 && !error.contains("WARNING"), "{error}");
    assert!(!folder.path().join("results/small/untrained.csv").exists());
}
