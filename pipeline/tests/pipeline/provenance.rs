//! What results say of the settings, the program and the machine that made them, and where results of other settings go.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::command::{SPEC, command, folder, onebasin, texts};

fn run(folder: &Path, more: &[&str]) -> String {
    let (code, _, error) = texts(&onebasin(folder, &[&["run", "small.toml"], more].concat()));
    assert_eq!(code, 0, "{error}");
    error
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The small spec with a profile.
fn with_profile() -> tempfile::TempDir {
    let (folder, spec) = folder();
    fs::write(spec, format!("{SPEC}\n[profiles.long.trainings.adam]\nepochs = 2\n")).unwrap();
    folder
}

#[test]
fn run_json_holds_what_decides_the_numbers_and_machine_json_what_does_not() {
    let folder = with_profile();
    run(folder.path(), &["--profile", "long", "--jobs", "1"]);
    let results = folder.path().join("results/small");
    let record = json(&results.join("run.json"));
    assert_eq!((record["spec"].as_str(), record["profile"].as_str()), (Some("small.toml"), Some("long")));
    assert_eq!((&record["overrides"], &record["settings"]["trainings"]["adam"]["epochs"]), (&Value::Array(vec![]), &Value::from(2)));
    assert!(record["settings"].get("profiles").is_none() && record["tabulate"].as_str().unwrap().len() == 12, "{record}");
    let text = fs::read_to_string(results.join("run.json")).unwrap();
    // A plan shows it without a run.
    let (_, out, _) = texts(&onebasin(folder.path(), &["plan", "small.toml", "--profile", "long", "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["run"], record);
    let machine = json(&results.join("machine.json"));
    let maker = &machine["made_by"][0];
    assert!(machine["made_by"].as_array().unwrap().len() == 1 && maker["stages"].as_u64() > Some(5), "{machine}");
    for key in ["commit", "dirty", "toolchain", "version", "devices"] {
        assert!(!maker["build"][key].is_null(), "{key}: {machine}");
    }
    assert!(maker["first"].as_str().unwrap().ends_with('Z') && maker["machine"]["vectors"].is_string(), "{machine}");
    let table = fs::read_to_string(results.join("table.md")).unwrap();
    assert!(table.starts_with("# small\n\nRun with profile `long`.\n"), "{table}");
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    for file in fs::read_dir(&results).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(readme.contains(&format!("\n| `{name}` | ")), "`{name}` does not stand in the README");
    }
    // Elsewhere, with other threads and another store: the same bytes.
    let other = with_profile();
    run(other.path(), &["--profile", "long", "--jobs", "2"]);
    assert_eq!(fs::read_to_string(other.path().join("results/small/run.json")).unwrap(), text);
    // A run that finds everything at hand touches neither.
    let modified = || ["run.json", "machine.json"].map(|name| fs::metadata(results.join(name)).unwrap().modified().unwrap());
    let before = modified();
    assert!(run(folder.path(), &["--profile", "long"]).contains("unchanged"));
    assert_eq!(modified(), before);
}

#[test]
fn one_off_settings_are_told_and_have_folders_of_their_own() {
    let (folder, _) = folder();
    run(folder.path(), &[]);
    let before = fs::read(folder.path().join("results/small/models.csv")).unwrap();
    let error = run(folder.path(), &["--set", "trainings.adam.epochs=2"]);
    let own = folder.path().join("results/small@trainings.adam.epochs=2");
    assert!(error.contains("overridden: trainings.adam.epochs = 2 (--set)\n"), "{error}");
    assert!(error.contains("results of these settings go to `results/small@trainings.adam.epochs=2`"), "{error}");
    assert_eq!(json(&own.join("run.json"))["overrides"][0]["layer"], "--set");
    let table = fs::read_to_string(own.join("table.md")).unwrap();
    assert!(table.contains("\nRun with `trainings.adam.epochs = 2`.\n"), "{table}");
    assert!(folder.path().join("plots/small@trainings.adam.epochs=2").exists());
    let ended = command(folder.path(), &["run", "small.toml"]).env("ONEBASIN_TRAININGS__ADAM__EPOCHS", "3").output().unwrap();
    let (code, _, error) = texts(&ended);
    let told = "overridden: trainings.adam.epochs = 3 (environment variable ONEBASIN_TRAININGS__ADAM__EPOCHS)\n";
    assert!(code == 0 && error.contains(told), "{error}");
    assert!(folder.path().join("results/small@trainings.adam.epochs=3").exists());
    assert_eq!(fs::read(folder.path().join("results/small/models.csv")).unwrap(), before);
    // What changes nothing is nothing, and a name of its own is a folder of its own.
    assert!(!run(folder.path(), &["--set", "trainings.adam.epochs=1"]).contains("overridden"));
    run(folder.path(), &["--set", "name=other", "--set", "trainings.adam.epochs=2"]);
    assert!(folder.path().join("results/other/run.json").exists());
}

#[test]
fn results_of_other_settings_in_a_folder_are_replaced_with_a_word() {
    let folder = with_profile();
    assert!(!run(folder.path(), &[]).contains("REPLACES"));
    let error = run(folder.path(), &["--profile", "long"]);
    assert!(error.contains("REPLACES           `results/small`: results with no profile; now with profile `long`\n"), "{error}");
    let error = run(folder.path(), &["--set", "trainings.adam.epochs=3", "--results", "results"]);
    let expected = "results with profile `long`; now with no profile, `trainings.adam.epochs = 3`\n";
    assert!(error.contains(expected), "{error}");
    assert!(!run(folder.path(), &["--set", "trainings.adam.epochs=3", "--results", "results"]).contains("REPLACES"));
    // Another spec of the same name.
    run(folder.path(), &[]);
    fs::write(folder.path().join("twin.toml"), SPEC).unwrap();
    let (_, _, error) = texts(&onebasin(folder.path(), &["run", "twin.toml"]));
    assert!(error.contains("results of `small.toml` with no profile; now of `twin.toml` with no profile\n"), "{error}");
}

#[test]
fn specs_of_one_name_are_not_run_together() {
    let (folder, _) = folder();
    fs::write(folder.path().join("twin.toml"), SPEC).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "twin.toml"]));
    assert!(code == 2 && error.contains("would both write `results/small`") && error.contains("hint: "), "{error}");
    assert!(!folder.path().join(".store").exists(), "nothing ran");
}

#[test]
fn a_run_below_the_folder_of_a_store_uses_it_and_a_new_store_is_told() {
    let (folder, _) = folder();
    assert!(run(folder.path(), &[]).contains("new store at `.store`\n"));
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let (code, _, error) = texts(&onebasin(&below, &["run", "../../small.toml"]));
    assert!(code == 0 && error.contains(": 0 run, ") && error.contains("results in `../../results/small`"), "{error}");
    assert_eq!(fs::read_dir(&below).unwrap().count(), 0);
    let (_, out, _) = texts(&onebasin(&below, &["store", "--json"]));
    assert!(serde_json::from_str::<Value>(&out).unwrap()["entries"].as_u64() > Some(5), "{out}");
}

#[test]
fn explain_shows_the_receipt_and_the_line_of_descent_down_to_the_data() {
    let (folder, _) = folder();
    run(folder.path(), &[]);
    let explain =
        |more: &[&str]| texts(&onebasin(folder.path(), &[&["explain", "small.toml", "results/small/merged.csv:2"], more].concat())).1;
    let plain = explain(&[]);
    assert!(plain.contains("made         by onebasin ") && plain.contains("machine      ") && plain.contains("rustc "), "{plain}");
    assert!(!plain.contains("descent"), "{plain}");
    let deep = explain(&["--deep"]);
    assert!(deep.contains("data set few-glyphs (glyphs), generated"), "{deep}");
    for stage in ["train/few-glyphs-mlp/replicate-0/a", "train/few-glyphs-mlp/replicate-0/b", "align/few-glyphs-mlp/naive/replicate-0/2"] {
        assert!(deep.contains(stage), "{stage}: {deep}");
    }
    let json: Value = serde_json::from_str(&explain(&["--deep", "--json"])).unwrap();
    assert_eq!(json["descent"]["datasets"][0]["name"], "few-glyphs");
    assert!(json["receipt"]["build"]["toolchain"].is_string() && json["receipt"]["made"].is_string(), "{json}");
}
