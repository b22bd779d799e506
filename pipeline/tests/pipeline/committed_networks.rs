//! The trained networks that come with this repository: they are what their page says, and are matched as ever.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::networks::run;

const NAMES: [&str; 3] = ["cifar10-resnet20-a.safetensors", "cifar10-resnet20-b.safetensors", "cifar10-resnet20-c.safetensors"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/networks")
}

#[test]
fn their_page_lists_each_with_its_digest() {
    let page = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut listed: Vec<(&str, &str)> = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('`').collect();
        listed.push((cells[1], cells[5]));
    }
    let there = NAMES.map(|name| (name, format!("{:x}", Sha256::digest(fs::read(folder().join(name)).unwrap()))));
    assert_eq!(listed, there.each_ref().map(|(name, digest)| (*name, digest.as_str())));
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|name| name.ends_with(".safetensors")).count(), NAMES.len(), "no file is left out");
}

#[test]
fn each_method_reaches_the_objective_that_it_always_did() {
    let objective = |method: &str| -> f64 {
        let arguments = [&["match", "--json", "--method", method], &NAMES[..]].concat();
        let (code, out, error) = run(&folder(), &arguments);
        assert_eq!(code, 0, "{method}: {error}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert!((told["objective-before"].as_f64().unwrap() - 1428.4037).abs() < 1e-3, "{out}");
        assert!(told["function-check"]["function_error"].as_f64().unwrap() < 1e-4, "{out}");
        told["objective"].as_f64().unwrap()
    };
    // Assignments that nearly tie may fall otherwise where products round otherwise, so a thousandth of what matching gains is allowed.
    for (method, expected) in [
        ("c2m3", 1521.4420),
        ("{ by = \"c2m3\", stop = { rule = \"absolute\" }, refine = 0 }", 1519.1293),
        ("merge-many", 1514.6833),
        ("frank-wolfe", 1508.2639),
        ("git-re-basin", 1504.6852),
        ("ot-fusion", 1482.1591),
    ] {
        let reached = objective(method);
        assert!((reached - expected).abs() < 0.1, "{method}: {reached}, expected {expected}");
    }
}
