//! Which cell of the results an artifact fills.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::others::Key;
use super::rows::{BarrierRow, MatchingRow, MergedRow, ModelRow, Pair, Rows, TraceRow};
use super::summary::ENDPOINTS;
use crate::stage::Artifact;

/// The place of one artifact in the result files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cell", rename_all = "kebab-case")]
pub enum Cell {
    /// Losses and accuracies of an end-point model.
    Model {
        /// Name of the data set in the spec.
        dataset: String,
        /// Name of the architecture in the spec.
        architecture: String,
        /// Which repetition of the whole experiment.
        replicate: usize,
        /// The model's name.
        model: String,
    },
    /// Losses and accuracies of a merged model.
    Merged {
        /// Name of the data set in the spec.
        dataset: String,
        /// Name of the architecture in the spec.
        architecture: String,
        /// The method's name in the spec.
        method: String,
        /// Which repetition of the whole experiment.
        replicate: usize,
        /// How many models.
        models: usize,
    },
    /// An interpolation between two models.
    Line {
        /// Name of the data set in the spec.
        dataset: String,
        /// Name of the architecture in the spec.
        architecture: String,
        /// The method's name in the spec.
        method: String,
        /// Which repetition of the whole experiment.
        replicate: usize,
        /// The model at λ = 0.
        fixed: String,
        /// The model at λ = 1, on the units of the other.
        permutee: String,
    },
    /// An alignment of so many models (`5`) or of two (`a-b`).
    Alignment {
        /// Name of the data set in the spec.
        dataset: String,
        /// Name of the architecture in the spec.
        architecture: String,
        /// The method's name in the spec.
        method: String,
        /// Which repetition of the whole experiment.
        replicate: usize,
        /// How many models.
        models: String,
    },
    /// Rows of a file that only experiments which ask for it have.
    Other {
        /// Name of the data set in the spec.
        dataset: String,
        /// Name of the architecture in the spec.
        architecture: String,
        /// The method's name in the spec; none for the models before matching.
        method: Option<String>,
        /// Which repetition of the whole experiment.
        replicate: usize,
        /// The file.
        file: File,
        /// Names of the models it is about, in order.
        models: Vec<String>,
    },
}

/// A file of results that only experiments which ask for it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum File {
    /// `cycles.csv`.
    Cycles,
    /// `subsets.csv`: models matched on their own.
    Subsets,
    /// `subsets.csv`: models matched together with all others.
    JointSubsets,
    /// `similarity.csv`.
    Similarity,
    /// `features.csv`.
    Features,
    /// `plane.csv`.
    Planes,
    /// `iterates.csv`; the model they are of comes before all of them.
    Iterates,
    /// `margins.csv`.
    Margins,
}

/// Loss and accuracy on one split, as `evaluation.json` lists them.
#[derive(Deserialize)]
pub(super) struct Evaluation {
    pub split: String,
    pub loss: f64,
    pub accuracy: f64,
}

/// A point of an interpolation, as `line.json` lists them.
#[derive(Deserialize)]
pub(super) struct Point {
    pub split: String,
    pub lambda: f64,
    pub loss: f64,
    pub accuracy: f64,
}

/// What the report reads of `alignment.json`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Alignment {
    objective: f64,
    iterations: usize,
    outcome: String,
    cycle_error: f64,
    trace: Vec<Iterate>,
}

#[derive(Deserialize)]
struct Iterate {
    objective: f64,
    step: Option<f64>,
}

/// What the report reads of `check.json`.
#[derive(Deserialize)]
struct Check {
    function_error: f64,
}

impl Cell {
    /// Adds the rows of an artifact.
    ///
    /// # Errors
    /// When a file of the artifact is absent or malformed.
    pub fn collect(&self, artifact: &Artifact, rows: &mut Rows) -> Result<()> {
        let folder = &artifact.directory;
        let stage = artifact.fingerprint.short();
        match self.clone() {
            Cell::Model { dataset, architecture, replicate, model } => {
                let pair = Pair { dataset, architecture };
                rows.models.extend(read::<Vec<Evaluation>>(folder, "evaluation.json")?.into_iter().map(|row| ModelRow {
                    pair: pair.clone(),
                    replicate,
                    model: model.clone(),
                    split: row.split,
                    loss: row.loss,
                    accuracy: row.accuracy,
                    stage: stage.clone(),
                }));
            }
            Cell::Merged { dataset, architecture, method, replicate, models } => {
                let pair = Pair { dataset, architecture };
                rows.merged.extend(read::<Vec<Evaluation>>(folder, "evaluation.json")?.into_iter().map(|row| MergedRow {
                    pair: pair.clone(),
                    method: method.clone(),
                    replicate,
                    models,
                    split: row.split,
                    loss: row.loss,
                    accuracy: row.accuracy,
                    stage: stage.clone(),
                }));
            }
            Cell::Line { dataset, architecture, method, replicate, fixed, permutee } => {
                let pair = Pair { dataset, architecture };
                rows.barriers.extend(read::<Vec<Point>>(folder, "line.json")?.into_iter().map(|row| BarrierRow {
                    pair: pair.clone(),
                    method: method.clone(),
                    replicate,
                    fixed: fixed.clone(),
                    permutee: permutee.clone(),
                    split: row.split,
                    lambda: row.lambda,
                    loss: row.loss,
                    accuracy: row.accuracy,
                    stage: stage.clone(),
                }));
            }
            Cell::Alignment { dataset, architecture, method, replicate, models } => {
                let pair = Pair { dataset, architecture };
                let alignment: Alignment = read(folder, "alignment.json")?;
                let check: Check = read(folder, "check.json")?;
                rows.traces.extend(alignment.trace.iter().enumerate().map(|(iteration, iterate)| TraceRow {
                    pair: pair.clone(),
                    method: method.clone(),
                    replicate,
                    models: models.clone(),
                    iteration,
                    objective: iterate.objective,
                    step: iterate.step,
                    stage: stage.clone(),
                }));
                rows.matching.push(MatchingRow {
                    pair,
                    method,
                    replicate,
                    models,
                    objective: alignment.objective,
                    iterations: alignment.iterations,
                    outcome: alignment.outcome,
                    cycle_error: alignment.cycle_error,
                    function_error: check.function_error,
                    stage,
                });
            }
            Cell::Other { dataset, architecture, method, replicate, file, models } => {
                let key = Key { pair: Pair { dataset, architecture }, method: method.unwrap_or_else(|| ENDPOINTS.to_owned()), replicate };
                rows.others.collect(folder, file, &key, &models, &stage)?;
            }
        }
        Ok(())
    }
}

pub(super) fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T> {
    let path = folder.join(name);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("`{}` is not what its stage writes", path.display()))
}
