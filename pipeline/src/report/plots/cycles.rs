//! What comes back when a model is mapped around a cycle: the line to it, and how far it lies.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::barriers::{Curves, panel};
use super::scale::Scale;
use super::strips::Strips;
use super::style::{Legend, Picture, save, titled};
use super::{Groups, file_name, shown_split};
use crate::report::seeds::draw_of;
use crate::report::table::Csv;

struct Rounds {
    title: String,
    legend: Legend,
    lines: Vec<(&'static str, Curves)>,
    distances: Strips,
}

/// Draws `cycles-<dataset>-<architecture>`.
///
/// # Errors
/// When `cycles.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("cycles.csv"))?;
    let (methods, replicates, cycles, splits) = (csv.texts("method")?, csv.texts("replicate")?, csv.texts("cycle")?, csv.texts("split")?);
    let (lambdas, distances) = (csv.required("lambda")?, csv.required("distance")?);
    let metrics = [("accuracy", csv.required("accuracy")?), ("loss", csv.required("loss")?)];
    for (pair, rows) in Groups::of(&csv)?.iter() {
        let split = shown_split(&splits, rows);
        let rows: Vec<usize> = rows.iter().copied().filter(|&row| splits[row] == split).collect();
        let mut names: Vec<String> = rows.iter().map(|&row| draw_of(&methods[row]).0.to_owned()).collect();
        let mut categories: Vec<String> = rows.iter().map(|&row| cycles[row].clone()).collect();
        for list in [&mut names, &mut categories] {
            list.sort();
            list.dedup();
        }
        let mut lines = Vec::new();
        for (metric, values) in &metrics {
            let mut curves = Curves::new();
            for &row in &rows {
                let (method, draw) = draw_of(&methods[row]);
                let line = format!("{} {} {}", replicates[row], cycles[row], draw.unwrap_or_default());
                curves.entry(method.to_owned()).or_default().entry(line).or_default().push((lambdas[row], values[row]));
            }
            lines.push((*metric, curves));
        }
        let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
        for &row in rows.iter().filter(|&&row| lambdas[row] == 0.0) {
            let place = categories.iter().position(|cycle| *cycle == cycles[row]).unwrap_or_default();
            values.entry((place, draw_of(&methods[row]).0.to_owned())).or_default().push(distances[row]);
        }
        let round = |cycle: &String| format!("{cycle}-{}", cycle.split('-').next().unwrap_or_default());
        let distances = Strips {
            heading: "distance of what comes back".to_owned(),
            categories: categories.iter().map(round).collect(),
            along: "cycle".to_owned(),
            metric: "Euclidean distance of all weights".to_owned(),
            values,
            open: BTreeMap::new(),
            scale: Scale::FromZero,
            spread: false,
        };
        let title = format!("From a model to itself after a cycle of maps ({split}): {}, {}", pair.0, pair.1);
        save(&Rounds { title, legend: Legend::new(names), lines, distances }, out, &file_name("cycles", pair))?;
    }
    Ok(())
}

impl Picture for Rounds {
    fn size(&self) -> (u32, u32) {
        (1700, 560)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let (charts, side) = area.split_horizontally(1480);
        let cells = charts.split_evenly((1, 3));
        for ((metric, curves), cell) in self.lines.iter().zip(&cells) {
            panel(&self.legend, cell, &format!("{metric} on the line"), metric, curves)?;
        }
        self.distances.draw(&cells[2], &self.legend)?;
        self.legend.draw(
            &side,
            &["λ = 0: the model", "λ = 1: what comes back", "thick: mean over cycles,", "draws and replicates", "thin: each of them"],
        )
    }
}
