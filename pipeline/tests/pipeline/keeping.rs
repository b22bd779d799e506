//! The store as the command shows it: checked, named by fingerprints, and rid of what nobody needs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::command::{SPEC, folder, onebasin, texts};

/// A folder with the small spec and its finished run.
fn finished() -> tempfile::TempDir {
    let (folder, _) = folder();
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml"]));
    assert_eq!(code, 0, "{error}");
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let (code, out, error) = texts(&onebasin(folder, &[arguments, &["--json"]].concat()));
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&out).unwrap()
}

/// The entry of a stage.
fn entry(folder: &Path, stage: &str) -> PathBuf {
    entry_at(folder, stage, &[])
}

/// The same at other settings.
fn entry_at(folder: &Path, stage: &str, settings: &[&str]) -> PathBuf {
    let plan = json(folder, &[&["plan", "small.toml"], settings].concat());
    let stages = plan["stages"].as_array().unwrap();
    let found = stages.iter().find(|found| found["stage"] == stage).unwrap();
    folder.join(".store").join(found["fingerprint"].as_str().unwrap())
}

/// Changes the last byte of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

const MODEL: &str = "train/few-glyphs-mlp/replicate-0/a";

#[test]
fn verify_finds_damage_anywhere_and_a_verifying_run_makes_it_anew() {
    let folder = finished();
    let (code, out, error) = texts(&onebasin(folder.path(), &["verify", "small.toml"]));
    assert!(code == 0 && out.contains(" whole, 0 damaged"), "{out}{error}");
    damage(&entry(folder.path(), MODEL).join("weights.safetensors"));
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml"]));
    assert!(code == 0 && !error.contains("DAMAGED"), "a plain run reads no model: {error}");
    let (code, out, _) = texts(&onebasin(folder.path(), &["verify", "small.toml"]));
    assert!(code == 1 && out.starts_with("DAMAGED  ") && out.contains(MODEL) && out.contains("1 damaged"), "{out}");
    let (code, out, _) = texts(&onebasin(folder.path(), &["verify", "small.toml", "--json"]));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report[0]["damaged"][0]["stage"].as_str()), (1, Some(MODEL)));
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--verify"]));
    // What was made of it stays, since it comes out the same; what changes has times.
    assert!(code == 0 && error.contains("DAMAGED") && error.contains(": 1 run, ") && error.contains(" changed"), "{error}");
    assert_eq!(texts(&onebasin(folder.path(), &["verify", "small.toml"])).0, 0);
}

#[test]
fn verify_tells_that_results_were_made_of_other_images() {
    let folder = finished();
    let verify = || texts(&onebasin(folder.path(), &["verify", "small.toml"])).2;
    assert!(!verify().contains("other images"));
    let spec = folder.path().join("small.toml");
    fs::write(&spec, fs::read_to_string(&spec).unwrap().replacen("size = 12", "size = 13", 1)).unwrap();
    let error = verify();
    assert!(error.contains("warning: `results/small` was made of other images of `few-glyphs`") && error.contains("hint: "), "{error}");
}

#[test]
fn verify_reads_the_artifacts_of_every_setting_of_a_sweep() {
    let (folder, spec) = super::command::folder();
    fs::write(&spec, format!("{}\n[sweep]\ntrainings.adam.epochs = [2, 3]\n", super::command::SPEC)).unwrap();
    let run = |more: &[&str]| texts(&onebasin(folder.path(), &[&["run", "small.toml"], more].concat()));
    assert_eq!(run(&["--until", "train"]).0, 0);
    let verify = || texts(&onebasin(folder.path(), &["verify", "small.toml"]));
    let (code, out, error) = verify();
    assert!(code == 0 && out.lines().count() == 2 && out.starts_with("small@trainings.adam.epochs=2: "), "{out}{error}");
    damage(&entry_at(folder.path(), MODEL, &["--set", "trainings.adam.epochs=3"]).join("weights.safetensors"));
    let (code, out, _) = verify();
    assert!(code == 1 && out.contains("DAMAGED") && out.contains("small@trainings.adam.epochs=3: "), "{out}");
}

#[test]
fn a_store_that_is_not_there_is_an_error_and_none_is_made() {
    let folder = finished();
    for action in [&["store"][..], &["store", "gc", "small.toml"]] {
        let (code, out, error) = texts(&onebasin(folder.path(), &[action, &["--store", "nowhere"]].concat()));
        assert!(code == 2 && out.is_empty() && error.contains("there is no store at `nowhere`") && error.contains("hint: "), "{error}");
    }
    assert!(!folder.path().join("nowhere").exists());
}

#[test]
fn a_damaged_table_or_picture_is_made_anew_by_a_plain_run() {
    let folder = finished();
    let table = fs::read(folder.path().join("results/small/merged.csv")).unwrap();
    for (stage, file) in [("tabulate", "merged.csv"), ("plot", "overview.svg")] {
        let entry = entry(folder.path(), stage);
        let file = if entry.join(file).exists() { entry.join(file) } else { entry.join("recipe.json") };
        damage(&file);
        let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml"]));
        assert!(code == 0 && error.contains("DAMAGED") && error.contains(": 1 run, "), "{stage}: {error}");
    }
    assert_eq!(fs::read(folder.path().join("results/small/merged.csv")).unwrap(), table);
}

#[test]
fn verify_without_a_run_finds_nothing_there_and_nothing_damaged() {
    let (folder, _) = folder();
    let (code, out, error) = texts(&onebasin(folder.path(), &["verify", "small.toml"]));
    assert!(code == 0 && out.contains("0 whole, 0 damaged") && out.contains("not there"), "{out}");
    assert_eq!(error, "there is no store at `.store`: nothing has run here\n");
    assert!(!folder.path().join(".store").exists());
}

#[test]
fn explain_takes_the_beginning_of_a_name_or_of_a_fingerprint_and_a_row_of_a_table() {
    let folder = finished();
    let table = fs::read_to_string(folder.path().join("results/small/merged.csv")).unwrap();
    let stage = table.lines().nth(1).unwrap().rsplit(',').next().unwrap();
    let explain = |stage: &str| texts(&onebasin(folder.path(), &["explain", "small.toml", stage]));
    let (code, by_digits, error) = explain(stage);
    assert!(
        code == 0 && by_digits.contains(&format!("fingerprint  {stage}")) && by_digits.contains("made         by onebasin "),
        "{error}"
    );
    let (code, by_row, error) = explain("results/small/merged.csv:2");
    assert_eq!((code, &by_row), (0, &by_digits), "{error}");
    let (code, _, error) = explain("results/small/merged.csv:1");
    assert!(code == 2 && error.contains("is no row"), "{error}");
    let (code, _, error) = explain("results/small/methods.csv:2");
    assert!(code == 2 && error.contains("no column `stage`"), "{error}");
    // Figures over several stages are made by the one that makes the tables.
    let summary = fs::read_to_string(folder.path().join("results/small/summary.csv")).unwrap();
    let line = |method: &str| summary.lines().position(|row| row.contains(&format!(",{method},loss,test,"))).unwrap() + 1;
    let (code, over_models, error) = explain(&format!("results/small/summary.csv:{}", line("endpoints")));
    assert!(code == 0 && over_models.starts_with("stage        tabulate\n"), "{error}{over_models}");
    let (code, of_one, error) = explain(&format!("results/small/by-models.csv:{}", line("naive")));
    assert!(code == 0 && of_one.starts_with("stage        predict/"), "{error}{of_one}");
    assert_eq!(explain("abc").0, 2, "three characters are too few");
    let (code, by_beginning, error) = explain("tab");
    assert!(code == 0 && by_beginning.starts_with("stage        tabulate\n"), "{error}{by_beginning}");
    assert_eq!(explain("train/").0, 2, "several stages begin so");
    let (_, plan, _) = texts(&onebasin(folder.path(), &["plan", "small.toml"]));
    assert!(plan.lines().any(|line| line.split_whitespace().nth(1) == Some(stage)), "{plan}");
}

#[test]
fn the_store_is_summed_up_by_kind() {
    let (folder, _) = folder();
    let (code, out, _) = texts(&onebasin(folder.path(), &["store"]));
    assert!(code == 0 && out.contains("all   0"), "{out}");
    let folder = finished();
    let (_, out, _) = texts(&onebasin(folder.path(), &["store"]));
    assert!(out.starts_with("kind ") && out.contains("\ntrain ") && out.contains("oldest "), "{out}");
    let report = json(folder.path(), &["store"]);
    assert_eq!(report["kinds"]["train"]["entries"], 2);
    assert!(report["bytes"].as_u64() > Some(1000) && report["oldest"].as_u64() <= report["newest"].as_u64(), "{report}");
}

#[test]
fn gc_lists_what_no_spec_needs_and_removes_it_on_demand() {
    let folder = finished();
    let gc = |more: &[&str]| texts(&onebasin(folder.path(), &[&["store", "gc", "small.toml"], more].concat()));
    let (code, out, error) = gc(&[]);
    assert!(code == 0 && out.is_empty() && error.starts_with("0 entries, 0 B would be removed"), "{out}{error}");
    fs::write(folder.path().join("small.toml"), format!("{SPEC}\n[profiles.long.trainings.adam]\nepochs = 2\n")).unwrap();
    for set in [["--set", "trainings.adam.epochs=3"], ["--profile", "long"]] {
        assert_eq!(texts(&onebasin(folder.path(), &[&["run", "small.toml"], set.as_slice()].concat())).0, 0);
    }
    let entries = || folder.path().join(".store").read_dir().unwrap().filter(|item| item.as_ref().unwrap().file_name().len() == 64).count();
    let before = entries();
    let (_, out, error) = gc(&[]);
    let listed = out.lines().count();
    assert!(listed > 5 && out.contains(MODEL) && error.contains("hint: `--delete`"), "{out}{error}");
    assert_eq!(entries(), before, "only looked");
    let report = json(folder.path(), &["store", "gc", "small.toml", "--delete"]);
    assert_eq!((report["entries"].as_array().unwrap().len(), &report["deleted"]), (listed, &Value::from(true)));
    assert_eq!(entries(), before - listed);
    for needed in [vec!["run", "small.toml"], vec!["run", "small.toml", "--profile", "long"]] {
        let (_, _, error) = texts(&onebasin(folder.path(), &needed));
        assert!(error.contains(": 0 run, "), "what a profile needs stays: {error}");
    }
}

#[test]
fn gc_stops_at_specs_and_data_of_which_it_does_not_know_what_they_need() {
    let folder = finished();
    let store = || json(folder.path(), &["store"])["entries"].as_u64();
    let before = store();
    let other = folder.path().join("specs");
    fs::create_dir(&other).unwrap();
    let gc = |specs: &[&str]| texts(&onebasin(folder.path(), &[&["store", "gc", "--delete"], specs].concat()));
    let (code, _, error) = gc(&["specs"]);
    assert!(code == 2 && error.contains("no spec (`*.toml`)"), "{error}");
    fs::write(other.join("broken.toml"), "name = ").unwrap();
    assert_eq!(gc(&["specs"]).0, 2);
    fs::write(other.join("broken.toml"), SPEC.replace("dataset = \"few-glyphs\"", "dataset = \"mnist\"")).unwrap();
    let (code, _, error) = gc(&["specs"]);
    assert!(code == 2 && error.contains("data set `mnist` is not here") && error.contains("--forget-absent-data"), "{error}");
    assert_eq!(store(), before);
    let (code, _, error) = gc(&["specs", "--forget-absent-data"]);
    assert_eq!((code, store()), (0, Some(0)), "{error}");
}
