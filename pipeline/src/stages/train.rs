//! The stage that trains one model.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Result, ensure};
use onebasin_datasets::{Order, SearchPaths, Subset, rough_counts};
use onebasin_network::{Graph, Weights};
use onebasin_repro::Stream;
use onebasin_training::{Distillation, Snapshot, Span, Training, TrainingRun, first_weights, free_buffers, resident_bytes};
use serde_json::json;

use super::files;
use super::training_loop::TrainingLoop;
use crate::dataset_cache;
use crate::demand;
use crate::stage::{Artifact, Context, Demand, Recipe, Stage, StageId, Words};
use crate::task::Task;
use crate::training_images::{Replay, training_images};
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
    /// In place of a subset: images of several models.
    replay: Option<Replay>,
    /// That of all models of a replicate, and the model's own.
    streams: [Stream; 2],
    /// What a later round of the same model draws from, the choice of its subset apart.
    round: Option<Stream>,
    /// Whether the first weights come from the stream of all models.
    shares_first_weights: bool,
    /// What it learns besides labels, from the last inputs, and how many these are.
    lesson: Option<(Distillation, usize)>,
    checkpoint_seconds: usize,
}

/// What a training begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Fresh weights.
    Fresh,
    /// Where the part of the same training before it ended, after so many epochs.
    Part(usize),
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
        let (inputs, start, until, replay, shares_first_weights, round) = (Vec::new(), Start::Fresh, None, None, false, None);
        let lesson = None;
        Train { id, inputs, start, until, task, training, subset, replay, streams, round, shares_first_weights, lesson, checkpoint_seconds }
    }

    /// The same on images of several models.
    #[must_use]
    pub fn on(self, replay: Option<Replay>) -> Train {
        Train { replay, ..self }
    }

    /// The same from first weights that all models of a replicate share.
    #[must_use]
    pub fn with_shared_weights(self) -> Train {
        Train { shares_first_weights: true, ..self }
    }

    /// The part of this training that ends after an epoch. Beside the weights it keeps all that another part needs to go on.
    pub fn until(&self, id: StageId, epoch: usize) -> Train {
        Train { id, until: Some(epoch), ..self.clone() }
    }

    /// The same from where an earlier part ended, and after which epoch that was. Bytes do not depend on it.
    #[must_use]
    pub fn after(self, part: Option<(StageId, usize)>) -> Train {
        match part {
            Some((part, epoch)) => Train { inputs: vec![part], start: Start::Part(epoch), ..self },
            None => self,
        }
    }

    /// The same from the weights of a model, which keeps its own architecture: fine-tuning.
    #[must_use]
    pub fn of_model(self, model: StageId) -> Train {
        Train { inputs: vec![model], start: Start::Model, ..self }
    }

    /// The same with teachers, from whom it learns besides.
    #[must_use]
    pub fn taught_by(mut self, teachers: Vec<StageId>, distillation: Distillation) -> Train {
        self.lesson = Some((distillation, teachers.len()));
        self.inputs.extend(teachers);
        self
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
        if let Some(replay) = &self.replay {
            settings["replay"] = replay.recipe();
        }
        if self.shares_first_weights {
            settings["first-weights"] = json!(shared.path());
        }
        if self.start == Start::Model {
            settings["start"] = json!("model");
        }
        if let Some(epoch) = self.until {
            settings["until-epoch"] = json!(epoch);
        }
        if let Some((distillation, teachers)) = &self.lesson {
            settings["distillation"] = json!({ "options": distillation, "teachers": teachers });
        }
        // Version 2 began shared weights without the scales at 0.
        let version = if self.shares_first_weights && self.training.zero_init_residual { 3 } else { 2 };
        Recipe { kind: "train", version, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let dataset = context.datasets.of(&self.task)?;
        let split = match &self.replay {
            None => training_images(&dataset.train, self.subset.as_ref(), &self.streams)?,
            Some(replay) => Cow::Owned(replay.images(&dataset.train)?),
        };
        let (start, teachers, stream) = (self.start_of(context)?, self.teachers(context)?, self.stream());
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
        if self.shares_first_weights && self.start == Start::Fresh {
            let first = first_weights(graph, &self.training, &self.streams[0].child("init"))?;
            run = run.starting_from(&first)?;
        }
        if let Some((distillation, _)) = self.lesson {
            let networks: Vec<(&Graph, &Weights)> = teachers.iter().map(|(graph, weights)| (graph, weights)).collect();
            run = run.taught_by(&networks, distillation)?;
        }
        if let (Start::Part(_), [part]) = (self.start, context.inputs) {
            run.restore(Snapshot::from_bytes(&files::load_snapshot(part)?, stream.path())?)?;
        }
        let training_loop = TrainingLoop { name: self.id.as_str(), context, checkpoint_seconds: self.checkpoint_seconds };
        training_loop.run(&mut run, end, steps)?;
        if self.until.is_some() {
            files::save_snapshot(context.out, &run.snapshot().to_bytes(stream.path())?)?;
        }
        let trained = run.finish()?;
        context.threads.everywhere(free_buffers);
        files::save_learning_curve(context.out, &trained.curve)?;
        let left = self.training.leaves(graph)?;
        files::save(context.out, &left.architecture, trained.weights)
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let counts = rough_counts(&self.task.source, places)?;
        let classes = self.task.graph.architecture.classes;
        let images = match (&self.replay, &self.subset) {
            (Some(replay), _) => replay.rough_size(counts.train, classes),
            (None, Some(subset)) => subset.rough_size(counts.train, classes),
            (None, None) => counts.train,
        };
        let Span { steps, steps_per_epoch } = self.training.span(images).ok()?;
        let part = |epochs: usize| epochs.saturating_mul(steps_per_epoch);
        let before = if let Start::Part(epoch) = self.start { part(epoch) } else { 0 };
        let steps = self.until.map_or(steps, part).saturating_sub(before);
        let demand = demand::of_training(&self.task.trained, self.training.batch, steps, &counts);
        // Images that nothing disturbs stay on a device that computes on its own.
        let stay = self.training.augmentation.is_none() && !["cpu", "ndarray"].contains(&self.task.device.as_str());
        let numbers = images.saturating_mul(self.task.trained.architecture.input.volume());
        let held = if stay { resident_bytes(numbers) } else { 0 };
        Some(Demand { memory: demand.memory.saturating_add(held), ..demand })
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
    /// The models that it learns from.
    fn teachers(&self, context: &Context<'_>) -> Result<Vec<(Graph, Weights)>> {
        let count = self.lesson.map_or(0, |(_, count)| count);
        let teachers = &context.inputs[context.inputs.len().saturating_sub(count)..];
        teachers.iter().map(|teacher| files::load_own(teacher, &self.task)).collect()
    }

    /// The model that is trained on, with its own network.
    fn start_of(&self, context: &Context<'_>) -> Result<Option<(Graph, Weights)>> {
        match (self.start, context.inputs) {
            (Start::Model, [model, ..]) => files::load_own(model, &self.task).map(Some),
            _ => Ok(None),
        }
    }
}
