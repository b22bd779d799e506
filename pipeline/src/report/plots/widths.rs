//! What width does to merged models: accuracy and loss of the most models merged, of architectures that differ in nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::curves::Curves;
use super::scale::Scale;
use super::style::{Legend, Picture, save, titled};
use crate::report::seeds::draw_of;
use crate::report::table::Csv;

/// Architectures of one data set that differ in width only: width by name.
pub(super) struct Family {
    pub(super) dataset: String,
    /// Family and shape, as a heading.
    pub(super) name: String,
    pub(super) widths: BTreeMap<String, usize>,
}

/// The families with at least two widths on one data set, trained alike.
pub(super) fn families(results: &Path) -> Result<Vec<Family>> {
    let path = results.join("architectures.csv");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let csv = Csv::read(&path)?;
    let [dataset, architecture, family, shape, training] =
        ["dataset", "architecture", "family", "shape", "training"].map(|name| csv.texts(name));
    let (dataset, architecture, family, shape, training) = (dataset?, architecture?, family?, shape?, training?);
    let mut families: BTreeMap<(String, String, String), BTreeMap<String, usize>> = BTreeMap::new();
    for (row, width) in csv.numbers("width")?.into_iter().enumerate() {
        if let Some(width) = width {
            let name = format!("{} {}", family[row], shape[row]);
            families
                .entry((dataset[row].clone(), name, training[row].clone()))
                .or_default()
                .insert(architecture[row].clone(), width as usize);
        }
    }
    let several = |widths: &BTreeMap<String, usize>| widths.values().collect::<BTreeSet<_>>().len() > 1;
    families.retain(|_, widths| several(widths));
    let alone = |dataset: &str, name: &str| families.keys().filter(|key| key.0 == dataset && key.1 == name).count() == 1;
    let named = |(dataset, name, training): &(String, String, String)| match alone(dataset, name) {
        true => name.clone(),
        false => format!("{name}, training {training}"),
    };
    let names: Vec<String> = families.keys().map(named).collect();
    let families = families.into_iter().zip(names);
    Ok(families.map(|(((dataset, ..), widths), name)| Family { dataset, name, widths }).collect())
}

struct Widths {
    title: String,
    legend: Legend,
    panels: Vec<Curves>,
}

/// Draws `widths-<dataset>` where a family has at least two widths on a data set, trained alike.
///
/// # Errors
/// When a CSV is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let families = families(results)?;
    if families.is_empty() {
        return Ok(());
    }
    let merged = Csv::read(&results.join("merged.csv"))?;
    let counts = merged.required("models")?;
    let (merged, ends) = (Columns::of(&merged, Some("method"))?, Columns::of(&Csv::read(&results.join("models.csv"))?, None)?);
    let datasets: BTreeSet<&String> = families.iter().map(|family| &family.dataset).collect();
    for dataset in datasets {
        let (mut panels, mut names, mut most) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for family in families.iter().filter(|family| family.dataset == *dataset) {
            let rows = |columns: &Columns| -> Vec<(usize, usize)> {
                let found = |row: usize| Some((row, *family.widths.get(&columns.architectures[row])?));
                (0..columns.splits.len()).filter(|&row| columns.datasets[row] == *dataset).filter_map(found).collect()
            };
            let (merged_rows, end_rows) = (rows(&merged), rows(&ends));
            let Some(count) = shared(merged_rows.iter().map(|&(row, width)| (width, counts[row] as usize))) else { continue };
            most.insert(count);
            for split in ["train", "test"] {
                for (metric, scale) in [("accuracy", Scale::Accuracy), ("loss", Scale::Ratios)] {
                    let mut series: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
                    for &(row, width) in
                        merged_rows.iter().filter(|&&(row, _)| merged.splits[row] == split && counts[row] as usize == count)
                    {
                        let method = draw_of(&merged.methods[row]).0;
                        names.insert(method.to_owned());
                        series.entry(method.to_owned()).or_default().entry(width).or_default().push(merged.metric(metric)[row]);
                    }
                    let mut beside: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
                    for &(row, width) in end_rows.iter().filter(|&&(row, _)| ends.splits[row] == split) {
                        beside.entry(width).or_default().push(ends.metric(metric)[row]);
                    }
                    if !series.is_empty() {
                        panels.push(Curves {
                            heading: format!("{}, {split}", family.name),
                            along: "width: channels or units of the first hidden layer".to_owned(),
                            metric: metric.to_owned(),
                            doubling: true,
                            scale,
                            series,
                            beside: beside.into_iter().map(|(width, values)| (width, mean(&values))).collect(),
                            straight: None,
                        });
                    }
                }
            }
        }
        if panels.is_empty() {
            continue;
        }
        let most = most.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
        let title = format!("{most} models merged, by their width: {dataset}");
        save(&Widths { title, legend: Legend::new(names.into_iter().collect()), panels }, out, &format!("widths-{dataset}"))?;
    }
    Ok(())
}

/// The columns that both `merged.csv` and `models.csv` have, and the method where there is one.
struct Columns {
    datasets: Vec<String>,
    architectures: Vec<String>,
    methods: Vec<String>,
    splits: Vec<String>,
    losses: Vec<f64>,
    accuracies: Vec<f64>,
}

impl Columns {
    fn of(csv: &Csv, method: Option<&str>) -> Result<Columns> {
        Ok(Columns {
            datasets: csv.texts("dataset")?,
            architectures: csv.texts("architecture")?,
            methods: method.map(|method| csv.texts(method)).transpose()?.unwrap_or_default(),
            splits: csv.texts("split")?,
            losses: csv.required("loss")?,
            accuracies: csv.required("accuracy")?,
        })
    }

    fn metric(&self, name: &str) -> &[f64] {
        if name == "loss" { &self.losses } else { &self.accuracies }
    }
}

/// The greatest number of models merged that every width has.
pub(super) fn shared(counts: impl Iterator<Item = (usize, usize)>) -> Option<usize> {
    let mut by_width: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (width, count) in counts {
        by_width.entry(width).or_default().insert(count);
    }
    let mut sets = by_width.values();
    let first = sets.next()?.clone();
    if by_width.len() < 2 {
        return None;
    }
    sets.fold(first, |known, other| &known & other).into_iter().max()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Picture for Widths {
    fn size(&self) -> (u32, u32) {
        (1400, 60 + 470 * self.panels.len().div_ceil(2) as u32)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let (charts, side) = area.split_horizontally(1170);
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((self.panels.len().div_ceil(2), 2))) {
            panel.draw(&cell, &self.legend)?;
        }
        self.legend
            .draw(&side, &["a mark: one draw and", "replicate; line: their", "mean; dashed: mean of", "the models before", "merging"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_compared_at_the_most_models_that_all_of_them_merged() {
        assert_eq!(shared([(16, 2), (16, 3), (32, 2), (32, 3), (32, 5)].into_iter()), Some(3));
        assert_eq!(shared([(16, 2), (32, 3)].into_iter()), None);
        assert_eq!(shared([(16, 2), (16, 3)].into_iter()), None, "one width is no comparison");
    }
    #[test]
    fn only_widths_that_were_trained_alike_make_a_curve() {
        let folder = tempfile::tempdir().unwrap();
        let header = "dataset,architecture,stands_for,family,shape,width,parameters,training\n";
        let curves = |rows: &str| {
            std::fs::write(folder.path().join("architectures.csv"), format!("{header}{rows}")).unwrap();
            families(folder.path()).unwrap().into_iter().map(|family| family.widths.into_values().collect()).collect::<Vec<Vec<usize>>>()
        };
        let row = |name: &str, width: usize, training: &str| format!("glyphs,{name},,resnet,depth-8,{width},1,{training}\n");
        let (narrow, wide) = (row("narrow", 4, "alike"), row("wide", 8, "alike"));
        assert_eq!(curves(&format!("{narrow}{wide}")), [[4, 8]]);
        assert!(curves(&format!("{narrow}{}", row("wide", 8, "longer"))).is_empty());
        assert!(curves(&narrow).is_empty(), "one width is no curve");
    }
}
