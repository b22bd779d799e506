//! The tables of the shipped smoke experiment, compared with committed ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::rows::Rows;
use super::shared::smoke;

/// Set to 1, the committed tables are written anew.
const RENEW: &str = "RENEW_GOLDEN";

/// How far a number may lie from the committed one where products round otherwise: as such, or as a share of a number above 1. With AVX2 all
/// six decimals were those of AVX-512; the tolerance leaves room for two of the 500 test images.
const TOLERANCE: f64 = 0.005;

/// When an ascent ends, and with which error, is a matter of roundings.
const LOOSE: [&str; 4] = ["iterations", "outcome", "cycle_error", "function_error"];

/// Whether products round as on the processor that made the committed tables.
fn rounds_alike() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Every table but the timings, by its name.
fn tables(folder: &Path) -> BTreeMap<String, String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name.ends_with(".csv") && name != "timings.csv");
    names.map(|name| (name.clone(), fs::read_to_string(folder.join(name)).unwrap())).collect()
}

/// The first difference of two tables; `exact` if their bytes must be equal.
fn difference(found: &str, expected: &str, exact: bool) -> Option<String> {
    if exact {
        let mut lines = found.lines().zip(expected.lines()).enumerate();
        let differs = lines.find(|(_, (found, expected))| found != expected);
        let differs = differs.map(|(row, (found, expected))| format!("row {}: `{found}` instead of `{expected}`", row + 1));
        return differs.or_else(|| (found != expected).then(|| "another number of rows".to_owned()));
    }
    let (found, expected) = (Rows::parse(found), Rows::parse(expected));
    if found.columns != expected.columns {
        return Some(format!("columns {:?} instead of {:?}", found.columns, expected.columns));
    }
    // As many iterates as there were iterations.
    if found.columns.iter().any(|column| column == "iteration") {
        return None;
    }
    if found.rows.len() != expected.rows.len() {
        return Some(format!("{} rows instead of {}", found.rows.len(), expected.rows.len()));
    }
    for (row, (ours, theirs)) in found.rows.iter().zip(&expected.rows).enumerate() {
        for (column, (ours, theirs)) in found.columns.iter().zip(ours.iter().zip(theirs)) {
            if !LOOSE.contains(&column.as_str()) && !is_near(ours, theirs) {
                return Some(format!("row {}: `{column}` is `{ours}` instead of `{theirs}`", row + 2));
            }
        }
    }
    None
}

/// Whether two cells are the same text, or numbers close to each other.
fn is_near(one: &str, other: &str) -> bool {
    let numbers = one.parse::<f64>().ok().zip(other.parse::<f64>().ok());
    one == other || numbers.is_some_and(|(one, other)| (one - other).abs() <= TOLERANCE * other.abs().max(1.0))
}

#[test]
fn the_tables_of_the_smoke_experiment_are_the_committed_ones() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/smoke");
    let found = tables(&smoke().place.path().join("results/smoke"));
    if std::env::var_os(RENEW).is_some_and(|value| value == "1") {
        assert!(rounds_alike(), "the committed tables are made on a processor with AVX-512");
        for name in tables(&golden).keys() {
            fs::remove_file(golden.join(name)).unwrap();
        }
        for (name, text) in &found {
            fs::write(golden.join(name), text).unwrap();
        }
    }
    let expected = tables(&golden);
    let names = |tables: &BTreeMap<String, String>| tables.keys().cloned().collect::<Vec<_>>();
    let renew = format!(
        "hint: if that is meant, look at `git diff` after\n{RENEW}=1 cargo test --release --locked -p onebasin --test pipeline golden"
    );
    assert_eq!(names(&found), names(&expected), "\n{renew}");
    let differing: Vec<String> =
        found.iter().filter_map(|(name, text)| Some(format!("{name}, {}", difference(text, &expected[name], rounds_alike())?))).collect();
    assert!(differing.is_empty(), "tables differ from those in `{}`:\n{}\n{renew}", golden.display(), differing.join("\n"));
}

#[test]
fn where_products_round_otherwise_texts_are_compared_and_numbers_up_to_a_tolerance() {
    let table = "method,loss,iterations\nc2m3,2.0,7\nnaive,0.01,3\n";
    let of = |from: &str, to: &str, exact: bool| difference(&table.replace(from, to), table, exact);
    assert_eq!((of("", "", true), of("", "", false)), (None, None));
    assert_eq!(of("2.0", "2.009", false), None);
    assert_eq!(of("2.0", "2.009", true).unwrap(), "row 2: `c2m3,2.009,7` instead of `c2m3,2.0,7`");
    assert_eq!(of("2.0", "2.011", false).unwrap(), "row 2: `loss` is `2.011` instead of `2.0`");
    assert_eq!(of("0.01", "NaN", false).unwrap(), "row 3: `loss` is `NaN` instead of `0.01`");
    assert_eq!(of("naive", "plain", false).unwrap(), "row 3: `method` is `plain` instead of `naive`");
    assert_eq!(of(",7", ",9", false), None);
    assert_eq!(of("naive,0.01,3\n", "", true).unwrap(), "another number of rows");
    assert_eq!(of("naive,0.01,3\n", "", false).unwrap(), "1 rows instead of 2");
}
