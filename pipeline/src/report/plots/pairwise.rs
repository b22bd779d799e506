//! Barriers between two models and accuracies in their middle: mean and deviation of every method, by architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::scale::Scale;
use super::strips::Strips;
use super::style::{Legend, Picture, save, titled};
use crate::report::table::Csv;

struct Pairwise {
    title: String,
    legend: Legend,
    panels: Vec<Strips>,
}

/// Draws `pairwise-<dataset>`.
///
/// # Errors
/// When `pairwise.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("pairwise.csv"))?;
    let [datasets, architectures, methods, splits] = ["dataset", "architecture", "method", "split"].map(|name| csv.texts(name));
    let (datasets, architectures, methods, splits) = (datasets?, architectures?, methods?, splits?);
    for dataset in datasets.iter().collect::<BTreeSet<_>>() {
        let rows: Vec<usize> = (0..csv.height()).filter(|&row| datasets[row] == *dataset).collect();
        let names: BTreeSet<&String> = rows.iter().map(|&row| &methods[row]).collect();
        let mut categories: Vec<&String> = rows.iter().map(|&row| &architectures[row]).collect::<BTreeSet<_>>().into_iter().collect();
        // The narrower of `resnet20-2x` and `resnet20-16x` first.
        categories.sort_by_key(|name| (name.len(), *name));
        let mut panels = Vec::new();
        for (column, metric) in [("barrier_mean", "barrier of the loss"), ("midpoint_accuracy", "accuracy at λ = ½")] {
            let (means, deviations) = (csv.required(column)?, csv.numbers(&format!("{column}_sd"))?);
            for split in ["train", "test"] {
                let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
                for &row in rows.iter().filter(|&&row| splits[row] == split) {
                    let place = categories.iter().position(|name| **name == architectures[row]).unwrap_or_default();
                    let (mean, deviation) = (means[row], deviations[row]);
                    let ends = deviation.map(|deviation| [mean - deviation, mean + deviation]);
                    values.insert((place, methods[row].clone()), [mean].into_iter().chain(ends.into_iter().flatten()).collect());
                }
                if !values.is_empty() {
                    panels.push(Strips {
                        heading: split.to_owned(),
                        categories: categories.iter().map(|name| (*name).clone()).collect(),
                        along: "architecture".to_owned(),
                        metric: metric.to_owned(),
                        values,
                        open: BTreeMap::new(),
                        scale: Scale::FromZero,
                        spread: true,
                    });
                }
            }
        }
        let title = format!("Between two models, over pairs of models and draws of the matching: {dataset}");
        let legend = Legend::new(names.into_iter().cloned().collect());
        save(&Pairwise { title, legend, panels }, out, &format!("pairwise-{dataset}"))?;
    }
    Ok(())
}

impl Picture for Pairwise {
    fn size(&self) -> (u32, u32) {
        (1400, if self.panels.len() > 2 { 960 } else { 560 })
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let (charts, side) = area.split_horizontally(1170);
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((self.panels.len().div_ceil(2), 2))) {
            panel.draw(&cell, &self.legend)?;
        }
        self.legend.draw(
            &side,
            &["a mark: mean; whiskers:", "one standard deviation", "to both sides; barrier:", "over the mean of the", "end losses"],
        )
    }
}
