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

use super::seeds::draw_of;
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

/// Methods of which every stage is one of another method, such as those that differ in repair only, from methods and their stages. Of several
/// that share all stages the one whose name speaks of no repair, and then the shortest, is no twin. The draws of a method are one method.
fn twins<'a>(stages: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<String> {
    let mut made: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (method, stage) in stages {
        made.entry(draw_of(method).0).or_default().insert(stage);
        names.insert(method);
    }
    let rank = |method: &str| (method.contains("repair"), method.len(), method.to_owned());
    let is_twin = |method: &str| {
        let own = &made[method];
        made.iter()
            .any(|(other, others)| *other != method && own.is_subset(others) && (own.len() < others.len() || rank(other) < rank(method)))
    };
    names.into_iter().filter(|name| is_twin(draw_of(name).0)).map(str::to_owned).collect()
}

/// The split shown where one is: test, or the only one there is.
fn shown_split(splits: &[String], rows: &[usize]) -> &'static str {
    if rows.iter().any(|&row| splits[row] == "test") { "test" } else { "train" }
}

/// The stem of a plot's files.
fn file_name(kind: &str, pair: &(String, String)) -> String {
    format!("{kind}-{}-{}", pair.0, pair.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twins_of(stages: &[(&str, &str)]) -> Vec<String> {
        twins(stages.iter().copied()).into_iter().collect()
    }

    #[test]
    fn a_repaired_method_is_the_twin_of_the_plain_one_whatever_their_names() {
        assert_eq!(twins_of(&[("c2m3", "1"), ("c2m3-repair", "1"), ("other", "2")]), ["c2m3-repair"]);
        assert_eq!(twins_of(&[("c2m3", "1"), ("a-repaired", "1")]), ["a-repaired"]);
    }

    #[test]
    fn draws_of_a_method_are_twins_together_or_not_at_all() {
        let drawn = [("git-re-basin", "1"), ("drawn#1", "1"), ("drawn#2", "2")];
        assert_eq!(twins_of(&drawn), ["git-re-basin"], "the draws hold all that the one has");
        assert!(twins_of(&[("drawn#1", "1"), ("drawn#2", "1")]).is_empty());
    }
}
