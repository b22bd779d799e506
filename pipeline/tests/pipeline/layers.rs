//! The layers of the house: which package may use which, and where heavy libraries live.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each package of this workspace may use of it.
const MAY_USE: [(&str, &[&str]); 9] = [
    ("onebasin-repro", &[]),
    ("onebasin-transport", &[]),
    ("onebasin-network", &[]),
    ("onebasin-checkpoints", &[]),
    ("onebasin-datasets", &["onebasin-repro"]),
    ("onebasin-matching", &["onebasin-network", "onebasin-transport", "onebasin-repro"]),
    ("onebasin-training", &["onebasin-network", "onebasin-datasets", "onebasin-repro"]),
    (
        "onebasin",
        &[
            "onebasin-repro",
            "onebasin-transport",
            "onebasin-network",
            "onebasin-checkpoints",
            "onebasin-datasets",
            "onebasin-matching",
            "onebasin-training",
        ],
    ),
    ("onebasin-python", &["onebasin", "onebasin-checkpoints", "onebasin-matching", "onebasin-network", "onebasin-transport"]),
];

/// Libraries that one package alone may use.
const ONLY_IN: [(&str, &str); 10] = [
    ("burn", "onebasin-training"),
    ("clap", "onebasin"),
    ("plotters", "onebasin"),
    ("indicatif", "onebasin"),
    ("figment", "onebasin"),
    ("polars", "onebasin"),
    ("tracing-subscriber", "onebasin"),
    ("ureq", "onebasin-datasets"),
    ("rand_chacha", "onebasin-repro"),
    ("pyo3", "onebasin-python"),
];

/// The direct dependencies, tests' ones left out, of each package of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let used = package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"].as_str() != Some("dev"));
            (text(&package["name"]), used.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

#[test]
fn every_package_uses_only_those_below_it() {
    let dependencies = dependencies();
    assert_eq!(dependencies.keys().map(String::as_str).collect::<BTreeSet<_>>(), MAY_USE.map(|(name, _)| name).into());
    for (name, allowed) in MAY_USE {
        for used in dependencies[name].iter().filter(|used| used.starts_with("onebasin")) {
            assert!(allowed.contains(&used.as_str()), "`{name}` may not use `{used}`");
        }
    }
}

#[test]
fn heavy_libraries_live_in_one_package_each() {
    for (package, used) in dependencies() {
        for (library, home) in ONLY_IN {
            let found = used.iter().any(|name| name == library || (library == "burn" && name.starts_with("burn-")));
            assert!(!found || package == home, "`{package}` uses `{library}`, which belongs to `{home}`");
        }
    }
}

/// The modules of the command, from the lowest layer to the highest. A module uses only modules of layers below its own.
const INSIDE: [&[&str]; 19] = [
    &[
        "checkpoint_file",
        "checksums",
        "cores",
        "devices",
        "error_text",
        "function_check",
        "gaps",
        "input_file",
        "interrupt",
        "moved",
        "number",
        "shell",
        "statistics",
        "training_images",
        "version",
        "whole_file",
    ],
    &["weight_file"],
    &["network_match", "paired_test", "table"],
    &["identity", "maps_file"],
    &["image_limits", "reported", "untrained"],
    &["comparison", "drawing", "task"],
    &["dataset_cache", "spec"],
    &["own_models", "stage"],
    &["demand"],
    &["stages", "store"],
    &["events"],
    &["plan"],
    &["explain", "measurements", "provenance", "run_record", "runner"],
    &["cost", "slurm"],
    &["page", "report"],
    &["experiment", "publish"],
    &["baseline", "console"],
    &["cli"],
    &["commands"],
];

/// Modules that know that there are measurements. No other one can know a single one.
const KNOW_MEASUREMENTS: [&str; 3] = ["measurements", "report", "experiment"];

/// The modules of the command that each of them uses.
fn used_inside() -> BTreeMap<String, BTreeSet<String>> {
    let source = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let first = path.strip_prefix(source).unwrap().components().next().unwrap();
            let module = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            let named = code.split("crate::").skip(1).map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap());
            used.entry(module.clone()).or_default().extend(named.map(str::to_owned).filter(|name| *name != module));
        }
    }
    used.remove("main");
    used.remove("lib");
    used
}

#[test]
fn every_module_of_the_command_uses_only_those_below_it() {
    let layer = |module: &str| INSIDE.iter().position(|modules| modules.contains(&module));
    for (module, used) in used_inside() {
        let own = layer(&module).unwrap_or_else(|| panic!("`{module}` has no layer: give it one in this test"));
        for other in used {
            let below = layer(&other).unwrap_or_else(|| panic!("`{module}` uses `{other}`, which has no layer"));
            assert!(below < own, "`{module}` may not use `{other}`, which is not below it");
        }
    }
}

#[test]
fn only_tables_pictures_and_the_list_know_measurements() {
    for (module, used) in used_inside() {
        assert!(!used.contains("measurements") || KNOW_MEASUREMENTS.contains(&module.as_str()), "`{module}` knows measurements");
    }
}
