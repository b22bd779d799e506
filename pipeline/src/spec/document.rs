//! The keys of a spec as they are written, before their meaning is looked at.

use std::collections::BTreeMap;

use figment::value::Value;
use onebasin_datasets::Normalisation;
use serde::Deserialize;

/// A whole spec. Tables that a library reads are read later, each at its own path.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Document {
    pub name: String,
    pub seed: u64,
    pub replicates: usize,
    /// A number, or a list of [`Model`].
    pub models: Value,
    #[serde(default)]
    pub architectures: BTreeMap<String, Value>,
    #[serde(default)]
    pub datasets: BTreeMap<String, Value>,
    #[serde(default)]
    pub trainings: BTreeMap<String, Value>,
    pub pairs: Vec<Pair>,
    pub methods: Vec<Method>,
    pub evaluation: Evaluation,
    #[serde(default)]
    pub reported: Option<Reported>,
}

/// One of `models`, when they are listed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Model {
    pub name: String,
    /// A share, or a table.
    #[serde(default)]
    pub subset: Option<Value>,
}

/// One of `[[pairs]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pair {
    pub dataset: String,
    pub architecture: String,
    pub training: String,
    /// The data set that takes this one's place where its files are absent.
    #[serde(default)]
    pub stand_in: Option<String>,
    /// The data set under whose name figures were reported.
    #[serde(default)]
    pub stands_for: Option<String>,
    #[serde(default)]
    pub normalisation: Option<Normalisation>,
}

/// One of `[[methods]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Method {
    pub name: String,
    #[serde(default)]
    pub matching: Option<Value>,
    #[serde(default)]
    pub merging: Option<Merging>,
    /// How often the matching is drawn.
    #[serde(default)]
    pub matching_seeds: Option<usize>,
    /// A table.
    #[serde(default)]
    pub repair: Option<Value>,
}

/// The `merging` of a method.
#[derive(Debug, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Merging {
    Mean(Mean),
    Ensemble(Ensemble),
}

/// Options of the mean.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mean {
    #[serde(default)]
    pub coefficients: Option<Vec<f64>>,
}

/// An ensemble has no options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {}

/// `[evaluation]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Evaluation {
    /// `"all"`, `"none"`, or a list of pairs of names.
    pub pairs: Value,
    pub lambdas: usize,
    pub splits: Vec<super::Part>,
    #[serde(default)]
    pub images: Option<usize>,
    /// Numbers of models, or lists of their names.
    #[serde(default)]
    pub merges: Option<Vec<Value>>,
    /// Numbers of models, every choice of so many of which is merged.
    #[serde(default)]
    pub subsets: Option<Vec<usize>>,
    /// Whether each list is merged in the frame of all models too.
    #[serde(default)]
    pub joint_subsets: bool,
    /// Lists of names.
    #[serde(default)]
    pub cycles: Option<Vec<Vec<String>>>,
    #[serde(default)]
    pub similarity: bool,
    /// `true`, or a table [`Features`].
    #[serde(default)]
    pub features: Option<Value>,
    #[serde(default)]
    pub plane: Option<Plane>,
    /// A number, or a table of [`Iterates`].
    #[serde(default)]
    pub iterates: Option<Value>,
    #[serde(default)]
    pub margins: bool,
}

/// `features` of `[evaluation]`.
#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Features {
    pub images: usize,
}

impl Default for Features {
    fn default() -> Features {
        Features { images: 1000 }
    }
}

/// `plane` of `[evaluation]`.
#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plane {
    /// Three names; the first three models.
    pub models: Option<Vec<String>>,
    pub points: usize,
    pub images: usize,
}

impl Default for Plane {
    fn default() -> Plane {
        Plane { models: None, points: 21, images: 500 }
    }
}

/// `iterates` of `[evaluation]`.
#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Iterates {
    pub count: usize,
    /// A group of units; the smallest.
    pub group: Option<String>,
    /// A name; the first model.
    pub model: Option<String>,
}

impl Default for Iterates {
    fn default() -> Iterates {
        Iterates { count: 6, group: None, model: None }
    }
}

/// `[reported]`.
#[derive(Clone, Debug, Deserialize)]
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
}
