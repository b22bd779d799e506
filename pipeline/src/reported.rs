//! Figures that others reported, as a file of data with their sources.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::input_file;
use crate::table::{Columns as _, Csv, Table, columns};

/// Columns of a file of reported figures.
pub const COLUMNS: [&str; 10] = ["dataset", "architecture", "method", "models", "metric", "split", "value", "sd", "tolerance", "source"];

/// Columns that such a file may leave out.
pub const OPTIONAL_COLUMNS: [&str; 2] = ["epoch", "round"];

/// Which networks a figure is of, where not of the finished ones. At most one is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// After so many epochs of training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<usize>,
    /// After so many rounds of training and merging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<usize>,
}

columns!(Moment { epoch: Option<usize>, round: Option<usize> });

impl Moment {
    /// The finished networks.
    pub const END: Moment = Moment { epoch: None, round: None };

    /// After so many epochs.
    pub fn epoch(epoch: usize) -> Moment {
        Moment { epoch: Some(epoch), round: None }
    }

    /// After so many rounds.
    pub fn round(round: usize) -> Moment {
        Moment { epoch: None, round: Some(round) }
    }

    /// In words, `epoch 5` or `round 5`; nothing of the finished networks.
    pub fn words(self) -> String {
        let Moment { epoch, round } = self;
        epoch.map(|epoch| format!("epoch {epoch}")).or(round.map(|round| format!("round {round}"))).unwrap_or_default()
    }
}

/// One reported figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// Names as in the spec that compares itself with it.
    pub dataset: String,
    /// As in the spec.
    pub architecture: String,
    /// As in the spec; `endpoints` for the mean over the models before merging.
    pub method: String,
    /// Number of models merged, or compared.
    pub models: usize,
    /// `loss`, `accuracy`, `barrier_line` or `barrier_mean`.
    pub metric: String,
    /// `train` or `test`.
    pub split: String,
    /// The figure.
    pub value: f64,
    /// Its standard deviation, where one was reported.
    pub sd: Option<f64>,
    /// How far ours may lie from it, at the same settings, to count as agreeing.
    pub tolerance: f64,
    /// Which networks it is of.
    #[serde(flatten)]
    pub moment: Moment,
    /// Paper and figure or table, and how the value was obtained.
    pub source: String,
}

impl Reported {
    /// Whether a figure lies within a tolerance of it. At its edge, where shares of images often lie, rounding says nothing.
    pub fn allows(&self, ours: f64, tolerance: f64) -> bool {
        (ours - self.value).abs() <= tolerance + 1e-9 * self.value.abs().max(1.0)
    }
}

/// All columns that such a file may have, in words.
pub fn columns_text() -> String {
    [&COLUMNS[..], &OPTIONAL_COLUMNS].concat().join(", ")
}

/// Reads the reported figures of a file.
///
/// # Errors
/// When it cannot be read; as [`parse`].
pub fn read(file: &Path) -> Result<Vec<Reported>> {
    let bytes = input_file::bytes(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    parse(&bytes, &file.display().to_string())
}

/// Reads reported figures.
///
/// # Errors
/// When a column is missing, a number is none, or a metric or split is unknown; the error names the row.
pub fn parse(bytes: &[u8], origin: &str) -> Result<Vec<Reported>> {
    let csv = Csv::parse(bytes, origin)?;
    if let Some(name) = csv.names().into_iter().find(|name| !COLUMNS.contains(name) && !OPTIONAL_COLUMNS.contains(name)) {
        bail!("`{origin}` has a column `{name}` that figures do not have\nhint: its columns are {}, each once", columns_text());
    }
    let [dataset, architecture, method, metric, split, source] =
        ["dataset", "architecture", "method", "metric", "split", "source"].map(|name| csv.texts(name));
    let (dataset, architecture, method, metric, split, source) = (dataset?, architecture?, method?, metric?, split?, source?);
    let (models, value, sd, tolerance) = (csv.required("models")?, csv.required("value")?, csv.numbers("sd")?, csv.required("tolerance")?);
    let [epoch, round] = OPTIONAL_COLUMNS.map(|name| moments(&csv, name));
    let (epoch, round) = (epoch?, round?);
    let mut figures = Vec::with_capacity(csv.height());
    for row in 0..csv.height() {
        if !["loss", "accuracy", "barrier_line", "barrier_mean"].contains(&metric[row].as_str()) {
            bail!("`{origin}`, row {}: unknown metric `{}`\nhint: use loss, accuracy, barrier_line or barrier_mean", row + 2, metric[row]);
        }
        if !["train", "test"].contains(&split[row].as_str()) {
            bail!("`{origin}`, row {}: unknown split `{}`\nhint: use train or test", row + 2, split[row]);
        }
        if source[row].trim().is_empty() {
            bail!("`{origin}`, row {}: no source\nhint: every reported figure names where it was read", row + 2);
        }
        if !value[row].is_finite() || !tolerance[row].is_finite() || tolerance[row] < 0.0 {
            let (value, tolerance) = (value[row], tolerance[row]);
            bail!(
                "`{origin}`, row {}: value `{value}` with tolerance `{tolerance}`, expected a number and one that is not negative",
                row + 2
            );
        }
        if metric[row] == "accuracy" && !(0.0..=1.0).contains(&value[row]) {
            bail!("`{origin}`, row {}: accuracy `{}`, expected a share from 0 to 1", row + 2, value[row]);
        }
        if sd[row].is_some_and(|sd| !sd.is_finite() || sd < 0.0) {
            bail!(
                "`{origin}`, row {}: `sd` is `{}`, expected a number that is not negative, or nothing",
                row + 2,
                sd[row].unwrap_or_default()
            );
        }
        let is_of_ends = method[row] == "endpoints";
        if is_of_ends && (epoch[row].is_some() || round[row].is_some() || metric[row].starts_with("barrier")) {
            let message = "of `endpoints` there are accuracy and loss of the finished models alone";
            bail!("`{origin}`, row {}: {message}\nhint: a barrier is of a method", row + 2);
        }
        let is_barrier = metric[row].starts_with("barrier");
        match (epoch[row], round[row]) {
            (Some(_), Some(_)) => bail!("`{origin}`, row {}: an epoch and a round\nhint: a figure is of one of them", row + 2),
            (Some(_), None) if !is_barrier => {
                bail!("`{origin}`, row {}: {} after an epoch\nhint: of an epoch there are barriers alone", row + 2, metric[row]);
            }
            (None, Some(_)) if is_barrier => {
                bail!("`{origin}`, row {}: {} after a round\nhint: of a round there are accuracy and loss alone", row + 2, metric[row]);
            }
            _ => {}
        }
        let count = models[row];
        if count.fract() != 0.0 || !(1.0..=1e6).contains(&count) {
            bail!("`{origin}`, row {}: `models` is `{count}`, expected how many models were merged", row + 2);
        }
        figures.push(Reported {
            dataset: dataset[row].clone(),
            architecture: architecture[row].clone(),
            method: method[row].clone(),
            models: count as usize,
            metric: metric[row].clone(),
            split: split[row].clone(),
            value: value[row],
            sd: sd[row],
            tolerance: tolerance[row],
            moment: Moment { epoch: epoch[row], round: round[row] },
            source: source[row].clone(),
        });
        let cell = |figure: &Reported| {
            let Reported { dataset, architecture, method, models, metric, split, moment, .. } = figure.clone();
            (dataset, architecture, method, models, metric, split, moment)
        };
        let (last, earlier) = figures.split_last().expect("one was put there");
        if let Some(first) = earlier.iter().position(|figure| cell(figure) == cell(last)) {
            bail!("`{origin}`, row {}: the same cell as row {}\nhint: a cell has one reported figure", row + 2, first + 2);
        }
    }
    Ok(figures)
}

/// A column of whole numbers from 1, empty where there is none of them or no such column.
fn moments(csv: &Csv, name: &str) -> Result<Vec<Option<usize>>> {
    if !csv.has(name) {
        return Ok(vec![None; csv.height()]);
    }
    csv.parsed(name, "a whole number from 1, or nothing", |text| match text {
        "" => Some(None),
        _ => text.parse().ok().filter(|number| *number > 0).map(Some),
    })
}

/// Writes figures as [`parse`] reads them.
///
/// # Errors
/// When the table cannot be made.
pub fn write(figures: &[Reported]) -> Result<Vec<u8>> {
    let mut table = Table::new()
        .text("dataset", figures.iter().map(|figure| &figure.dataset))
        .text("architecture", figures.iter().map(|figure| &figure.architecture))
        .text("method", figures.iter().map(|figure| &figure.method))
        .whole("models", figures.iter().map(|figure| figure.models));
    if figures.iter().any(|figure| figure.moment != Moment::END) {
        table = Moment::add(table, "", figures.iter().map(|figure| &figure.moment));
    }
    table
        .text("metric", figures.iter().map(|figure| &figure.metric))
        .text("split", figures.iter().map(|figure| &figure.split))
        .number("value", figures.iter().map(|figure| Some(figure.value)))
        .number("sd", figures.iter().map(|figure| figure.sd))
        .number("tolerance", figures.iter().map(|figure| Some(figure.tolerance)))
        .text("source", figures.iter().map(|figure| &figure.source))
        .bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\n";

    #[test]
    fn a_figure_without_a_source_or_with_an_unknown_metric_is_refused_by_row() {
        let wrong = |row: &str| parse(format!("{HEADER}{row}\n").as_bytes(), "a.csv").unwrap_err().to_string();
        assert!(wrong("mnist,mlp,c2m3,5,accuracy,test,0.9,,0.006,").starts_with("`a.csv`, row 2: no source"));
        assert!(wrong("mnist,mlp,c2m3,5,top5,test,0.9,,0.006,x").starts_with("`a.csv`, row 2: unknown metric `top5`"));
        assert!(wrong("mnist,mlp,c2m3,5,loss,valid,0.9,,0.006,x").starts_with("`a.csv`, row 2: unknown split `valid`"));
        assert!(wrong("mnist,mlp,c2m3,5,loss,test,0.9,,-1,x").contains("tolerance `-1`"));
        assert!(wrong("mnist,mlp,c2m3,5,loss,test,nan,,0.1,x").contains("value `NaN`"));
        assert!(wrong("mnist,mlp,c2m3,2.5,loss,test,0.9,,0.1,x").contains("`models` is `2.5`"));
        assert!(wrong("mnist,mlp,c2m3,five,loss,test,0.9,,0.006,x").contains("expected a number"));
        assert!(wrong("mnist,mlp,c2m3,5,accuracy,test,1.9,,0.006,x").contains("accuracy `1.9`, expected a share from 0 to 1"));
        let row = "mnist,mlp,c2m3,5,loss,test,0.9,,0.006,x";
        assert!(wrong(&format!("{row}\n{row}")).starts_with("`a.csv`, row 3: the same cell as row 2"));
    }
}
