//! What width does to merged models: accuracy and loss of the most models merged, of architectures that differ in nothing else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::architectures::{ArchitectureRow, families};
use crate::drawing::{Canvas, CurvePanels, Curves, Scale};
use crate::identity::{PairName, Part};
use crate::measurements::{MergedRow, ModelRow};
use crate::table::Row;

/// Draws `widths-<dataset>` where a family has at least two widths on a data set, trained alike.
pub fn draw(canvas: &Canvas) -> Result<()> {
    let families = families(&ArchitectureRow::read_if_present(canvas.results())?);
    if families.is_empty() {
        return Ok(());
    }
    let (merged, ends) = (MergedRow::read_from(canvas.results())?, ModelRow::read_from(canvas.results())?);
    for dataset in families.iter().map(|family| &family.dataset).collect::<BTreeSet<_>>() {
        let (mut panels, mut names, mut most) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut pairs: BTreeSet<&PairName> = BTreeSet::new();
        for family in families.iter().filter(|family| family.dataset == *dataset) {
            let width = |pair: &PairName| family.widths.get(&pair.architecture).copied().filter(|_| pair.dataset == *dataset);
            let merged: Vec<(&MergedRow, usize)> = merged.iter().filter_map(|row| Some((row, width(&row.key.pair)?))).collect();
            let ends: Vec<(&ModelRow, usize)> = ends.iter().filter_map(|row| Some((row, width(&row.pair)?))).collect();
            let Some(count) = shared(merged.iter().map(|(row, width)| (*width, row.models))) else { continue };
            most.insert(count);
            pairs.extend(merged.iter().map(|(row, _)| &row.key.pair));
            for split in [Part::Train, Part::Test] {
                let merged: Vec<_> = merged.iter().filter(|(row, _)| row.split == split && row.models == count).collect();
                let ends: Vec<_> = ends.iter().filter(|(row, _)| row.split == split).collect();
                if merged.is_empty() {
                    continue;
                }
                names.extend(merged.iter().map(|(row, _)| row.key.method.name().to_owned()));
                let of_merged: [fn(&MergedRow) -> f64; 2] = [|row| row.accuracy, |row| row.loss];
                let of_ends: [fn(&ModelRow) -> f64; 2] = [|row| row.accuracy, |row| row.loss];
                for (place, (metric, scale)) in [("accuracy", Scale::Accuracy), ("loss", Scale::Ratios)].into_iter().enumerate() {
                    let mut series: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
                    for (row, width) in &merged {
                        let widths = series.entry(row.key.method.name().to_owned()).or_default();
                        widths.entry(*width).or_default().push(of_merged[place](row));
                    }
                    let mut beside: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
                    for (row, width) in &ends {
                        beside.entry(*width).or_default().push(of_ends[place](row));
                    }
                    panels.push(Curves {
                        heading: format!("{}, {split}", family.heading),
                        along: "width: channels or units of the first hidden layer".to_owned(),
                        metric: metric.to_owned(),
                        doubling: true,
                        scale,
                        series,
                        beside: beside.into_iter().map(|(width, values)| (width, mean(&values))).collect(),
                        reported: BTreeMap::new(),
                        straight: None,
                    });
                }
            }
        }
        if panels.is_empty() {
            continue;
        }
        let most = most.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
        let title = format!("{most} models merged, by their width: {dataset}");
        let shows = "Accuracy and loss of merged models over the width of their architecture.";
        let note = &["a mark: one draw and", "replicate; line: their", "mean; dashed: mean of", "the models before", "merging"];
        let picture = CurvePanels { title, shows, legend: canvas.legend(names), panels, note };
        canvas.save_as(&picture, &format!("widths-{dataset}"), pairs)?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_compared_at_the_most_models_that_all_of_them_merged() {
        assert_eq!(shared([(16, 2), (16, 3), (32, 2), (32, 3), (32, 5)].into_iter()), Some(3));
        assert_eq!(shared([(16, 2), (32, 3)].into_iter()), None);
        assert_eq!(shared([(16, 2), (16, 3)].into_iter()), None, "one width is no comparison");
    }
}
