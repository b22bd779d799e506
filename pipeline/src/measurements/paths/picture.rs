//! Loss and accuracy along curves, every method in one picture.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::PathRow;
use crate::drawing::{Axis, Canvas, Legend, LineCurves, Picture, Scale, by_pair, curve_values, line_panel, list};
use crate::identity::Part;
use crate::table::Row;

struct Profiles {
    title: String,
    legend: Legend,
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

/// Draws `paths-<dataset>-<architecture>` for each pair of data set and architecture.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(PathRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let mut panels = Vec::new();
        let figures = [("loss", (|row| row.loss) as fn(&PathRow) -> f64, Scale::Even), ("accuracy", |row| row.accuracy, Scale::Share)];
        for (metric, value, scale) in figures {
            let mut of_splits = Vec::new();
            for split in [Part::Train, Part::Test] {
                let mut curves = LineCurves::new();
                for row in rows.iter().filter(|row| row.split == split) {
                    let line = format!("{} {} {}", row.key.replicate, row.models, row.key.method.draw().unwrap_or_default());
                    let lines: &mut BTreeMap<String, Vec<(f64, f64)>> = curves.entry(row.key.method.name().to_owned()).or_default();
                    lines.entry(line).or_default().push((row.t, value(row)));
                }
                if !curves.is_empty() {
                    of_splits.push((format!("{metric}, {split}"), curves));
                }
            }
            let axis = Axis::showing(scale, of_splits.iter().flat_map(|(_, curves)| curve_values(curves)));
            panels.extend(of_splits.into_iter().map(|(heading, curves)| Panel { heading, metric, curves, axis: axis.clone() }));
        }
        let title = format!("Along curves between two models: {}, {}", pair.dataset, pair.architecture);
        let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
        canvas.save(&Profiles { title, legend, panels }, "paths", &pair)?;
    }
    Ok(())
}

impl Picture for Profiles {
    fn size(&self) -> (u32, u32) {
        (1400, if self.panels.len() > 2 { 1000 } else { 560 })
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let headings = list(self.panels.iter().map(|panel| &panel.heading));
        format!("Curves over t from one model, at 0, to another, at 1: {headings}. Methods: {}.", list(self.legend.names()))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1170);
        let cells = charts.split_evenly((self.panels.len().div_ceil(2), 2));
        for (Panel { heading, metric, curves, axis }, cell) in self.panels.iter().zip(&cells) {
            line_panel(&self.legend, cell, heading, ("t", metric), curves, axis)?;
        }
        self.legend.draw(&side, &["thick: mean over", "replicates; thin: each"])
    }
}
