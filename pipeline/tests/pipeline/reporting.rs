//! `report`, the page of a run, and `why`, its numbers one by one.

use std::fs;

use serde_json::Value;

use crate::command::{SPEC, folder, onebasin, texts};
use crate::end_to_end::{Place, everything, smoke};

/// The page of a finished run, in a copy of its folder.
fn page(place: &Place) -> String {
    let (code, stdout, stderr) = texts(&onebasin(place.path(), &["report", "smoke.toml"]));
    assert_eq!((code, stdout.trim()), (0, "results/smoke/report.html"), "{stderr}");
    fs::read_to_string(place.result("report.html")).unwrap()
}

/// The stages that a page carries.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"stage-data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_page_holds_everything_and_fetches_nothing() {
    let place = everything().copy();
    let page = page(&place);
    for part in ["Overview", "All figures", "Lines", "Cycles", "Traces", "Training", "Planes", "Margins", "Stages", "Time", "Environment"] {
        assert!(page.contains(&format!(">{part}</h2>")), "{part}");
    }
    for load in ["http:", "https:", "src=", "@import", "url(", "<link"] {
        assert!(!page.contains(load), "{load}");
    }
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    // Every stage that a number or a line names is known to the page, with a recipe and what made it.
    let data = data(&page);
    let known: Vec<&str> = data["stages"].as_array().unwrap().iter().map(|stage| stage["fingerprint"].as_str().unwrap()).collect();
    let named: Vec<&str> = page.split("data-stage=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    assert!(named.len() > 100);
    assert!(named.iter().all(|stage| known.contains(stage)), "{named:?}");
    assert!(data["stages"].as_array().unwrap().iter().all(|stage| stage["made"]["seconds"].is_number()));
    assert_eq!(data["command"], "onebasin run smoke.toml");
}

#[test]
fn the_same_tables_make_the_same_page_and_a_run_leaves_it_alone() {
    let place = smoke().place.copy();
    let first = page(&place);
    assert_eq!(page(&place), first);
    let ended = place.run(&[]);
    assert!(ended.code == Some(0) && !ended.stderr.contains("report.html"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(place.result("report.html")).unwrap(), first);
}

#[test]
fn settings_that_are_not_the_published_ones_stand_on_top() {
    let place = smoke().place.copy();
    let figures = "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\ntiny-glyphs,mlp,c2m3,3,accuracy,test,0.9,,0.05,A paper\n";
    fs::write(place.path().join("reported.csv"), figures).unwrap();
    place.edit(
        "[evaluation]",
        "[reported]\nfile = \"reported.csv\"\nprofile = \"paper\"\n\n[profiles.paper.trainings.adam]\nepochs = 9\n\n[evaluation]",
    );
    place.complete(&[]);
    let page = page(&place);
    let (above, below) = (page.find("Not the published settings").unwrap(), page.find(">Overview</h2>").unwrap());
    assert!(above < below && page[..below].contains("instead of 9"), "{}", &page[above..below]);
}

#[test]
fn a_page_and_a_number_of_an_edited_spec_say_that_their_tables_are_older() {
    let place = smoke().place.copy();
    assert!(!page(&place).contains("role=\"alert\""));
    let why = || texts(&onebasin(place.path(), &["why", "results/smoke/merged.csv", "2"])).1;
    assert!(!why().contains("the spec  "));
    place.edit("seed = 42", "seed = 43");
    assert!(why().contains("the spec     `smoke.toml` has other settings than the run had"), "{}", why());
    let (code, _, stderr) = texts(&onebasin(place.path(), &["report", "smoke.toml"]));
    assert!(code == 0 && stderr.contains("warning: the results in `results/smoke` were made at other settings"), "{stderr}");
    assert!(fs::read_to_string(place.result("report.html")).unwrap().contains("role=\"alert\""));
}

#[test]
fn a_page_of_what_was_not_run_is_refused() {
    let place = Place::new();
    let (code, _, stderr) = texts(&onebasin(place.path(), &["report", "smoke.toml"]));
    assert!(code == 2 && stderr.contains("holds no results") && stderr.contains("hint: `onebasin run smoke.toml`"), "{stderr}");
    assert!(!place.result("report.html").exists());
    let (_, _, stderr) = texts(&onebasin(place.path(), &["report", "smoke.toml", "--set", "seed=7"]));
    assert!(stderr.contains("hint: `onebasin run smoke.toml --set seed=7` makes them"), "{stderr}");
}

#[test]
fn a_page_without_the_table_of_its_overview_is_refused() {
    let place = smoke().place.copy();
    fs::remove_file(place.result("summary.csv")).unwrap();
    let (code, _, stderr) = texts(&onebasin(place.path(), &["report", "smoke.toml"]));
    assert!(code == 2 && stderr.contains("summary.csv") && stderr.contains("hint: `onebasin run smoke.toml`"), "{stderr}");
}

#[test]
fn a_number_tells_its_stage_its_inputs_and_the_command_that_makes_it_again() {
    let place = &smoke().place;
    let why = |arguments: &[&str]| texts(&onebasin(place.path(), &[&["why", "results/smoke/merged.csv"], arguments].concat()));
    let (code, stdout, _) = why(&["--where", "method=c2m3,models=3,split=test"]);
    assert_eq!(code, 0);
    for part in [
        "stage        predict/tiny-glyphs-mlp/c2m3/replicate-0/3",
        "again by     onebasin run smoke.toml --only predict/tiny-glyphs-mlp/c2m3/replicate-0/3 --force predict/tiny-glyphs-mlp/c2m3/replicate-0/3",
        "merge/tiny-glyphs-mlp/c2m3/replicate-0/3",
        "made with    smoke.toml, no profile",
        "  method                 c2m3",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    // The command does what it says.
    let again = place.copy();
    let stage = "predict/tiny-glyphs-mlp/c2m3/replicate-0/3";
    let (code, _, stderr) = texts(&onebasin(again.path(), &["run", "smoke.toml", "--only", stage, "--force", stage]));
    assert!(code == 0 && stderr.contains("same bytes"), "{stderr}");

    // Where the store was said, the command says it; on another kind of device the spec makes something else.
    let stored = || texts(&onebasin(again.path(), &["why", "results/smoke/merged.csv", "2", "--store", ".store"])).1;
    assert!(stored().contains("again by     onebasin run smoke.toml --store .store --only "), "{}", stored());
    let record = again.result("run.json");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("\"device\": \"cpu\"", "\"device\": \"wgpu\"")).unwrap();
    assert!(stored().contains("again by     nothing: no stage of `smoke.toml`, as it is now, makes this"), "{}", stored());
    assert!(
        stored().contains("the spec     is as it was, and data, a file that `smoke.toml` names, or the program changed"),
        "{}",
        stored()
    );

    // From elsewhere, by the name that `explain` takes, and of a table that has names of stages beside fingerprints.
    let file = place.result("timings.csv").canonicalize().unwrap();
    let (code, timed, _) = texts(&onebasin(std::path::Path::new("/"), &["why", &format!("{}:2", file.display())]));
    assert!(code == 0 && timed.contains("stage        train/tiny-glyphs-mlp/replicate-0/a\n"), "{timed}");
    let above = place.path().canonicalize().unwrap();
    let command =
        format!("again by     onebasin run {} --store {} --only", above.join("smoke.toml").display(), above.join(".store").display());
    assert!(timed.contains(&command), "{timed}");

    let (_, by_line, _) = why(&["2", "--json"]);
    let rows: Value = serde_json::from_str(&by_line).unwrap();
    assert_eq!((&rows[0]["line"], &rows[0]["row"]["dataset"]), (&2.into(), &"tiny-glyphs".into()));
    assert!(rows[0]["recipe"]["inputs"][0]["stage"].as_str().unwrap().starts_with("merge/"));
}

#[test]
fn a_number_whose_method_has_another_name_by_now_tells_the_stage_that_makes_it() {
    let place = smoke().place.copy();
    let row = |stdout: &str, word: &str| stdout.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_default().trim().to_owned();
    let why = || texts(&onebasin(place.path(), &["why", "results/smoke/merged.csv", "--where", "method=c2m3,models=3,split=test"])).1;
    let fingerprint = row(&why(), "fingerprint");
    place.edit("name = \"c2m3\"", "name = \"ours\"");
    let renamed = why();
    assert_eq!(row(&renamed, "stage "), "predict/tiny-glyphs-mlp/ours/replicate-0/3");
    assert!(
        renamed.contains("the spec     `smoke.toml` has other settings than the run had")
            && renamed.contains("merge/tiny-glyphs-mlp/ours/"),
        "{renamed}"
    );
    let command = row(&renamed, "again by");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let (code, _, stderr) = texts(&onebasin(place.path(), &words));
    assert!(code == 0 && stderr.contains("same bytes"), "{command}: {stderr}");
    assert_eq!(row(&why(), "fingerprint"), fingerprint);
    // What no stage makes any more has no command.
    place.edit("seed = 42", "seed = 43");
    let gone = why();
    assert_eq!(row(&gone, "again by"), "nothing: no stage of `smoke.toml`, as it is now, makes this", "{gone}");
    assert_eq!(row(&gone, "stage "), "predict/tiny-glyphs-mlp/c2m3/replicate-0/3", "by the name that it was made under");
}

#[test]
fn a_row_of_a_sweep_tells_the_setting_that_made_it() {
    let (folder, _) = crate::command::folder();
    let run = |more: &[&str]| texts(&onebasin(folder.path(), &[&["run", "small.toml"], more].concat()));
    assert_eq!(run(&["--sweep", "trainings.adam.epochs=1,2"]).0, 0);
    let table = folder.path().join("results/small@sweep=trainings.adam.epochs/sweep.csv");
    let text = fs::read_to_string(&table).unwrap();
    let line = 1 + text.lines().position(|line| line.starts_with("2,") && line.contains(",endpoints,accuracy,test,")).unwrap();
    let (code, stdout, stderr) = texts(&onebasin(folder.path(), &["why", table.to_str().unwrap(), &line.to_string()]));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("made with    small.toml, no profile, `trainings.adam.epochs = 2`"), "{stdout}");
    assert!(stdout.contains("again by     onebasin run ") && stdout.contains(" --set trainings.adam.epochs=2 --only "), "{stdout}");
}

#[test]
fn rows_that_are_none_and_columns_that_are_not_there_are_errors_that_help() {
    let place = &smoke().place;
    let says = |arguments: &[&str], expected: &[&str]| {
        let (code, stdout, stderr) = texts(&onebasin(place.path(), &[&["why"], arguments].concat()));
        assert!(code == 2 && stdout.is_empty(), "{stdout}{stderr}");
        assert!(expected.iter().all(|part| stderr.contains(part)), "{stderr}");
    };
    let merged = "results/smoke/merged.csv";
    says(&[merged], &["no row of `results/smoke/merged.csv` is named", "hint: say a line"]);
    says(&["results/smoke/table.md:3"], &["has no rows that name stages: expected a CSV file"]);
    says(&[merged, "1"], &["line 1 of `results/smoke/merged.csv` is no row", "hint: line 1 names the columns"]);
    says(&[merged, "999"], &["is no row: expected a line from 2 to"]);
    says(&[merged, "--where", "metod=c2m3"], &["has no column `metod`", "hint: did you mean `method`?"]);
    says(&[merged, "--where", "method=c4m3"], &["no row of `results/smoke/merged.csv` has method=c4m3"]);
    says(&[merged, "--where", "method"], &["`method` is no condition: expected `column=value`"]);
    says(
        &["results/smoke/traces.csv", "--where", "dataset=tiny-glyphs"],
        &["rows of `results/smoke/traces.csv` have that, expected at most 20"],
    );
    says(&["results/smoke/none.csv", "2"], &["cannot read `results/smoke/none.csv`", "hint: name a table"]);
    says(&["results/smoke/methods.csv", "2"], &["has no column `stage`"]);
}

#[test]
fn pairs_and_lists_of_models_whose_joined_names_are_equal_keep_pictures_and_rows_of_their_own() {
    let (folder, spec) = folder();
    let names = r#"models = [{ name = "a" }, { name = "b-c" }, { name = "a-b" }, { name = "c" }, { name = "d" }]"#;
    let other_pair = "[[pairs]]\ndataset = \"few\"\narchitecture = \"glyphs-mlp\"\ntraining = \"adam\"\n\n[[methods]]";
    let other_names = "[datasets.few]\nformat = \"glyphs\"\ntrain = 100\ntest = 50\nsize = 12\n\n[architectures.glyphs-mlp]\nfamily = \"mlp\"\nhidden = [6]\n\n[trainings.adam]";
    let cycles = "lambdas = 3\npairs = \"none\"\ncycles = [[\"a-b\", \"c\", \"d\"], [\"a\", \"b-c\", \"d\"]]";
    let text = SPEC.replace("models = 2", names).replacen("[[methods]]", other_pair, 1).replace("[trainings.adam]", other_names);
    std::fs::write(spec, text.replace("lambdas = 3", cycles)).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml"]));
    assert_eq!(code, 0, "{error}");
    for picture in ["cycles-few-glyphs+mlp.svg", "cycles-few+glyphs-mlp.svg"] {
        assert!(folder.path().join("plots/small").join(picture).is_file(), "{picture}");
    }
    let rows = std::fs::read_to_string(folder.path().join("results/small/cycles.csv")).unwrap();
    assert!(rows.contains(",a-b..c..d,") && rows.contains(",a..b-c..d,"), "{rows}");
}
