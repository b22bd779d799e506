//! What a stage is: a recipe, its inputs and the work.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use onebasin_datasets::SearchPaths;
use onebasin_repro::Fingerprint;
use onebasin_training::Device;
use serde::{Deserialize, Serialize};

use crate::checkpoint_file::CheckpointFile;
use crate::cores::Threads;
use crate::dataset_cache::DatasetCache;

/// The name of a stage in its plan, for example `train/glyphs-mlp/replicate-0/a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageId(String);

impl StageId {
    /// Wraps a name.
    pub fn new(name: impl Into<String>) -> StageId {
        StageId(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first part: what is done.
    pub fn first(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The method it works for, without its draw; `None` for a stage that serves several.
    pub fn method(&self) -> Option<&str> {
        let mut parts = self.0.split('/').skip(2);
        let (method, next) = (parts.next()?, parts.next()?);
        // A pair's own stages have the replicate in that place: a model called so is followed by nothing.
        let is_replicate = |part: &str| part.strip_prefix("replicate-").is_some_and(|number| number.parse::<usize>().is_ok());
        (is_replicate(next) && parts.next().is_some()).then(|| method.split('#').next().unwrap_or(method))
    }

    /// What it calls its pair of data set and architecture; `None` for a stage of the whole experiment.
    pub fn pair_slug(&self) -> Option<&str> {
        self.0.split('/').nth(1)
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything of a stage, besides its inputs, that can change its output.
///
/// It never holds the name a person gave to a method or a model, so equal work is stored once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// The kind of work: `train`, `align`, ...
    pub kind: &'static str,
    /// Raised when the same settings would give another output.
    pub version: u32,
    /// Every setting, with its defaults filled in.
    pub settings: serde_json::Value,
}

impl Recipe {
    /// The kind of device that networks of the stage run on, where any do.
    pub fn device(&self) -> Option<String> {
        self.settings["device"].as_str().map(str::to_owned)
    }
}

/// One finished entry of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// What names it.
    pub fingerprint: Fingerprint,
    /// Where its files are; never written to.
    pub directory: PathBuf,
}

/// How far a running stage has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// A training after one of its steps.
    Training {
        /// Steps done.
        step: usize,
        /// Steps that were done before the stage began: those of an earlier run.
        first: usize,
        /// Steps in all.
        steps: usize,
        /// Running mean of the loss, in nats.
        loss: f64,
        /// Learning rate of the step.
        rate: f64,
    },
    /// Any other work: units done and units in all.
    Share {
        /// Units done.
        done: usize,
        /// Units in all.
        total: usize,
    },
}

/// What a running stage may use.
pub struct Context<'a> {
    /// The artifacts of [`Stage::inputs`], in their order.
    pub inputs: &'a [Artifact],
    /// An empty folder to fill; it becomes the artifact when the stage returns `Ok`.
    pub out: &'a Path,
    /// Called now and then with the progress.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Where a long stage keeps what a later run goes on from.
    pub checkpoint: &'a CheckpointFile,
    /// Set when the run should end: long stages check it and return an error.
    pub interrupted: &'a AtomicBool,
    /// Where forward passes run.
    pub device: &'a Device,
    /// The data sets.
    pub datasets: &'a DatasetCache,
    /// The threads that the stage runs on; long stages ask for more between pieces of work.
    pub threads: &'a Threads<'a>,
    /// Told once by a stage that also loads or checks: the seconds of what it is for.
    pub work: &'a OnceLock<f64>,
}

impl Context<'_> {
    /// Does a piece of work on as many threads as the stage has by now, where the device computes on those of its caller.
    pub fn compute<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        if self.device.is_host() { self.threads.install(work) } else { work() }
    }

    /// An error once the run should end; to be asked between pieces of work.
    ///
    /// # Errors
    /// When the run should end.
    pub fn check_interrupt(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.interrupted.load(Ordering::Relaxed), "stopped on request");
        Ok(())
    }
}

/// What is known of the work of a stage from its settings alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Demand {
    /// Multiplications and additions.
    pub operations: f64,
    /// Bytes that it holds at once.
    pub memory: u64,
}

/// What lines about a stage call its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// While it runs: `training`. At most nine letters, as below.
    pub present: &'static str,
    /// When it is done: `TRAINED`.
    pub past: &'static str,
}

impl Words {
    /// Of a stage that measures something.
    pub const MEASURE: Words = Words { present: "measuring", past: "MEASURED" };
    /// Of a stage that compares models.
    pub const COMPARE: Words = Words { present: "comparing", past: "COMPARED" };
}

/// One piece of work of the DAG.
pub trait Stage: Send + Sync {
    /// Its name in the plan.
    fn id(&self) -> &StageId;
    /// What lines call its work.
    fn words(&self) -> Words;
    /// The stages whose artifacts it reads.
    fn inputs(&self) -> &[StageId];
    /// What it does, to the last setting.
    fn recipe(&self) -> Recipe;
    /// Does it, writing into `context.out` only.
    ///
    /// # Errors
    /// Anything that keeps the artifact from being complete.
    fn run(&self, context: &Context<'_>) -> anyhow::Result<()>;
    /// What its settings alone tell of its work; `None` where that is little. `places` tell how many images there are.
    fn demand(&self, _places: &SearchPaths) -> Option<Demand> {
        None
    }
    /// What whoever uses its artifact should know, where there is something. `artifact` looks for it.
    fn warning(&self, _artifact: &dyn Fn() -> Option<Artifact>) -> Option<String> {
        None
    }
}
