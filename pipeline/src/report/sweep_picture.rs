//! Accuracy and loss over the values of one key: `sweep-<dataset>-<architecture>`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::summary::WholeRow;
use crate::drawing::{Canvas, CurvePanels, Curves, Scale};
use crate::identity::{PairName, Part};
use crate::table::Row as _;

/// From this ratio of the greatest value to the least on, equal steps of the axis are equal ratios.
const FAR_APART: usize = 10;

/// The cells of a pair, each with the value of the key.
type Cells = Vec<(usize, WholeRow)>;

/// Draws a picture of each pair of data set and architecture. `settings` are values of the key, each with its results folder.
///
/// # Errors
/// When a CSV is malformed, or a file cannot be written.
pub fn draw_sweep(key: &str, settings: &[(usize, PathBuf)], out: &Path) -> Result<()> {
    let mut pairs: BTreeMap<PairName, Cells> = BTreeMap::new();
    for (value, results) in settings {
        for row in WholeRow::read_if_present(results)? {
            pairs.entry(row.pair.clone()).or_default().push((*value, row));
        }
    }
    let Some((_, first)) = settings.first() else { return Ok(()) };
    let canvas = Canvas::new(first, out)?;
    for (pair, cells) in &pairs {
        let mut panels = Vec::new();
        for (metric, named, scale) in [("accuracy", "accuracy", Scale::Accuracy), ("loss", "loss, nats", Scale::Ratios)] {
            for split in [Part::Train, Part::Test] {
                let shown: Vec<&(usize, WholeRow)> =
                    cells.iter().filter(|(_, row)| row.figures.metric == metric && row.figures.split == split).collect();
                if shown.iter().any(|(_, row)| !row.method.is_endpoints()) {
                    let heading = format!("{metric}, {split}");
                    panels.push(Curves { heading, metric: named.to_owned(), ..panel(key, scale, &shown) });
                }
            }
        }
        if panels.is_empty() {
            continue;
        }
        let legend = canvas.legend_of(cells.iter().map(|(_, row)| &row.method).filter(|method| !method.is_endpoints()));
        let title = format!("Over {key}: {}, {}", pair.dataset, pair.architecture);
        let shows = "Accuracy and loss over the values of a key.";
        let note = &["a mark: the mean over", "replicates, one draw;", "dashed: the mean of the", "models before merging"];
        canvas.save(&CurvePanels { title, shows, legend, panels, note }, "sweep", pair)?;
    }
    Ok(())
}

fn panel(key: &str, scale: Scale, cells: &[&(usize, WholeRow)]) -> Curves {
    let mut series: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    let mut beside: BTreeMap<usize, f64> = BTreeMap::new();
    for (value, row) in cells {
        if row.method.is_endpoints() {
            beside.insert(*value, row.figures.mean);
        } else {
            series.entry(row.method.name().to_owned()).or_default().entry(*value).or_default().push(row.figures.mean);
        }
    }
    let reach = cells.iter().map(|(value, _)| *value).min().zip(cells.iter().map(|(value, _)| *value).max());
    Curves {
        heading: String::new(),
        along: key.to_owned(),
        metric: String::new(),
        doubling: reach.is_some_and(|(least, greatest)| least > 0 && greatest >= FAR_APART * least),
        scale,
        series,
        beside,
        reported: BTreeMap::new(),
        straight: None,
    }
}
