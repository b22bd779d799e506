//! Git Re-Basin's methods that look at the training loss, and arcs between models, as a spec asks for them.

use std::fs;
use std::path::Path;

use super::command::{SPEC, onebasin, texts};

const METHODS: &str = r#"
[[methods]]
name = "greedy"
matching = { by = "greedy-matching" }

[[methods]]
name = "halfway"
matching = { by = "straight-through", epochs = 3, batch = 60, every = 1, images = 100, reference = "b" }

[[methods]]
name = "arc"
matching = { by = "greedy-matching" }
merging = { by = "spherical" }

[[methods]]
name = "greedy-arc"
matching = { by = "greedy-matching" }
interpolation = "spherical"

[[methods]]
name = "downhill"
matching = { by = "steepest-descent", images = 150 }

[evaluation]"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.toml"), SPEC.replace("[evaluation]", METHODS.trim_start())).unwrap();
    folder
}

fn run(folder: &Path, more: &[&str]) -> (i32, String) {
    let (code, _, error) = texts(&onebasin(folder, &[&["run", "small.toml"], more].concat()));
    (code, error)
}

#[test]
fn methods_that_look_at_the_loss_give_the_same_bytes_whatever_the_number_of_jobs() {
    let folder = folder();
    for jobs in ["1", "2"] {
        let (code, error) = run(folder.path(), &["--jobs", jobs, "--store", jobs, "--results", &format!("results-{jobs}")]);
        assert_eq!(code, 0, "{error}");
    }
    for table in ["matching.csv", "traces.csv", "barriers.csv", "merged.csv"] {
        let text = |jobs: &str| fs::read_to_string(folder.path().join(format!("results-{jobs}/small/{table}"))).unwrap();
        assert_eq!(text("1"), text("2"), "{table}");
        assert!(["greedy", "halfway", "downhill"].iter().all(|name| table == "traces.csv" || text("1").contains(name)), "{}", text("1"));
    }
}

#[test]
fn arcs_have_the_ends_of_lines_and_another_middle_and_tables_tell_them() {
    let folder = folder();
    let spherical = ["--set", "evaluation.interpolation=spherical", "--results", "arcs"];
    for more in [[].as_slice(), &spherical] {
        let (code, error) = run(folder.path(), more);
        assert_eq!(code, 0, "{error}");
    }
    let losses = |results: &str| -> Vec<(String, f64)> {
        let text = fs::read_to_string(folder.path().join(results).join("small/barriers.csv")).unwrap();
        let head: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let place = |name: &str| head.iter().position(|column| *column == name).unwrap();
        // That method's lines are arcs either way.
        let cells = text.lines().skip(1).filter(|line| !line.contains(",greedy-arc,")).map(|line| line.split(',').collect::<Vec<_>>());
        cells.map(|cells| (cells[place("lambda")].to_owned(), cells[place("loss")].parse().unwrap())).collect()
    };
    let (lines, arcs) = (losses("results"), losses("arcs"));
    assert!(lines.len() == arcs.len() && lines.iter().filter(|(lambda, _)| lambda == "0.5").count() >= 4);
    for ((lambda, line), (_, arc)) in lines.iter().zip(&arcs) {
        assert_eq!((line - arc).abs() < 1e-6 * line, lambda != "0.5", "{lambda}: {line} and {arc}");
    }
    // The merged model is the middle of the arc.
    let merged = fs::read_to_string(folder.path().join("results/small/merged.csv")).unwrap();
    let test = |name: &str| {
        let mut rows = merged.lines().filter(|line| line.contains(&format!(",{name},")) && line.contains(",test,"));
        rows.next().unwrap().split(',').nth(6).unwrap().parse::<f64>().unwrap()
    };
    assert_ne!(test("arc"), test("greedy"));
    let text = fs::read_to_string(folder.path().join("arcs/small/barriers.csv")).unwrap();
    let middle = text.lines().find(|line| line.contains(",greedy,") && line.contains(",test,0.5,")).unwrap();
    assert!((middle.split(',').nth(8).unwrap().parse::<f64>().unwrap() - test("arc")).abs() < 1e-5, "{middle} {merged}");
    // A method may have arcs where others have lines.
    let own = fs::read_to_string(folder.path().join("results/small/barriers.csv")).unwrap();
    let same = own.lines().find(|line| line.contains(",greedy-arc,") && line.contains(",test,0.5,")).unwrap();
    assert_eq!(same.split(',').nth(8), middle.split(',').nth(8));
    let table = |results: &str| fs::read_to_string(folder.path().join(results).join("small/table.md")).unwrap();
    assert!(table("arcs").contains("arcs around the origin") && !table("results").contains("arcs around the origin"));
}

#[test]
fn settings_that_cannot_be_are_placed() {
    let folder = folder();
    let plan = |set: &str| texts(&onebasin(folder.path(), &["plan", "small.toml", "--set", set]));
    for (set, text) in [
        ("methods.halfway.matching.momentum=1.0", "`momentum` is `1`"),
        ("methods.halfway.matching.learning-rate=0", "`learning-rate` is `0`"),
        ("methods.halfway.matching.every=0", "`every` is `0`"),
        ("methods.downhill.matching.images=0", "`images` is `0`"),
        ("methods.downhill.matching.images=1000", ".images` is 1000, but `"),
        ("evaluation.interpolation=curved", "`curved`"),
        ("methods.greedy-arc.interpolation=curved", "`curved`"),
        ("models=3", "the middle of an arc is between 2 models: it cannot merge 3"),
    ] {
        let (code, _, error) = plan(set);
        assert!(code == 2 && error.contains(text) && error.contains("hint: "), "{error}");
    }
}
