//! The spread over the draws of a matching, in the middle between two models.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::others::Key;
use super::rows::{BarrierRow, pair_columns};
use super::statistics::Summary;
use super::table::Table;

/// The method that `name` is a draw of, and which: `git-re-basin#3` is the third of `git-re-basin`.
pub fn draw_of(name: &str) -> (&str, Option<usize>) {
    match name.split_once('#') {
        Some((method, draw)) => (method, draw.parse().ok()),
        None => (name, None),
    }
}

/// The points of one line, by draw.
type Draws<'a> = BTreeMap<usize, Vec<&'a BarrierRow>>;

/// Writes `seeds.csv` if a method was drawn more than once: loss and accuracy at the λ nearest to a half (the lower of two), over draws.
///
/// # Errors
/// When the file cannot be written.
pub fn write(barriers: &[BarrierRow], folder: &Path) -> Result<()> {
    let mut cells: BTreeMap<(Key, &str, &str, &str), Draws<'_>> = BTreeMap::new();
    for row in barriers {
        let (method, Some(draw)) = draw_of(&row.method) else { continue };
        let key = Key { pair: row.pair.clone(), method: method.to_owned(), replicate: row.replicate };
        let cell = cells.entry((key, &row.fixed, &row.permutee, &row.split)).or_default();
        cell.entry(draw).or_default().push(row);
    }
    if cells.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::new();
    for ((key, fixed, permutee, split), draws) in &cells {
        let middles: Vec<&BarrierRow> = draws.values().filter_map(|points| middle(points)).collect();
        for (metric, of) in [("loss", (|row| row.loss) as fn(&BarrierRow) -> f64), ("accuracy", |row| row.accuracy)] {
            let values: Vec<f64> = middles.iter().map(|row| of(row)).collect();
            let Some(summary) = Summary::of(&values) else { continue };
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            rows.push((key, *fixed, *permutee, *split, middles[0].lambda, metric, summary, least, greatest));
        }
    }
    let table: Table = pair_columns(rows.iter().map(|row| &row.0.pair));
    table
        .text("method", rows.iter().map(|row| &row.0.method))
        .whole("replicate", rows.iter().map(|row| row.0.replicate))
        .text("fixed", rows.iter().map(|row| row.1))
        .text("permutee", rows.iter().map(|row| row.2))
        .text("split", rows.iter().map(|row| row.3))
        .number("lambda", rows.iter().map(|row| Some(row.4)))
        .text("metric", rows.iter().map(|row| row.5))
        .whole("seeds", rows.iter().map(|row| row.6.count))
        .number("mean", rows.iter().map(|row| Some(row.6.mean)))
        .number("sd", rows.iter().map(|row| row.6.deviation))
        .number("least", rows.iter().map(|row| Some(row.7)))
        .number("greatest", rows.iter().map(|row| Some(row.8)))
        .write(&folder.join("seeds.csv"))
}

/// The point of a line nearest to λ = ½.
pub(super) fn middle<'a>(points: &[&'a BarrierRow]) -> Option<&'a BarrierRow> {
    points.iter().copied().min_by(|a, b| (a.lambda - 0.5).abs().total_cmp(&(b.lambda - 0.5).abs()).then(a.lambda.total_cmp(&b.lambda)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::rows::Pair;

    #[test]
    fn the_spread_is_that_of_the_midpoints_of_all_draws() {
        let point = |method: &str, lambda, loss| BarrierRow {
            pair: Pair { dataset: "glyphs".to_owned(), architecture: "mlp".to_owned() },
            method: method.to_owned(),
            replicate: 0,
            fixed: "a".to_owned(),
            permutee: "b".to_owned(),
            split: "test".to_owned(),
            lambda,
            loss,
            accuracy: 0.5,
            stage: String::new(),
        };
        let line = |method: &str, loss| [point(method, 0.0, 9.0), point(method, 0.5, loss), point(method, 1.0, 9.0)];
        let rows = [line("plain", 7.0), line("drawn#1", 1.0), line("drawn#2", 2.0), line("drawn#10", 3.0)].concat();
        let folder = tempfile::tempdir().unwrap();
        write(&rows, folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("seeds.csv")).unwrap();
        let expected = "dataset,architecture,method,replicate,fixed,permutee,split,lambda,metric,seeds,mean,sd,least,greatest\n\
            glyphs,mlp,drawn,0,a,b,test,0.500000,loss,3,2.000000,1.000000,1.000000,3.000000\n\
            glyphs,mlp,drawn,0,a,b,test,0.500000,accuracy,3,0.500000,0.000000,0.500000,0.500000\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_is_written_without_draws() {
        let folder = tempfile::tempdir().unwrap();
        write(&[], folder.path()).unwrap();
        assert!(!folder.path().join("seeds.csv").exists());
    }
}
