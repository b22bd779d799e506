//! Loss and accuracy along the line between two models, every method in one picture.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::BarrierRow;
use crate::drawing::{Canvas, Legend, LineCurves, Picture, by_pair, line_panel, titled};
use crate::identity::Part;
use crate::table::Row;

struct Lines {
    title: String,
    legend: Legend,
    /// Lines of a method, the fewest and the most.
    lines: (usize, usize),
    /// Panels in reading order: heading, vertical axis, curves.
    panels: Vec<(String, &'static str, LineCurves)>,
}

/// Draws `barriers-<dataset>-<architecture>` for each pair of data set and architecture.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(BarrierRow::read_from(canvas.results())?, |row| &row.key.pair) {
        let mut panels = Vec::new();
        let mut lines = (usize::MAX, 0);
        for (metric, value) in [("loss", (|row| row.loss) as fn(&BarrierRow) -> f64), ("accuracy", |row| row.accuracy)] {
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
                panels.push((format!("{metric}, {split}"), metric, curves));
            }
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

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let (charts, side) = area.split_horizontally(1170);
        let columns = if self.panels.len() == 1 { 1 } else { 2 };
        let cells = charts.split_evenly((self.panels.len().div_ceil(columns), columns));
        for ((heading, metric, curves), cell) in self.panels.iter().zip(&cells) {
            line_panel(&self.legend, cell, heading, metric, curves)?;
        }
        let (fewest, most) = self.lines;
        let count = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
        let note = format!("{count} lines a method");
        let notes: &[&str] = if most > 1 { &["thick: mean over pairs", "and replicates", "thin: each of", &note] } else { &[] };
        self.legend.draw(&side, notes)
    }
}
