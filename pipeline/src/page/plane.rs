//! Mixtures of three models, each a dot of the colour of its loss.

use std::collections::BTreeMap;

use anyhow::Result;
use maud::{Markup, html};

use super::Tables;

/// Losses from here on have one colour, as in the publication.
const HIGH: f64 = 5.0;
const SIZE: f64 = 320.0;

/// A plane for each pair, method, replicate and split.
pub fn planes(tables: &Tables<'_>) -> Result<Vec<Markup>> {
    let Some(csv) = tables.read("plane.csv")? else { return Ok(Vec::new()) };
    let [datasets, architectures, methods, replicates, splits, vertices, frames, stages] =
        ["dataset", "architecture", "method", "replicate", "split", "vertex", "frame", "stage"].map(|name| csv.texts(name));
    let (datasets, architectures, methods, replicates) = (datasets?, architectures?, methods?, replicates?);
    let (splits, vertices, frames, stages) = (splits?, vertices?, frames?, stages?);
    let (x, y, losses) = (csv.required("x")?, csv.required("y")?, csv.required("loss")?);
    let mut planes: BTreeMap<[&str; 5], Vec<usize>> = BTreeMap::new();
    for row in 0..csv.height() {
        planes.entry([&datasets[row], &architectures[row], &methods[row], &splits[row], &replicates[row]]).or_default().push(row);
    }
    let reach = |values: &[f64]| values.iter().fold(1e-9_f64, |most, value| most.max(value.abs())) * 1.15;
    let drawn = |([dataset, architecture, method, split, replicate], rows): ([&str; 5], Vec<usize>)| {
        let far = reach(&x).max(reach(&y));
        let place = |value: f64| format!("{:.1}", (value / far + 1.0) * SIZE / 2.0);
        let least = rows.iter().map(|&row| losses[row]).fold(f64::INFINITY, f64::min);
        let most = rows.iter().map(|&row| losses[row].min(HIGH)).fold(f64::NEG_INFINITY, f64::max);
        let share = |loss: f64| ((loss.min(HIGH) - least) / (most - least).max(1e-9) * 100.0).clamp(0.0, 100.0);
        let name = |row: usize| {
            let corner = if vertices[row].is_empty() { String::new() } else { format!("{} ({}): ", vertices[row], frames[row]) };
            format!("{corner}loss {:.4}", losses[row])
        };
        html! {
            figure.chart data-method=(method) {
                figcaption { (dataset) ", " (architecture) ", " (method) ", " (split) ", replicate " (replicate) ": loss from " (format!("{least:.3}")) " to " (format!("{most:.3}")) }
                svg viewBox=(format!("0 0 {SIZE} {SIZE}")) role="img" aria-label=(format!("Plane of {method}: losses of {} mixtures", rows.len())) {
                    @for &row in &rows {
                        circle.dot cx=(place(x[row])) cy=(place(-y[row])) r=(if vertices[row].is_empty() { "4" } else { "7" })
                            style=(format!("--share:{:.0}%", share(losses[row]))) data-stage=(stages[row]) { title { (name(row)) } }
                    }
                }
            }
        }
    };
    Ok(planes.into_iter().map(drawn).collect())
}
