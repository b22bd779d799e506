//! What a spec means, once checked: the form that plans are made of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use onebasin_datasets::{Augmentation, Class, Normalisation, Source, Subset};
use onebasin_matching::{Matching, PruningNorm};
use onebasin_network::{Blueprint, Graph};
use onebasin_repro::Stream;
use onebasin_training::{Averaging, Distillation, Training};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BarrierOver, Curve, Executor, Interpolation, Needs, Origin, Repair, Requests, Sequence, Sweep};
use crate::comparison::Comparison;
use crate::identity::{MethodName, PairName, Part};
use crate::image_limits::ImageLimits;
use crate::task::Validation;

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
    /// Seconds between two checkpoints of a training; 0: none. No result depends on it.
    pub checkpoint_seconds: usize,
    /// The share of the training images that no training sees.
    pub validation: Option<f64>,
    /// How many images of each model's the trainings of sequences see, drawn once; `None`: all.
    pub replay: Option<usize>,
    /// What is measured.
    pub evaluation: Evaluation,
    /// Figures to compare with.
    pub comparison: Comparison,
    /// What is right and still worth a word, for whoever runs it.
    pub notices: Vec<String>,
    /// What is left out because a stage failed.
    pub lost: Vec<Lost>,
    /// Settings that it is run with in turn.
    pub sweep: Sweep,
    /// Where stages run.
    pub executor: Executor,
    /// Where its settings come from.
    pub origin: Origin,
}

/// Rows that are left out of the results because a stage failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lost {
    /// Of this pair.
    pub pair: PairName,
    /// Of this method, draws and all. `None`: of the whole pair, or what the stage itself measures for several methods.
    pub method: Option<String>,
    /// The stage that failed, or the first one that needs it.
    pub stage: String,
}

/// One model of every pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// `a`, `b`, ... unless the spec says otherwise.
    pub name: String,
    /// The part of the training images it sees; `None`: all. A pair may say otherwise.
    pub subset: Option<Subset>,
    /// How it is trained; `None`: as the pair says.
    pub training: Option<Training>,
    /// Whose first weights it has.
    pub first_weights: FirstWeights,
    /// The file that it is taken from; `None`: it is trained.
    pub checkpoint: Option<Checkpoint>,
    /// The model that it is made of in place of training.
    pub pruned: Option<Pruned>,
}

/// A model made of the largest units of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The other one, by index, which comes before it.
    pub from: usize,
    /// How large a unit is.
    pub norm: PruningNorm,
}

/// The network of a model whose widths are not the pair's.
#[derive(Clone, Debug)]
pub struct Width {
    /// The architecture's name in the spec.
    pub architecture: String,
    /// The network as it is trained.
    pub trained: Graph,
    /// The network that its training leaves.
    pub graph: Graph,
}

/// A file of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where it lies.
    pub path: PathBuf,
    /// Under which key of a PyTorch file the tensors stand.
    pub key: Option<String>,
    /// The hash of its content.
    pub digest: String,
}

impl Model {
    /// One that sees all images and is trained as its pair says.
    pub fn named(name: String) -> Model {
        Model { name, subset: None, training: None, first_weights: FirstWeights::Own, checkpoint: None, pruned: None }
    }
}

/// Whose first weights a model has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirstWeights {
    /// Its own.
    #[default]
    Own,
    /// Those of all models of a replicate that share them.
    Shared,
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
    /// The folders of its classes, in the order of their labels; none where classes have no folders.
    pub classes: Vec<Class>,
    /// Instead of the data set's own.
    pub normalisation: Option<Normalisation>,
    /// The files that models are taken from, in place of those that the models say.
    pub checkpoints: BTreeMap<String, Checkpoint>,
    /// The architecture's name in the spec.
    pub architecture: String,
    /// What the spec says of it.
    pub blueprint: Blueprint,
    /// The network for the data set's images, as it is trained.
    pub trained: Graph,
    /// The network that its training leaves, which all else is about.
    pub graph: Graph,
    /// Those of models that have other widths, by index.
    pub widths: BTreeMap<usize, Width>,
    /// How it is trained.
    pub training: Training,
    /// How every training disturbs images; `None`: each as it says.
    pub augmentation: Option<Augmentation>,
    /// The parts of the training images that models see, by index, where the pair says so.
    pub subsets: BTreeMap<usize, Subset>,
}

impl Pair {
    /// A training as it is done on this pair's images.
    pub fn adapted(&self, training: &Training) -> Training {
        let augmentation = self.augmentation.clone().or_else(|| training.augmentation.clone());
        Training { augmentation, ..training.clone() }
    }

    /// The names of data set and architecture.
    pub fn name(&self) -> PairName {
        PairName::new(&self.dataset, &self.architecture)
    }

    /// The data set under whose name figures were reported.
    pub fn reported_as(&self) -> &str {
        self.stands_for.as_deref().unwrap_or(&self.dataset)
    }
}

/// A way to make one model of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// As results call it; a method whose matching is drawn again is one method for each draw.
    pub name: MethodName,
    /// The models it merges, by index, in their order; `None`: those that the evaluation merges.
    pub models: Option<Vec<usize>>,
    /// How units are matched.
    pub matching: Matching,
    /// What is made of matched models.
    pub merging: Merging,
    /// What is done to the merged model, and to every point of a line, before it is measured.
    pub repair: Option<Repair>,
    /// How it is trained on after that.
    pub fine_tuning: Option<Training>,
    /// What it learns then besides labels.
    pub lesson: Option<Lesson>,
    /// The way of its lines; `None`: that of the evaluation.
    pub interpolation: Option<Interpolation>,
    /// Whether its models are merged one after the other.
    pub sequential: Option<Sequence>,
}

impl Method {
    /// Whether it says what lies between two models: it merges weights, and trains nothing.
    pub fn has_lines(&self) -> bool {
        self.merging.averages() && self.fine_tuning.is_none() && self.sequential.is_none()
    }

    /// Whether it trains anything, the merged model or the bends of a curve.
    pub fn trains(&self) -> bool {
        matches!(self.merging, Merging::Curve(_)) || self.fine_tuning.is_some()
    }

    /// Whether it brings all models anywhere, and is the first draw of its kind: what is measured of alignments is measured of it.
    pub fn is_measured_in_its_frame(&self) -> bool {
        let of_all = self.models.is_none() && self.sequential.is_none();
        self.name.is_first() && of_all && self.merging.averages() && !matches!(self.matching, Matching::Identity(_))
    }

    /// Whether `other` is the same method without a repair.
    pub fn repairs(&self, other: &Method) -> bool {
        let bare = |method: &Method| {
            let trained = (method.fine_tuning.clone(), method.lesson.clone(), method.interpolation);
            (method.matching.clone(), method.merging.clone(), method.name.draw, trained)
        };
        self.repair.is_some() && other.repair.is_none() && self.models == other.models && bare(self) == bare(other)
    }
}

/// What a merged model that is trained on learns from teachers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lesson {
    /// Models, by index; `None`: all that are merged.
    pub teachers: Option<Vec<usize>>,
    /// How much they count.
    pub options: Distillation,
}

/// Whether the columns of weights follow the units of the layer before into the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Columns {
    /// They do.
    #[default]
    Aligned,
    /// They stay, as in a published program, so that rows are averaged that read other units.
    Unaligned,
}

impl Columns {
    /// Whether they follow.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    fn are_aligned(&self) -> bool {
        *self == Columns::Aligned
    }
}

/// What is made of matched models.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merging {
    /// The mean of the weights in the common frame, with one factor for each model, or equal shares.
    Mean {
        /// As many as models are merged, used as they are.
        coefficients: Option<Vec<f64>>,
        /// Whether columns follow the maps.
        #[serde(skip_serializing_if = "Columns::are_aligned")]
        columns: Columns,
    },
    /// The middle of the arc between two models in the common frame.
    Spherical,
    /// No merged model: the predictions of all are averaged, as a bound to compare with.
    Ensemble {
        /// What of them is averaged.
        average: Averaging,
        /// As many as models are merged; or equal shares.
        #[serde(skip_serializing_if = "Option::is_none")]
        coefficients: Option<Vec<f64>>,
    },
    /// One of the models, given by index: a baseline for those that are trained on.
    Model {
        /// Which.
        model: usize,
    },
    /// No merged model: fresh weights, of the architecture of a model given by index, or of the pair's. A baseline for those that are
    /// trained on.
    Fresh {
        /// Whose architecture it has.
        like: Option<usize>,
    },
    /// A point of a curve between two models in the common frame.
    Curve(Box<Curve>),
}

impl Merging {
    /// Whether weights of several models become those of one.
    pub fn averages(&self) -> bool {
        matches!(self, Merging::Mean { .. } | Merging::Spherical)
    }

    /// Whether models are brought into a common frame first.
    pub fn aligns(&self) -> bool {
        self.averages() || matches!(self, Merging::Curve(_))
    }

    /// Whether it is of two models, no more.
    pub fn is_of_two(&self) -> bool {
        matches!(self, Merging::Spherical | Merging::Curve(_))
    }
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Points on a line, ends included.
    pub lambdas: usize,
    /// The splits measured.
    pub parts: Vec<Part>,
    /// How many images.
    pub images: ImageLimits,
    /// How many of the first models are merged: each a merged model of its own.
    pub merges: Vec<usize>,
    /// Further models that are merged, by index and in their order.
    pub subsets: Vec<Vec<usize>>,
    /// Whether these are also merged in the frame into which all models were brought together.
    pub joint_subsets: bool,
    /// What the barrier that tables for people show is over, where the spec says it.
    pub barrier: Option<BarrierOver>,
    /// Epochs of the trainings after which models are measured too, ascending.
    pub epochs: Vec<usize>,
    /// By which way lines lead from one model to another.
    pub interpolation: Interpolation,
    /// What is asked of each measurement.
    pub requests: Requests,
    /// What measurements need of others.
    pub needs: Needs,
}

impl Experiment {
    /// What the barriers that tables for people show are over: what the spec says, and what figures were reported over; else the line.
    pub fn barriers(&self) -> Vec<BarrierOver> {
        let reported = |over: &BarrierOver| self.comparison.figures.iter().any(|figure| figure.metric == over.metric());
        let said = self.evaluation.barrier;
        let others = [BarrierOver::Line, BarrierOver::Mean].into_iter().filter(|over| Some(*over) != said && reported(over));
        let shown: Vec<BarrierOver> = said.into_iter().chain(others).collect();
        if shown.is_empty() { vec![BarrierOver::Line] } else { shown }
    }

    /// The part of the training images that a model, given by index, sees in a pair; `None`: all.
    pub fn subset<'a>(&'a self, pair: &'a Pair, model: usize) -> Option<&'a Subset> {
        pair.subsets.get(&model).or(self.models[model].subset.as_ref())
    }

    /// The file that a model, given by index, is taken from in a pair.
    pub fn checkpoint<'a>(&'a self, pair: &'a Pair, model: usize) -> Option<&'a Checkpoint> {
        let model = &self.models[model];
        pair.checkpoints.get(&model.name).or(model.checkpoint.as_ref())
    }

    /// Whether it is known which training images a model, given by index, sees in a pair: of one from a file where the spec says it.
    pub fn knows_images_of(&self, pair: &Pair, model: usize) -> bool {
        let is_trained = self.checkpoint(pair, model).is_none() && self.models[model].pruned.is_none();
        is_trained || self.subset(pair, model).is_some()
    }

    /// How a model, given by index, is trained in a pair.
    pub fn training(&self, pair: &Pair, model: usize) -> Training {
        pair.adapted(self.models[model].training.as_ref().unwrap_or(&pair.training))
    }

    /// The images of a pair that no training sees.
    pub fn held_out(&self, pair: &Pair) -> Option<Validation> {
        let stream = Stream::root(self.seed).child("validation").child(&pair.dataset);
        self.validation.map(|share| Validation { share, stream })
    }

    /// The stream of one replicate of a pair.
    pub fn stream(&self, pair: &Pair, replicate: usize) -> Stream {
        Stream::root(self.seed).child(format!("replicate-{replicate}")).child(pair.name().to_string())
    }

    /// The stream of all models of one replicate of a pair, and the own of a model, given by index.
    pub fn model_streams(&self, pair: &Pair, replicate: usize, model: usize) -> [Stream; 2] {
        let all = self.stream(pair, replicate);
        let own = all.child(&self.models[model].name);
        [all, own]
    }

    /// What names of stages and files call a pair.
    pub fn slug(&self, pair: &Pair) -> String {
        let names: Vec<PairName> = self.pairs.iter().map(Pair::name).collect();
        pair.name().slug(&names)
    }
}
