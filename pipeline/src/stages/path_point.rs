//! The stage that takes the network at one point of a curve.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result};
use onebasin_datasets::{Normalisation, SearchPaths, Split, rough_counts};
use onebasin_network::Weights;
use onebasin_training::{Device, ModePath, Sample, evaluate, reset_batch_norms};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::files;
use crate::dataset_cache;
use crate::demand;
use crate::identity::Part;
use crate::spec::At;
use crate::stage::{Context, Demand, Progress, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// Points in equal steps among which the best one is sought, as many as published measurements of curves have.
pub const POINTS: usize = 61;

/// Images in a batch of a pass for batch norms.
const BATCH: usize = 100;

/// The file that says which point it is.
pub const ARTIFACT: &str = "point.json";

/// The network at one point of a curve, its batch norms estimated anew on the training images: `weights.safetensors`; which point it is, with
/// the validation losses of those that it was chosen from: `point.json`.
pub struct PathPoint {
    id: StageId,
    inputs: [StageId; 1],
    task: Arc<Task>,
    path: ModePath,
    at: At,
}

/// What `point.json` holds.
#[derive(Serialize, Deserialize)]
pub struct Chosen {
    /// The point.
    pub t: f64,
    /// Of all points in equal steps, the loss on the validation images; empty where the point was given.
    pub validation: Vec<f64>,
}

impl PathPoint {
    /// A point of the curve that `curve` trains.
    pub fn new(id: StageId, curve: StageId, task: Arc<Task>, path: ModePath, at: At) -> PathPoint {
        PathPoint { id, inputs: [curve], task, path, at }
    }
}

/// The network at a point of a curve, with batch norms estimated anew on training images.
pub fn network_at(
    context: &Context<'_>,
    task: &Task,
    (path, controls): (ModePath, &[Weights]),
    t: f64,
    (train, normalisation): (&Split, &Normalisation),
) -> Result<Weights> {
    let point = path.point(task.graph.spec(), controls, t)?;
    let sample = sample(train, normalisation, context.device);
    let mut watch = |_: usize| match context.interrupted.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    Ok(reset_batch_norms(&task.graph, &point, &sample, &mut watch)?)
}

/// What batch norms are estimated on.
pub fn sample<'a>(data: &'a Split, normalisation: &'a Normalisation, device: &'a Device) -> Sample<'a> {
    Sample { data, normalisation, batch: BATCH, device }
}

/// So many points from 0 to 1 in equal steps.
pub fn equal_steps(points: usize) -> Vec<f64> {
    (0..points).map(|place| place as f64 / (points - 1) as f64).collect()
}

impl Stage for PathPoint {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "merging", past: "MERGED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let mut settings = json!({ "path": self.path, "at": self.at });
        // The images matter where one is chosen, or batch norms are estimated.
        if self.at == At::Best || self.task.has_batch_norms() {
            settings["data"] = self.task.data_recipe();
            settings["device"] = json!(self.task.device);
        }
        Recipe { kind: "point", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let tries = if self.at == At::Best { POINTS } else { 1 };
        let norms = demand::of_batch_norms(&self.task, tries, places)?;
        match &self.task.validation {
            Some(validation) if self.at == At::Best => {
                let images = (rough_counts(&self.task.source, places)?.train as f64 * validation.share) as usize;
                Some(norms.and(demand::of_first(&self.task, Part::Train, Some(images), tries, places)?))
            }
            _ => (norms.operations > 0.0).then_some(norms),
        }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let controls = files::load_controls(context.inputs.first().context("a point of no curve")?, graph, self.path.bends + 2)?;
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let at = |t: f64| network_at(context, &self.task, (self.path, &controls), t, (&dataset.train, normalisation));
        let (t, validation) = match self.at {
            At::Point(t) => (t, Vec::new()),
            At::Best => {
                let images = context.datasets.validation(&self.task)?;
                let mut losses = Vec::with_capacity(POINTS);
                for t in equal_steps(POINTS) {
                    context.check_interrupt()?;
                    (context.progress)(Progress::Share { done: losses.len(), total: POINTS });
                    let network = at(t)?;
                    losses.push(context.compute(|| evaluate(graph, &network, &images, normalisation, context.device))?.loss);
                }
                // The first of equals; a loss that is no number is never the least.
                let least = (0..POINTS).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap_or_default();
                (equal_steps(POINTS)[least], losses)
            }
        };
        files::write_json(&context.out.join(ARTIFACT), &Chosen { t, validation })?;
        files::save(context.out, &graph.architecture, at(t)?)
    }
}
