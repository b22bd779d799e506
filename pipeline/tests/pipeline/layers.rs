//! The layers of the house: which package may use which, and where heavy libraries live.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each package of this workspace may use of it.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("onebasin-repro", &[]),
    ("onebasin-transport", &[]),
    ("onebasin-network", &[]),
    ("onebasin-datasets", &["onebasin-repro"]),
    ("onebasin-matching", &["onebasin-network", "onebasin-transport", "onebasin-repro"]),
    ("onebasin-training", &["onebasin-network", "onebasin-datasets", "onebasin-repro"]),
    (
        "onebasin",
        &["onebasin-repro", "onebasin-transport", "onebasin-network", "onebasin-datasets", "onebasin-matching", "onebasin-training"],
    ),
];

/// Libraries that one package alone may use.
const ONLY_IN: [(&str, &str); 9] = [
    ("burn", "onebasin-training"),
    ("clap", "onebasin"),
    ("plotters", "onebasin"),
    ("indicatif", "onebasin"),
    ("figment", "onebasin"),
    ("polars", "onebasin"),
    ("tracing-subscriber", "onebasin"),
    ("ureq", "onebasin-datasets"),
    ("rand_chacha", "onebasin-repro"),
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
