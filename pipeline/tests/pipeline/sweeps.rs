//! Settings that are run one after the other: `[sweep]` and `--sweep`.

use std::fs;

use serde_json::Value;

use super::command::{SPEC, command, folder, onebasin, texts};

#[test]
fn a_sweep_runs_every_setting_in_folders_of_its_own_and_writes_one_table_over_all() {
    let (folder, spec) = folder();
    let args = ["run", "small.toml", "--sweep", "trainings.adam.epochs=1,3", "--sweep", "seed=1,2", "--json"];
    let (code, out, error) = texts(&onebasin(folder.path(), &args));
    assert_eq!(code, 0, "{error}");
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(done.as_array().unwrap().len(), 4);
    let results = folder.path().join("results");
    // One epoch is what the spec itself says.
    for setting in ["seed=1", "seed=2", "seed=1,trainings.adam.epochs=3", "seed=2,trainings.adam.epochs=3"] {
        assert!(results.join(format!("small@{setting}/models.csv")).exists(), "{error}");
    }
    let own = results.join("small@sweep=trainings.adam.epochs,seed");
    let table = fs::read_to_string(own.join("sweep.csv")).unwrap();
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("trainings.adam.epochs,seed,dataset,architecture,method,metric,split,"), "{table}");
    let settings: Vec<&str> = lines.map(|line| &line[..3]).collect();
    assert!(settings.is_sorted() && settings.first() == Some(&"1,1") && settings.last() == Some(&"3,2"), "{table}");
    assert!(!folder.path().join("plots/small@sweep=trainings.adam.epochs,seed").exists(), "two keys have no picture");
    let text = fs::read_to_string(own.join("sweep.md")).unwrap();
    assert!(
        text.contains("| `trainings.adam.epochs` | `seed` | method | accuracy, train | accuracy, test |")
            && text.contains("\n| 3 | 2 | weights † | 0.")
            && text.contains("† Some of the networks did not train: `untrained.csv`"),
        "{text}"
    );
    // The same from the spec, where all is at hand.
    fs::write(&spec, format!("{}\n[sweep]\ntrainings.adam.epochs = [1, 3]\nseed = [1, 2]\n", SPEC)).unwrap();
    let (code, out, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--json"]));
    let done: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && done.as_array().unwrap().iter().all(|done| done["ran"] == 0), "{error}");
    // What is set is swept no more.
    let args = ["run", "small.toml", "--json", "--set", "seed=2"];
    let (code, out, error) = texts(&onebasin(folder.path(), &args));
    let done: Value = serde_json::from_str(&out).unwrap();
    let of = |index: usize| done[index]["results"].as_str().unwrap().to_owned();
    assert_eq!((code, done.as_array().unwrap().len()), (0, 2), "{error}");
    assert_eq!([of(0), of(1)], ["results/small@seed=2", "results/small@seed=2,trainings.adam.epochs=3"]);
    let args = ["run", "small.toml", "--sweep", "seed=1,2", "--set", "seed=3"];
    let (code, out, error) = texts(&onebasin(folder.path(), &args));
    assert!(code == 2 && out.is_empty() && error.contains("\nerror: `--sweep` and `--set` both give `seed`\nhint: "), "{error}");
    // A setting that changes nothing is the spec's own.
    let args = ["run", "small.toml", "--json", "--sweep", "seed=42,1"];
    let (_, out, error) = texts(&onebasin(folder.path(), &args));
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&done[0]["results"], &done[1]["results"]), (&"results/small".into(), &"results/small@seed=1".into()), "{error}");
    let entries = |more: &[&str]| {
        let (_, out, _) = texts(&onebasin(folder.path(), &[&["store", "gc", "small.toml", "--json"], more].concat()));
        serde_json::from_str::<Value>(&out).unwrap()["entries"].as_array().unwrap().len()
    };
    assert_eq!(entries(&[]), 0, "what a sweep needs stays");
    for wrong in ["epochs", "trainings.adam.epochs=1,,2", "trainings.adm.epochs=1", "seed=1,2,1"] {
        assert_eq!(texts(&onebasin(folder.path(), &["run", "small.toml", "--sweep", wrong])).0, 2, "{wrong}");
    }
    fs::write(&spec, format!("{}\n[sweep]\ntrainings.adam.epochs = [1, \"x\"]\n", SPEC)).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml"]));
    assert!(code == 2 && error.contains("hint: the sweep sets `trainings.adam.epochs=\"x\"`"), "{error}");
    fs::write(&spec, format!("{}\n[sweep]\nseed = 1\n", SPEC)).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["plan", "small.toml"]));
    assert!(code == 2 && error.contains("`sweep.seed` should be a list of values"), "{error}");
}

#[test]
fn a_sweep_has_no_rows_of_earlier_results_where_a_setting_fails() {
    let (folder, spec) = folder();
    let sweep = |more: &[&str]| texts(&onebasin(folder.path(), &[&["run", "small.toml", "--sweep", "seed=1,2"], more].concat()));
    assert_eq!(sweep(&[]).0, 0);
    let read = |name: &str| fs::read_to_string(folder.path().join("results/small@sweep=seed").join(name)).unwrap();
    assert!(read("sweep.csv").contains("accuracy") && !read("sweep.md").contains("Incomplete"));
    let picture = folder.path().join("plots/small@sweep=seed/sweep-few-glyphs-mlp.svg");
    assert!(picture.is_file());
    fs::write(&spec, SPEC.replace("learning-rate = 1e-3", "learning-rate = 1e30")).unwrap();
    // As of one experiment, nothing is published of a run that is not finished, unless that is asked for.
    let whole = read("sweep.csv");
    let (code, _, error) = sweep(&[]);
    let left = "`results/small@sweep=seed` stays as it was: 2 of 2 settings have no results: `seed = 1`; `seed = 2`; `--keep-going` writes";
    assert!(code == 1 && error.contains(left) && read("sweep.csv") == whole, "{error}");
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--sweep", "seed=3,4"]));
    assert!(code == 1 && error.contains("`results/small@sweep=seed` stays as it was"), "{error}");
    assert!(!folder.path().join("results/small@seed=3").exists(), "a run that fails leaves no empty folder");
    let (code, _, error) = sweep(&["--keep-going"]);
    assert!(code == 1 && error.contains("2 of 2 settings have no results: `seed = 1`; `seed = 2`"), "{error}");
    assert!(!read("sweep.csv").contains("accuracy"), "{}", read("sweep.csv"));
    assert!(read("sweep.md").contains("**Incomplete**: without results are `seed = 1`; `seed = 2`."), "{}", read("sweep.md"));
    assert!(!picture.exists(), "a picture of what is no longer in the table");
    fs::write(&spec, format!("{}\n[sweep]\nseed = [1, 2]\n", SPEC)).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["report", "small.toml"]));
    assert!(code == 2 && error.contains("`small.toml` sweeps `seed`") && error.contains("hint: `--set seed=VALUE`"), "{error}");
}

#[test]
fn the_table_of_a_sweep_begins_with_end_points_and_keeps_the_order_and_the_splits_of_the_spec() {
    let (folder, spec) = folder();
    let text = SPEC.replace("\"naive\"", "\"zero\"").replace("lambdas = 3", "lambdas = 3\nsplits = [\"train\", \"test\"]");
    fs::write(&spec, text).unwrap();
    // Also where the system has no folder for temporary files.
    let mut run = command(folder.path(), &["run", "small.toml", "--sweep", "seed=1,2"]);
    let (code, _, error) = texts(&run.env("TMPDIR", folder.path().join("nowhere")).output().unwrap());
    assert_eq!(code, 0, "{error}");
    let picture = fs::read_to_string(folder.path().join("plots/small@sweep=seed/sweep-few-glyphs-mlp.svg")).unwrap();
    assert!(["accuracy, train", "accuracy, test", "loss, test", "weights"].iter().all(|text| picture.contains(text)), "{picture}");
    let text = fs::read_to_string(folder.path().join("results/small@sweep=seed/sweep.md")).unwrap();
    assert!(
        text.contains("| `seed` | method | accuracy, train | accuracy, test | loss, train | loss, test | barrier over line, train |"),
        "{text}"
    );
    let names = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1)).skip(1);
    let names: Vec<&str> = names.filter(|name| *name != "---").collect();
    // Two steps train nothing.
    let expected = ["endpoints †", "zero †", "weights †"];
    assert_eq!(names, [expected, expected].concat(), "{text}");
}

#[test]
fn a_setting_whose_folder_is_in_the_way_does_not_keep_the_others_from_running() {
    let (folder, _) = folder();
    fs::create_dir(folder.path().join("results")).unwrap();
    fs::write(folder.path().join("results/small@seed=2"), "").unwrap();
    let sweep = ["run", "small.toml", "--sweep", "seed=1,2,3"];
    let (code, _, error) = texts(&onebasin(folder.path(), &sweep));
    let in_the_way = "error: cannot write into `results/small@seed=2`\n  because `results/small@seed=2` is a file\nhint: ";
    assert!(code == 2 && error.contains(in_the_way), "{error}");
    assert!(error.contains("`results/small@sweep=seed` is not made: 2 of 3 settings have no results: `seed = 2`; `seed = 3`"), "{error}");
    let (code, out, error) = texts(&onebasin(folder.path(), &[&sweep[..], &["--keep-going", "--json"]].concat()));
    assert!(code == 2 && error.contains(in_the_way), "{error}");
    let done: Value = serde_json::from_str(&out).unwrap();
    assert!(done.as_array().unwrap().len() == 3 && done[1]["error"].as_str().unwrap().contains("is a file"), "{out}");
    assert!(folder.path().join("results/small@seed=3/models.csv").is_file());
    let text = fs::read_to_string(folder.path().join("results/small@sweep=seed/sweep.md")).unwrap();
    assert!(text.contains("**Incomplete**: without results are `seed = 2`.") && text.contains("\n| 3 | naive"), "{text}");
}

#[test]
fn a_variable_of_the_environment_goes_over_a_sweep_as_set_does() {
    let (folder, spec) = folder();
    fs::write(&spec, format!("{SPEC}\n[sweep]\ntrainings.adam.epochs = [1, 3]\n")).unwrap();
    let run = |more: &[&str]| {
        let mut run = command(folder.path(), &[&["run", "small.toml"], more].concat());
        texts(&run.env("ONEBASIN_TRAININGS__ADAM__EPOCHS", "2").output().unwrap())
    };
    let (code, _, error) = run(&[]);
    assert!(code == 0 && error.contains("overridden: trainings.adam.epochs = 2"), "{error}");
    let made: Vec<String> =
        fs::read_dir(folder.path().join("results")).unwrap().map(|made| made.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(made, ["small@trainings.adam.epochs=2"]);
    let (code, _, error) = run(&["--sweep", "trainings.adam.epochs=1,3"]);
    let told = "error: `--sweep` and `environment variable ONEBASIN_TRAININGS__ADAM__EPOCHS` both give `trainings.adam.epochs`";
    assert!(code == 2 && error.contains(told), "{error}");
}

#[test]
fn a_method_of_other_models_than_the_first_is_told_in_every_table_of_people() {
    let (folder, spec) = folder();
    let own = "[[methods]]\nname = \"pair\"\nmodels = [\"a\", \"c\"]\nmatching = { by = \"identity\" }\n\n[evaluation]";
    fs::write(&spec, SPEC.replacen("models = 2", "models = 3", 1).replacen("[evaluation]", own, 1)).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--sweep", "seed=1,2"]));
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = texts(&onebasin(folder.path(), &["report", "small.toml", "--set", "seed=1"]));
    assert_eq!(code, 0, "{error}");
    for (file, says) in [
        ("small@sweep=seed/sweep.md", "by some methods their own: `pair` of a and c."),
        ("small@seed=1/table.md", "by some methods their own: `pair` of a and c."),
        ("small@seed=1/report.html", "by some methods their own: pair of a and c."),
    ] {
        let text = fs::read_to_string(folder.path().join("results").join(file)).unwrap();
        assert!(text.contains(says), "{file}");
    }
}
