//! What stands in documents and in `experiments/` works.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use onebasin::experiment::{self, plan};
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
            assert_eq!(Some(experiment.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()), "a spec is called like its file");
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
    for document in ["README.md", "experiments/README.md"] {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap_or_default();
        for block in whole_specs(&text) {
            let name = root().join("experiments").join(format!("block of {document}"));
            let experiment =
                experiment::parse(&block, &name, &Overrides::default(), &places()).unwrap_or_else(|error| panic!("{document}: {error}"));
            assert!(planned(&experiment) > 3);
        }
    }
}

#[test]
fn blocks_are_told_from_parts_of_specs() {
    let text = "a\n```toml\nname = \"x\"\n[[pairs]]\n```\nb\n```toml\n[[pairs]]\n```\n```sh\nname = \"x\"\n```\n";
    assert_eq!(whole_specs(text), ["\nname = \"x\"\n[[pairs]]\n"]);
}
