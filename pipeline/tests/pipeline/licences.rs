//! Every library comes under a licence that `deny.toml` allows.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Libraries that state their licence in a file alone, with what it says.
const BY_FILE: [(&str, &str); 1] = [("cfg_block", "Apache-2.0")];

/// Whether an SPDX expression can be met: `OR` binds weaker than `AND`, and a slash is an old way to write `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let one = |part: &str| allowed.contains(part.trim().trim_matches(['(', ')']));
    if let Some((left, right)) = expression.split_once(") AND ") {
        return is_met(left.trim_start_matches('('), allowed) && is_met(right, allowed);
    }
    expression.replace('/', " OR ").split(" OR ").any(|choice| choice.split(" AND ").all(one))
}

#[test]
fn every_library_has_an_allowed_licence() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let deny: toml::Table = std::fs::read_to_string(format!("{root}/deny.toml")).unwrap().parse().unwrap();
    let allowed: BTreeSet<String> =
        deny["licenses"]["allow"].as_array().unwrap().iter().map(|licence| licence.as_str().unwrap().to_owned()).collect();
    let host = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    // Only what this machine builds: the manifests of other platforms' libraries are not there without a network.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host, "--manifest-path"])
        .arg(format!("{root}/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter_map(|package| {
            let name = package["name"].as_str().unwrap();
            let by_file = BY_FILE.iter().find(|(known, _)| *known == name).map(|(_, licence)| *licence);
            let licence = package["license"].as_str().or(by_file).unwrap_or("none stated");
            (!is_met(licence, &allowed)).then(|| format!("{name}: {licence}"))
        })
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn expressions_are_read_as_they_bind() {
    let allowed: BTreeSet<String> = ["MIT", "Zlib"].map(str::to_owned).into();
    for met in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "MIT AND Zlib", "(GPL-3.0 OR MIT) AND Zlib", "GPL-3.0 OR MIT AND Zlib"] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR LGPL-2.1) AND MIT", "none stated"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}
