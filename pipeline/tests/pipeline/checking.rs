//! `onebasin check`: figures in and out of their bands, and what moved them.

use serde_json::Value;

use crate::command::{SPEC, folder, onebasin, texts};

#[test]
fn check_says_no_when_a_figure_is_out_of_its_band_or_not_there() {
    let (folder, _) = folder();
    let header = "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\n";
    let bands = |rows: &str| std::fs::write(folder.path().join("bands.csv"), format!("{header}{rows}")).unwrap();
    let check = || texts(&onebasin(folder.path(), &["check", "small.toml", "--against", "bands.csv"]));
    bands("few-glyphs,mlp,naive,2,accuracy,test,0.5,,0.5,anything\n");
    assert_eq!(check().0, 2, "nothing has run yet");
    assert_eq!(texts(&onebasin(folder.path(), &["run", "small.toml"])).0, 0);
    let (code, out, _) = check();
    assert!(code == 0 && out.starts_with("fine     few-glyphs mlp naive of 2 accuracy test"), "{out}");
    bands("few-glyphs,mlp,naive,2,loss,test,99,,0.1,too high\nfew-glyphs,mlp,other,2,accuracy,test,0.5,,0.5,no such method\n");
    let (code, out, error) = check();
    assert!(code == 1 && out.starts_with("OUT      few-glyphs") && out.ends_with("0 fine, 1 out, 1 not run\n"), "{out}");
    assert!(error.contains("`bands.csv` has figures of `other`, which is no method of the spec"), "{error}");
    bands("few-glyphs,mpl,naive,2,loss,test,99,,0.1,a slip of the pen\n");
    assert!(check().2.contains("`bands.csv` has figures of architecture `mpl`, which no pair of the spec has"), "{}", check().2);
}

#[test]
fn check_without_results_is_an_error_as_any_other() {
    let (folder, _) = folder();
    std::fs::write(
        folder.path().join("figures.csv"),
        "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\nfew-glyphs,mlp,naive,2,accuracy,test,0.5,,0.1,here\n",
    )
    .unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["check", "small.toml", "--against", "figures.csv"]));
    assert!(
        code == 2 && error.starts_with("error: cannot read `results/small/") && error.contains("\nhint: run the experiment first"),
        "{error}"
    );
}

#[test]
fn a_figure_that_was_not_run_is_neither_fine_nor_out_unless_all_are_asked_for() {
    let (folder, spec) = folder();
    std::fs::write(&spec, format!("{SPEC}\n[reported]\nfile = \"bands.csv\"\nprofile = \"own\"\n\n[profiles.own]\n")).unwrap();
    let header = "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\n";
    let row = |method: &str, models: usize| format!("few-glyphs,mlp,{method},{models},accuracy,test,0.5,,0.5,anything\n");
    std::fs::write(folder.path().join("bands.csv"), [header, &row("naive", 2), &row("naive", 5), &row("other", 2)].concat()).unwrap();
    assert_eq!(texts(&onebasin(folder.path(), &["run", "small.toml"])).0, 0);
    // The spec names the file, wherever the command is run.
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let (code, out, error) = texts(&onebasin(&below, &["check", "../small.toml"]));
    assert!(code == 0 && error.lines().count() <= 1 && out.ends_with("1 fine, 0 out, 2 not run\n"), "{out}{error}");
    assert_eq!(out.lines().filter(|line| line.starts_with("not run  ")).count(), 2, "{out}");
    assert_eq!(texts(&onebasin(&below, &["check", "../small.toml", "--all"])).0, 1);
    let (code, out, _) = texts(&onebasin(&below, &["check", "../small.toml", "--json"]));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["holds"], &report["not_run"]), (0, &Value::from(true), &Value::from(2)));
    assert_eq!(report["figures"][1]["standing"], "not-run");
    std::fs::write(folder.path().join("plain.toml"), SPEC).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["check", "plain.toml"]));
    assert!(code == 2 && error.contains("hint: say `--against FILE`"), "{error}");
}

#[test]
fn check_tells_which_recipe_moved_a_figure_and_renews_only_on_demand() {
    let (folder, _) = folder();
    // In one folder, whatever is set.
    let here = ["--results", "results", "-q"];
    let check = |more: &[&str]| {
        texts(&onebasin(folder.path(), &[&["check", "small.toml", "--against", "expected.csv"], &here[..2], more].concat()))
    };
    let run = |set: &[&str]| assert_eq!(texts(&onebasin(folder.path(), &[&["run", "small.toml"], &here[..], set].concat())).0, 0);
    run(&[]);
    let (code, out, _) = check(&["--renew"]);
    assert!(code == 0 && out.contains("few-glyphs mlp naive of 2 accuracy test: new, "), "{out}");
    assert_eq!(check(&[]).0, 0);
    assert_eq!(check(&["--renew"]).1, "nothing changes\n");
    let expected = std::fs::read_to_string(folder.path().join("expected.csv")).unwrap();
    // Networks that have learnt more than a little lie above the band.
    let set = ["--set", "trainings.adam.epochs=60"];
    let (code, out, error) = check(&[&set[..], &["--renew"]].concat());
    assert!(code == 2 && out.is_empty() && error.contains("other settings") && error.contains("hint: run the spec"), "{error}");
    let (code, out, error) = check(&set);
    assert!(
        code == 2 && out.is_empty() && error.contains("were made at other settings") && error.contains("hint: run the spec"),
        "{error}"
    );
    run(&set);
    let (code, out, error) = check(&set);
    assert!(code == 1 && error == "overridden: trainings.adam.epochs = 60 (--set)\n", "{out}{error}");
    assert!(out.contains("outside by ") && out.contains("made by "), "{out}");
    assert!(out.contains("train/few-glyphs-mlp/replicate-0/a: training.epochs changed from 1 to 60"), "{out}");
    assert_eq!(std::fs::read_to_string(folder.path().join("expected.csv")).unwrap(), expected, "a check writes nothing");
    // The same figures, moved by no recipe.
    run(&[]);
    let elsewhere = |line: &str| {
        let mut fields: Vec<&str> = line.splitn(10, ',').collect();
        if fields[6] != "value" {
            (fields[6], fields[8]) = ("0.123", "0.0");
        }
        fields.join(",") + "\n"
    };
    std::fs::write(folder.path().join("expected.csv"), expected.lines().map(elsewhere).collect::<String>()).unwrap();
    let (code, out, _) = check(&[]);
    assert!(code == 1 && out.contains("no recipe on the way to it changed"), "{out}");
    let (_, json, _) = check(&["--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["holds"], false);
}
