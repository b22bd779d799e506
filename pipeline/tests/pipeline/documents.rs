//! What stands in documents and in `experiments/` works.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use onebasin::cli::Arguments;
use onebasin::experiment::{self, plan};
use onebasin::reported::{COLUMNS, OPTIONAL_COLUMNS};
use onebasin::spec::{Experiment, Overrides, SpecError};
use onebasin_datasets::SearchPaths;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn places() -> SearchPaths {
    SearchPaths::offline([], "/nonexistent")
}

fn specs() -> Vec<PathBuf> {
    let mut specs: Vec<PathBuf> = fs::read_dir(root().join("experiments"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    specs.sort();
    specs
}

fn load(path: &Path, profile: Option<&str>) -> Result<Experiment, SpecError> {
    experiment::load(path, &Overrides { profile: profile.map(str::to_owned), ..Overrides::default() }, &places())
}

fn planned(experiment: &Experiment) -> usize {
    let digests: BTreeMap<String, String> = experiment.pairs.iter().map(|pair| (pair.dataset.clone(), "digest".to_owned())).collect();
    plan(experiment, &digests, "cpu").unwrap().stages.len()
}

#[test]
fn every_experiment_plans_with_each_of_its_profiles_and_without_data() {
    let specs = specs();
    assert!(specs.len() >= 4, "{specs:?}");
    for path in specs {
        let text = fs::read_to_string(&path).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let profiles = table.get("profiles").and_then(toml::Value::as_table).map(|profiles| profiles.keys().cloned().collect::<Vec<_>>());
        for profile in profiles.unwrap_or_default().iter().map(|name| Some(name.as_str())).chain([None]) {
            let experiment = load(&path, profile).unwrap_or_else(|error| panic!("{error}"));
            // A profile may have results of its own, beside the others.
            let names = [None, profile].map(|profile| profile.map_or(String::new(), |profile| format!("-{profile}")));
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap();
            assert!(names.iter().any(|name| experiment.name == format!("{stem}{name}")), "a spec is called like its file");
            assert!(planned(&experiment) > 10);
        }
    }
}

/// The TOML blocks of a Markdown text that are whole specs.
fn whole_specs(text: &str) -> Vec<String> {
    let blocks = text.split("```toml").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("[[pairs]]") && block.lines().any(|line| line.starts_with("name = "))).map(str::to_owned).collect()
}

#[test]
fn every_whole_spec_in_a_document_plans() {
    for document in ["README.md", "experiments/spec.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let blocks = whole_specs(&text);
        assert!(!blocks.is_empty(), "{document} should show a whole spec: a TOML block with a `name` and `[[pairs]]`");
        for block in blocks {
            let name = root().join("experiments").join(format!("block of {document}"));
            let experiment =
                experiment::parse(&block, &name, &Overrides::default(), &places()).unwrap_or_else(|error| panic!("{document}: {error}"));
            assert!(planned(&experiment) > 3);
        }
    }
}

/// The first cells, without backticks, of the table under a heading.
fn first_cells(text: &str, heading: &str) -> BTreeSet<String> {
    let section = text.split_once(&format!("\n## {heading}\n")).map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or_default());
    let table = section.lines().skip_while(|line| !line.starts_with("| --- ")).skip(1).take_while(|line| line.starts_with('|'));
    table.filter_map(|row| row.split('`').nth(1)).map(str::to_owned).collect()
}

/// The names of all commands below one, those that only group others left out.
fn commands(command: &clap::Command, name: &str) -> BTreeSet<String> {
    let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    let mut names: BTreeSet<String> = below.flat_map(|below| commands(below, &format!("{name} {}", below.get_name()))).collect();
    if names.is_empty() || !command.is_subcommand_required_set() {
        names.insert(name.to_owned());
    }
    names
}

#[test]
fn every_command_stands_in_the_readme_and_every_command_of_it_exists() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let known = commands(&Arguments::command(), "onebasin");
    let is_argument = |word: &&str| word.chars().any(|c| c.is_ascii_uppercase()) || word.starts_with('-');
    let told = first_cells(&text, "Commands")
        .iter()
        .map(|row| row.split(' ').take_while(|word| !is_argument(word)).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(known, told, "commands of the program, and those in the table of the section `Commands`");
}

/// The long options of all commands below one.
fn options(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter(|option| !option.is_hide_set()).filter_map(|option| option.get_long());
    own.map(|name| format!("--{name}")).chain(command.get_subcommands().flat_map(options)).collect()
}

#[test]
fn every_option_of_a_command_stands_in_the_readme() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let section = text.split_once("\n## Commands\n").unwrap().1.split("\n## ").next().unwrap().to_owned();
    let told = |option: &String| section.contains(&format!("`{option}`")) || section.contains(&format!("`{option} "));
    // Each has a letter, which is told.
    let short = ["--quiet", "--verbose"].map(str::to_owned);
    assert!(section.contains("`-q`") && section.contains("`-v`"));
    let missing: Vec<String> =
        options(&Arguments::command()).into_iter().filter(|option| !told(option) && !short.contains(option)).collect();
    assert!(missing.is_empty(), "options that the section `Commands` of README.md does not tell: {missing:?}");
}

#[test]
fn every_variable_of_the_command_stands_in_the_reference_and_every_one_of_it_is_known() {
    let text = fs::read_to_string(root().join("experiments/spec.md")).unwrap();
    let section = text.split_once("\n### Variables of the command\n").unwrap().1.split("\n## ").next().unwrap();
    let cells = section.lines().filter(|line| line.starts_with("| `")).filter_map(|row| row.split('|').nth(1));
    let told: BTreeSet<&str> =
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|name| name.starts_with("ONEBASIN_")).collect();
    assert_eq!(told, onebasin::spec::COMMAND_VARIABLES.into());
}

#[test]
fn every_column_of_a_file_of_reported_figures_stands_in_the_reference() {
    let text = fs::read_to_string(root().join("experiments/spec.md")).unwrap();
    let columns: BTreeSet<String> = COLUMNS.iter().chain(&OPTIONAL_COLUMNS).map(|name| (*name).to_owned()).collect();
    assert_eq!(first_cells(&text.replace("\n### ", "\n## "), "A file of reported figures"), columns);
}

#[test]
fn every_committed_results_file_stands_in_the_readme() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let told = first_cells(&text, "Results files");
    let folders = fs::read_dir(root().join("results")).unwrap().map(|folder| folder.unwrap().path()).filter(|folder| folder.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let files =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "csv" || extension == "md" || extension == "json"));
    let found: BTreeSet<String> = files.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect();
    assert!(found.len() > 15, "{found:?}");
    let missing: Vec<&String> = found.difference(&told).collect();
    assert!(missing.is_empty(), "files that the section `Results files` of README.md does not tell: {missing:?}");
}

#[test]
fn tables_that_only_some_runs_write_are_those_that_an_earlier_run_may_leave() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let section = text.split("\n## Results files\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|row| row.split(" | ").collect::<Vec<_>>());
    let is_of_some_runs = |written: &str| written.starts_with("where ") || written.starts_with("with ") && !written.contains("sweep");
    let names = rows.filter(|row| is_of_some_runs(row[2])).map(|row| row[0].trim_matches(['|', '`', ' ']).to_owned());
    assert_eq!(names.collect::<BTreeSet<_>>(), onebasin::publish::OPTIONAL.map(str::to_owned).into());
}

/// The links of a Markdown text: a path, and a heading or nothing.
fn links(text: &str) -> Vec<(&str, &str)> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"));
    targets.map(|target| target.split_once('#').unwrap_or((target, ""))).collect()
}

/// The name by which a link refers to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphabetic() || c.is_ascii_digit() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_in_a_document_leads_to_a_file_and_a_heading() {
    let documents = [
        "README.md",
        "CHANGELOG.md",
        "experiments/README.md",
        "experiments/spec.md",
        "workspace/README.md",
        "workspace/training/README.md",
    ];
    let mut faults = Vec::new();
    for document in documents {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        for (file, heading) in links(&text) {
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let found = target.exists()
                && (heading.is_empty()
                    || fs::read_to_string(&target).unwrap().lines().any(|line| line.starts_with('#') && anchor(line) == heading));
            faults.extend((!found).then(|| format!("{document}: `{file}#{heading}`")));
        }
    }
    assert!(faults.is_empty(), "links that lead nowhere:\n  {}", faults.join("\n  "));
}

#[test]
fn links_and_headings_are_read_as_they_are_shown() {
    assert_eq!(links("[a](b.md#c-d), [e](#f) ![g](h.png) [i](https://j.k)"), [("b.md", "c-d"), ("", "f"), ("h.png", "")]);
    assert_eq!(anchor("## `[datasets.NAME]`"), "datasetsname");
    assert_eq!(anchor("### C2M3, figure by figure"), "c2m3-figure-by-figure");
}

#[test]
fn blocks_are_told_from_parts_of_specs_and_tables_by_their_heading() {
    let text = "a\n```toml\nname = \"x\"\n[[pairs]]\n```\nb\n```toml\n[[pairs]]\n```\n```sh\nname = \"x\"\n```\n";
    assert_eq!(whole_specs(text), ["\nname = \"x\"\n[[pairs]]\n"]);
    let table = "\n## A\n\nb\n\n| c | d |\n| --- | --- |\n| `e` | `f` |\n| `g` | h |\n\n| i |\n| --- |\n| `j` |\n\n## K\n";
    assert_eq!(first_cells(table, "A"), ["e", "g"].map(str::to_owned).into());
}

#[test]
fn every_row_of_a_table_in_a_document_has_the_head_of_its_table_above_it() {
    for document in ["README.md", "CHANGELOG.md", "experiments/README.md", "experiments/spec.md", "workspace/README.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        for (place, pair) in lines.windows(2).enumerate().filter(|(_, pair)| !pair[0].starts_with('|') && pair[1].starts_with('|')) {
            let below = lines.get(place + 2).copied().unwrap_or_default();
            assert!(below.starts_with('|') && below.chars().all(|c| "|-: ".contains(c)), "{document}:{}: {}", place + 2, pair[1]);
        }
    }
}

#[test]
fn every_target_of_the_makefile_is_told_by_it_and_what_checks_figures_also_by_the_readme() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let targets = makefile.lines().find_map(|line| line.strip_prefix(".PHONY: ")).unwrap();
    let targets: Vec<&str> = targets.split(' ').filter(|target| !target.contains("reproduce-")).collect();
    let help: String = makefile.lines().filter(|line| line.starts_with("\t@echo \"make ")).collect();
    let words: BTreeSet<&str> = help.split(|c: char| !(c.is_alphanumeric() || c == '-')).collect();
    // `help` prints the list, `build` is on the way to every other, `peers` belongs to `bench`.
    let missing: Vec<&&str> =
        targets.iter().filter(|target| !words.contains(*target) && !["help", "build", "peers"].contains(target)).collect();
    assert!(missing.is_empty(), "targets that `make help` does not tell: {missing:?}");
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for target in targets.iter().filter(|target| target.starts_with("check-")) {
        assert!(readme.contains(&format!("`make {target}`")), "{target}");
    }
    // A schedule that runs a target which is gone finds nothing out.
    for file in fs::read_dir(root().join(".github/workflows")).unwrap().map(|file| file.unwrap().path()) {
        let text = fs::read_to_string(&file).unwrap();
        for run in text.split("make ").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
            assert!(targets.contains(&run), "`make {run}` in {}", file.display());
        }
    }
}

#[test]
fn every_experiment_of_the_makefile_has_the_profile_that_it_runs() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap().replace("\\\n", "");
    let names = makefile.lines().find_map(|line| line.strip_prefix("EXPERIMENTS = ")).unwrap();
    let profile = makefile.lines().find_map(|line| line.strip_prefix("PROFILE ?= ")).unwrap();
    let lacks: Vec<&str> = names
        .split_whitespace()
        .filter(|name| {
            let table: toml::Table = toml::from_str(&fs::read_to_string(root().join(format!("experiments/{name}.toml"))).unwrap()).unwrap();
            table.get("profiles").and_then(|profiles| profiles.get(profile)).is_none()
        })
        .collect();
    assert!(names.contains("table-1") && lacks.is_empty(), "specs without a profile `{profile}`: {lacks:?}");
}

#[test]
fn a_schedule_holds_real_tables_against_their_bands() {
    let workflow = fs::read_to_string(root().join(".github/workflows/tables.yml")).unwrap();
    assert!(["schedule:", "workflow_dispatch:", "make check-tables"].iter().all(|part| workflow.contains(part)), "{workflow}");
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let target = makefile.split_once("\ncheck-tables:").unwrap().1.split("\n\n").next().unwrap();
    assert!(target.contains("mnist-mlp") && target.contains("table-1") && target.contains("experiments/expected/"), "{target}");
}
