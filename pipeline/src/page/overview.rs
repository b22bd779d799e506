//! The table as a person reads it: a row for each method, a column for each metric, of all models merged.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use maud::{Markup, html};

use super::{Tables, class_of, number};
use crate::drawing::method_rank;
use crate::number::shown;

/// A cell of the table.
struct Cell {
    mean: f64,
    interval: Option<(f64, f64)>,
    reported: Option<f64>,
    verdict: String,
    stage: String,
}

/// The cells of a row, by the place and the heading of their columns.
type Cells = BTreeMap<(usize, String), Cell>;

/// Metrics in the order of their columns.
const METRICS: [&str; 4] = ["accuracy", "loss", "barrier_line", "barrier_mean"];

/// The section.
pub fn section(tables: &Tables<'_>) -> Result<Markup> {
    let mut pairs: BTreeMap<(String, String), BTreeMap<(usize, String), Cells>> = BTreeMap::new();
    if let Some(csv) = tables.read("summary.csv")? {
        let [datasets, architectures, methods, metrics, splits, verdicts, stages] =
            ["dataset", "architecture", "method", "metric", "split", "verdict", "stage"].map(|name| csv.texts(name));
        let (datasets, architectures, methods, metrics) = (datasets?, architectures?, methods?, metrics?);
        let (splits, verdicts, stages) = (splits?, verdicts?, stages?);
        let [means, lows, highs, reported] = ["mean", "low", "high", "reported"].map(|name| csv.numbers(name));
        let (means, lows, highs, reported) = (means?, lows?, highs?, reported?);
        for row in 0..csv.height() {
            let Some(mean) = means[row] else { continue };
            let rank = method_rank(tables.styles.rows(), methods[row].split('#').next().unwrap_or_default());
            // Test before train.
            let metric = METRICS.iter().position(|metric| *metric == metrics[row]).unwrap_or(METRICS.len());
            let column = metric + if splits[row] == "test" { 0 } else { METRICS.len() + 1 };
            let cell = Cell {
                mean,
                interval: lows[row].zip(highs[row]),
                reported: reported[row],
                verdict: verdicts[row].clone(),
                stage: stages[row].clone(),
            };
            let of_pair = pairs.entry((datasets[row].clone(), architectures[row].clone())).or_default();
            let heading = format!("{}, {}", metrics[row].replace('_', " over "), splits[row]);
            of_pair.entry((rank, methods[row].clone())).or_default().insert((column, heading), cell);
        }
    }
    Ok(html! {
        section id="overview" aria-labelledby="overview-title" {
            h2 id="overview-title" { "Overview" }
            p { "All models merged, or those that a method names. ± is the half width of the 95 % interval over replicates; in brackets what was reported, with the verdict as a tooltip." }
            @for ((dataset, architecture), rows) in &pairs {
                @let columns: BTreeSet<&(usize, String)> = rows.values().flat_map(BTreeMap::keys).collect();
                div.wide { table.sortable {
                    caption { (dataset) ", " (architecture) }
                    thead { tr { th scope="col" { "method" } @for (_, heading) in &columns { th scope="col" { (heading) } } } }
                    tbody { @for ((_, method), cells) in rows {
                        tr data-method=(method.split('#').next().unwrap_or_default()) {
                            th scope="row" class=(class_of(tables, method)) { span.swatch {} (method) }
                            @for column in &columns {
                                @match cells.get(column) { Some(cell) => (drawn(cell)), None => td {} }
                            }
                        }
                    } }
                } }
            }
        }
    })
}

fn drawn(cell: &Cell) -> Markup {
    let half = cell.interval.map(|(low, high)| (high - low) / 2.0);
    html! {
        td data-sort=(cell.mean) {
            (number(&shown(cell.mean), &cell.stage))
            @if let Some(half) = half { " ± " (shown(half)) }
            @if let Some(reported) = cell.reported { " " span.reported title=(cell.verdict) { "[" (shown(reported)) "]" } }
        }
    }
}
