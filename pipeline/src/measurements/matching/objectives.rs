//! The objective of each matching, iterate by iterate.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::TraceRow;
use crate::drawing::{Axis, Canvas, FONT, Legend, Picture, Scale, TEXT, backend, by_pair, list, methods_sharing_stages};
use crate::table::Row;

/// Objectives by iteration, for each replicate of a method.
type Traces = BTreeMap<String, BTreeMap<String, Vec<(f64, f64)>>>;

struct Objectives {
    title: String,
    legend: Legend,
    traces: Traces,
}

/// Draws `objectives-<dataset>-<architecture>`: the alignments of the most models.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(TraceRow::read_from(canvas.results())?, |row| &row.key.pair) {
        let Some(most) = rows.iter().filter_map(TraceRow::count).max() else { continue };
        let rows: Vec<&TraceRow> = rows.iter().filter(|row| row.count() == Some(most)).collect();
        let shared = methods_sharing_stages(rows.iter().map(|row| (&row.key.method, row.stage.as_str())), canvas.styles());
        let mut traces = Traces::new();
        for row in rows.iter().filter(|row| !shared.contains(&row.key.method)) {
            let line = traces.entry(row.key.method.name().to_owned()).or_default().entry(row.line()).or_default();
            line.push((row.iteration as f64, row.objective));
        }
        let title = format!("Objective while matching {most} models: {}, {}", pair.dataset, pair.architecture);
        let legend = canvas.legend(traces.keys().cloned());
        canvas.save(&Objectives { title, legend, traces }, "objectives", &pair)?;
    }
    Ok(())
}

impl Picture for Objectives {
    fn size(&self) -> (u32, u32) {
        (1200, 640)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        format!("The objective of each matching, iterate by iterate. Methods: {}.", list(self.legend.names()))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (left, side) = area.split_horizontally(970);
        let points = || self.traces.values().flat_map(BTreeMap::values).flatten();
        let longest = points().map(|point| point.0).fold(1.0, f64::max);
        let axis = Axis::showing(Scale::Even, points().map(|point| point.1));
        let mut chart = ChartBuilder::on(&left)
            .margin(14)
            .x_label_area_size(50)
            .y_label_area_size(axis.width())
            .build_cartesian_2d(Axis::counting(-0.02 * longest..1.02 * longest), axis)
            .map_err(backend)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("iteration (a sweep over all groups, a round over all models, or a Frank–Wolfe step)")
            .y_desc("objective")
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        for (index, name) in self.legend.names().iter().enumerate() {
            for line in self.traces[name].values() {
                chart.draw_series(LineSeries::new(line.iter().copied(), self.legend.colour(index).stroke_width(2))).map_err(backend)?;
                let ends = line.first().into_iter().chain(line.last());
                chart
                    .draw_series(ends.map(|&point| {
                        EmptyElement::at(point) + Polygon::new(self.legend.mark(index, 6.0), self.legend.colour(index).filled())
                    }))
                    .map_err(backend)?;
            }
        }
        self.legend.draw(
            &side,
            &[
                "marks: first and last",
                "iterate. Methods with a",
                "reference model: sum of",
                "the pairs with it alone.",
                "Repaired twins match as",
                "the method itself",
            ],
        )
    }
}
