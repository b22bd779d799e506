//! Pictures, drawn from the CSV files alone.

mod barriers;
mod curves;
mod cycles;
mod features;
mod iterates;
mod layers;
mod margins;
mod merged;
mod overview;
mod pairwise;
mod plane;
mod scale;
mod seconds;
mod seeds;
mod similarity;
mod steps;
mod strips;
mod style;
mod subsets;
mod tables;
mod traces;
mod widths;

use std::collections::{BTreeMap, BTreeSet};
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
    overview::draw(results, out).context("plot of the table")?;
    traces::draw(results, out).context("plots of objectives")?;
    steps::draw(results, out).context("plots of step sizes")?;
    seeds::draw(results, out).context("plots of draws")?;
    widths::draw(results, out).context("plots over widths")?;
    let asked = |name: &str| results.join(name).exists();
    if asked("pairwise.csv") {
        pairwise::draw(results, out).context("plots of pairs")?;
    }
    if asked("cycles.csv") {
        cycles::draw(results, out).context("plots of cycles")?;
    }
    if asked("subsets.csv") {
        subsets::draw(results, out).context("plots of subsets")?;
    }
    if asked("similarity.csv") {
        similarity::draw(results, out).context("plots of similarities")?;
        layers::draw(results, out).context("plots of similarities by layer")?;
    }
    if asked("features.csv") {
        features::draw(results, out).context("plots of features")?;
    }
    if asked("plane.csv") {
        plane::draw(results, out).context("plots of planes")?;
    }
    if asked("iterates.csv") {
        iterates::draw(results, out).context("plots of iterates")?;
    }
    if asked("margins.csv") {
        margins::draw(results, out).context("plots of margins")?;
    }
    Ok(())
}

/// Draws the plots of `timings.csv`, which, like that file, may differ between equal runs: no stage draws them.
///
/// # Errors
/// When a CSV is absent or malformed, or a file cannot be written.
pub fn draw_timings(results: &Path, out: &Path) -> Result<()> {
    seconds::draw(results, out).context("plots of seconds")
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

/// Methods of which every stage is that of one before them, such as those that differ in repair only, from methods and their stages.
fn twins<'a>(stages: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<String> {
    let mut made: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (method, stage) in stages {
        made.entry(method).or_default().insert(stage);
    }
    let earlier = |method: &str, stages| made.iter().any(|(other, others)| *other < method && others == stages);
    made.iter().filter(|(method, stages)| earlier(method, *stages)).map(|(method, _)| (*method).to_owned()).collect()
}

/// The split shown where one is: test, or the only one there is.
fn shown_split(splits: &[String], rows: &[usize]) -> &'static str {
    if rows.iter().any(|&row| splits[row] == "test") { "test" } else { "train" }
}

/// The stem of a plot's files.
fn file_name(kind: &str, pair: &(String, String)) -> String {
    format!("{kind}-{}-{}", pair.0, pair.1)
}
