//! Where pictures are drawn from and saved to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::legend::Legend;
use super::method_style::{MethodRow, MethodStyles};
use super::picture::{Footed, Picture, list, save};
use crate::identity::{MethodLabel, PairName, Part};
use crate::table::{Csv, Row};
use crate::untrained::{UntrainedRow, named};

/// A folder of CSV files, and one of pictures.
pub struct Canvas {
    results: PathBuf,
    out: PathBuf,
    styles: MethodStyles,
    untrained: Vec<UntrainedRow>,
    pairs: Vec<PairName>,
}

impl Canvas {
    /// Pictures of the files in `results`, to be saved in `out`.
    ///
    /// # Errors
    /// When `methods.csv`, `untrained.csv` or `architectures.csv` is malformed.
    pub fn new(results: &Path, out: &Path) -> Result<Canvas> {
        let styles = MethodStyles::new(MethodRow::read_if_present(results)?);
        let untrained = UntrainedRow::read_if_present(results)?;
        Ok(Canvas { results: results.to_owned(), out: out.to_owned(), styles, untrained, pairs: pairs(results)? })
    }

    /// The folder of CSV files.
    pub fn results(&self) -> &Path {
        &self.results
    }

    /// How methods are drawn.
    pub fn styles(&self) -> &MethodStyles {
        &self.styles
    }

    /// A legend of methods, in the order of the spec.
    pub fn legend(&self, names: impl IntoIterator<Item = String>) -> Legend {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_by_key(|name| self.styles.rank(name));
        Legend::new(names, &self.styles)
    }

    /// A legend of the methods of these labels, draws taken together, in the order of the spec.
    pub fn legend_of<'a>(&self, labels: impl IntoIterator<Item = &'a MethodLabel>) -> Legend {
        let names: BTreeSet<&str> = labels.into_iter().map(MethodLabel::name).collect();
        self.legend(names.into_iter().map(str::to_owned))
    }

    /// Saves a picture of a pair as `<kind>-<dataset>-<architecture>`, SVG and PNG; joined by `+` where another pair has the same text.
    ///
    /// # Errors
    /// When it cannot be drawn or a file cannot be written.
    pub fn save(&self, picture: &impl Picture, kind: &str, pair: &PairName) -> Result<()> {
        self.save_as(picture, &format!("{kind}-{}", pair.slug(&self.pairs)), [pair])
    }

    /// Saves a picture of some pairs under a name, SVG and PNG. Below it stands which of their networks did not train.
    ///
    /// # Errors
    /// When it cannot be drawn or a file cannot be written.
    pub fn save_as<'p>(&self, picture: &impl Picture, stem: &str, pairs: impl IntoIterator<Item = &'p PairName>) -> Result<()> {
        let pairs: Vec<&PairName> = pairs.into_iter().collect();
        let of = |pair: &&PairName| {
            let rows: Vec<&UntrainedRow> = self.untrained.iter().filter(|row| row.pair == **pair).collect();
            let place = if pairs.len() > 1 { format!("of {}, {}: ", pair.dataset, pair.architecture) } else { String::new() };
            (!rows.is_empty()).then(|| format!("{place}{}", named(rows)))
        };
        let found: Vec<String> = pairs.iter().filter_map(of).collect();
        if found.is_empty() {
            return save(picture, &self.out, stem);
        }
        save(&Footed { picture, note: format!("not trained: {}", list(found)) }, &self.out, stem)
    }
}

/// The pairs of data set and architecture that a run has; none where no file lists them.
fn pairs(results: &Path) -> Result<Vec<PairName>> {
    let file = results.join("architectures.csv");
    if !file.exists() {
        return Ok(Vec::new());
    }
    let csv = Csv::read(&file)?;
    let [datasets, architectures] = [csv.texts("dataset")?, csv.texts("architecture")?];
    Ok(datasets.into_iter().zip(architectures).map(|(dataset, architecture)| PairName::new(dataset, architecture)).collect())
}

/// Rows by data set and architecture, in their order.
pub fn by_pair<R>(rows: Vec<R>, pair: impl Fn(&R) -> &PairName) -> BTreeMap<PairName, Vec<R>> {
    let mut groups: BTreeMap<PairName, Vec<R>> = BTreeMap::new();
    for row in rows {
        groups.entry(pair(&row).clone()).or_default().push(row);
    }
    groups
}

/// The split shown where one is: test, or the only one there is.
pub fn shown_part(parts: impl IntoIterator<Item = Part>) -> Part {
    if parts.into_iter().any(|part| part == Part::Test) { Part::Test } else { Part::Train }
}

/// Methods of which every stage is one of another method, such as those that differ in repair only: a picture of the stages needs them
/// once. Of several that share all stages, one without a repair stays, of these the first one of the spec. The draws of a method are one
/// method.
pub fn methods_sharing_stages<'a>(
    stages: impl Iterator<Item = (&'a MethodLabel, &'a str)>,
    styles: &MethodStyles,
) -> BTreeSet<MethodLabel> {
    let mut made: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut labels: BTreeSet<&MethodLabel> = BTreeSet::new();
    for (label, stage) in stages {
        made.entry(label.name()).or_default().insert(stage);
        labels.insert(label);
    }
    let rank = |name: &str| (styles.is_repaired(name), styles.rank(name), name.to_owned());
    let shares = |name: &str| {
        let own = &made[name];
        made.iter().any(|(other, others)| *other != name && own.is_subset(others) && (own.len() < others.len() || rank(other) < rank(name)))
    };
    labels.into_iter().filter(|label| shares(label.name())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sharing(stages: &[(&str, &str)], repaired: &[&str]) -> Vec<String> {
        let row = |name: &&str| {
            let [method, matching, merging, repair, plain] = [*name, "c2m3", "mean", "repair", ""].map(str::to_owned);
            MethodRow { method, matching, merging, repair, plain }
        };
        let styles = MethodStyles::new(repaired.iter().map(row).collect());
        let labels: Vec<(MethodLabel, &str)> = stages.iter().map(|(label, stage)| (label.parse().unwrap(), *stage)).collect();
        let found = methods_sharing_stages(labels.iter().map(|(label, stage)| (label, *stage)), &styles);
        found.into_iter().map(|label| label.to_string()).collect()
    }

    #[test]
    fn a_repaired_method_shares_the_stages_of_the_plain_one_whatever_their_names() {
        assert_eq!(sharing(&[("c2m3", "1"), ("c2m3-repair", "1"), ("other", "2")], &["c2m3-repair"]), ["c2m3-repair"]);
        assert_eq!(sharing(&[("c2m3", "1"), ("mended", "1")], &["mended"]), ["mended"]);
        assert_eq!(sharing(&[("no-repair", "1"), ("x", "1")], &["x"]), ["x"], "a name says nothing");
    }

    #[test]
    fn of_methods_without_a_repair_the_first_one_of_the_spec_stays() {
        let row = |name: &str| {
            let [method, matching, merging] = [name, "c2m3", "mean"].map(str::to_owned);
            MethodRow { method, matching, merging, repair: String::new(), plain: String::new() }
        };
        let styles = MethodStyles::new(["c2m3", "arc"].map(row).to_vec());
        let labels = ["arc", "c2m3"].map(MethodLabel::method);
        assert_eq!(methods_sharing_stages(labels.iter().map(|label| (label, "1")), &styles), [MethodLabel::method("arc")].into());
    }

    #[test]
    fn draws_of_a_method_share_stages_together_or_not_at_all() {
        let drawn = [("git-re-basin", "1"), ("drawn#1", "1"), ("drawn#2", "2")];
        assert_eq!(sharing(&drawn, &[]), ["git-re-basin"], "the draws hold all that the one has");
        assert!(sharing(&[("drawn#1", "1"), ("drawn#2", "1")], &[]).is_empty());
    }
}
