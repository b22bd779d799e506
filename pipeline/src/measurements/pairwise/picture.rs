//! The picture of barriers and middles: mean and deviation of each method, by architecture.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::PairwiseRow;
use crate::drawing::{Axis, Canvas, DotPlot, Legend, Picture, Scale, list};
use crate::identity::{PairName, Part, by_length};
use crate::table::Row;

struct Plots {
    title: String,
    legend: Legend,
    panels: Vec<DotPlot>,
}

/// Draws `pairwise-<dataset>`, a category for each architecture.
pub(super) fn draw(canvas: &Canvas) -> Result<()> {
    let rows = PairwiseRow::read_if_present(canvas.results())?;
    for dataset in rows.iter().map(|row| &row.pair.dataset).collect::<BTreeSet<_>>() {
        let rows: Vec<&PairwiseRow> = rows.iter().filter(|row| row.pair.dataset == *dataset).collect();
        // The narrower of `resnet20-2x` and `resnet20-16x` first.
        let categories: BTreeSet<(usize, &str)> = rows.iter().map(|row| by_length(&row.pair.architecture)).collect();
        let categories: Vec<&str> = categories.into_iter().map(|(_, name)| name).collect();
        let mut panels = Vec::new();
        type Figure = fn(&PairwiseRow) -> (f64, Option<f64>);
        let barrier: Figure = |row| (row.barrier_mean, row.barrier_mean_sd);
        let middle: Figure = |row| (row.midpoint_accuracy, row.midpoint_accuracy_sd);
        for (metric, figure, scale) in [("barrier over the mean", barrier, Scale::Excess), ("accuracy at λ = ½", middle, Scale::Share)] {
            for split in [Part::Train, Part::Test] {
                let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
                for row in rows.iter().filter(|row| row.split == split) {
                    let place = categories.iter().position(|name| *name == row.pair.architecture).unwrap_or_default();
                    let (mean, deviation) = figure(row);
                    let within = |end: f64| if scale == Scale::Share { end.clamp(0.0, 1.0) } else { end };
                    let ends = deviation.map(|deviation| [mean - deviation, mean + deviation].map(within));
                    let whiskers = [mean].into_iter().chain(ends.into_iter().flatten()).collect();
                    values.insert((place, row.method.to_string()), whiskers);
                }
                if !values.is_empty() {
                    panels.push(DotPlot {
                        heading: split.to_string(),
                        categories: categories.iter().map(|name| (*name).to_owned()).collect(),
                        along: "architecture".to_owned(),
                        metric: metric.to_owned(),
                        values,
                        open: BTreeMap::new(),
                        scale,
                        spread: true,
                    });
                }
            }
        }
        let title = format!("Between two models, over pairs of models and draws of the matching: {dataset}");
        let legend = canvas.legend_of(rows.iter().map(|row| &row.method));
        let pairs: BTreeSet<&PairName> = rows.iter().map(|row| &row.pair).collect();
        canvas.save_as(&Plots { title, legend, panels }, &format!("pairwise-{dataset}"), pairs)?;
    }
    Ok(())
}

impl Picture for Plots {
    fn size(&self) -> (u32, u32) {
        (1400, if self.panels.len() > 2 { 960 } else { 560 })
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let methods = list(self.legend.names());
        format!("Barrier over the mean of the end losses and accuracy halfway, mean and deviation over lines. Methods: {methods}.")
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1170);
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((self.panels.len().div_ceil(2), 2))) {
            // Train and test, side by side, share an axis.
            let alike = self.panels.iter().filter(|other| other.metric == panel.metric);
            panel.draw(&cell, &self.legend, &Axis::showing(panel.scale, alike.flat_map(DotPlot::all)))?;
        }
        self.legend.draw(
            &side,
            &["a mark: mean; whiskers:", "one standard deviation", "to both sides; barrier:", "over the mean of the", "end losses"],
        )
    }
}
