//! Barriers over fewer lines than those of other methods: they are of other pairs of models, and compare with nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::drawing::list;
use crate::identity::{MethodLabel, PairName};
use crate::measurements::BarrierRow;
use crate::table::Tables;

/// A line by its ends, in the order of their names.
type Line = [String; 2];

fn line(one: &str, other: &str) -> Line {
    let mut ends = [one.to_owned(), other.to_owned()];
    ends.sort();
    ends
}

/// The methods of a pair that have fewer lines than the one with the most, each with its lines; and how many that has.
pub fn fewer(pair: &PairName, tables: &Tables) -> (BTreeMap<MethodLabel, BTreeSet<Line>>, usize) {
    let mut lines: BTreeMap<MethodLabel, BTreeSet<Line>> = BTreeMap::new();
    for row in tables.of::<BarrierRow>().iter().filter(|row| row.key.pair == *pair) {
        lines.entry(row.key.method.clone()).or_default().insert(line(&row.fixed, &row.permutee));
    }
    let most = lines.values().map(BTreeSet::len).max().unwrap_or_default();
    lines.retain(|_, lines| lines.len() < most);
    (lines, most)
}

/// What must be known of these methods; nothing where there are none.
pub fn note(fewer: &BTreeMap<MethodLabel, BTreeSet<Line>>, most: usize) -> Option<String> {
    let mut alike: BTreeMap<&BTreeSet<Line>, Vec<String>> = BTreeMap::new();
    for (method, lines) in fewer {
        alike.entry(lines).or_default().push(format!("`{method}`"));
    }
    let of = |(lines, methods): (&BTreeSet<Line>, Vec<String>)| {
        let lines: Vec<String> = lines.iter().map(|[one, other]| format!("{one} to {other}")).collect();
        format!("those of {} over {}", list(&methods), list(&lines))
    };
    let told: Vec<String> = alike.into_iter().map(of).collect();
    (!told.is_empty()).then(|| format!("Barriers are means over {most} lines, but {}, and these are compared with none.", told.join("; ")))
}

/// Whether the recipes of recorded lines are such: then tables say so, which they have not always done.
pub fn has_fewer(cells: &[Value]) -> bool {
    let mut lines: BTreeMap<String, BTreeMap<String, BTreeSet<Line>>> = BTreeMap::new();
    for cell in cells.iter().map(|cell| &cell["line"]).filter(|cell| !cell.is_null()) {
        let [pair, method] = ["pair", "method"].map(|part| cell["key"][part].to_string());
        let [fixed, permutee] = ["fixed", "permutee"].map(|end| cell[end].as_str().unwrap_or_default());
        lines.entry(pair).or_default().entry(method).or_default().insert(line(fixed, permutee));
    }
    let differ = |methods: &BTreeMap<String, BTreeSet<Line>>| methods.values().map(BTreeSet::len).collect::<BTreeSet<_>>().len() > 1;
    lines.values().any(differ)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Part, ResultKey};
    use serde_json::json;

    fn row(method: &str, fixed: &str, permutee: &str) -> BarrierRow {
        BarrierRow {
            key: ResultKey { pair: PairName::new("digits", "mlp"), method: MethodLabel::method(method), replicate: 0 },
            fixed: fixed.to_owned(),
            permutee: permutee.to_owned(),
            split: Part::Train,
            lambda: 0.0,
            loss: 1.0,
            accuracy: 0.5,
            stage: String::new(),
        }
    }

    #[test]
    fn a_method_over_one_of_three_lines_is_told_and_one_over_all_is_not() {
        let mut tables = Tables::default();
        tables.extend([("a", "b"), ("a", "c"), ("b", "c")].map(|(fixed, permutee)| row("naive", fixed, permutee)));
        // A line has no direction.
        tables.extend([("b", "a"), ("c", "a"), ("c", "b")].map(|(fixed, permutee)| row("turned", fixed, permutee)));
        tables.extend([row("two", "c", "b"), row("two-repaired", "b", "c")]);
        let (found, most) = fewer(&PairName::new("digits", "mlp"), &tables);
        assert_eq!(found.keys().map(ToString::to_string).collect::<Vec<_>>(), ["two", "two-repaired"]);
        assert_eq!(
            note(&found, most).unwrap(),
            "Barriers are means over 3 lines, but those of `two` and `two-repaired` over b to c, and these are compared with none."
        );
        assert!(fewer(&PairName::new("digits", "vgg"), &tables).0.is_empty());
        assert_eq!(note(&BTreeMap::new(), 3), None);
    }

    #[test]
    fn recipes_tell_it_before_anything_is_measured() {
        let cell =
            |method: &str, fixed: &str| json!({ "line": { "fixed": fixed, "key": { "method": method, "pair": "p" }, "permutee": "z" } });
        assert!(!has_fewer(&[cell("naive", "a"), cell("naive", "b"), cell("c2m3", "a"), cell("c2m3", "b"), json!({ "model": {} })]));
        assert!(has_fewer(&[cell("naive", "a"), cell("naive", "b"), cell("c2m3", "a")]));
    }
}
