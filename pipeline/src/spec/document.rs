//! The keys of a spec as they are written, before their meaning is looked at.

use std::collections::BTreeMap;

use figment::value::Value;
use onebasin_datasets::{Augmentation, Normalisation, Source, Subset};
use onebasin_matching::{Matching, PruningNorm};
use onebasin_network::Blueprint;
use onebasin_training::{Averaging, PathKind, Training};
use schemars::JsonSchema;
use serde::Deserialize;

use super::schema::Either;
use super::{BarrierOver, Bends, Columns, Ends, Executor, FirstWeights, Interpolation, Repair, Sequence};
use crate::identity::Part;

/// A whole spec. Tables that a library reads are read later, each at its own path.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Document {
    pub name: String,
    pub seed: u64,
    pub replicates: usize,
    /// A number, or a list of [`Model`].
    #[schemars(with = "Either<usize, Vec<Model>>")]
    pub models: Value,
    pub checkpoint_seconds: usize,
    /// The share of the training images that no training sees.
    #[serde(default)]
    pub validation: Option<f64>,
    /// How many images of each model's sequences see.
    #[serde(default)]
    pub replay: Option<usize>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Blueprint>")]
    pub architectures: BTreeMap<String, Value>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Source>")]
    pub datasets: BTreeMap<String, Value>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Training>")]
    pub trainings: BTreeMap<String, Value>,
    /// What models see in pairs that name the table: a subset for each model.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Either<f64, Subset>>>")]
    pub subsets: BTreeMap<String, BTreeMap<String, Value>>,
    pub pairs: Vec<Pair>,
    pub methods: Vec<Method>,
    /// A table: the keys of [`Evaluation`], which are read from it, and those of the measurements.
    #[expect(dead_code, reason = "it must be a known key")]
    #[schemars(with = "Evaluation")]
    evaluation: Value,
    #[serde(default)]
    pub reported: Option<Reported>,
    /// Tables of keys, with lists of values.
    #[serde(default)]
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub sweep: Option<Value>,
    /// Where stages run. No result depends on it.
    #[serde(default)]
    pub executor: Executor,
}

/// One of `models`, when they are listed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Model {
    pub name: String,
    /// A share, or a table.
    #[serde(default)]
    #[schemars(with = "Option<Either<f64, Subset>>")]
    pub subset: Option<Value>,
    /// A file that it is taken from, in place of training.
    #[serde(default)]
    pub checkpoint: Option<String>,
    /// Where in the file.
    #[serde(default)]
    pub key: Option<String>,
    /// The name of a training in place of the pair's.
    #[serde(default)]
    pub training: Option<String>,
    /// Whose first weights it has.
    #[serde(default)]
    pub first_weights: FirstWeights,
    /// The model that it is made of in place of training.
    #[serde(default)]
    pub pruned: Option<Pruned>,
}

/// The `pruned` of a model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pruned {
    /// The name of a model before it.
    pub from: String,
    /// How large a unit is.
    #[serde(default)]
    pub norm: PruningNorm,
}

/// One of `[[pairs]]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pair {
    pub dataset: String,
    pub architecture: String,
    /// Architectures of models that have other widths, by their names.
    #[serde(default)]
    pub architectures: BTreeMap<String, String>,
    /// Left out where no model is trained.
    #[serde(default)]
    pub training: Option<String>,
    /// The data set that takes this one's place where its files are absent.
    #[serde(default)]
    pub stand_in: Option<String>,
    /// The data set under whose name figures were reported.
    #[serde(default)]
    pub stands_for: Option<String>,
    #[serde(default)]
    pub normalisation: Option<Normalisation>,
    /// Files that models of this pair are taken from, by their names.
    #[serde(default)]
    pub checkpoints: BTreeMap<String, String>,
    /// In place of that of every training.
    #[serde(default)]
    pub augmentation: Option<Augmentation>,
    /// The name of a table of subsets.
    #[serde(default)]
    pub subsets: Option<String>,
}

/// One of `[[methods]]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Method {
    pub name: String,
    /// The models it merges, where these are others than `merges` says.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    #[serde(default)]
    #[schemars(with = "Option<Matching>")]
    pub matching: Option<Value>,
    #[serde(default)]
    pub merging: Option<Merging>,
    /// How often the matching is drawn.
    #[serde(default)]
    pub matching_seeds: Option<usize>,
    /// A table.
    #[serde(default)]
    #[schemars(with = "Option<Repair>")]
    pub repair: Option<Value>,
    /// The name of a training: what comes out is trained on.
    #[serde(default)]
    pub fine_tuning: Option<String>,
    /// What it learns then besides labels.
    #[serde(default)]
    pub distillation: Option<super::distillation::Written>,
    /// The way of its lines in place of that of the evaluation.
    #[serde(default)]
    pub interpolation: Option<Interpolation>,
    /// Whether models are merged one after the other.
    #[serde(default)]
    pub sequential: Option<Sequence>,
}

/// The `merging` of a method.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Merging {
    Mean(Mean),
    Spherical(Spherical),
    Ensemble(Ensemble),
    Model(OneModel),
    Fresh(Fresh),
    Curve(Curve),
}

/// No merged model: fresh weights, which are trained: a baseline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fresh {
    /// The name of a model, whose architecture it has; the pair's if not given.
    #[serde(default)]
    pub like: Option<String>,
}

/// A point of a curve between two models, whose bends are trained.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Curve {
    /// The name of a training: that of the bends.
    pub training: String,
    /// The shape.
    #[serde(default)]
    pub kind: PathKind,
    /// Control points between the ends.
    #[serde(default = "one")]
    pub bends: usize,
    /// Where the bends start.
    #[serde(default)]
    pub start: Bends,
    /// What stands at the ends.
    #[serde(default)]
    pub ends: Ends,
    /// An L2 penalty of the network at each point.
    #[serde(default)]
    pub penalty: f64,
    /// The point that is the merged model: a number, or "best".
    #[serde(default)]
    #[schemars(with = "Option<Either<f64, String>>")]
    pub at: Option<Value>,
}

fn one() -> usize {
    1
}

/// One model as it is: a baseline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OneModel {
    /// Its name.
    pub model: String,
}

/// Options of the middle of an arc: none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Spherical {}

/// Options of the mean.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mean {
    #[serde(default)]
    pub coefficients: Option<Vec<f64>>,
    /// Whether columns follow the maps.
    #[serde(default)]
    pub columns: Columns,
}

/// Options of an ensemble.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ensemble {
    /// What of the predictions is averaged.
    #[serde(default)]
    pub average: Averaging,
    /// A factor for each model.
    #[serde(default)]
    pub coefficients: Option<Vec<f64>>,
}

/// The keys of `[evaluation]` that no measurement owns. Unknown keys are found by [`super::resolve`], which knows the others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Evaluation {
    pub lambdas: usize,
    pub splits: Vec<Part>,
    #[serde(default)]
    pub images: Option<usize>,
    #[serde(default)]
    pub train_images: Option<usize>,
    /// Numbers of models, or lists of their names.
    #[serde(default)]
    #[schemars(with = "Option<Vec<Either<usize, Vec<String>>>>")]
    pub merges: Option<Vec<Value>>,
    /// Numbers of models, every choice of so many of which is merged.
    #[serde(default)]
    pub subsets: Option<Vec<usize>>,
    /// Whether each list is merged in the frame of all models too.
    #[serde(default)]
    pub joint_subsets: bool,
    /// What the barrier shown is over; if not given, as reported figures have it, else the line.
    #[serde(default)]
    pub barrier: Option<BarrierOver>,
    /// Epochs after which models are measured too, ascending.
    #[serde(default)]
    pub epochs: Vec<usize>,
    /// By which way lines lead.
    #[serde(default)]
    pub interpolation: Interpolation,
}

impl Evaluation {
    /// As they are written.
    pub const KEYS: [&str; 10] =
        ["lambdas", "splits", "images", "train-images", "merges", "subsets", "joint-subsets", "barrier", "epochs", "interpolation"];
}

/// `[reported]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reported {
    /// A CSV file, relative to the spec; a profile alone says what a run at other settings deviates from.
    #[serde(default)]
    pub file: Option<String>,
    #[serde(default)]
    pub differs: String,
    /// The profile whose settings are the published ones.
    #[serde(default)]
    pub profile: Option<String>,
    /// Groups of methods that are draws of one thing.
    #[serde(default)]
    pub interchangeable: Vec<Vec<String>>,
}
