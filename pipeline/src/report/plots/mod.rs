//! Pictures, drawn from the CSV files alone.

mod barriers;
mod merged;
mod scale;
mod style;
mod traces;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::table::Csv;

/// Draws every plot of a results folder into `out`.
///
/// # Errors
/// When a CSV is absent or malformed, or a file cannot be written.
pub fn draw_all(results: &Path, out: &Path) -> Result<()> {
    barriers::draw(results, out).context("barrier plots")?;
    merged::draw(results, out).context("plots of merged models")?;
    traces::draw(results, out).context("plots of objectives")
}

/// Rows of a CSV by (data set, architecture).
struct Groups(BTreeMap<(String, String), Vec<usize>>);

impl Groups {
    fn of(csv: &Csv) -> Result<Groups> {
        let mut groups: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (row, pair) in csv.texts("dataset")?.into_iter().zip(csv.texts("architecture")?).enumerate() {
            groups.entry(pair).or_default().push(row);
        }
        Ok(Groups(groups))
    }

    fn iter(&self) -> impl Iterator<Item = (&(String, String), &Vec<usize>)> {
        self.0.iter()
    }
}

/// The stem of a plot's files.
fn file_name(kind: &str, pair: &(String, String)) -> String {
    format!("{kind}-{}-{}", pair.0, pair.1)
}
