//! The note on matchings that are not what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::tabulate::Known;
use crate::drawing::{list, method_rank};
use crate::identity::{MethodLabel, PairName};
use crate::measurements::MatchingRow;
use crate::number;
use crate::table::Tables;

/// A plan that misses its marginals by more than this share of the mass is not the plan that was asked for.
const MOST_MISSED: f64 = 1e-3;

/// Matchings that ended at their limit of iterations, or whose plans are not the ones asked for.
pub fn stopped(pair: &PairName, tables: &Tables, known: &Known) -> Option<(Vec<MethodLabel>, String)> {
    let mut by_method: BTreeMap<(usize, &MethodLabel), Vec<&MatchingRow>> = BTreeMap::new();
    for row in tables.of::<MatchingRow>().iter().filter(|row| row.key.pair == *pair) {
        by_method.entry((method_rank(&known.methods, row.key.method.name()), &row.key.method)).or_default().push(row);
    }
    let mut found = Vec::new();
    let (mut words, mut keys) = (Vec::new(), BTreeSet::new());
    for ((_, label), rows) in by_method {
        let limited = rows.iter().filter(|row| row.outcome == "iteration-limit").count();
        let missed = rows.iter().map(|row| row.marginal_error).fold(0.0, f64::max);
        let mut parts = Vec::new();
        if limited > 0 {
            parts.push(format!("{limited} of {} alignments at the limit of iterations", rows.len()));
        }
        if missed > MOST_MISSED {
            parts.push(format!("plans miss their marginals by up to {} of the mass", number::spread(missed)));
        }
        if !parts.is_empty() {
            words.push(format!("`{label}` ({})", parts.join("; ")));
            keys.insert(limit_key(known, label));
            found.push(label.clone());
        }
    }
    let keys: Vec<String> = keys.into_iter().map(|key| format!("`{key}`")).collect();
    let key = if keys.len() == 1 { "Key" } else { "Keys" };
    let allow = if keys.len() == 1 { "allows" } else { "allow" };
    let text = format!(
        "Matchings that were stopped before they converged, so that figures are of an iterate on the way: {}. {key} {} of the matching \
         {allow} more.",
        list(&words),
        list(&keys)
    );
    (!found.is_empty()).then_some((found, text))
}

/// The key of a method's matching that bounds its iterations.
fn limit_key(known: &Known, label: &MethodLabel) -> &'static str {
    let row = known.methods.iter().find(|row| row.method == label.name());
    match row.map_or("", |row| row.matching.as_str()) {
        "git-re-basin" | "steepest-descent" | "straight-through" => "sweeps",
        "merge-many" | "wb-fusion" => "rounds",
        _ => "iterations",
    }
}
