//! Lines from models to what comes back of them, and their distances.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::CycleRow;
use crate::drawing::{Axis, Canvas, DotPlot, Legend, LineCurves, Picture, Scale, by_pair, curve_values, line_panel, list, shown_part};
use crate::table::Row;

struct Rounds {
    title: String,
    legend: Legend,
    lines: Vec<(&'static str, LineCurves, Axis)>,
    distances: DotPlot,
}

/// Draws `cycles-<dataset>-<architecture>`.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(CycleRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let split = shown_part(rows.iter().map(|row| row.split));
        let rows: Vec<&CycleRow> = rows.iter().filter(|row| row.split == split).collect();
        let categories: Vec<&str> = rows.iter().map(|row| row.cycle.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
        let mut lines = Vec::new();
        let figures = [("accuracy", (|row| row.accuracy) as fn(&CycleRow) -> f64, Scale::Share), ("loss", |row| row.loss, Scale::Even)];
        for (metric, value, scale) in figures {
            let mut curves = LineCurves::new();
            for row in &rows {
                let line = format!("{} {} {}", row.key.replicate, row.cycle, row.key.method.draw().unwrap_or_default());
                let curve = curves.entry(row.key.method.name().to_owned()).or_default().entry(line).or_default();
                curve.push((row.lambda, value(row)));
            }
            let axis = Axis::showing(scale, curve_values(&curves));
            lines.push((metric, curves, axis));
        }
        let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.lambda == 0.0) {
            let place = categories.iter().position(|cycle| *cycle == row.cycle).unwrap_or_default();
            values.entry((place, row.key.method.name().to_owned())).or_default().push(row.distance);
        }
        let round = |cycle: &&str| format!("{cycle}-{}", cycle.split('-').next().unwrap_or_default());
        let distances = DotPlot {
            heading: "distance of what comes back".to_owned(),
            categories: categories.iter().map(round).collect(),
            along: "cycle".to_owned(),
            metric: "Euclidean distance of all weights".to_owned(),
            values,
            open: BTreeMap::new(),
            scale: Scale::FromZero,
            spread: false,
        };
        let title = format!("From a model to itself after a cycle of maps ({split}): {}, {}", pair.dataset, pair.architecture);
        let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
        canvas.save(&Rounds { title, legend, lines, distances }, "cycles", &pair)?;
    }
    Ok(())
}

impl Picture for Rounds {
    fn size(&self) -> (u32, u32) {
        (1700, 560)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let methods = list(self.legend.names());
        format!("Accuracy and loss on the line from a model to what comes back, and the distance of both. Methods: {methods}.")
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1480);
        let cells = charts.split_evenly((1, 3));
        for ((metric, curves, axis), cell) in self.lines.iter().zip(&cells) {
            line_panel(&self.legend, cell, &format!("{metric} on the line"), ("λ", metric), curves, axis)?;
        }
        self.distances.draw(&cells[2], &self.legend, &self.distances.axis())?;
        self.legend.draw(
            &side,
            &["λ = 0: the model", "λ = 1: what comes back", "thick: mean over cycles,", "draws and replicates", "thin: each of them"],
        )
    }
}
