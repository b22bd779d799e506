//! Cells of the table: every metric of every method, summarised over replicates, beside what was reported.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use onebasin_matching::barrier;

use super::reported::Comparison;
use super::rows::{Pair, Rows, pair_columns};
use super::statistics::Summary;

/// The method name of rows about the models before merging.
pub const ENDPOINTS: &str = "endpoints";

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRow {
    pub pair: Pair,
    pub method: String,
    /// Number of models merged; of the models before merging and of the pairs of a barrier, how many there are in the experiment.
    pub models: usize,
    pub metric: &'static str,
    pub split: String,
    pub summary: Summary,
    pub reported: Option<f64>,
    pub reported_sd: Option<f64>,
    pub verdict: String,
    pub source: String,
}

/// Values of one cell, by replicate; a replicate may give several (one a model or pair), whose mean counts.
type Values = BTreeMap<(Pair, String, usize, &'static str, String), BTreeMap<usize, Vec<f64>>>;

/// Summarises everything measured.
///
/// A replicate counts once in every cell: `endpoints` is the mean over its models and a barrier the mean over its pairs of models.
///
/// # Errors
/// Points that are no line from λ = 0 to 1, or a loss on one that is not a number.
pub fn summarise(rows: &Rows, comparison: &Comparison) -> Result<Vec<SummaryRow>> {
    let mut values = Values::new();
    let mut add = |pair: &Pair, method: &str, models: usize, metric, split: &str, replicate: usize, value: f64| {
        let cell = values.entry((pair.clone(), method.to_owned(), models, metric, split.to_owned())).or_default();
        cell.entry(replicate).or_default().push(value);
    };
    let mut counts: BTreeMap<&Pair, usize> = BTreeMap::new();
    for row in &rows.models {
        let count = rows
            .models
            .iter()
            .filter(|other| other.pair == row.pair && other.replicate == row.replicate && other.split == row.split)
            .count();
        counts.insert(&row.pair, count);
        add(&row.pair, ENDPOINTS, count, "loss", &row.split, row.replicate, row.loss);
        add(&row.pair, ENDPOINTS, count, "accuracy", &row.split, row.replicate, row.accuracy);
    }
    for row in &rows.merged {
        add(&row.pair, &row.method, row.models, "loss", &row.split, row.replicate, row.loss);
        add(&row.pair, &row.method, row.models, "accuracy", &row.split, row.replicate, row.accuracy);
    }
    let mut start = 0;
    while start < rows.barriers.len() {
        let first = &rows.barriers[start];
        let line = |row: &super::rows::BarrierRow| {
            (&row.pair, &row.method, row.replicate, &row.fixed, &row.permutee, &row.split)
                == (&first.pair, &first.method, first.replicate, &first.fixed, &first.permutee, &first.split)
        };
        let length = rows.barriers[start..].iter().take_while(|row| line(row)).count();
        let points = &rows.barriers[start..start + length];
        let lambdas: Vec<f64> = points.iter().map(|row| row.lambda).collect();
        let losses: Vec<f64> = points.iter().map(|row| row.loss).collect();
        let height = barrier(&lambdas, &losses)
            .with_context(|| format!("the line from `{}` to `{}` by `{}`", first.fixed, first.permutee, first.method))?;
        let models = counts.get(&first.pair).copied().unwrap_or(2);
        add(&first.pair, &first.method, models, "barrier_line", &first.split, first.replicate, height.line);
        add(&first.pair, &first.method, models, "barrier_mean", &first.split, first.replicate, height.mean);
        start += length;
    }
    let cells = values.into_iter().filter_map(|((pair, method, models, metric, split), replicates)| {
        let means: Vec<f64> = replicates.values().map(|values| values.iter().sum::<f64>() / values.len() as f64).collect();
        let summary = Summary::of(&means)?;
        let figure = comparison.find(&pair.dataset, &pair.architecture, &method, models, metric, &split);
        Some(SummaryRow {
            reported: figure.map(|figure| figure.value),
            reported_sd: figure.and_then(|figure| figure.sd),
            verdict: figure.map(|figure| comparison.verdict(&pair.dataset, summary.mean, figure)).unwrap_or_default(),
            source: figure.map(|figure| figure.source.clone()).unwrap_or_default(),
            pair,
            method,
            models,
            metric,
            split,
            summary,
        })
    });
    Ok(cells.collect())
}

/// Writes `summary.csv` (all models merged) and `by-models.csv` (every number of models merged).
///
/// # Errors
/// When a file cannot be written.
pub fn write(rows: &[SummaryRow], folder: &Path) -> Result<()> {
    let mut largest: BTreeMap<(&Pair, &str), usize> = BTreeMap::new();
    for row in rows {
        let most = largest.entry((&row.pair, &row.method)).or_default();
        *most = row.models.max(*most);
    }
    let whole: Vec<&SummaryRow> = rows.iter().filter(|row| largest[&(&row.pair, row.method.as_str())] == row.models).collect();
    let table = pair_columns(whole.iter().map(|row| &row.pair)).text("method", whole.iter().map(|row| &row.method));
    statistics_columns(table, &whole).write(&folder.join("summary.csv"))?;
    let all: Vec<&SummaryRow> = rows.iter().collect();
    let table = pair_columns(all.iter().map(|row| &row.pair))
        .text("method", all.iter().map(|row| &row.method))
        .whole("models", all.iter().map(|row| row.models));
    statistics_columns(table, &all).write(&folder.join("by-models.csv"))
}

fn statistics_columns(table: super::table::Table, rows: &[&SummaryRow]) -> super::table::Table {
    table
        .text("metric", rows.iter().map(|row| row.metric))
        .text("split", rows.iter().map(|row| &row.split))
        .whole("replicates", rows.iter().map(|row| row.summary.count))
        .number("mean", rows.iter().map(|row| Some(row.summary.mean)))
        .number("sd", rows.iter().map(|row| row.summary.deviation))
        .number("low", rows.iter().map(|row| row.summary.interval.map(|(low, _)| low)))
        .number("high", rows.iter().map(|row| row.summary.interval.map(|(_, high)| high)))
        .number("reported", rows.iter().map(|row| row.reported))
        .number("reported_sd", rows.iter().map(|row| row.reported_sd))
        .text("verdict", rows.iter().map(|row| &row.verdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::rows::{BarrierRow, ModelRow};

    fn pair() -> Pair {
        Pair { dataset: "glyphs".to_owned(), architecture: "mlp".to_owned() }
    }

    #[test]
    fn a_replicate_counts_once_however_many_models_it_has() {
        let model = |replicate, model: &str, accuracy| ModelRow {
            pair: pair(),
            replicate,
            model: model.to_owned(),
            split: "test".to_owned(),
            loss: 1.0,
            accuracy,
            stage: String::new(),
        };
        let rows = Rows { models: vec![model(0, "a", 0.8), model(0, "b", 0.9), model(1, "a", 0.6), model(1, "b", 0.7)], ..Rows::default() };
        let cells = summarise(&rows, &Comparison::default()).unwrap();
        let cell = cells.iter().find(|cell| cell.metric == "accuracy").unwrap();
        assert_eq!((cell.summary.count, cell.models, cell.method.as_str()), (2, 2, ENDPOINTS));
        assert!((cell.summary.mean - 0.75).abs() < 1e-12);
        assert!((cell.summary.deviation.unwrap() - 0.2 / 2f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_barrier_of_a_line_is_its_highest_excess_over_both_definitions() {
        let point = |lambda, loss| BarrierRow {
            pair: pair(),
            method: "naive".to_owned(),
            replicate: 0,
            fixed: "a".to_owned(),
            permutee: "b".to_owned(),
            split: "test".to_owned(),
            lambda,
            loss,
            accuracy: 0.0,
            stage: String::new(),
        };
        let rows = Rows { barriers: vec![point(0.0, 1.0), point(0.5, 3.0), point(1.0, 2.0)], ..Rows::default() };
        let cells = summarise(&rows, &Comparison::default()).unwrap();
        assert_eq!(
            cells.iter().map(|cell| (cell.metric, cell.summary.mean)).collect::<Vec<_>>(),
            [("barrier_line", 1.5), ("barrier_mean", 1.5)]
        );
    }
}
