//! The step sizes of each ascent, even and odd iterations apart: one step lands near a vertex, the next takes the middle of two.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::TraceRow;
use crate::drawing::{Axis, Canvas, FONT, Legend, Picture, TEXT, backend, by_pair, list, methods_sharing_stages};
use crate::table::Row;

/// Panels beside each other.
const ACROSS: usize = 2;

/// More iterations than this are drawn without marks.
const MOST_MARKS: f64 = 120.0;

/// Step sizes by iteration, for each replicate and draw.
type SolverTraces = BTreeMap<String, Vec<(f64, f64)>>;

/// The alignments of one method: of more models first, then by the names of the models.
type Alignments<'a> = BTreeMap<(Reverse<usize>, &'a str), SolverTraces>;

struct Panel {
    heading: String,
    traces: SolverTraces,
}

struct Steps {
    title: String,
    legend: Legend,
    panels: Vec<Panel>,
}

/// Draws `steps-<dataset>-<architecture>`, a panel for each method that has steps, of its alignment of the most models. Where it has them
/// for pairs only, of its first pair.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(TraceRow::read_from(canvas.results())?, |row| &row.key.pair) {
        let mut of_methods: BTreeMap<(usize, &str), Alignments<'_>> = BTreeMap::new();
        let shared = methods_sharing_stages(rows.iter().map(|row| (&row.key.method, row.stage.as_str())), canvas.styles());
        for row in rows.iter().filter(|row| !shared.contains(&row.key.method)) {
            let Some(step) = row.step else { continue };
            let rank = Reverse(row.count().unwrap_or(0));
            let name = row.key.method.name();
            let alignment = of_methods.entry((canvas.styles().rank(name), name)).or_default().entry((rank, &row.names)).or_default();
            alignment.entry(row.line()).or_default().push((row.iteration as f64, step));
        }
        let panel = |((_, method), alignments): ((usize, &str), Alignments<'_>)| {
            let ((Reverse(count), names), traces) = alignments.into_iter().next()?;
            let models = if names.is_empty() { format!("{count} models") } else { names.to_owned() };
            Some(Panel { heading: format!("{method}, {models}"), traces })
        };
        let panels: Vec<Panel> = of_methods.into_iter().filter_map(panel).collect();
        if !panels.is_empty() {
            let title = format!("Step sizes while matching: {}, {}", pair.dataset, pair.architecture);
            let legend = canvas.legend(["even iterations", "odd iterations"].map(str::to_owned));
            canvas.save(&Steps { title, legend, panels }, "steps", &pair)?;
        }
    }
    Ok(())
}

impl Picture for Steps {
    fn size(&self) -> (u32, u32) {
        let rows = self.panels.len().div_ceil(ACROSS) as u32;
        let across = self.panels.len().min(ACROSS) as u32;
        (620 * across + 230, 380 * rows + 60)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let panels = list(self.panels.iter().map(|panel| &panel.heading));
        format!("Step sizes by iteration, even and odd ones apart, a chart each for {panels}.")
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let across = self.panels.len().min(ACROSS);
        let (charts, side) = area.split_horizontally(620 * across as u32);
        let cells = charts.split_evenly((self.panels.len().div_ceil(ACROSS), across));
        for (panel, cell) in self.panels.iter().zip(&cells) {
            panel.draw(cell, &self.legend)?;
        }
        self.legend.draw(&side, &["iterations count from 0;", "a line for each replicate", "and draw"])
    }
}

impl Panel {
    fn draw<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, legend: &Legend) -> Result<()> {
        let longest = self.traces.values().flatten().map(|point| point.0).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(cell)
            .caption(&self.heading, (FONT, TEXT))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(70)
            .build_cartesian_2d(Axis::counting(-0.02 * longest..1.02 * longest), Axis::between(-0.03..1.03))
            .map_err(backend)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("iteration")
            .y_desc("step size")
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        for trace in self.traces.values() {
            for parity in [0, 1] {
                let points = || trace.iter().copied().filter(|point| point.0 as usize % 2 == parity);
                chart.draw_series(LineSeries::new(points(), legend.colour(parity).stroke_width(2))).map_err(backend)?;
                if longest <= MOST_MARKS {
                    let shape = |point| EmptyElement::at(point) + Polygon::new(legend.mark(parity, 5.0), legend.colour(parity).filled());
                    chart.draw_series(points().map(shape)).map_err(backend)?;
                }
            }
        }
        Ok(())
    }
}
