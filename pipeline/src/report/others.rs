//! The rows of the files that only experiments which ask for them have.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::cell::{Evaluation, File, Point, read};
use super::rows::{Pair, by_length, pair_columns};
use super::table::Table;
use super::units::UnitRows;

/// What `subsets.csv` calls models that were matched on their own.
pub const APART: &str = "apart";
/// What it calls models that were matched together with all others.
pub const JOINTLY: &str = "jointly";

/// What most rows begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Data set and architecture.
    pub pair: Pair,
    /// The method's name in the spec.
    pub method: String,
    /// Which repetition of the whole experiment.
    pub replicate: usize,
}

/// A point of the line from a model to itself after a cycle: a row of `cycles.csv`.
#[derive(Clone, Debug, PartialEq)]
struct CycleRow {
    key: Key,
    cycle: String,
    split: String,
    lambda: f64,
    loss: f64,
    accuracy: f64,
    distance: f64,
    stage: String,
}

/// A model merged of chosen ones, on a split: a row of `subsets.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct SubsetRow {
    /// Data set, architecture, method and replicate.
    pub key: Key,
    /// How many models.
    pub models: usize,
    /// Their names, joined with `+`.
    pub subset: String,
    /// [`APART`] or [`JOINTLY`].
    pub matched: &'static str,
    /// `train` or `test`.
    pub split: String,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images classified rightly.
    pub accuracy: f64,
    /// First characters of the fingerprint that made the row.
    pub stage: String,
}

/// A parameter of a pair of models: a row of `similarity.csv`.
#[derive(Clone, Debug, PartialEq)]
struct SimilarityRow {
    key: Key,
    first: String,
    second: String,
    parameter: String,
    cosine: Option<f64>,
    distance: f64,
    stage: String,
}

/// What a pair of models make of images: a row of `features.csv`.
#[derive(Clone, Debug, PartialEq)]
struct FeaturesRow {
    key: Key,
    first: String,
    second: String,
    cka: Option<f64>,
    distance: Option<f64>,
    stage: String,
}

/// A mixture of models and their images: a row of `plane.csv`.
#[derive(Clone, Debug, PartialEq)]
struct PlaneRow {
    key: Key,
    split: String,
    x: f64,
    y: f64,
    vertex: String,
    frame: &'static str,
    loss: f64,
    accuracy: f64,
    stage: String,
}

/// The rows of each file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OtherRows {
    cycles: Vec<CycleRow>,
    subsets: Vec<SubsetRow>,
    similarities: Vec<SimilarityRow>,
    features: Vec<FeaturesRow>,
    planes: Vec<PlaneRow>,
    units: UnitRows,
}

/// What the report reads of `cycle.json`.
#[derive(Deserialize)]
struct Round {
    distance: f64,
    points: Vec<Point>,
}

/// What the report reads of `similarity.json`.
#[derive(Deserialize)]
struct Likeness {
    first: usize,
    second: usize,
    parameter: String,
    cosine: Option<f64>,
    distance: f64,
}

/// What the report reads of `features.json`.
#[derive(Deserialize)]
struct Agreement {
    first: usize,
    second: usize,
    cka: Option<f64>,
    distance: Option<f64>,
}

/// What the report reads of `plane.json`.
#[derive(Deserialize)]
struct Mixture {
    split: String,
    x: f64,
    y: f64,
    corner: Option<usize>,
    loss: f64,
    accuracy: f64,
}

impl OtherRows {
    /// The rows of `subsets.csv`.
    pub fn subsets(&self) -> &[SubsetRow] {
        &self.subsets
    }

    /// Adds the rows of an artifact.
    pub fn collect(&mut self, folder: &Path, file: File, key: &Key, models: &[String], stage: &str) -> Result<()> {
        let (units, key, whole, stage, named) = (&mut self.units, || key.clone(), key, || stage.to_owned(), stage);
        let name = |index: usize| models.get(index).cloned().context("a model without a name");
        match file {
            File::Iterates => units.iterates(folder, whole, models, named)?,
            File::Margins => units.margins(folder, whole, models, named)?,
            File::Cycles => {
                let Round { distance, points } = read(folder, "cycle.json")?;
                let cycle = models.join("-");
                self.cycles.extend(points.into_iter().map(|Point { split, lambda, loss, accuracy }| CycleRow {
                    key: key(),
                    cycle: cycle.clone(),
                    split,
                    lambda,
                    loss,
                    accuracy,
                    distance,
                    stage: stage(),
                }));
            }
            File::Subsets | File::JointSubsets => {
                let matched = if file == File::Subsets { APART } else { JOINTLY };
                let subset = models.join("+");
                let evaluations: Vec<Evaluation> = read(folder, "evaluation.json")?;
                self.subsets.extend(evaluations.into_iter().map(|Evaluation { split, loss, accuracy }| SubsetRow {
                    key: key(),
                    models: models.len(),
                    subset: subset.clone(),
                    matched,
                    split,
                    loss,
                    accuracy,
                    stage: stage(),
                }));
            }
            File::Similarity => {
                for Likeness { first, second, parameter, cosine, distance } in read::<Vec<Likeness>>(folder, "similarity.json")? {
                    let (first, second) = (name(first)?, name(second)?);
                    self.similarities.push(SimilarityRow { key: key(), first, second, parameter, cosine, distance, stage: stage() });
                }
            }
            File::Features => {
                for Agreement { first, second, cka, distance } in read::<Vec<Agreement>>(folder, "features.json")? {
                    let (first, second) = (name(first)?, name(second)?);
                    self.features.push(FeaturesRow { key: key(), first, second, cka, distance, stage: stage() });
                }
            }
            File::Planes => {
                for Mixture { split, x, y, corner, loss, accuracy } in read::<Vec<Mixture>>(folder, "plane.json")? {
                    let (vertex, frame) = match corner {
                        None => (String::new(), ""),
                        Some(corner) => {
                            let model = models.get(corner % 3).cloned().context("a corner without a model")?;
                            (model, if corner < 3 { "own" } else { "common" })
                        }
                    };
                    self.planes.push(PlaneRow { key: key(), split, x, y, vertex, frame, loss, accuracy, stage: stage() });
                }
            }
        }
        Ok(())
    }

    /// Sorts by key columns; parameters stay in the order of the network, mixtures in that of their places.
    pub fn sort(&mut self) {
        self.cycles.sort_by(|a, b| (&a.key, &a.cycle, &a.split).cmp(&(&b.key, &b.cycle, &b.split)).then(a.lambda.total_cmp(&b.lambda)));
        self.subsets
            .sort_by(|a, b| (&a.key, a.models, &a.subset, a.matched, &a.split).cmp(&(&b.key, b.models, &b.subset, b.matched, &b.split)));
        self.similarities
            .sort_by(|a, b| (&a.key, by_length(&a.first), by_length(&a.second)).cmp(&(&b.key, by_length(&b.first), by_length(&b.second))));
        self.features
            .sort_by(|a, b| (&a.key, by_length(&a.first), by_length(&a.second)).cmp(&(&b.key, by_length(&b.first), by_length(&b.second))));
        self.planes.sort_by(|a, b| a.key.cmp(&b.key));
        self.units.sort();
    }

    /// Writes those of `cycles.csv`, `subsets.csv`, `similarity.csv`, `features.csv`, `plane.csv` and of the files about units that have rows.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        if !self.cycles.is_empty() {
            let rows = &self.cycles;
            key_columns(rows.iter().map(|row| &row.key))
                .text("cycle", rows.iter().map(|row| &row.cycle))
                .text("split", rows.iter().map(|row| &row.split))
                .number("lambda", rows.iter().map(|row| Some(row.lambda)))
                .number("loss", rows.iter().map(|row| Some(row.loss)))
                .number("accuracy", rows.iter().map(|row| Some(row.accuracy)))
                .number("distance", rows.iter().map(|row| Some(row.distance)))
                .text("stage", rows.iter().map(|row| &row.stage))
                .write(&folder.join("cycles.csv"))?;
        }
        if !self.subsets.is_empty() {
            let rows = &self.subsets;
            key_columns(rows.iter().map(|row| &row.key))
                .whole("models", rows.iter().map(|row| row.models))
                .text("subset", rows.iter().map(|row| &row.subset))
                .text("matched", rows.iter().map(|row| row.matched))
                .text("split", rows.iter().map(|row| &row.split))
                .number("loss", rows.iter().map(|row| Some(row.loss)))
                .number("accuracy", rows.iter().map(|row| Some(row.accuracy)))
                .text("stage", rows.iter().map(|row| &row.stage))
                .write(&folder.join("subsets.csv"))?;
        }
        if !self.similarities.is_empty() {
            let rows = &self.similarities;
            key_columns(rows.iter().map(|row| &row.key))
                .text("first", rows.iter().map(|row| &row.first))
                .text("second", rows.iter().map(|row| &row.second))
                .text("parameter", rows.iter().map(|row| &row.parameter))
                .number("cosine", rows.iter().map(|row| row.cosine))
                .number("distance", rows.iter().map(|row| Some(row.distance)))
                .text("stage", rows.iter().map(|row| &row.stage))
                .write(&folder.join("similarity.csv"))?;
        }
        if !self.features.is_empty() {
            let rows = &self.features;
            key_columns(rows.iter().map(|row| &row.key))
                .text("first", rows.iter().map(|row| &row.first))
                .text("second", rows.iter().map(|row| &row.second))
                .number("cka", rows.iter().map(|row| row.cka))
                .number("distance", rows.iter().map(|row| row.distance))
                .text("stage", rows.iter().map(|row| &row.stage))
                .write(&folder.join("features.csv"))?;
        }
        if !self.planes.is_empty() {
            let rows = &self.planes;
            key_columns(rows.iter().map(|row| &row.key))
                .text("split", rows.iter().map(|row| &row.split))
                .number("x", rows.iter().map(|row| Some(row.x)))
                .number("y", rows.iter().map(|row| Some(row.y)))
                .text("vertex", rows.iter().map(|row| &row.vertex))
                .text("frame", rows.iter().map(|row| row.frame))
                .number("loss", rows.iter().map(|row| Some(row.loss)))
                .number("accuracy", rows.iter().map(|row| Some(row.accuracy)))
                .text("stage", rows.iter().map(|row| &row.stage))
                .write(&folder.join("plane.csv"))?;
        }
        self.units.write(folder)
    }
}

/// The columns of a key.
pub(super) fn key_columns<'a>(keys: impl Iterator<Item = &'a Key> + Clone) -> Table {
    pair_columns(keys.clone().map(|key| &key.pair))
        .text("method", keys.clone().map(|key| &key.method))
        .whole("replicate", keys.map(|key| key.replicate))
}
