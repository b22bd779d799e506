//! The stage that trains one model.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, Result};
use onebasin_datasets::{Subset, subset};
use onebasin_repro::Stream;
use onebasin_training::{Progress, Snapshot, Training, TrainingError, TrainingRun, free_buffers};
use serde_json::json;

use super::files;
use crate::dataset_cache;
use crate::stage::{self, Artifact, Context, Recipe, Stage, StageId, Words};
use crate::task::Task;
use crate::untrained::{sentence, untrained};

/// Trains a network on the training images, or on a subset of them, and saves it as `weights.safetensors`, with its learning curve.
pub struct Train {
    id: StageId,
    task: Arc<Task>,
    training: Training,
    subset: Option<Subset>,
    stream: Stream,
    checkpoint_seconds: usize,
}

impl Train {
    /// Everything random comes from `stream`: the weights at the start, the order of images, the choice of a subset. A run that is cut short
    /// loses at most about `checkpoint_seconds` of work; 0 keeps no checkpoints.
    pub fn new(
        id: StageId,
        task: Arc<Task>,
        training: Training,
        subset: Option<Subset>,
        stream: Stream,
        checkpoint_seconds: usize,
    ) -> Train {
        Train { id, task, training, subset, stream, checkpoint_seconds }
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
        Recipe { kind: "train", version: 2, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let dataset = context.datasets.of(&self.task)?;
        let split = match &self.subset {
            None => Cow::Borrowed(&dataset.train),
            Some(part) => Cow::Owned(subset(&dataset.train, part, &self.stream.child("subset")).context("cannot choose the subset")?),
        };
        let graph = &self.task.graph;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let mut run = TrainingRun::new(graph, &split, normalisation, &self.training, &self.stream, context.device)?;
        self.resume(&mut run, context);
        let mut kept = Instant::now();
        while !run.is_done() {
            let Progress { step, steps, loss, rate, .. } = context.compute(|| run.advance())?;
            (context.progress)(stage::Progress::Training { step, steps, loss, rate });
            let interrupted = context.interrupted.load(Ordering::Relaxed) && !run.is_done();
            let keeps = self.checkpoint_seconds > 0;
            if keeps && (interrupted || kept.elapsed().as_secs() >= self.checkpoint_seconds as u64) {
                context.checkpoint.write(&run.snapshot().to_bytes(self.id.as_str())?)?;
                kept = Instant::now();
            }
            if interrupted {
                return Err(TrainingError::Interrupted { step, steps }.into());
            }
        }
        let trained = run.finish()?;
        context.threads.everywhere(free_buffers);
        files::save_learning_curve(context.out, &trained.curve)?;
        files::save(context.out, &graph.architecture, trained.weights)
    }

    fn warning(&self, artifact: &dyn Fn() -> Option<Artifact>) -> Option<String> {
        // An artifact that cannot be read is damaged, which others tell.
        let curve = files::load_learning_curve(&artifact()?).ok()?;
        let classes = self.task.graph.architecture.classes;
        Some(sentence(untrained(&curve, classes)?, classes))
    }
}

impl Train {
    /// Goes on where an earlier run was cut short. A checkpoint that cannot be used costs time and no more.
    fn resume(&self, run: &mut TrainingRun<'_>, context: &Context<'_>) {
        let restored = context.checkpoint.read().and_then(|bytes| {
            let Some(bytes) = bytes else { return Ok(None) };
            let snapshot = Snapshot::from_bytes(&bytes, self.id.as_str())?;
            let step = snapshot.step();
            run.restore(snapshot)?;
            Ok(Some(step))
        });
        match restored {
            Ok(None) => {}
            Ok(Some(step)) => tracing::info!(stage = %self.id, step, "a training goes on from its checkpoint"),
            Err(error) => {
                let problem = format!("{error:#}");
                tracing::warn!(stage = %self.id, problem, "a checkpoint cannot be used; the training starts anew");
                context.checkpoint.remove();
            }
        }
    }
}
