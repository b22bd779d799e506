//! Runs of some stages alone, runs anew, and comparisons of two results.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::command::{folder, onebasin, texts};

const MODEL: &str = "train/few-glyphs-mlp/replicate-0/a";

fn run(folder: &Path, more: &[&str]) -> (i32, Value, String) {
    let (code, out, error) = texts(&onebasin(folder, &[&["run", "small.toml", "--json"], more].concat()));
    (code, serde_json::from_str::<Value>(&out).map(|done| done[0].clone()).unwrap_or_default(), error)
}

/// The folder of a stage's artifact.
fn entry(folder: &Path, stage: &str) -> PathBuf {
    let (_, out, _) = texts(&onebasin(folder, &["plan", "small.toml", "--json"]));
    let plan: Value = serde_json::from_str(&out).unwrap();
    let found = plan["stages"].as_array().unwrap().iter().find(|found| found["stage"] == stage).unwrap();
    folder.join(".store").join(found["fingerprint"].as_str().unwrap())
}

#[test]
fn only_some_stages_and_what_they_need_are_run_and_nothing_is_published() {
    let (folder, _) = folder();
    let (code, done, error) = run(folder.path(), &["--only", MODEL]);
    assert_eq!((code, &done["ran"], &done["cached"]), (0, &Value::from(1), &Value::from(0)), "{error}");
    let rest = done["not_asked"].as_u64().unwrap();
    assert_eq!(Some(rest + 1), done["stages"].as_u64(), "{done}");
    assert!(error.contains(&format!("1 run, 0 cached, {rest} not asked for;")) && !error.contains("   CACHED"), "{error}");
    assert!(done["artifacts"][MODEL].is_string() && done["results"].is_null(), "{done}");
    assert!(error.contains("artifacts in `.store`") && !folder.path().join("results").exists(), "{error}");
    // Two more: the other model and its alignment with this one.
    let (_, done, _) = run(folder.path(), &["--only", "align/few-glyphs-mlp/weights/replicate-0/2", MODEL]);
    assert_eq!((&done["ran"], &done["cached"]), (&Value::from(2), &Value::from(1)));
    let (_, done, _) = run(folder.path(), &["--until", "train"]);
    assert_eq!((&done["ran"], &done["cached"]), (&Value::from(0), &Value::from(2)));
    let (code, _, error) = run(folder.path(), &["--until", "trian"]);
    assert!(code == 2 && error.contains("no stage of the kind `trian`") && error.contains("did you mean `train`?"), "{error}");
    let (code, _, error) = run(folder.path(), &["--only", "train/few-glyphs-mlp/replicate-0/z"]);
    assert!(code == 2 && error.contains("unknown stage"), "{error}");
    let (code, _, error) = run(folder.path(), &[]);
    assert!(code == 0 && folder.path().join("results/small/merged.csv").exists(), "{error}");
    // A stage can be named by a row of a table.
    let (_, done, _) = run(folder.path(), &["--only", "results/small/merged.csv:2"]);
    assert_eq!((&done["ran"], done["artifacts"].as_object().unwrap().len()), (&Value::from(0), 1));
}

#[test]
fn a_spec_behind_the_stages_is_a_spec() {
    let (folder, _) = folder();
    let run = |arguments: &[&str]| texts(&onebasin(folder.path(), &[&["run"], arguments].concat()));
    for (option, says) in [("--only", ": 1 run, "), ("--force", ": same bytes")] {
        let (code, _, error) = run(&[option, MODEL, "small.toml"]);
        assert!(code == 0 && error.contains(says), "{error}");
    }
    // No stage is named: nothing runs rather than all.
    for arguments in [&["--only", "small.toml"][..], &["--only", MODEL], &["--force", MODEL]] {
        let (code, _, error) = run(arguments);
        assert!(code == 2 && error.contains("expected a spec and stages of it") && error.contains("hint: "), "{error}");
    }
}

#[test]
fn a_forced_stage_runs_anew_and_tells_whether_the_bytes_are_the_same() {
    let (folder, _) = folder();
    run(folder.path(), &[]);
    let (code, done, error) = run(folder.path(), &["--force", MODEL]);
    assert_eq!((code, &done["ran"], &done["different"]), (0, &Value::from(1), &Value::Array(vec![])), "{error}");
    assert!(error.contains(&format!("SAME           {MODEL}: same bytes")), "{error}");
    // An artifact that no longer comes out so, with a receipt that agrees with it.
    let entry = entry(folder.path(), "predict/few-glyphs-mlp/replicate-0/a");
    let file = entry.join("evaluation.json");
    let text = fs::read_to_string(&file).unwrap().replace("\"loss\": ", "\"loss\": 1");
    let overwrite = |path: &Path, text: &str| {
        fs::remove_file(path).unwrap();
        fs::write(path, text).unwrap();
    };
    let receipt: Value = serde_json::from_slice(&fs::read(entry.join("receipt.json")).unwrap()).unwrap();
    let mut changed = receipt.clone();
    changed["files"]["evaluation.json"]["bytes"] = text.len().into();
    changed["files"]["evaluation.json"]["digest"] = onebasin_repro::Fingerprint::of_bytes(text.as_bytes()).to_string().into();
    overwrite(&file, &text);
    overwrite(&entry.join("receipt.json"), &changed.to_string());
    run(folder.path(), &[]);
    let wrong = fs::read_to_string(folder.path().join("results/small/models.csv")).unwrap();
    let (code, done, error) = run(folder.path(), &["--force", "predict/few-glyphs-mlp/replicate-0/a"]);
    assert_eq!((code, &done["different"][0]), (1, &Value::from("predict/few-glyphs-mlp/replicate-0/a")), "{error}");
    assert!(error.contains("DIFFERENT") && error.contains("1 different"), "{error}");
    // What was made of it follows.
    assert_ne!(fs::read_to_string(folder.path().join("results/small/models.csv")).unwrap(), wrong);
    assert_eq!(run(folder.path(), &[]).0, 0);
}

#[test]
fn two_results_are_compared_row_by_row() {
    let (folder, _) = folder();
    run(folder.path(), &[]);
    run(folder.path(), &["--set", "trainings.adam.epochs=30"]);
    run(folder.path(), &["--results", "again"]);
    let diff = |other: &str, more: &[&str]| texts(&onebasin(folder.path(), &[&["diff", "results/small", other], more].concat()));
    let (code, out, error) = diff("again/small", &[]);
    assert!(code == 0 && out.contains("0 rows differ, 0 only in") && out.lines().count() == 1, "{out}{error}");
    let other = "results/small@trainings.adam.epochs=30";
    let (code, out, _) = diff(other, &[]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("SETTING    trainings.adam.epochs changed from 1 to 30"), "{out}");
    assert!(out.contains("DIFFERENT  models.csv  few-glyphs mlp 0 a test: ") && out.contains("; stages "), "{out}");
    let (code, out, _) = diff(other, &["--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["equal"]), (1, &Value::from(false)));
    let found = report["files"].as_array().unwrap().iter().find(|file| file["file"] == "merged.csv").unwrap();
    assert!(found["differing"][0]["stages"][0].is_string() && !found["differing"][0]["columns"].as_array().unwrap().is_empty(), "{found}");
    // A row that only one of them has.
    let table = folder.path().join("again/small/merged.csv");
    let text = fs::read_to_string(&table).unwrap();
    fs::write(&table, text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let (code, out, _) = diff("again/small", &[]);
    assert!(code == 1 && out.contains("FIRST      merged.csv  few-glyphs mlp ") && out.contains(" 0 rows differ, "), "{out}");
    for wrong in ["nowhere", "."] {
        let (code, out, error) = diff(wrong, &[]);
        assert!(code == 2 && out.is_empty() && error.starts_with("error: "), "{error}");
    }
}

#[test]
fn results_are_compared_with_those_of_a_revision_of_git() {
    let (folder, _) = folder();
    run(folder.path(), &["--set", "replicates=2", "--results", "results"]);
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(folder.path()).args(["-c", "user.name=a", "-c", "user.email=a@b.c"]).args(arguments).output().unwrap()
    };
    git(&["init", "--quiet"]);
    git(&["add", "results"]);
    let committed = git(&["commit", "--quiet", "--message", "results"]);
    assert!(committed.status.success(), "{committed:?}");
    run(folder.path(), &["--set", "replicates=2", "--set", "trainings.adam.epochs=30", "--results", "results"]);
    let diff = |more: &[&str]| texts(&onebasin(folder.path(), &[&["diff", "results/small@HEAD", "results/small"], more].concat()));
    let (code, out, error) = diff(&[]);
    assert_eq!(code, 1, "{error}");
    assert!(out.contains("SETTING    trainings.adam.epochs changed from 1 to 30"), "{out}");
    assert!(
        out.contains("MOVED      merged.csv  few-glyphs mlp ")
            && out.contains(" of them beyond the spread over replicates")
            && out.contains("only in `results/small@HEAD`"),
        "{out}"
    );
    let report: Value = serde_json::from_str(&diff(&["--json"]).1).unwrap();
    assert!(report["moved"][0]["beyond"].is_boolean(), "{report}");
    let set = ["--set", "replicates=2", "--set", "trainings.adam.epochs=30", "--results", "results"];
    let report = ["report", "small.toml", "--since", "results/small@HEAD"];
    let (code, _, error) = texts(&onebasin(folder.path(), &[&report[..], &set].concat()));
    assert_eq!(code, 0, "{error}");
    let page = fs::read_to_string(folder.path().join("results/small/report.html")).unwrap();
    assert!(page.contains("Moved since results/small@HEAD"));
    let (code, _, error) = texts(&onebasin(folder.path(), &["diff", "results/small@nowhere", "results/small"]));
    assert!(code == 2 && error.contains("results/NAME@REVISION"), "{error}");
}

#[test]
fn results_are_put_side_by_side() {
    let (folder, _) = folder();
    run(folder.path(), &[]);
    run(folder.path(), &["--set", "trainings.adam.epochs=3"]);
    let other = "results/small@trainings.adam.epochs=3";
    let compare = |more: &[&str]| texts(&onebasin(folder.path(), &[&["compare"], more].concat()));
    let (code, _, error) = compare(&["results/small", other, "--to", "beside"]);
    assert_eq!(code, 0, "{error}");
    let text = fs::read_to_string(folder.path().join("beside/beside.md")).unwrap();
    assert!(text.contains("| method | small | small@trainings.adam.epochs=3 | reported |\n") && text.contains("\n| naive | 0."), "{text}");
    let table = fs::read_to_string(folder.path().join("beside/beside.csv")).unwrap();
    assert!(table.starts_with("setting,dataset,architecture,method,models,split,replicates,mean,sd,"), "{table}");
    assert!(
        fs::read_to_string(folder.path().join("beside/beside.svg")).unwrap().contains("small@trainings.adam.epochs=3: few-glyphs, mlp")
    );
    for wrong in [&["results/small", "nowhere"][..], &["results/small", "results/small"], &["results/small"]] {
        let (code, out, error) = compare(wrong);
        assert!(code == 2 && out.is_empty() && error.contains("error: "), "{error}");
    }
    // Results are never written over, and what is written is whole.
    let methods = fs::read(folder.path().join("results/small/methods.csv")).unwrap();
    let (code, _, error) = compare(&["results/small", other, "--to", "results/small"]);
    assert!(code == 2 && error.contains("`results/small` holds the results of a run") && error.contains("hint: choose another"), "{error}");
    assert_eq!(fs::read(folder.path().join("results/small/methods.csv")).unwrap(), methods);
    fs::create_dir(folder.path().join("blocked")).unwrap();
    fs::create_dir_all(folder.path().join("blocked/beside.md/in-the-way")).unwrap();
    let (code, _, error) = compare(&["results/small", other, "--to", "blocked"]);
    assert!(code != 0 && error.contains("cannot write"), "{error}");
    fs::create_dir(folder.path().join("results/small@sweep=seed")).unwrap();
    fs::write(folder.path().join("results/small@sweep=seed/sweep.csv"), "").unwrap();
    let (code, _, error) = compare(&["results/small", "results/small@sweep=seed"]);
    assert!(code == 2 && error.contains("it is the overview of a sweep"), "{error}");
    // A table that lacks rows is called so.
    let table = folder.path().join("results/small/table.md");
    let whole = fs::read_to_string(&table).unwrap();
    fs::write(&table, format!("**Incomplete**: a stage failed.\n\n- naive of few-glyphs, mlp\n\n{whole}")).unwrap();
    assert_eq!(compare(&["results/small", other, "--to", "beside"]).0, 0);
    let text = fs::read_to_string(folder.path().join("beside/beside.md")).unwrap();
    assert!(text.contains("**Incomplete**: without some rows, which the folder's own `table.md` names, are `small`."), "{text}");
}
