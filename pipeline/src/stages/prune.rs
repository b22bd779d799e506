//! The stage that makes a narrower model of the largest units of another.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_matching::{PruningNorm, prune};
use serde_json::json;

use super::files;
use crate::stage::{Context, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// Prunes a model and saves it as `weights.safetensors`.
pub struct Prune {
    id: StageId,
    inputs: Vec<StageId>,
    /// Of the narrow model.
    task: Arc<Task>,
    norm: PruningNorm,
}

impl Prune {
    /// Of `model` as many units as the task's network has.
    pub fn new(id: StageId, model: StageId, task: Arc<Task>, norm: PruningNorm) -> Prune {
        Prune { id, inputs: vec![model], task, norm }
    }
}

impl Stage for Prune {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "pruning", past: "PRUNED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({ "norm": self.norm, "architecture": self.task.graph.architecture });
        Recipe { kind: "prune", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let artifact = context.inputs.first().context("nothing to prune")?;
        let (from, weights) = files::load_model(artifact, &self.task)?;
        let pruned = prune(from.spec(), self.task.graph.spec(), &weights, self.norm)?;
        files::save(context.out, &self.task.graph.architecture, pruned)
    }
}
