//! How much a matching depends on its draws: accuracy in the middle between two models, a dot a draw.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::scale::Scale;
use super::strips::Strips;
use super::style::{Legend, Picture, save, titled};
use super::{Groups, file_name};
use crate::report::seeds::draw_of;
use crate::report::table::Csv;

struct Draws {
    title: String,
    legend: Legend,
    panels: Vec<Strips>,
}

/// Draws `seeds-<dataset>-<architecture>` where a method was drawn more than once.
///
/// # Errors
/// When `barriers.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("barriers.csv"))?;
    let (methods, splits, replicates) = (csv.texts("method")?, csv.texts("split")?, csv.texts("replicate")?);
    let (fixed, permutees) = (csv.texts("fixed")?, csv.texts("permutee")?);
    let (lambdas, accuracies) = (csv.required("lambda")?, csv.required("accuracy")?);
    for (pair, rows) in Groups::of(&csv)?.iter() {
        if rows.iter().all(|&row| draw_of(&methods[row]).1.is_none()) {
            continue;
        }
        // Of each line, the point nearest to the middle; the lower of two, which comes first.
        let mut middles: BTreeMap<(&str, &str, &str, &str, &str), usize> = BTreeMap::new();
        for &row in rows {
            let line =
                (splits[row].as_str(), fixed[row].as_str(), permutees[row].as_str(), methods[row].as_str(), replicates[row].as_str());
            let middle = middles.entry(line).or_insert(row);
            if (lambdas[row] - 0.5).abs() < (lambdas[*middle] - 0.5).abs() {
                *middle = row;
            }
        }
        let mut names: Vec<String> = rows.iter().map(|&row| draw_of(&methods[row]).0.to_owned()).collect();
        names.sort();
        names.dedup();
        let mut panels = Vec::new();
        for split in ["train", "test"] {
            let mut categories: Vec<String> = Vec::new();
            let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
            for (&(_, fixed, permutee, method, _), &row) in middles.iter().filter(|((of, ..), _)| *of == split) {
                let name = format!("{fixed}-{permutee}");
                let place = categories.iter().position(|known| *known == name).unwrap_or_else(|| {
                    categories.push(name);
                    categories.len() - 1
                });
                values.entry((place, draw_of(method).0.to_owned())).or_default().push(accuracies[row]);
            }
            if !categories.is_empty() {
                let (heading, along, metric) = (split.to_owned(), "pair of models".to_owned(), "accuracy at λ = ½".to_owned());
                let open = BTreeMap::new();
                panels.push(Strips { heading, categories, along, metric, values, open, scale: Scale::Accuracy, spread: false });
            }
        }
        let title = format!("Halfway between two models, by the draw of the matching: {}, {}", pair.0, pair.1);
        save(&Draws { title, legend: Legend::new(names), panels }, out, &file_name("seeds", pair))?;
    }
    Ok(())
}

impl Picture for Draws {
    fn size(&self) -> (u32, u32) {
        (1400, 560)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let (charts, side) = area.split_horizontally(1170);
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((1, self.panels.len()))) {
            panel.draw(&cell, &self.legend)?;
        }
        self.legend.draw(&side, &["a mark: one draw (and", "replicate); bar: their", "mean; thin line: from", "least to greatest"])
    }
}
