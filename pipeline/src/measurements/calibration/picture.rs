//! Reliability curves: how often a probability comes true, over the probability.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Kind, ReliabilityRow, few, name};
use crate::drawing::{Axis, Canvas, FONT, Legend, Picture, Scale, TEXT, backend, by_pair, list};
use crate::identity::Part;
use crate::table::Row;

/// Bins that hold fewer probabilities than this have no point: their share says nothing.
const FEWEST: usize = 10;

struct Reliability {
    title: String,
    legend: Legend,
    panels: Vec<Panel>,
}

struct Panel {
    heading: String,
    /// Points by the name in the legend.
    curves: BTreeMap<String, Vec<(f64, f64)>>,
}

/// What falls into one bin over models, draws and replicates.
#[derive(Default)]
struct Pool {
    count: usize,
    probability: f64,
    frequency: f64,
}

/// Draws `reliability-<dataset>-<architecture>`: end points, together where they are many, and each method's merge of the most models.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(ReliabilityRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let most = rows.iter().map(|row| row.models).max().unwrap_or_default();
        let shown = || rows.iter().filter(|row| row.key.method.is_endpoints() || row.models == most);
        let apart = few(rows.iter().map(|row| (&row.key.method, row.model.as_str())));
        let named = |row: &ReliabilityRow| name(&row.key.method, &row.model, apart);
        let mut panels = Vec::new();
        for kind in [Kind::TopLabel, Kind::ClassWise] {
            for split in [Part::Train, Part::Test] {
                let mut pools: BTreeMap<String, Vec<Pool>> = BTreeMap::new();
                for row in shown().filter(|row| (row.kind, row.split) == (kind, split)) {
                    let pools = pools.entry(named(row)).or_default();
                    let place = (row.low / (row.high - row.low)).round() as usize;
                    pools.resize_with(pools.len().max(place + 1), Pool::default);
                    let weight = row.count as f64;
                    pools[place].count += row.count;
                    pools[place].probability += weight * row.probability.unwrap_or_default();
                    pools[place].frequency += weight * row.frequency.unwrap_or_default();
                }
                let curve = |pools: Vec<Pool>| {
                    let full = pools.into_iter().filter(|pool| pool.count >= FEWEST);
                    full.map(|pool| (pool.probability / pool.count as f64, pool.frequency / pool.count as f64)).collect()
                };
                let curves: BTreeMap<String, Vec<(f64, f64)>> = pools.into_iter().map(|(name, pools)| (name, curve(pools))).collect();
                if !curves.is_empty() {
                    panels.push(Panel { heading: format!("{kind}, {split}"), curves });
                }
            }
        }
        let merged = if most > 1 { format!(", {most} models merged") } else { String::new() };
        let title = format!("How often probabilities come true: {}, {}{merged}", pair.dataset, pair.architecture);
        let ends: BTreeSet<String> = shown().filter(|row| row.key.method.is_endpoints()).map(named).collect();
        let methods = canvas.legend_of(shown().map(|row| &row.key.method).filter(|method| !method.is_endpoints()));
        let legend = canvas.legend(ends.into_iter().chain(methods.names().iter().cloned()));
        canvas.save(&Reliability { title, legend, panels }, "reliability", &pair)?;
    }
    Ok(())
}

impl Picture for Reliability {
    fn size(&self) -> (u32, u32) {
        (1400, 60 + 500 * self.panels.len().div_ceil(2) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let headings = list(self.panels.iter().map(|panel| &panel.heading));
        format!("Curves of the share that is right over the probability, for each of: {headings}. Methods: {}.", list(self.legend.names()))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1170);
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((self.panels.len().div_ceil(2), 2))) {
            panel.draw(&cell, &self.legend)?;
        }
        self.legend.draw(&side, &["a mark: a bin with at", "least 10 probabilities;", "dashed: as often as said"])
    }
}

impl Panel {
    fn draw<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, legend: &Legend) -> Result<()> {
        let axis = Axis::showing(Scale::Share, [0.0, 1.0]);
        let mut chart = ChartBuilder::on(cell)
            .caption(&self.heading, (FONT, TEXT))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(axis.width())
            .build_cartesian_2d(Axis::between(-0.02..1.02), axis.clone())
            .map_err(backend)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("probability")
            .y_desc(axis.named("share that is right"))
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        let even = [(0.0, axis.at(0.0)), (1.0, axis.at(1.0))];
        chart.draw_series(DashedLineSeries::new(even, 9, 6, RGBColor(110, 110, 110).stroke_width(2))).map_err(backend)?;
        for (index, name) in legend.names().iter().enumerate() {
            let Some(curve) = self.curves.get(name) else { continue };
            let points: Vec<(f64, f64)> = curve.iter().map(|&(probability, share)| (probability, axis.at(share))).collect();
            chart.draw_series(LineSeries::new(points.clone(), legend.colour(index).stroke_width(2))).map_err(backend)?;
            let marks = points
                .into_iter()
                .map(|point| EmptyElement::at(point) + Polygon::new(legend.mark(index, 6.0), legend.colour(index).mix(0.8).filled()));
            chart.draw_series(marks).map_err(backend)?;
        }
        Ok(())
    }
}
