//! Loss and accuracy along the line between two models, every method in one picture.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{FONT, Legend, Picture, TEXT, backend, mark, range, save, titled};
use super::{Groups, file_name};
use crate::report::seeds::draw_of;
use crate::report::table::Csv;

/// The curve of one pair of models in one replicate.
pub(super) type Curve = Vec<(f64, f64)>;

/// Curves by method, for one panel.
pub(super) type Curves = BTreeMap<String, BTreeMap<String, Curve>>;

struct Lines {
    title: String,
    legend: Legend,
    lines: usize,
    /// Panels in reading order: heading, vertical axis, curves.
    panels: Vec<(String, &'static str, Curves)>,
}

/// Draws `barriers-<dataset>-<architecture>` for each pair of data set and architecture.
///
/// # Errors
/// When `barriers.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("barriers.csv"))?;
    let groups = Groups::of(&csv)?;
    let (methods, splits) = (csv.texts("method")?, csv.texts("split")?);
    let (fixed, permutees, replicates) = (csv.texts("fixed")?, csv.texts("permutee")?, csv.texts("replicate")?);
    let lambdas = csv.required("lambda")?;
    let metrics = [("loss", csv.required("loss")?), ("accuracy", csv.required("accuracy")?)];
    for (pair, rows) in groups.iter() {
        let mut names: Vec<String> = rows.iter().map(|&row| draw_of(&methods[row]).0.to_owned()).collect();
        names.sort();
        names.dedup();
        let mut panels = Vec::new();
        let mut lines = 0;
        for (metric, values) in &metrics {
            for split in ["train", "test"] {
                let mut curves = Curves::new();
                for &row in rows.iter().filter(|&&row| splits[row] == split) {
                    let (method, draw) = draw_of(&methods[row]);
                    let line = format!("{} {} {} {}", replicates[row], fixed[row], permutees[row], draw.unwrap_or_default());
                    curves.entry(method.to_owned()).or_default().entry(line).or_default().push((lambdas[row], values[row]));
                }
                if curves.is_empty() {
                    continue;
                }
                lines = curves.values().map(BTreeMap::len).max().unwrap_or_default().max(lines);
                panels.push((format!("{metric}, {split}"), *metric, curves));
            }
        }
        let picture =
            Lines { title: format!("From one model to another: {}, {}", pair.0, pair.1), legend: Legend::new(names), lines, panels };
        save(&picture, out, &file_name("barriers", pair))?;
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
            self.panel(cell, heading, metric, curves)?;
        }
        let note = format!("{} lines a method", self.lines);
        let notes: &[&str] = if self.lines > 1 { &["thick: mean over pairs", "and replicates", "thin: each of", &note] } else { &[] };
        self.legend.draw(&side, notes)
    }
}

impl Lines {
    fn panel<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, heading: &str, metric: &str, curves: &Curves) -> Result<()> {
        panel(&self.legend, cell, heading, metric, curves)
    }
}

/// One chart of curves over λ: thin for each, thick for their mean.
pub(super) fn panel<B: DrawingBackend>(
    legend: &Legend,
    cell: &DrawingArea<B, Shift>,
    heading: &str,
    metric: &str,
    curves: &Curves,
) -> Result<()> {
    let values = curves.values().flat_map(BTreeMap::values).flatten().map(|point| point.1);
    let mut chart = ChartBuilder::on(cell)
        .caption(heading, (FONT, TEXT))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(78)
        .build_cartesian_2d(-0.02..1.02, range(values))
        .map_err(backend)?;
    chart
        .configure_mesh()
        .x_labels(6)
        .y_labels(7)
        .x_label_formatter(&|value| format!("{value:.1}"))
        .y_label_formatter(&|value| format!("{value:.3}"))
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc("λ")
        .y_desc(metric)
        .axis_desc_style((FONT, TEXT))
        .label_style((FONT, TEXT - 2))
        .draw()
        .map_err(backend)?;
    for (index, name) in legend.names().iter().enumerate() {
        let Some(lines) = curves.get(name) else { continue };
        let colour = legend.colour(index);
        if lines.len() > 1 {
            for line in lines.values() {
                chart.draw_series(LineSeries::new(line.iter().copied(), colour.mix(0.3).stroke_width(1))).map_err(backend)?;
            }
        }
        let mean = mean_curve(lines.values());
        chart.draw_series(LineSeries::new(mean.iter().copied(), colour.stroke_width(3))).map_err(backend)?;
        // Marks at other places for each method, so that equal curves can be told apart.
        let offset = index * mean.len() / (3 * legend.names().len()).max(1);
        let marks = mean.iter().skip(offset).step_by((mean.len() / 3).max(1)).filter(|point| point.1.is_finite());
        chart
            .draw_series(marks.map(|&point| EmptyElement::at(point) + Polygon::new(mark(index, 6.0), colour.filled())))
            .map_err(backend)?;
    }
    Ok(())
}

/// The mean of curves on one grid of λ.
fn mean_curve<'a>(curves: impl Iterator<Item = &'a Curve>) -> Curve {
    let mut sums: Vec<(f64, f64, usize)> = Vec::new();
    for curve in curves {
        for (place, &(lambda, value)) in curve.iter().enumerate() {
            if place == sums.len() {
                sums.push((lambda, 0.0, 0));
            }
            sums[place].1 += value;
            sums[place].2 += 1;
        }
    }
    sums.into_iter().map(|(lambda, sum, count)| (lambda, sum / count as f64)).collect()
}
