//! The stage that measures one trained model.

use std::sync::Arc;

use anyhow::Result;
use onebasin_training::evaluate;
use serde_json::json;

use super::ARTIFACT;
use crate::dataset_cache;
use crate::identity::Part;
use crate::stage::{Context, Progress, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, Measured};
use crate::task::Task;

/// Measures loss and accuracy of a model on each split: `evaluation.json`.
pub struct Evaluate {
    id: StageId,
    inputs: [StageId; 1],
    task: Arc<Task>,
    parts: Vec<Part>,
}

impl Evaluate {
    /// The model that `model` trains, on each of `parts`.
    pub fn new(id: StageId, model: StageId, task: Arc<Task>, parts: Vec<Part>) -> Evaluate {
        Evaluate { id, inputs: [model], task, parts }
    }
}

impl Stage for Evaluate {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "measuring", past: "EVALUATED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({ "data": self.task.measured_recipe(), "parts": self.parts, "device": self.task.device });
        Recipe { kind: "evaluate", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let weights = files::load(&context.inputs[0], graph)?;
        let measured = over_parts(context, &self.task, &self.parts, files::DIVERGED, |split, normalisation| {
            Ok(evaluate(graph, &weights, split, normalisation, context.device)?)
        })?;
        files::write_json(&context.out.join(ARTIFACT), &measured)
    }
}

/// Measures something on each split in turn, checking for interrupts in between. `hint` is for a loss that is no number.
pub(super) fn over_parts(
    context: &Context<'_>,
    task: &Task,
    parts: &[Part],
    hint: &str,
    measure: impl Fn(&onebasin_datasets::Split, &onebasin_datasets::Normalisation) -> Result<onebasin_training::Evaluation>,
) -> Result<Vec<Measured>> {
    let dataset = context.datasets.of(task)?;
    let normalisation = dataset_cache::normalisation(task, &dataset);
    let mut measured = Vec::with_capacity(parts.len());
    let splits: Vec<_> = parts.iter().map(|&part| (part, dataset_cache::measured(task, &dataset, part))).collect();
    let total = splits.iter().map(|(_, split)| split.len()).sum();
    let mut done = 0;
    for (part, split) in &splits {
        context.check_interrupt()?;
        (context.progress)(Progress::Share { done, total });
        measured.push(Measured::new(*part, measure(split, normalisation)?, hint)?);
        done += split.len();
    }
    Ok(measured)
}
