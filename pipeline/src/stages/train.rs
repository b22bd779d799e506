//! The stage that trains one model.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result};
use onebasin_datasets::{Subset, subset};
use onebasin_repro::Stream;
use onebasin_training::{Training, fit};
use serde_json::json;

use super::files;
use crate::dataset_cache;
use crate::stage::{Context, Progress, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// Trains a network on the training images, or on a subset of them, and saves it as `weights.safetensors`.
pub struct Train {
    id: StageId,
    task: Arc<Task>,
    training: Training,
    subset: Option<Subset>,
    stream: Stream,
}

impl Train {
    /// Everything random comes from `stream`: the weights at the start, the order of images, the choice of a subset.
    pub fn new(id: StageId, task: Arc<Task>, training: Training, subset: Option<Subset>, stream: Stream) -> Train {
        Train { id, task, training, subset, stream }
    }
}

impl Stage for Train {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "training", past: "TRAINED" }
    }

    fn inputs(&self) -> &[StageId] {
        &[]
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({
            "data": self.task.data_recipe(),
            "architecture": self.task.architecture_recipe(),
            "training": self.training,
            "subset": self.subset,
            "stream": self.stream.path(),
            "device": self.task.device,
        });
        Recipe { kind: "train", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let dataset = context.datasets.of(&self.task)?;
        let split = match &self.subset {
            None => Cow::Borrowed(&dataset.train),
            Some(part) => Cow::Owned(subset(&dataset.train, part, &self.stream.child("subset")).context("cannot choose the subset")?),
        };
        let mut watch = |now: &onebasin_training::Progress| {
            (context.progress)(Progress::Training { step: now.step, steps: now.steps, loss: now.loss, rate: now.rate });
            if context.interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let graph = &self.task.graph;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let weights = fit(graph, &split, normalisation, &self.training, &self.stream, context.device, &mut watch)?;
        files::save(context.out, &graph.architecture, weights)
    }
}
