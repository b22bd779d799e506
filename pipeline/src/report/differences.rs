//! Paired differences between merged models: `differences.csv`. The rule by which two of them are told apart stands in
//! `experiments/README.md`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::architectures::{ArchitectureRow, families};
use super::summary::SummaryRow;
use crate::identity::{MethodLabel, PairName, Part};
use crate::measurements::Outcomes;
use crate::paired_test::{Difference, LEVEL, holm, mcnemar, paired_t};
use crate::table::{Tables, row};
use crate::untrained::UntrainedRow;

/// Reported accuracies are rounded to two digits: those closer than this have no order.
const ROUNDING: f64 = 0.0101;

row! {
    /// What one merged model has more than another, on test: a row of `differences.csv`.
    pub struct DifferenceRow in "differences.csv", order |_, _| Ordering::Equal;
    {
        pair: PairName,
        method: MethodLabel,
        models: usize,
        other_architecture: String,
        other_method: MethodLabel,
        other_models: usize,
        split: Part,
        metric: String,
        /// How: `mcnemar` or `paired-t`.
        tested_by: String,
        /// What was paired: `images` of one set of networks, or `replicates`.
        paired: String,
        /// How many of these.
        count: usize,
        /// The first less the other.
        difference: f64,
        /// Ends of the 95 % interval; empty where equal differences tell no spread.
        low: Option<f64>,
        high: Option<f64>,
        p: f64,
        /// Adjusted for every row of the metric in this file.
        p_holm: f64,
        /// The difference of the reported figures.
        reported: Option<f64>,
        /// `held`, `reversed` or `not told apart`, where the reported figures have an order.
        verdict: String,
        stage: String,
    }
}

/// A merged model of which there may be several replicates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Side {
    pub pair: PairName,
    pub method: MethodLabel,
    pub models: usize,
}

/// What becomes of a reported order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The one that is ahead in print is ahead here.
    Held,
    /// It is behind here.
    Reversed,
    /// Neither is ahead by more than chance may bring about.
    NotToldApart,
}

impl Outcome {
    /// As the table says it.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Held => "held",
            Outcome::Reversed => "reversed",
            Outcome::NotToldApart => "not told apart",
        }
    }

    /// Of a difference whose reported counterpart is `reported`.
    fn of(difference: f64, p_holm: f64, reported: f64) -> Outcome {
        if p_holm >= LEVEL || difference == 0.0 {
            Outcome::NotToldApart
        } else if difference.is_sign_positive() == reported.is_sign_positive() {
            Outcome::Held
        } else {
            Outcome::Reversed
        }
    }
}

impl DifferenceRow {
    fn sides(&self) -> [Side; 2] {
        let other = PairName::new(self.pair.dataset.clone(), self.other_architecture.clone());
        [
            Side { pair: self.pair.clone(), method: self.method.clone(), models: self.models },
            Side { pair: other, method: self.other_method.clone(), models: self.other_models },
        ]
    }

    fn is_told_apart(&self) -> bool {
        self.p_holm < LEVEL && self.difference != 0.0
    }
}

/// Whether two reported accuracies differ by more than their rounding.
pub fn is_ordered(one: f64, other: f64) -> bool {
    (one - other).abs() > ROUNDING
}

/// Every difference of a table, found by its two sides.
#[derive(Default)]
pub struct Differences<'a>(BTreeMap<(&'a str, [Side; 2]), &'a DifferenceRow>);

impl<'a> Differences<'a> {
    /// Of these rows.
    pub fn new(rows: &'a [DifferenceRow]) -> Differences<'a> {
        Differences(rows.iter().map(|row| ((row.metric.as_str(), row.sides()), row)).collect())
    }

    /// The row of two sides, and whether they stand in it the other way round.
    pub fn between(&self, metric: &str, one: &Side, other: &Side) -> Option<(&'a DifferenceRow, bool)> {
        let find = |first: &Side, second: &Side| self.0.get(&(metric, [first.clone(), second.clone()])).copied();
        find(one, other).map(|row| (row, false)).or_else(|| find(other, one).map(|row| (row, true)))
    }

    /// What becomes of `better` before `worse` in accuracy. What no test was made of is not told apart.
    pub fn outcome(&self, better: &Side, worse: &Side) -> Outcome {
        self.between("accuracy", better, worse).map_or(Outcome::NotToldApart, |(row, swapped)| {
            let difference = if swapped { -row.difference } else { row.difference };
            Outcome::of(difference, row.p_holm, 1.0)
        })
    }

    /// Whether a test tells two sides apart; `None` where none was made.
    pub fn told_apart(&self, metric: &str, one: &Side, other: &Side) -> Option<bool> {
        self.between(metric, one, other).map(|(row, _)| row.is_told_apart())
    }
}

/// The outcomes of one side by replicate.
type Replicates<'a> = BTreeMap<usize, &'a Outcomes>;

/// Compares every two methods of a pair at each number of models; a method at two numbers of models, or at two widths, where the reported
/// figures have an order.
pub fn differences(tables: &Tables, cells: &[SummaryRow], architectures: &[ArchitectureRow]) -> Vec<DifferenceRow> {
    let mut sides: BTreeMap<Side, Replicates<'_>> = BTreeMap::new();
    for outcomes in tables.kept::<Outcomes>() {
        let side = Side { pair: outcomes.key.pair.clone(), method: outcomes.key.method.clone(), models: outcomes.models };
        sides.entry(side).or_default().insert(outcomes.key.replicate, outcomes);
    }
    let untrained: BTreeSet<&PairName> = tables.of::<UntrainedRow>().iter().map(|row| &row.pair).collect();
    let reported = |side: &Side| -> Option<f64> {
        // Of networks that did not train nothing is held or reversed.
        if untrained.contains(&side.pair) {
            return None;
        }
        let is_of = |cell: &&SummaryRow| {
            (&cell.pair, &cell.method, cell.models) == (&side.pair, &side.method, side.models)
                && cell.metric == "accuracy"
                && cell.split == Part::Test
        };
        cells.iter().find(is_of).and_then(|cell| cell.reported)
    };
    let all: Vec<(&Side, Option<f64>)> = sides.keys().map(|side| (side, reported(side))).collect();
    let widths = families(architectures);
    let are_widths = |one: &Side, other: &Side| {
        let in_family = |side: &Side, widths: &BTreeMap<String, usize>| widths.contains_key(&side.pair.architecture);
        widths.iter().any(|family| family.dataset == one.pair.dataset && in_family(one, &family.widths) && in_family(other, &family.widths))
    };
    let mut rows = Vec::new();
    for (place, (one, reported_of_one)) in all.iter().enumerate() {
        for (other, reported_of_other) in &all[place + 1..] {
            let reported = reported_of_one.zip(*reported_of_other).filter(|(one, other)| is_ordered(*one, *other));
            let compares_methods = one.pair == other.pair && one.models == other.models && one.method.name() != other.method.name();
            let compares_models = one.pair == other.pair && one.method == other.method && reported.is_some();
            let compares_widths = one.pair.dataset == other.pair.dataset
                && one.pair != other.pair
                && (&one.method, one.models) == (&other.method, other.models)
                && reported.is_some()
                && are_widths(one, other);
            if compares_methods || compares_models || compares_widths {
                rows.extend(compare(one, other, [&sides[*one], &sides[*other]], reported.map(|(one, other)| one - other), tables));
            }
        }
    }
    adjust(&mut rows);
    rows
}

/// The rows of two sides: of the accuracy, and of the loss.
fn compare(one: &Side, other: &Side, sides: [&Replicates<'_>; 2], reported: Option<f64>, tables: &Tables) -> Vec<DifferenceRow> {
    let both: Vec<(&Outcomes, &Outcomes)> =
        sides[0].iter().filter_map(|(replicate, outcomes)| Some((*outcomes, *sides[1].get(replicate)?))).collect();
    let stages: BTreeSet<&str> = both.iter().flat_map(|(one, other)| [one.stage.as_str(), other.stage.as_str()]).collect();
    let stage = tables.stage_of(stages);
    let row = |metric: &str, test: &str, paired: &str, count: usize, found: Difference| DifferenceRow {
        pair: one.pair.clone(),
        method: one.method.clone(),
        models: one.models,
        other_architecture: other.pair.architecture.clone(),
        other_method: other.method.clone(),
        other_models: other.models,
        split: Part::Test,
        metric: metric.to_owned(),
        tested_by: test.to_owned(),
        paired: paired.to_owned(),
        count,
        difference: found.mean,
        low: found.interval.map(|(low, _)| low),
        high: found.interval.map(|(_, high)| high),
        p: found.p,
        p_holm: found.p,
        reported: reported.filter(|_| metric == "accuracy"),
        verdict: String::new(),
        stage: stage.clone(),
    };
    match both[..] {
        [] => Vec::new(),
        [(one, other)] if one.right.len() == other.right.len() => {
            let images = one.right.len();
            let only =
                |first: &[bool], second: &[bool]| first.iter().zip(second).filter(|(first, second)| **first && !**second).count() as u64;
            let found = mcnemar(only(&one.right, &other.right), only(&other.right, &one.right), images as u64);
            let losses: Vec<f64> = one.losses.iter().zip(&other.losses).map(|(one, other)| f64::from(*one) - f64::from(*other)).collect();
            let accuracy = (images > 0).then(|| row("accuracy", "mcnemar", "images", images, found));
            let loss = paired_t(&losses).map(|found| row("loss", "paired-t", "images", images, found));
            accuracy.into_iter().chain(loss).collect()
        }
        // Not the same images.
        [_] => Vec::new(),
        _ => {
            let test = |metric: &str, of: fn(&Outcomes) -> f64| {
                let differences: Vec<f64> = both.iter().map(|(one, other)| of(one) - of(other)).collect();
                paired_t(&differences).map(|found| row(metric, "paired-t", "replicates", differences.len(), found))
            };
            let accuracy = test("accuracy", |it| it.right.iter().filter(|right| **right).count() as f64 / it.right.len() as f64);
            let loss = test("loss", |it| it.losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / it.losses.len() as f64);
            accuracy.into_iter().chain(loss).collect()
        }
    }
}

/// Adjusts p over all rows of each metric, then judges.
fn adjust(rows: &mut [DifferenceRow]) {
    for metric in ["accuracy", "loss"] {
        let of_metric: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].metric == metric).collect();
        let ps: Vec<f64> = of_metric.iter().map(|&row| rows[row].p).collect();
        for (&row, p) in of_metric.iter().zip(holm(&ps)) {
            rows[row].p_holm = p;
        }
    }
    for row in rows {
        row.verdict = row.reported.map(|reported| Outcome::of(row.difference, row.p_holm, reported).words().to_owned()).unwrap_or_default();
    }
}

#[cfg(test)]
#[path = "differences_tests.rs"]
mod tests;
