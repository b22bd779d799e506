//! Our figures against bands: `onebasin check`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::reported;
use super::table::Csv;

/// One figure of ours beside the band it should lie in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// What the figure is about: data set, architecture, method, number of models, metric, split.
    pub cell: String,
    /// Our figure; `None` when the results have no such cell.
    pub ours: Option<f64>,
    /// Lower end of the band.
    pub low: f64,
    /// Upper end of the band.
    pub high: f64,
}

impl Compared {
    /// Whether our figure is there and lies in its band.
    pub fn holds(&self) -> bool {
        self.ours.is_some_and(|ours| (self.low..=self.high).contains(&ours))
    }
}

/// Compares the `by-models.csv` of a results folder with a file of reported or earlier figures.
///
/// Each figure's band is its value plus and minus its tolerance.
///
/// # Errors
/// When a file is absent or malformed.
pub fn check(results: &Path, against: &Path) -> Result<Vec<Compared>> {
    let bytes = std::fs::read(against).with_context(|| format!("cannot read `{}`", against.display()))?;
    let figures = reported::parse(&bytes, &against.display().to_string())?;
    if figures.is_empty() {
        bail!("`{}` holds no figure\nhint: its columns are {}", against.display(), reported::COLUMNS.join(", "));
    }
    let ours = Csv::read(&results.join("by-models.csv")).context("hint: run the experiment first")?;
    let keys = ["dataset", "architecture", "method", "metric", "split"].map(|name| ours.texts(name));
    let [datasets, architectures, methods, metrics, splits] = keys;
    let (datasets, architectures, methods, metrics, splits) = (datasets?, architectures?, methods?, metrics?, splits?);
    let (models, means) = (ours.required("models")?, ours.required("mean")?);
    let compared = figures.into_iter().map(|figure| {
        let row = (0..means.len()).find(|&row| {
            datasets[row] == figure.dataset
                && architectures[row] == figure.architecture
                && methods[row] == figure.method
                && models[row] as usize == figure.models
                && metrics[row] == figure.metric
                && splits[row] == figure.split
        });
        Compared {
            cell: format!(
                "{} {} {} of {} {} {}",
                figure.dataset, figure.architecture, figure.method, figure.models, figure.metric, figure.split
            ),
            ours: row.map(|row| means[row]),
            low: figure.value - figure.tolerance,
            high: figure.value + figure.tolerance,
        }
    });
    Ok(compared.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_inside_its_band_holds_and_an_absent_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let header = "dataset,architecture,method,models,metric,split";
        std::fs::write(folder.path().join("by-models.csv"), format!("{header},mean\nmnist,mlp,c2m3,5,accuracy,test,0.980000\n")).unwrap();
        let against = folder.path().join("bands.csv");
        let row = |method: &str, value: f64| format!("mnist,mlp,{method},5,accuracy,test,{value},,0.006,earlier run\n");
        let text = format!("{header},value,sd,tolerance,source\n{}{}{}", row("c2m3", 0.983), row("c2m3", 0.99), row("naive", 0.5));
        std::fs::write(&against, text).unwrap();
        let compared = check(folder.path(), &against).unwrap();
        assert_eq!(compared.iter().map(Compared::holds).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(compared[2].ours, None);
    }
}
