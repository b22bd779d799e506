//! What a spec means, once checked: the form that plans are made of.

use onebasin_datasets::{Normalisation, Source, Subset};
use onebasin_matching::Matching;
use onebasin_network::{Blueprint, Graph};
use onebasin_repro::Stream;
use onebasin_training::Training;
use serde::{Deserialize, Serialize};

use super::Repair;
use crate::report::Comparison;

/// A checked spec with every default filled in.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Names the folders of results and plots.
    pub name: String,
    /// The root of every random stream.
    pub seed: u64,
    /// How often the whole experiment is done, each time with other streams.
    pub replicates: usize,
    /// The models trained for each pair, in order.
    pub models: Vec<Model>,
    /// Pairs of data set and architecture.
    pub pairs: Vec<Pair>,
    /// Ways to merge, in the order of the spec.
    pub methods: Vec<Method>,
    /// What is measured.
    pub evaluation: Evaluation,
    /// Figures to compare with.
    pub comparison: Comparison,
    /// Pairs of the spec that are left out because a stage of theirs failed: `<pair>: <stage>`.
    pub missing: Vec<String>,
}

/// One model of every pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// `a`, `b`, ... unless the spec says otherwise.
    pub name: String,
    /// The part of the training images it sees; `None`: all.
    pub subset: Option<Subset>,
}

/// A data set, an architecture, and how networks of it are trained.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The data set's name in the spec.
    pub dataset: String,
    /// The data set under whose name figures were reported, where this one stands in for it.
    pub stands_for: Option<String>,
    /// Where its images come from.
    pub source: Source,
    /// Instead of the data set's own.
    pub normalisation: Option<Normalisation>,
    /// The architecture's name in the spec.
    pub architecture: String,
    /// What the spec says of it.
    pub blueprint: Blueprint,
    /// The network for the data set's images.
    pub graph: Graph,
    /// How it is trained.
    pub training: Training,
}

impl Pair {
    /// `<dataset>-<architecture>`, as in the ids of stages.
    pub fn id(&self) -> String {
        format!("{}-{}", self.dataset, self.architecture)
    }

    /// The data set under whose name figures were reported.
    pub fn reported_as(&self) -> &str {
        self.stands_for.as_deref().unwrap_or(&self.dataset)
    }
}

/// A way to make one model of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// As results call it.
    pub name: String,
    /// How units are matched.
    pub matching: Matching,
    /// What is made of matched models.
    pub merging: Merging,
    /// What is done to the merged model, and to every point of a line, before it is measured.
    pub repair: Option<Repair>,
    /// Which draw of the matching it is, from 1; a method whose matching is drawn again is one method for each draw.
    pub draw: usize,
}

/// What is made of matched models.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merging {
    /// The mean of the weights in the common frame, with one factor for each model, or equal shares.
    Mean {
        /// As many as models are merged, used as they are.
        coefficients: Option<Vec<f64>>,
    },
    /// No merged model: the predictions of all are averaged, as a bound to compare with.
    Ensemble,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Pairs of models, by index, between which the loss is measured along a line.
    pub lines: Vec<(usize, usize)>,
    /// Points on a line, ends included.
    pub lambdas: usize,
    /// The splits measured.
    pub parts: Vec<Part>,
    /// Only so many images of each split, the first ones; `None`: all.
    pub images: Option<usize>,
    /// How many of the first models are merged: each a merged model of its own.
    pub merges: Vec<usize>,
    /// Further models that are merged, by index and in their order.
    pub subsets: Vec<Vec<usize>>,
    /// Whether these are also merged in the frame into which all models were brought together.
    pub joint_subsets: bool,
    /// Cycles around which the first model of each, by index, is mapped.
    pub cycles: Vec<Vec<usize>>,
    /// Whether weights are compared before and after matching.
    pub similarity: bool,
    /// On how many of the first training images features are compared before and after matching, if they are.
    pub features: Option<usize>,
    /// The mixtures of models and their images whose loss is measured.
    pub plane: Option<Plane>,
    /// The soft matrices that are told of each ascent of C²M³.
    pub iterates: Option<Iterates>,
    /// Whether it is measured how sure matches are.
    pub margins: bool,
}

/// Soft matrices on the way of an ascent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iterates {
    /// How many, from the first on.
    pub count: usize,
    /// The group of units; `None`: the smallest of the architecture, of equals the first.
    pub group: Option<String>,
    /// The model, by index.
    pub model: usize,
}

/// Mixtures of three models and their images in the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    /// The models, by index.
    pub models: [usize; 3],
    /// Points across the hexagon of mixtures, odd.
    pub points: usize,
    /// Images on which each mixture is measured.
    pub images: usize,
}

/// Half of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The images models are trained on.
    Train,
    /// Images no model has seen.
    Test,
}

impl Part {
    /// As a spec and the results write it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Test => "test",
        }
    }
}

impl Experiment {
    /// The stream of one replicate of a pair.
    pub fn stream(&self, pair: &Pair, replicate: usize) -> Stream {
        Stream::root(self.seed).child(format!("replicate-{replicate}")).child(pair.id())
    }
}
