//! What others reported of an epoch or a round, beside ours: `reported-over-time.csv`.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::drawing::Canvas;
use crate::identity::{MethodLabel, PairName, Part};
use crate::reported::Moment;
use crate::table::{Row as _, row};

row! {
    /// A figure of a moment for which there is a reported one: a row of `reported-over-time.csv`.
    pub struct OverTimeRow in "reported-over-time.csv", order |_, _| std::cmp::Ordering::Equal;
    {
        pair: PairName,
        method: MethodLabel,
        models: usize,
        moment: Moment,
        metric: String,
        split: Part,
        replicates: usize,
        mean: f64,
        sd: Option<f64>,
        reported: f64,
        reported_sd: Option<f64>,
        verdict: String,
        source: String,
        stage: String,
    }
}

/// Rows of a pair in the results that a canvas shows.
///
/// # Errors
/// When the file is malformed.
pub(super) fn read(canvas: &Canvas, pair: &PairName) -> Result<Vec<OverTimeRow>> {
    Ok(OverTimeRow::read_if_present(canvas.results())?.into_iter().filter(|row| row.pair == *pair).collect())
}

/// What was reported of a metric on a split, by method and by epoch or round, whichever `number` takes.
pub(super) fn reported(
    rows: &[OverTimeRow],
    metric: &str,
    split: Part,
    number: fn(&Moment) -> Option<usize>,
) -> BTreeMap<String, BTreeMap<usize, f64>> {
    let mut by_method: BTreeMap<String, BTreeMap<usize, f64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.metric == metric && row.split == split) {
        if let Some(number) = number(&row.moment) {
            by_method.entry(row.method.name().to_owned()).or_default().insert(number, row.reported);
        }
    }
    by_method
}
