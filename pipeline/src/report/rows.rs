//! The rows of the result files, one struct a file, and how each file is written.

use std::path::Path;

use anyhow::Result;

use super::others::OtherRows;
use super::seeds;
use super::table::Table;

/// Which data set and architecture a row belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Name of the data set in the spec.
    pub dataset: String,
    /// Name of the architecture in the spec.
    pub architecture: String,
}

/// An end-point model on a split: a row of `models.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRow {
    /// Data set and architecture.
    pub pair: Pair,
    /// Which repetition of the whole experiment.
    pub replicate: usize,
    /// The model's name.
    pub model: String,
    /// `train` or `test`.
    pub split: String,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// First characters of the fingerprint that made the row.
    pub stage: String,
}

/// A merged model on a split: a row of `merged.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedRow {
    /// Data set and architecture.
    pub pair: Pair,
    /// The method's name in the spec.
    pub method: String,
    /// Which repetition of the whole experiment.
    pub replicate: usize,
    /// How many models.
    pub models: usize,
    /// `train` or `test`.
    pub split: String,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// First characters of the fingerprint that made the row.
    pub stage: String,
}

/// A point of an interpolation: a row of `barriers.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct BarrierRow {
    /// Data set and architecture.
    pub pair: Pair,
    /// The method's name in the spec.
    pub method: String,
    /// Which repetition of the whole experiment.
    pub replicate: usize,
    /// The model at λ = 0.
    pub fixed: String,
    /// The model at λ = 1, on the units of the other.
    pub permutee: String,
    /// `train` or `test`.
    pub split: String,
    /// Share of the permutee.
    pub lambda: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// First characters of the fingerprint that made the row.
    pub stage: String,
}

/// An alignment: a row of `matching.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchingRow {
    /// Data set and architecture.
    pub pair: Pair,
    /// The method's name in the spec.
    pub method: String,
    /// Which repetition of the whole experiment.
    pub replicate: usize,
    /// How many models (`5`), or which two (`a-b`).
    pub models: String,
    /// Sum of inner products over pairs of models.
    pub objective: f64,
    /// Iterations of the method.
    pub iterations: usize,
    /// Why it ended.
    pub outcome: String,
    /// Largest distance of a model from itself after a cycle of maps.
    pub cycle_error: f64,
    /// Largest difference of a logit between a model and its image in the frame.
    pub function_error: f64,
    /// First characters of the fingerprint that made the row.
    pub stage: String,
}

/// An iterate of an alignment: a row of `traces.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRow {
    /// Data set and architecture.
    pub pair: Pair,
    /// The method's name in the spec.
    pub method: String,
    /// Which repetition of the whole experiment.
    pub replicate: usize,
    /// How many models.
    pub models: String,
    /// Which iterate.
    pub iteration: usize,
    /// Sum of inner products over pairs of models.
    pub objective: f64,
    /// Step size, where the method has one.
    pub step: Option<f64>,
    /// First characters of the fingerprint that made the row.
    pub stage: String,
}

/// Everything measured in an experiment, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Rows of `models.csv`.
    pub models: Vec<ModelRow>,
    /// Rows of `merged.csv`.
    pub merged: Vec<MergedRow>,
    /// Rows of `barriers.csv`.
    pub barriers: Vec<BarrierRow>,
    /// Rows of `matching.csv`.
    pub matching: Vec<MatchingRow>,
    /// Rows of `traces.csv`.
    pub traces: Vec<TraceRow>,
    /// Rows of the files that only some experiments have.
    pub others: OtherRows,
}

impl Rows {
    /// Sorts every list by its key columns, in the order of the columns.
    pub fn sort(&mut self) {
        self.models.sort_by(|a, b| {
            (&a.pair, a.replicate, by_length(&a.model), &a.split).cmp(&(&b.pair, b.replicate, by_length(&b.model), &b.split))
        });
        self.merged.sort_by(|a, b| {
            (&a.pair, &a.method, a.replicate, a.models, &a.split).cmp(&(&b.pair, &b.method, b.replicate, b.models, &b.split))
        });
        self.barriers.sort_by(|a, b| {
            let key =
                |r: &'_ BarrierRow| (r.pair.clone(), r.method.clone(), r.replicate, r.fixed.clone(), r.permutee.clone(), r.split.clone());
            key(a).cmp(&key(b)).then(a.lambda.total_cmp(&b.lambda))
        });
        let key = |models: &str| models.parse::<usize>().map_or((0, models.to_owned()), |count| (count, String::new()));
        self.matching
            .sort_by(|a, b| (&a.pair, &a.method, a.replicate, key(&a.models)).cmp(&(&b.pair, &b.method, b.replicate, key(&b.models))));
        self.traces.sort_by(|a, b| {
            (&a.pair, &a.method, a.replicate, key(&a.models), a.iteration).cmp(&(
                &b.pair,
                &b.method,
                b.replicate,
                key(&b.models),
                b.iteration,
            ))
        });
        self.others.sort();
    }

    /// Writes `models.csv`, `merged.csv`, `barriers.csv`, `matching.csv` and `traces.csv` into a folder, and those of the other files that
    /// have rows.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let table = pair_columns(self.models.iter().map(|row| &row.pair))
            .whole("replicate", self.models.iter().map(|row| row.replicate))
            .text("model", self.models.iter().map(|row| &row.model))
            .text("split", self.models.iter().map(|row| &row.split))
            .number("loss", self.models.iter().map(|row| Some(row.loss)))
            .number("accuracy", self.models.iter().map(|row| Some(row.accuracy)))
            .text("stage", self.models.iter().map(|row| &row.stage));
        table.write(&folder.join("models.csv"))?;
        let table = pair_columns(self.merged.iter().map(|row| &row.pair))
            .text("method", self.merged.iter().map(|row| &row.method))
            .whole("replicate", self.merged.iter().map(|row| row.replicate))
            .whole("models", self.merged.iter().map(|row| row.models))
            .text("split", self.merged.iter().map(|row| &row.split))
            .number("loss", self.merged.iter().map(|row| Some(row.loss)))
            .number("accuracy", self.merged.iter().map(|row| Some(row.accuracy)))
            .text("stage", self.merged.iter().map(|row| &row.stage));
        table.write(&folder.join("merged.csv"))?;
        let table = pair_columns(self.barriers.iter().map(|row| &row.pair))
            .text("method", self.barriers.iter().map(|row| &row.method))
            .whole("replicate", self.barriers.iter().map(|row| row.replicate))
            .text("fixed", self.barriers.iter().map(|row| &row.fixed))
            .text("permutee", self.barriers.iter().map(|row| &row.permutee))
            .text("split", self.barriers.iter().map(|row| &row.split))
            .number("lambda", self.barriers.iter().map(|row| Some(row.lambda)))
            .number("loss", self.barriers.iter().map(|row| Some(row.loss)))
            .number("accuracy", self.barriers.iter().map(|row| Some(row.accuracy)))
            .text("stage", self.barriers.iter().map(|row| &row.stage));
        table.write(&folder.join("barriers.csv"))?;
        let table = pair_columns(self.matching.iter().map(|row| &row.pair))
            .text("method", self.matching.iter().map(|row| &row.method))
            .whole("replicate", self.matching.iter().map(|row| row.replicate))
            .text("models", self.matching.iter().map(|row| &row.models))
            .number("objective", self.matching.iter().map(|row| Some(row.objective)))
            .whole("iterations", self.matching.iter().map(|row| row.iterations))
            .text("outcome", self.matching.iter().map(|row| &row.outcome))
            .small("cycle_error", self.matching.iter().map(|row| row.cycle_error))
            .small("function_error", self.matching.iter().map(|row| row.function_error))
            .text("stage", self.matching.iter().map(|row| &row.stage));
        table.write(&folder.join("matching.csv"))?;
        let table = pair_columns(self.traces.iter().map(|row| &row.pair))
            .text("method", self.traces.iter().map(|row| &row.method))
            .whole("replicate", self.traces.iter().map(|row| row.replicate))
            .text("models", self.traces.iter().map(|row| &row.models))
            .whole("iteration", self.traces.iter().map(|row| row.iteration))
            .number("objective", self.traces.iter().map(|row| Some(row.objective)))
            .number("step", self.traces.iter().map(|row| row.step))
            .text("stage", self.traces.iter().map(|row| &row.stage));
        table.write(&folder.join("traces.csv"))?;
        self.others.write(folder)?;
        seeds::write(&self.barriers, folder)
    }
}

/// The two columns every file starts with.
pub fn pair_columns<'a>(pairs: impl Iterator<Item = &'a Pair> + Clone) -> Table {
    Table::new().text("dataset", pairs.clone().map(|pair| &pair.dataset)).text("architecture", pairs.map(|pair| &pair.architecture))
}

/// Orders a, b, ... z before aa.
pub(super) fn by_length(name: &str) -> (usize, &str) {
    (name.len(), name)
}
