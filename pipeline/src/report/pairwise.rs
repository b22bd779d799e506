//! Barriers and middles of the lines between two models, over pairs of models, draws of the matching and replicates.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use onebasin_matching::barrier;

use super::rows::{BarrierRow, Pair, pair_columns};
use super::seeds::{draw_of, middle};
use super::statistics::Summary;

/// What is summarised of every line, as the columns call it.
const METRICS: [&str; 4] = ["barrier_mean", "barrier_line", "midpoint_loss", "midpoint_accuracy"];

/// A method on a split: a row of `pairwise.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct PairwiseRow {
    pair: Pair,
    method: String,
    split: String,
    pairs: usize,
    draws: usize,
    replicates: usize,
    /// In the order of [`METRICS`].
    summaries: [Summary; 4],
}

/// The lines of one method on one split.
#[derive(Default)]
struct Lines<'a> {
    pairs: BTreeSet<(&'a str, &'a str)>,
    draws: BTreeSet<usize>,
    replicates: BTreeSet<usize>,
    values: [Vec<f64>; 4],
}

/// Summarises lines, whose points come in order: a line counts once, whichever its pair of models, draw and replicate.
///
/// Nothing of a data set and architecture where no method has two lines on a split.
///
/// # Errors
/// Points that are no line from λ = 0 to 1, or a loss on one that is not a number.
///
/// Source: C²M³ (arXiv 2405.17897), tables 3 to 6 and figure 4: mean and deviation over pairs of models and seeds of the matching.
pub fn summarise(barriers: &[BarrierRow]) -> Result<Vec<PairwiseRow>> {
    let mut cells: BTreeMap<(&Pair, &str, &str), Lines<'_>> = BTreeMap::new();
    let line = |row: &BarrierRow| {
        (row.pair.clone(), row.method.clone(), row.replicate, row.fixed.clone(), row.permutee.clone(), row.split.clone())
    };
    for points in barriers.chunk_by(|one, next| line(one) == line(next)) {
        let first = &points[0];
        let (method, draw) = draw_of(&first.method);
        let lambdas: Vec<f64> = points.iter().map(|row| row.lambda).collect();
        let losses: Vec<f64> = points.iter().map(|row| row.loss).collect();
        let height = barrier(&lambdas, &losses)
            .with_context(|| format!("the line from `{}` to `{}` by `{}`", first.fixed, first.permutee, first.method))?;
        // An even number of points has none in the middle.
        let middle = middle(&points.iter().collect::<Vec<_>>()).filter(|point| (point.lambda - 0.5).abs() < 1e-9);
        let Some(half) = middle else { continue };
        let cell = cells.entry((&first.pair, method, &first.split)).or_default();
        cell.pairs.insert((&first.fixed, &first.permutee));
        cell.draws.insert(draw.unwrap_or(1));
        cell.replicates.insert(first.replicate);
        for (values, value) in cell.values.iter_mut().zip([height.mean, height.line, half.loss, half.accuracy]) {
            values.push(value);
        }
    }
    let several: BTreeSet<&Pair> = cells.iter().filter(|(_, lines)| lines.values[0].len() > 1).map(|((pair, ..), _)| *pair).collect();
    let rows = cells.into_iter().filter(|((pair, ..), _)| several.contains(pair)).filter_map(|((pair, method, split), lines)| {
        let [mean, line, loss, accuracy] = lines.values.each_ref().map(|values| Summary::of(values));
        Some(PairwiseRow {
            pair: pair.clone(),
            method: method.to_owned(),
            split: split.to_owned(),
            pairs: lines.pairs.len(),
            draws: lines.draws.len(),
            replicates: lines.replicates.len(),
            summaries: [mean?, line?, loss?, accuracy?],
        })
    });
    Ok(rows.collect())
}

/// Writes `pairwise.csv`, if it has rows.
///
/// # Errors
/// When the file cannot be written.
pub fn write(rows: &[PairwiseRow], folder: &Path) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = pair_columns(rows.iter().map(|row| &row.pair))
        .text("method", rows.iter().map(|row| &row.method))
        .text("split", rows.iter().map(|row| &row.split))
        .whole("pairs", rows.iter().map(|row| row.pairs))
        .whole("draws", rows.iter().map(|row| row.draws))
        .whole("replicates", rows.iter().map(|row| row.replicates));
    for (place, metric) in METRICS.iter().enumerate() {
        table = table
            .number(metric, rows.iter().map(|row| Some(row.summaries[place].mean)))
            .number(&format!("{metric}_sd"), rows.iter().map(|row| row.summaries[place].deviation));
    }
    table.write(&folder.join("pairwise.csv"))
}

/// The rows of a data set and architecture as a section of `table.md`; nothing where there are none.
pub fn section(rows: &[PairwiseRow], pair: &Pair) -> String {
    let rows: Vec<&PairwiseRow> = rows.iter().filter(|row| row.pair == *pair).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut text = "\n### Barriers of pairs\n\nMean ± standard deviation over the lines of a method: pairs of models × draws of the matching × \
                    replicates. Barrier: over the mean of the end losses; excess: over the straight line between them; middle: at λ = ½.\n\n\
                    | method | split | lines | barrier | excess | loss in the middle | accuracy in the middle |\n\
                    | --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for row in rows {
        let lines = if (row.draws, row.replicates) == (1, 1) {
            row.pairs.to_string()
        } else {
            format!("{} × {} × {}", row.pairs, row.draws, row.replicates)
        };
        let _ = write!(text, "| {} | {} | {lines} |", row.method, row.split);
        for summary in &row.summaries {
            let _ = match summary.deviation {
                Some(deviation) => write!(text, " {:.4} ± {deviation:.4} |", summary.mean),
                None => write!(text, " {:.4} |", summary.mean),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(method: &str, permutee: &str, losses: [f64; 3]) -> Vec<BarrierRow> {
        let point = |(lambda, loss)| BarrierRow {
            pair: Pair { dataset: "glyphs".to_owned(), architecture: "mlp".to_owned() },
            method: method.to_owned(),
            replicate: 0,
            fixed: "a".to_owned(),
            permutee: permutee.to_owned(),
            split: "test".to_owned(),
            lambda,
            loss,
            accuracy: 1.0 / (1.0 + loss),
            stage: String::new(),
        };
        [0.0, 0.5, 1.0].into_iter().zip(losses).map(point).collect()
    }

    #[test]
    fn every_pair_and_draw_counts_once_and_the_spread_is_over_all_of_them() {
        let rows = [
            line("drawn#1", "b", [1.0, 2.0, 1.0]),
            line("drawn#1", "c", [1.0, 3.0, 1.0]),
            line("drawn#2", "b", [1.0, 4.0, 1.0]),
            line("drawn#2", "c", [1.0, 5.0, 1.0]),
            line("single", "b", [1.0, 1.5, 3.0]),
        ]
        .concat();
        let found = summarise(&rows).unwrap();
        assert_eq!(found.iter().map(|row| row.method.as_str()).collect::<Vec<_>>(), ["drawn", "single"]);
        assert_eq!((found[0].pairs, found[0].draws, found[0].replicates), (2, 2, 1));
        let [barrier, _, loss, _] = &found[0].summaries;
        // 1, 2, 3 and 4 about 2.5: squares sum to 5, over three.
        assert!((barrier.mean - 2.5).abs() < 1e-12 && (barrier.deviation.unwrap() - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((loss.mean - 3.5).abs() < 1e-12);
        // From 1 to 3 without a rise over the line: the worse end lies 1 over the mean.
        assert_eq!(found[1].summaries.map(|summary| summary.mean), [1.0, 0.0, 1.5, 0.4]);
        let folder = tempfile::tempdir().unwrap();
        write(&found, folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("pairwise.csv")).unwrap();
        assert_eq!(
            text.lines().next().unwrap(),
            "dataset,architecture,method,split,pairs,draws,replicates,barrier_mean,barrier_mean_sd,barrier_line,barrier_line_sd,\
             midpoint_loss,midpoint_loss_sd,midpoint_accuracy,midpoint_accuracy_sd"
        );
        assert_eq!(text.lines().nth(2).unwrap(), "glyphs,mlp,single,test,1,1,1,1.000000,,0.000000,,1.500000,,0.400000,");
        let section = section(&found, &rows[0].pair);
        assert!(section.contains("| drawn | test | 2 × 2 × 1 | 2.5000 ± 1.2910 | 2.5000 ± 1.2910 | 3.5000 ± 1.2910 |"), "{section}");
        assert!(section.contains("| single | test | 1 | 1.0000 | 0.0000 | 1.5000 | 0.4000 |"), "{section}");
    }

    #[test]
    fn one_line_a_method_is_no_study_of_pairs() {
        let rows = [line("c2m3", "b", [1.0, 2.0, 1.0]), line("naive", "b", [1.0, 2.0, 1.0])].concat();
        let found = summarise(&rows).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write(&found, folder.path()).unwrap();
        assert!(found.is_empty() && !folder.path().join("pairwise.csv").exists() && section(&found, &rows[0].pair).is_empty());
    }
}
