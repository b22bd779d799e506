//! Loss and accuracy along the line between two models, every method in one picture.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::BarrierRow;
use crate::drawing::{Axis, Canvas, Legend, LineCurves, Picture, Scale, by_pair, curve_values, line_panel, list};
use crate::identity::Part;
use crate::table::Row;

struct Lines {
    title: String,
    legend: Legend,
    /// Lines of a method, the fewest and the most.
    lines: (usize, usize),
    /// In reading order.
    panels: Vec<Panel>,
}

struct Panel {
    heading: String,
    metric: &'static str,
    curves: LineCurves,
    /// One for all splits of a metric.
    axis: Axis,
}

/// Draws `barriers-<dataset>-<architecture>` for each pair of data set and architecture.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(BarrierRow::read_from(canvas.results())?, |row| &row.key.pair) {
        let mut panels = Vec::new();
        let mut lines = (usize::MAX, 0);
        let figures = [("loss", (|row| row.loss) as fn(&BarrierRow) -> f64, Scale::Even), ("accuracy", |row| row.accuracy, Scale::Share)];
        for (metric, value, scale) in figures {
            let mut of_splits = Vec::new();
            for split in [Part::Train, Part::Test] {
                let mut curves = LineCurves::new();
                for row in rows.iter().filter(|row| row.split == split) {
                    let curve = curves.entry(row.key.method.name().to_owned()).or_default().entry(row.line()).or_default();
                    curve.push((row.lambda, value(row)));
                }
                if curves.is_empty() {
                    continue;
                }
                for count in curves.values().map(BTreeMap::len) {
                    lines = (lines.0.min(count), lines.1.max(count));
                }
                of_splits.push((format!("{metric}, {split}"), curves));
            }
            let axis = Axis::showing(scale, of_splits.iter().flat_map(|(_, curves)| curve_values(curves)));
            panels.extend(of_splits.into_iter().map(|(heading, curves)| Panel { heading, metric, curves, axis: axis.clone() }));
        }
        let title = format!("From one model to another: {}, {}", pair.dataset, pair.architecture);
        let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
        canvas.save(&Lines { title, legend, lines, panels }, "barriers", &pair)?;
    }
    Ok(())
}

impl Picture for Lines {
    fn size(&self) -> (u32, u32) {
        (1400, if self.panels.len() > 2 { 1000 } else { 560 })
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let headings = list(self.panels.iter().map(|panel| &panel.heading));
        format!("Curves over λ from one model, at 0, to another, at 1: {headings}. Methods: {}.", list(self.legend.names()))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1170);
        let columns = if self.panels.len() == 1 { 1 } else { 2 };
        let cells = charts.split_evenly((self.panels.len().div_ceil(columns), columns));
        for (Panel { heading, metric, curves, axis }, cell) in self.panels.iter().zip(&cells) {
            line_panel(&self.legend, cell, heading, ("λ", metric), curves, axis)?;
        }
        let (fewest, most) = self.lines;
        let count = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
        let note = format!("{count} lines a method");
        let notes: &[&str] = if most > 1 { &["thick: mean over pairs", "and replicates", "thin: each of", &note] } else { &[] };
        self.legend.draw(&side, notes)
    }
}
