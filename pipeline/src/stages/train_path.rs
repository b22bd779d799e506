//! The stage that trains the bends of a curve between two models.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_datasets::{SearchPaths, rough_counts};
use onebasin_matching::{Alignment, mean, to_frame_with};
use onebasin_network::Weights;
use onebasin_repro::Stream;
use onebasin_training::{Span, TrainingRun, first_weights, free_buffers};
use serde_json::json;

use super::files;
use super::training_loop::TrainingLoop;
use crate::dataset_cache;
use crate::demand;
use crate::spec::{Bends, Curve, Ends};
use crate::stage::{Context, Demand, Recipe, Stage, StageId, Words};
use crate::task::Task;
use crate::training_images::Replay;

/// Trains the bends of a curve whose ends are two models in the frame of their alignment, on all training images, and saves its control
/// points, ends included, as `control-K.safetensors`, with its learning curve.
pub struct TrainPath {
    id: StageId,
    /// The alignment, then the models.
    inputs: Vec<StageId>,
    task: Arc<Task>,
    curve: Curve,
    positions: Option<Vec<usize>>,
    stream: Stream,
    replay: Option<Replay>,
    checkpoint_seconds: usize,
}

impl TrainPath {
    /// The curve between two models, which an alignment brings into one frame. Everything random comes from `stream`: the order of images and
    /// their augmentation, the points, and fresh weights of bends and ends.
    pub fn new(
        id: StageId,
        (alignment, models): (StageId, Vec<StageId>),
        task: Arc<Task>,
        curve: Curve,
        stream: Stream,
        checkpoint_seconds: usize,
    ) -> TrainPath {
        let inputs = std::iter::once(alignment).chain(models).collect();
        TrainPath { id, inputs, task, curve, positions: None, stream, replay: None, checkpoint_seconds }
    }

    /// The same of models that stand at these places in the alignment, which has others too.
    #[must_use]
    pub fn at(self, positions: Option<Vec<usize>>) -> TrainPath {
        TrainPath { positions, ..self }
    }

    /// The same on images of several models.
    #[must_use]
    pub fn on(self, replay: Option<Replay>) -> TrainPath {
        TrainPath { replay, ..self }
    }

    /// Fresh weights.
    fn fresh(&self, name: &str) -> Result<Weights> {
        Ok(first_weights(&self.task.graph, &self.curve.training, &self.stream.child(name))?)
    }

    /// What stands at the ends.
    fn ends(&self, context: &Context<'_>) -> Result<[Weights; 2]> {
        let graph = &self.task.graph;
        let (alignment, models) = context.inputs.split_first().context("a curve without an alignment")?;
        if self.curve.ends == Ends::Random {
            return Ok([self.fresh("first-end")?, self.fresh("last-end")?]);
        }
        let alignment = Alignment::load(&alignment.directory)?;
        let maps = files::maps(&alignment, self.positions.as_deref(), models.len())?;
        let own = files::own(&alignment, self.positions.as_deref(), models, &self.task)?;
        let aligned = models.iter().zip(&maps);
        let aligned = aligned.map(|(model, maps)| Ok(to_frame_with(graph.spec(), &files::load(model, graph)?, maps, own.as_ref())));
        let aligned: Vec<Weights> = aligned.collect::<Result<_>>()?;
        let Ok([first, last]) = <[Weights; 2]>::try_from(aligned) else { bail!("a curve is between two models") };
        Ok(match self.curve.ends {
            Ends::MeanFirst => [mean(&[&first, &last], None)?, last],
            Ends::Models | Ends::Random => [first, last],
        })
    }

    /// Where the bends start.
    fn bends(&self, [first, last]: [&Weights; 2]) -> Result<Vec<Weights>> {
        let bends = self.curve.path.bends;
        let bend = |place: usize| match self.curve.start {
            Bends::Random => self.fresh(&format!("bend-{place}")),
            Bends::Linear => {
                let share = place as f64 / (bends + 1) as f64;
                Ok(mean(&[first, last], Some(&[1.0 - share, share]))?)
            }
        };
        (1..=bends).map(bend).collect()
    }
}

impl Stage for TrainPath {
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
        let Curve { path, training, start, ends, penalty, at: _ } = &self.curve;
        let mut settings = json!({
            "data": self.task.data_recipe(),
            "path": path,
            "training": training,
            "start": start,
            "ends": ends,
            "penalty": penalty,
            "stream": self.stream.path(),
            "device": self.task.device,
        });
        if let Some(positions) = &self.positions {
            settings["positions"] = json!(positions);
        }
        if let Some(replay) = &self.replay {
            settings["replay"] = replay.recipe();
        }
        // Version 1 drew fresh weights without the scales at 0.
        let version = if training.zero_init_residual { 2 } else { 1 };
        Recipe { kind: "curve", version, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let counts = rough_counts(&self.task.source, places)?;
        let classes = self.task.graph.architecture.classes;
        let images = self.replay.as_ref().map_or(counts.train, |replay| replay.rough_size(counts.train, classes));
        let Span { steps, .. } = self.curve.training.span(images).ok()?;
        Some(demand::of_training(&self.task.graph, self.curve.training.batch, steps, &counts))
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let training = &self.curve.training;
        let split = match &self.replay {
            None => Cow::Borrowed(&dataset.train),
            Some(replay) => Cow::Owned(replay.images(&dataset.train)?),
        };
        let [first, last] = self.ends(context)?;
        let bends = self.bends([&first, &last])?;
        let run = TrainingRun::new(graph, &split, normalisation, training, &self.stream, context.device)?;
        let mut run = run.along(self.curve.path, [&first, &last], &bends, self.curve.penalty, &self.stream)?;
        let Span { steps, .. } = training.span(split.len())?;
        let training_loop = TrainingLoop { name: self.id.as_str(), context, checkpoint_seconds: self.checkpoint_seconds };
        training_loop.run(&mut run, steps, steps)?;
        let (controls, learning_curve) = run.finish_path()?;
        context.threads.everywhere(free_buffers);
        files::save_learning_curve(context.out, &learning_curve)?;
        files::save_controls(context.out, &graph.architecture, controls)
    }
}
