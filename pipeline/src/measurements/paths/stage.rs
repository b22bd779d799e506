//! The stage that measures a curve between two models.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_datasets::SearchPaths;
use onebasin_network::Weights;
use onebasin_training::{ModePath, evaluate, path_steps};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::dataset_cache;
use crate::demand;
use crate::identity::Part;
use crate::stage::{Context, Demand, Progress, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, Measured};
use crate::stages::path_point::{equal_steps, network_at};
use crate::task::Task;

/// The file of the stage.
pub const ARTIFACT: &str = "path.json";

/// Measures loss and accuracy at points of a curve in equal steps of t, batch norms estimated anew at each: `path.json`.
pub struct PathStage {
    id: StageId,
    inputs: [StageId; 1],
    task: Arc<Task>,
    path: ModePath,
    points: usize,
    parts: Vec<Part>,
}

/// A point of the curve on one split: an item of `path.json`.
#[derive(Serialize, Deserialize)]
pub struct Point {
    pub split: Part,
    pub t: f64,
    pub loss: f64,
    pub accuracy: f64,
    /// From the point before.
    pub step: f64,
}

impl PathStage {
    /// Of the curve that `curve` trains.
    pub fn new(id: StageId, curve: StageId, task: Arc<Task>, path: ModePath, points: usize, parts: Vec<Part>) -> PathStage {
        PathStage { id, inputs: [curve], task, path, points, parts }
    }
}

impl Stage for PathStage {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words::MEASURE
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({
            "data": self.task.measured_recipe(),
            "path": self.path,
            "points": self.points,
            "parts": self.parts,
            "device": self.task.device,
        });
        Recipe { kind: "path", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let path = demand::of_measuring(&self.task, &self.parts, self.points, places)?;
        Some(path.and(demand::of_batch_norms(&self.task, self.points, places)?))
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let controls = files::load_controls(context.inputs.first().context("a path of no curve")?, graph, self.path.bends + 2)?;
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let splits: Vec<_> = self.parts.iter().map(|&part| (part, dataset_cache::measured(&self.task, &dataset, part))).collect();
        let mut measured = Vec::with_capacity(splits.len() * self.points);
        let mut before: Option<Weights> = None;
        for (place, t) in equal_steps(self.points).into_iter().enumerate() {
            context.check_interrupt()?;
            (context.progress)(Progress::Share { done: place, total: self.points });
            let network = network_at(context, &self.task, (self.path, &controls), t, (&dataset.train, normalisation))?;
            let step = before.as_ref().map_or(0.0, |before| path_steps(graph.spec(), &[before.clone(), network.clone()])[0]);
            for (part, images) in &splits {
                let evaluation = context.compute(|| evaluate(graph, &network, images, normalisation, context.device))?;
                let Measured { split, loss, accuracy, .. } =
                    Measured::new(*part, evaluation, files::OVERFLOWED).with_context(|| format!("at t = {t}"))?;
                measured.push(Point { split, t, loss, accuracy, step });
            }
            before = Some(network);
        }
        files::write_json(&context.out.join(ARTIFACT), &measured)
    }
}
