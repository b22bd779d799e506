//! Lines between models on the way of their training: `epochs.csv`, a picture of the barrier over the epochs, a section of `table.md`.
//!
//! Source: Git Re-Basin (arXiv 2209.04836), figure 3.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context as _, Result};
use onebasin_matching::barrier;
use serde::Serialize;

use super::barriers::stage::{ARTIFACT, Point};
use super::barriers::{Barriers, Line, Lines, for_each_line};
use super::{Measurement, reported_over_time};
use crate::drawing::{Canvas, CurvePanels, Curves, Scale, by_pair, method_rank};
use crate::identity::{MethodLabel, PairName, Part, ResultKey};
use crate::number;
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, Needs, SpecError};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::table::{Row, Tables, row};
use crate::untrained::Unlearned;

/// The measurement.
pub struct Epochs;

/// From this ratio of the last epoch to the first on, equal steps of the axis are equal ratios.
const FAR_APART: usize = 10;

/// Below the legend.
const ONE_LINE: &[&str] = &["a mark: one line and", "replicate; solid: their", "mean; dashed: no barrier,", "and the mean of the ends"];
const WITH_REPORTED: &[&str] =
    &["a mark: one line and", "replicate; solid: their", "mean; dashed: no barrier,", "and the mean of the ends;", "open marks: reported"];

row! {
    /// A line between two models after an epoch, on a split: a row of `epochs.csv`.
    pub struct EpochRow in "epochs.csv", order |a, b| {
        let key = |row: &Self| (row.key.clone(), row.fixed.clone(), row.permutee.clone(), row.epoch, row.split.name());
        key(a).cmp(&key(b))
    };
    {
        key: ResultKey,
        /// The model at λ = 0.
        fixed: String,
        /// The model at λ = 1, on the units of the other.
        permutee: String,
        /// Epochs done by both.
        epoch: usize,
        split: Part,
        /// Over the mean of the end losses.
        barrier_mean: f64,
        /// Over the straight line between the end losses.
        barrier_line: f64,
        /// Mean loss of the ends, in nats.
        end_loss: f64,
        /// Mean accuracy of the ends.
        end_accuracy: f64,
        /// At the point nearest to λ = ½, the lower of two.
        midpoint_loss: f64,
        midpoint_accuracy: f64,
        stage: String,
    }
}

/// Which line an artifact is.
#[derive(Serialize)]
struct EpochRecord {
    key: ResultKey,
    fixed: String,
    permutee: String,
    epoch: usize,
}

impl Record for EpochRecord {
    const OF: &'static str = "epoch";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let points: Vec<Point> = read_json(artifact, ARTIFACT)?;
        for points in points.chunk_by(|a, b| a.split == b.split) {
            let lambdas: Vec<f64> = points.iter().map(|point| point.lambda).collect();
            let losses: Vec<f64> = points.iter().map(|point| point.loss).collect();
            let height = barrier(&lambdas, &losses).with_context(|| format!("the line from `{}` to `{}`", self.fixed, self.permutee))?;
            let (first, last) = (&points[0], &points[points.len() - 1]);
            let middle = &points[(points.len() - 1) / 2];
            tables.extend([EpochRow {
                key: self.key.clone(),
                fixed: self.fixed.clone(),
                permutee: self.permutee.clone(),
                epoch: self.epoch,
                split: first.split,
                barrier_mean: height.mean,
                barrier_line: height.line,
                end_loss: (first.loss + last.loss) / 2.0,
                end_accuracy: (first.accuracy + last.accuracy) / 2.0,
                midpoint_loss: middle.loss,
                midpoint_accuracy: middle.accuracy,
                stage: stage.to_owned(),
            }]);
        }
        Ok(())
    }
}

impl Measurement for Epochs {
    /// After which epochs, and between which models.
    type Request = (Vec<usize>, Lines);

    fn check(asked: &Asked<'_>) -> Result<Option<Self::Request>, SpecError> {
        let epochs = asked.epochs();
        if epochs.is_empty() {
            return Ok(None);
        }
        let here = asked.at(["epochs"]);
        let lines = Barriers::check(asked)?.unwrap_or_default();
        if lines.is_empty() {
            let message = "`evaluation.epochs` measures lines between models, but there are none";
            return Err(asked.wrong(&here, message).hint("let `evaluation.pairs` be \"all\" or a list, or leave `epochs` out"));
        }
        if !asked.methods.iter().any(|method| method.has_lines()) {
            let message = "`evaluation.epochs` measures lines between models, but no method has any: ensembles, single models and fine-tuned ones do not";
            return Err(asked
                .wrong(&here, message)
                .hint("add `{ name = \"naive\", matching = { by = \"identity\" } }`, or leave `epochs` out"));
        }
        if asked.lambdas().is_multiple_of(2) {
            let message = format!(
                "`evaluation.epochs` measures the middle of lines, and of `lambdas` = {} points on a line none lies there",
                asked.lambdas()
            );
            return Err(asked.wrong(&asked.at(["lambdas"]), message).hint("take an odd number: 25, as the papers do, or 3"));
        }
        asked.few_stages(&here, "lines between models", lines.len() * epochs.len())?;
        Ok(Some((epochs.to_vec(), lines)))
    }

    fn needs(_: &Self::Request) -> Needs {
        Needs { lines: true, ..Needs::default() }
    }

    fn plan((epochs, lines): &Self::Request, planner: &mut PairPlanner<'_, '_>) {
        for &epoch in epochs {
            planner.after_epoch(epoch, |planner| {
                for_each_line(lines, planner, |planner, Line { stage, key, fixed, permutee }| {
                    planner.record(stage, EpochRecord { key, fixed, permutee, epoch });
                });
            });
        }
    }

    /// The barrier of each method after each epoch, as a mean over lines and replicates.
    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let of_pair: Vec<&EpochRow> = tables.of::<EpochRow>().iter().filter(|row| row.key.pair == *pair).collect();
        let epochs: BTreeSet<usize> = of_pair.iter().map(|row| row.epoch).collect();
        let mut cells: BTreeMap<(&str, usize, &MethodLabel), BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
        for row in &of_pair {
            let rank = method_rank(tables.of(), row.key.method.name());
            let of_method = cells.entry((row.split.name(), rank, &row.key.method)).or_default();
            of_method.entry(row.epoch).or_default().push(row.barrier_mean);
        }
        if cells.is_empty() {
            return String::new();
        }
        let heads: String = epochs.iter().map(|epoch| format!(" {epoch} |")).collect();
        let mut text = format!(
            "\n### Barriers on the way\n\nAfter so many epochs of training, over the mean of the end losses: the mean over lines and \
             replicates.\n\n| method | split |{heads}\n| --- | --- |{}\n",
            " ---: |".repeat(epochs.len())
        );
        for ((split, _, method), values) in &cells {
            let _ = write!(text, "| {method}{} | {split} |", unlearned.sign(method));
            for epoch in &epochs {
                let shown = values.get(epoch).map(|values| number::shown(values.iter().sum::<f64>() / values.len() as f64));
                let _ = write!(text, " {} |", shown.unwrap_or_default());
            }
            text.push('\n');
        }
        text
    }

    /// Draws `epochs-<dataset>-<architecture>`: the barrier, and the accuracy halfway, over the epochs.
    fn draw(canvas: &Canvas) -> Result<()> {
        for (pair, rows) in by_pair(EpochRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
            let figures: [(&str, Scale, Figure, Figure); 2] = [
                ("barrier over the mean of the ends, nats", Scale::Even, |row| row.barrier_mean, |_| 0.0),
                ("accuracy halfway", Scale::Accuracy, |row| row.midpoint_accuracy, |row| row.end_accuracy),
            ];
            let beside = reported_over_time::read(canvas, &pair)?;
            let mut panels = Vec::new();
            for (metric, scale, value, end) in figures {
                for split in [Part::Train, Part::Test] {
                    let of_split: Vec<&EpochRow> = rows.iter().filter(|row| row.split == split).collect();
                    if !of_split.is_empty() {
                        let name = if metric.starts_with("barrier") { "barrier_mean" } else { "" };
                        let reported = reported_over_time::reported(&beside, name, split, |moment| moment.epoch);
                        panels.push(Curves { reported, ..panel(&of_split, (metric, scale), value, end) });
                    }
                }
            }
            let title = format!("From one model to another, after each of some epochs: {}, {}", pair.dataset, pair.architecture);
            let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
            let shows = "Barrier and accuracy halfway between two models over the epochs of their training.";
            let note = if beside.is_empty() { ONE_LINE } else { WITH_REPORTED };
            canvas.save(&CurvePanels { title, shows, legend, panels, note }, "epochs", &pair)?;
        }
        Ok(())
    }
}

/// A number of a row.
type Figure = fn(&EpochRow) -> f64;

fn panel(rows: &[&EpochRow], (metric, scale): (&str, Scale), value: Figure, end: Figure) -> Curves {
    let mut series: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    let mut ends: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for row in rows {
        series.entry(row.key.method.name().to_owned()).or_default().entry(row.epoch).or_default().push(value(row));
        ends.entry(row.epoch).or_default().push(end(row));
    }
    let reach = ends.keys().next().zip(ends.keys().next_back());
    Curves {
        heading: format!("{}, {}", metric.split(',').next().unwrap_or(metric), rows[0].split),
        along: "epochs of training".to_owned(),
        metric: metric.to_owned(),
        doubling: reach.is_some_and(|(first, last)| *last >= FAR_APART * first),
        scale,
        series,
        beside: ends.into_iter().map(|(epoch, values)| (epoch, values.iter().sum::<f64>() / values.len() as f64)).collect(),
        reported: BTreeMap::new(),
        straight: None,
    }
}
