//! The rows of the files about single units: iterates of an ascent, and how sure matches are.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::cell::read;
use super::others::{Key, key_columns};
use super::rows::by_length;

/// An entry of a soft matrix: a row of `iterates.csv`.
#[derive(Clone, Debug, PartialEq)]
struct IterateRow {
    key: Key,
    models: usize,
    model: String,
    group: String,
    units: usize,
    iteration: usize,
    step: Option<f64>,
    row: usize,
    column: usize,
    value: f64,
    stage: String,
}

/// A unit and how sure its match is: a row of `margins.csv`.
#[derive(Clone, Debug, PartialEq)]
struct MarginRow {
    key: Key,
    models: usize,
    model: String,
    group: String,
    unit: usize,
    slot: usize,
    margin: Option<f64>,
    stage: String,
}

/// The rows of both files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitRows {
    iterates: Vec<IterateRow>,
    margins: Vec<MarginRow>,
}

/// What the report reads of `iterates.json`.
#[derive(Deserialize)]
struct Iterate {
    group: String,
    units: usize,
    iteration: usize,
    step: Option<f64>,
    entries: Vec<(usize, usize, f64)>,
}

/// What the report reads of `margins.json`.
#[derive(Deserialize)]
struct Margins {
    model: usize,
    group: String,
    units: Vec<usize>,
    margins: Vec<Option<f64>>,
}

impl UnitRows {
    /// Adds the iterates of an artifact: the first of `models` is the one they are of.
    pub fn iterates(&mut self, folder: &Path, key: &Key, models: &[String], stage: &str) -> Result<()> {
        let (model, all) = models.split_first().context("iterates of no model")?;
        for Iterate { group, units, iteration, step, entries } in read::<Vec<Iterate>>(folder, "iterates.json")? {
            self.iterates.extend(entries.into_iter().map(|(row, column, value)| IterateRow {
                key: key.clone(),
                models: all.len(),
                model: model.clone(),
                group: group.clone(),
                units,
                iteration,
                step,
                row,
                column,
                value,
                stage: stage.to_owned(),
            }));
        }
        Ok(())
    }

    /// Adds the margins of an artifact.
    pub fn margins(&mut self, folder: &Path, key: &Key, models: &[String], stage: &str) -> Result<()> {
        for Margins { model, group, units, margins } in read::<Vec<Margins>>(folder, "margins.json")? {
            let model = models.get(model).context("a model without a name")?;
            self.margins.extend(units.into_iter().zip(margins).enumerate().map(|(slot, (unit, margin))| MarginRow {
                key: key.clone(),
                models: models.len(),
                model: model.clone(),
                group: group.clone(),
                unit,
                slot,
                margin,
                stage: stage.to_owned(),
            }));
        }
        Ok(())
    }

    /// Sorts by key columns; groups stay in the order of the network, entries in that of their places.
    pub fn sort(&mut self) {
        self.iterates.sort_by(|a, b| (&a.key, by_length(&a.model), a.iteration).cmp(&(&b.key, by_length(&b.model), b.iteration)));
        self.margins.sort_by(|a, b| (&a.key, by_length(&a.model)).cmp(&(&b.key, by_length(&b.model))));
    }

    /// Writes those of `iterates.csv` and `margins.csv` that have rows.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        if !self.iterates.is_empty() {
            let rows = &self.iterates;
            key_columns(rows.iter().map(|row| &row.key))
                .whole("models", rows.iter().map(|row| row.models))
                .text("model", rows.iter().map(|row| &row.model))
                .text("group", rows.iter().map(|row| &row.group))
                .whole("units", rows.iter().map(|row| row.units))
                .whole("iteration", rows.iter().map(|row| row.iteration))
                .number("step", rows.iter().map(|row| row.step))
                .whole("row", rows.iter().map(|row| row.row))
                .whole("column", rows.iter().map(|row| row.column))
                .number("value", rows.iter().map(|row| Some(row.value)))
                .text("stage", rows.iter().map(|row| &row.stage))
                .write(&folder.join("iterates.csv"))?;
        }
        if !self.margins.is_empty() {
            let rows = &self.margins;
            key_columns(rows.iter().map(|row| &row.key))
                .whole("models", rows.iter().map(|row| row.models))
                .text("model", rows.iter().map(|row| &row.model))
                .text("group", rows.iter().map(|row| &row.group))
                .whole("unit", rows.iter().map(|row| row.unit))
                .whole("slot", rows.iter().map(|row| row.slot))
                .number("margin", rows.iter().map(|row| row.margin))
                .text("stage", rows.iter().map(|row| &row.stage))
                .write(&folder.join("margins.csv"))?;
        }
        Ok(())
    }
}
