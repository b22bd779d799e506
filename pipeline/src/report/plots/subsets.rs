//! How much a merged model depends on which models are merged: accuracy by their number, a dot a choice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::scale::Scale;
use super::strips::Strips;
use super::style::{Legend, Picture, save, titled};
use super::{Groups, file_name};
use crate::report::others::JOINTLY;
use crate::report::seeds::draw_of;
use crate::report::table::Csv;

struct Choices {
    title: String,
    legend: Legend,
    panels: Vec<Strips>,
}

/// Draws `subsets-<dataset>-<architecture>`.
///
/// # Errors
/// When `subsets.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("subsets.csv"))?;
    let (methods, splits, matched) = (csv.texts("method")?, csv.texts("split")?, csv.texts("matched")?);
    let (models, accuracies) = (csv.required("models")?, csv.required("accuracy")?);
    for (pair, rows) in Groups::of(&csv)?.iter() {
        let names: BTreeSet<&str> = rows.iter().map(|&row| draw_of(&methods[row]).0).collect();
        let counts: BTreeSet<usize> = rows.iter().map(|&row| models[row] as usize).collect();
        let mut panels = Vec::new();
        for split in ["train", "test"] {
            let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
            let mut open = values.clone();
            for &row in rows.iter().filter(|&&row| splits[row] == split) {
                let place = counts.iter().position(|&count| count == models[row] as usize).unwrap_or_default();
                let variant = if matched[row] == JOINTLY { &mut open } else { &mut values };
                variant.entry((place, draw_of(&methods[row]).0.to_owned())).or_default().push(accuracies[row]);
            }
            if !values.is_empty() {
                panels.push(Strips {
                    heading: split.to_owned(),
                    categories: counts.iter().map(usize::to_string).collect(),
                    along: "models merged".to_owned(),
                    metric: "accuracy of the merged model".to_owned(),
                    values,
                    open,
                    scale: Scale::Accuracy,
                    spread: false,
                });
            }
        }
        let title = format!("Merging different subsets of the models: {}, {}", pair.0, pair.1);
        let legend = Legend::new(names.into_iter().map(str::to_owned).collect());
        save(&Choices { title, legend, panels }, out, &file_name("subsets", pair))?;
    }
    Ok(())
}

impl Choices {
    /// Whether marks of two kinds stand side by side, which need the whole width.
    fn is_wide(&self) -> bool {
        self.panels.iter().any(|panel| !panel.open.is_empty())
    }
}

impl Picture for Choices {
    fn size(&self) -> (u32, u32) {
        (1400, if self.is_wide() { 40 + 470 * self.panels.len() as u32 } else { 560 })
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let (charts, side) = area.split_horizontally(1170);
        let grid = if self.is_wide() { (self.panels.len(), 1) } else { (1, self.panels.len()) };
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly(grid)) {
            panel.draw(&cell, &self.legend)?;
        }
        let mut notes = vec!["a mark: one subset (and", "replicate); bar: their", "mean; thin line: from", "least to greatest"];
        if self.is_wide() {
            notes.extend([
                "",
                "filled: each subset",
                "matched on its own",
                "open: all models matched",
                "jointly, then the subset",
                "averaged",
            ]);
        }
        self.legend.draw(&side, &notes)
    }
}
