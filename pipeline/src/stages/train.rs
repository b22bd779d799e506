//! The stage that trains one model.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Result, ensure};
use onebasin_datasets::{Order, Subset};
use onebasin_network::{Graph, Weights};
use onebasin_repro::Stream;
use onebasin_training::{Progress, Snapshot, Span, Training, TrainingError, TrainingRun, free_buffers};
use serde_json::json;

use super::files;
use crate::dataset_cache;
use crate::stage::{self, Artifact, Context, Recipe, Stage, StageId, Words};
use crate::task::Task;
use crate::training_images::training_images;
use crate::untrained::{sentence, untrained};

/// Trains a network on the training images, or on a subset of them, and saves it as `weights.safetensors`, with its learning curve.
///
/// A training may be cut into parts, each of which goes on where the one before ended: `snapshot.safetensors`.
#[derive(Clone)]
pub struct Train {
    id: StageId,
    /// What it goes on from, if anything.
    inputs: Vec<StageId>,
    start: Start,
    /// Where it ends, in epochs; `None`: where the training does.
    until: Option<usize>,
    task: Arc<Task>,
    training: Training,
    subset: Option<Subset>,
    /// That of all models of a replicate, and the model's own.
    streams: [Stream; 2],
    /// What a later round of the same model draws from, the choice of its subset apart.
    round: Option<Stream>,
    checkpoint_seconds: usize,
}

/// What a training begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Fresh weights.
    Fresh,
    /// Where the part of the same training before it ended.
    Part,
    /// The weights of a model.
    Model,
}

impl Train {
    /// Everything random comes from the second stream: the weights at the start, the order of images, the choice of a subset; but for subsets
    /// that models share out, which come from the first, that of all models. A run that is cut short
    /// loses at most about `checkpoint_seconds` of work; 0 keeps no checkpoints.
    pub fn new(
        id: StageId,
        task: Arc<Task>,
        training: Training,
        subset: Option<Subset>,
        streams: [Stream; 2],
        checkpoint_seconds: usize,
    ) -> Train {
        Train { id, inputs: Vec::new(), start: Start::Fresh, until: None, task, training, subset, streams, round: None, checkpoint_seconds }
    }

    /// The part of this training that ends after an epoch. Beside the weights it keeps all that another part needs to go on.
    pub fn until(&self, id: StageId, epoch: usize) -> Train {
        Train { id, until: Some(epoch), ..self.clone() }
    }

    /// The same from where an earlier part ended. Bytes do not depend on it.
    #[must_use]
    pub fn after(self, part: Option<StageId>) -> Train {
        match part {
            Some(part) => Train { inputs: vec![part], start: Start::Part, ..self },
            None => self,
        }
    }

    /// The same from the weights of a model, which keeps its own architecture: fine-tuning.
    #[must_use]
    pub fn of_model(self, model: StageId) -> Train {
        Train { inputs: vec![model], start: Start::Model, ..self }
    }

    /// The same as another round of it: everything but the choice of the subset is drawn from `stream`.
    #[must_use]
    pub fn in_round(self, stream: Stream) -> Train {
        Train { round: Some(stream), ..self }
    }

    /// What the order of images is drawn from, and fresh weights are.
    fn stream(&self) -> &Stream {
        self.round.as_ref().unwrap_or(&self.streams[1])
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
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let [shared, own] = &self.streams;
        let mut settings = json!({
            "data": self.task.data_recipe(),
            "architecture": self.task.trained_recipe(),
            "training": self.training,
            "subset": self.subset,
            "stream": self.stream().path(),
            "device": self.task.device,
        });
        if self.subset.as_ref().is_some_and(|subset| subset.order == Order::Shared) {
            settings["shared-stream"] = json!(shared.path());
        }
        if self.round.is_some() && self.subset.is_some() {
            settings["subset-stream"] = json!(own.path());
        }
        if self.start == Start::Model {
            settings["start"] = json!("model");
        }
        if let Some(epoch) = self.until {
            settings["until-epoch"] = json!(epoch);
        }
        Recipe { kind: "train", version: 2, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let dataset = context.datasets.of(&self.task)?;
        let split = training_images(&dataset.train, self.subset.as_ref(), &self.streams)?;
        let (start, stream) = (self.start_of(context)?, self.stream());
        let graph = start.as_ref().map_or(&self.task.trained, |(graph, _)| graph);
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let mut run = TrainingRun::new(graph, &split, normalisation, &self.training, stream, context.device)?;
        let Span { steps, steps_per_epoch } = self.training.span(split.len())?;
        let end = self.until.map_or(steps, |epochs| epochs.saturating_mul(steps_per_epoch));
        ensure!(
            end <= steps,
            "the training has {steps} steps, fewer than {} epochs\nhint: measure after fewer epochs",
            end / steps_per_epoch
        );
        if let Some((_, weights)) = &start {
            run = run.starting_from(weights)?;
        }
        if let (Start::Part, [part]) = (self.start, context.inputs) {
            run.restore(Snapshot::from_bytes(&files::load_snapshot(part)?, stream.path())?)?;
        }
        self.resume(&mut run, context);
        let first = run.step();
        let mut kept = Instant::now();
        while run.step() < end {
            let Progress { step, loss, rate, .. } = context.compute(|| run.advance())?;
            (context.progress)(stage::Progress::Training { step, first, steps: end, loss, rate });
            let interrupted = context.interrupted.load(Ordering::Relaxed) && step < end;
            let keeps = self.checkpoint_seconds > 0;
            if keeps && (interrupted || kept.elapsed().as_secs() >= self.checkpoint_seconds as u64) {
                context.checkpoint.write(&run.snapshot().to_bytes(self.id.as_str())?)?;
                kept = Instant::now();
            }
            if interrupted {
                return Err(TrainingError::Interrupted { step, steps }.into());
            }
        }
        if self.until.is_some() {
            files::save_snapshot(context.out, &run.snapshot().to_bytes(stream.path())?)?;
        }
        let trained = run.finish()?;
        context.threads.everywhere(free_buffers);
        files::save_learning_curve(context.out, &trained.curve)?;
        let left = self.training.leaves(graph)?;
        files::save(context.out, &left.architecture, trained.weights)
    }

    fn warning(&self, artifact: &dyn Fn() -> Option<Artifact>) -> Option<String> {
        if self.until.is_some() {
            // The whole training tells.
            return None;
        }
        // An artifact that cannot be read is damaged, which others tell.
        let curve = files::load_learning_curve(&artifact()?).ok()?;
        let classes = self.task.graph.architecture.classes;
        Some(sentence(untrained(&curve, classes)?, classes))
    }
}

impl Train {
    /// The model that is trained on, with its own network.
    fn start_of(&self, context: &Context<'_>) -> Result<Option<(Graph, Weights)>> {
        match (self.start, context.inputs) {
            (Start::Model, [model]) => files::load_own(model, &self.task.graph).map(Some),
            _ => Ok(None),
        }
    }

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
