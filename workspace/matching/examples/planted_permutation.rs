//! How often each method finds a shuffle that is known to be there: `planted_permutation FOLDER` writes `recovery.csv` and `table.md` into
//! the folder.
//!
//! Model B is model A with its units shuffled, so a perfect matching exists and its objective is `‖A‖²`. Weights are standard normal. Two
//! networks of two groups of units: `plain`, input → 30 → ReLU → 50 → ReLU → output, and `residual`, where 50 units are the body of a block
//! whose skip ties the 30 units before and after it. The fewer inputs and outputs there are, the less they tell of which unit is which.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ndarray::Array;
use onebasin_matching::{Matching, Problem, objective};
use onebasin_network::{Blueprint, Graph, Group, Permutation, PermutationSpec, Shape, Weights, permute};
use onebasin_repro::Stream;
use rand::Rng;

/// Inputs and outputs.
const ENDS: [(usize, usize); 2] = [(2, 3), (10, 10)];

/// Units of the stream and of the body.
const UNITS: [(usize, usize); 2] = [(3, 5), (30, 50)];

/// Networks drawn for each row.
const DRAWS: usize = 100;

/// A shuffle is found where the objective is its greatest, but for rounding.
const ROUNDING: f64 = 1e-6;

/// What tables call a method, and what a spec writes.
const METHODS: [(&str, &str); 9] = [
    ("git-re-basin", r#"{"by": "git-re-basin"}"#),
    ("git-re-basin, best of 10 orders", r#"{"by": "git-re-basin", "trials": 10}"#),
    ("git-re-basin, one pass", r#"{"by": "git-re-basin", "sweeps": 1}"#),
    ("greedy-matching", r#"{"by": "greedy-matching"}"#),
    ("merge-many", r#"{"by": "merge-many"}"#),
    ("c2m3, as published", r#"{"by": "c2m3", "stop": {"rule": "absolute"}, "refine": 0}"#),
    ("c2m3", r#"{"by": "c2m3"}"#),
    ("frank-wolfe", r#"{"by": "frank-wolfe"}"#),
    ("ot-fusion", r#"{"by": "ot-fusion"}"#),
];

/// What a method found of one network.
struct Row {
    network: &'static str,
    ends: (usize, usize),
    units: (usize, usize),
    method: &'static str,
    found: Vec<bool>,
    /// Draws in which it alone finds the shuffle, and in which the first method alone does.
    discordant: (usize, usize),
    /// Of McNemar's exact test against the first method; none for the first itself.
    p: Option<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else { return Err("usage: planted_permutation FOLDER".into()) };
    let mut rows: Vec<Row> = Vec::new();
    for ends in ENDS {
        for network in ["plain", "residual"] {
            for units in UNITS {
                let graph = graph(network, ends, units)?;
                let stream = Stream::root(8).child(format!("{network}-{ends:?}-{units:?}"));
                let first = rows.len();
                for (method, matching) in METHODS {
                    let found = found(&graph, &serde_json::from_str(matching)?, &stream)?;
                    let only = |one: &[bool], other: &[bool]| one.iter().zip(other).filter(|(one, other)| **one && !**other).count();
                    let (discordant, p) = match rows.get(first) {
                        None => ((0, 0), None),
                        Some(base) => {
                            let discordant = (only(&found, &base.found), only(&base.found, &found));
                            (discordant, Some(mcnemar(discordant)))
                        }
                    };
                    rows.push(Row { network, ends, units, method, found, discordant, p });
                }
            }
        }
    }
    let adjusted = holm(&rows.iter().map(|row| row.p).collect::<Vec<_>>());
    let mut csv =
        String::from("network,inputs,outputs,stream_units,body_units,method,draws,found,share,low,high,only_this,only_first,p_holm\n");
    let mut table = String::from(HEAD);
    for (Row { network, ends, units, method, found, discordant: (this, first), .. }, p) in rows.iter().zip(adjusted) {
        let count = found.iter().filter(|found| **found).count();
        let (low, high) = wilson(count, DRAWS);
        let (place, share) = (format!("{network},{},{},{},{}", ends.0, ends.1, units.0, units.1), count as f64 / DRAWS as f64);
        let told = p.map_or(String::new(), |p| format!("{p:.6}"));
        writeln!(csv, "{place},\"{method}\",{DRAWS},{count},{share},{low:.6},{high:.6},{this},{first},{told}")?;
        let sign = p.map_or("", |p| match (p < 0.05, this > first) {
            (true, true) => "more",
            (true, false) => "fewer",
            _ => "not told apart",
        });
        let (ends, units) = (format!("{}, {}", ends.0, ends.1), format!("{}, {}", units.0, units.1));
        writeln!(table, "| {network} | {ends} | {units} | {method} | {count} | {:.0} to {:.0} | {sign} |", 100.0 * low, 100.0 * high)?;
    }
    let folder = Path::new(folder);
    fs::create_dir_all(folder)?;
    fs::write(folder.join("recovery.csv"), csv)?;
    fs::write(folder.join("table.md"), table)?;
    Ok(())
}

const HEAD: &str = "# Planted permutations

Made by `make reproduce-planted-permutation`. Of 100 draws, in how many a method finds the shuffle that made the second network of the first,
or another of the same objective. All methods meet the same draws.

- Networks of linear layers with ReLUs, without biases, with standard normal weights: `plain`, and `residual` with the second group of units
  as the body of a block around which a skip leads ([`planted_permutation.rs`](../../workspace/matching/examples/planted_permutation.rs)).
- The interval is the 95 % interval of the share by Wilson's score, in per cent.
- The last column compares with `git-re-basin` in the same draws: McNemar's exact test, by Holm's adjustment over the whole table.

| network | inputs, outputs | units | method | found in 100 | interval, % | than git-re-basin |
| --- | --- | --- | --- | ---: | --- | --- |
";

/// One block of `body` units around whose ends a skip leads, or the same units one after the other.
fn graph(network: &str, (inputs, outputs): (usize, usize), (stream, body): (usize, usize)) -> Result<Graph, Box<dyn Error>> {
    let linear = |out: &str| format!(r#"{{"op": "linear", "out": {out}, "bias": false}}"#);
    let (relu, flatten) = (r#"{"op": "relu"}"#, r#"{"op": "flatten"}"#);
    let (first, second, last) = (linear(&stream.to_string()), linear(&body.to_string()), linear(r#""classes""#));
    let layers = match network {
        "residual" => {
            let body = [&second, relu, &first].join(", ");
            [flatten, &first, &format!(r#"{{"op": "residual", "body": [{body}], "shortcut": []}}"#), &last].join(", ")
        }
        _ => [flatten, &first, relu, &second, relu, &last].join(", "),
    };
    let blueprint: Blueprint = serde_json::from_str(&format!(r#"{{"layers": [{layers}]}}"#))?;
    Ok(Graph::build(&blueprint.build(Shape::new(1, 1, inputs), outputs)?)?)
}

/// In which draws a method finds the shuffle.
fn found(graph: &Graph, matching: &Matching, stream: &Stream) -> Result<Vec<bool>, Box<dyn Error>> {
    let spec = graph.spec();
    let of_draw = |draw: usize| -> Result<bool, Box<dyn Error>> {
        let stream = stream.child(format!("draw-{draw}"));
        let first = standard_normal(spec, &stream.child("weights"))?;
        let shuffle = |group: &Group| Permutation::new(stream.child(&group.name).shuffled(group.units));
        let second = permute(spec, &first, &spec.groups.iter().map(shuffle).collect::<Result<Vec<_>, _>>()?);
        let alignment = matching.matcher().align(&Problem::new(spec, vec![&first, &second]), &stream.child("matching"))?;
        Ok(alignment.objective >= objective(spec, &[&first, &first]) * (1.0 - ROUNDING))
    };
    (0..DRAWS).map(of_draw).collect()
}

/// Standard normal weights, by the Box–Muller transform.
fn standard_normal(spec: &PermutationSpec, stream: &Stream) -> Result<Weights, Box<dyn Error>> {
    let arrays = spec.parameters.iter().map(|parameter| {
        let mut rng = stream.child(&parameter.name).rng();
        let mut normal = || {
            let (radius, angle): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
            ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()) as f32
        };
        (parameter.name.clone(), Array::from_shape_simple_fn(parameter.shape.clone(), &mut normal))
    });
    Ok(Weights::new(spec, arrays.collect::<BTreeMap<_, _>>())?)
}

/// The 95 % interval of a share by Wilson's score.
fn wilson(successes: usize, trials: usize) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let (n, share) = (trials as f64, successes as f64 / trials as f64);
    let centre = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The two-sided p of so many draws for one and so many for the other, where both are as likely.
fn mcnemar((one, other): (usize, usize)) -> f64 {
    let count = one + other;
    let mut term = 0.5f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut tail = 0.0;
    for successes in 0..=one.min(other) {
        tail += term;
        term *= (count - successes) as f64 / (successes + 1) as f64;
    }
    (2.0 * tail).min(1.0)
}

/// Holm's adjustment.
fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&row| p[row].is_some()).collect();
    order.sort_by(|&a, &b| p[a].unwrap_or(1.0).total_cmp(&p[b].unwrap_or(1.0)));
    let mut adjusted = vec![None; p.len()];
    let mut least = 0.0f64;
    for (place, &row) in order.iter().enumerate() {
        least = least.max((p[row].unwrap_or(1.0) * (order.len() - place) as f64).min(1.0));
        adjusted[row] = Some(least);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_tests_by_hand() {
        let (low, high) = wilson(10, 100);
        assert!((low - 0.0552).abs() < 1e-4 && (high - 0.1744).abs() < 1e-4, "{low} {high}");
        let ((none, _), (_, all)) = (wilson(0, 100), wilson(100, 100));
        assert!(none < 1e-12 && all > 1.0 - 1e-12, "{none} {all}");
        // Five of five, and one of three: 2 / 2^5, 2 (1 + 3) / 2^3.
        assert_eq!([mcnemar((5, 0)), mcnemar((1, 2)), mcnemar((0, 0))], [0.0625, 1.0, 1.0]);
        assert_eq!(holm(&[Some(0.02), None, Some(0.01), Some(0.5)]), [Some(0.04), None, Some(0.03), Some(0.5)]);
    }

    #[test]
    fn a_greedy_sweep_finds_every_shuffle_and_the_identity_none() {
        let graph = graph("residual", (2, 3), (6, 5)).unwrap();
        let found = |matching: &str| found(&graph, &serde_json::from_str(matching).unwrap(), &Stream::root(1)).unwrap();
        assert!(found(r#"{"by": "greedy-matching"}"#).iter().all(|&found| found));
        assert!(found(r#"{"by": "identity"}"#).iter().filter(|&&found| found).count() < 3);
    }
}
