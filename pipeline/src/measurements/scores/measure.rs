//! The stage that measures what several models became.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_network::Weights;
use onebasin_training::{Averaging, evaluate, evaluate_ensemble};
use serde_json::json;

use super::ARTIFACT;
use super::evaluate::over_parts;
use crate::identity::Part;
use crate::stage::{Context, Recipe, Stage, StageId, Words};
use crate::stages::files;
use crate::task::Task;

/// Measures loss and accuracy of a merged model, or of the averaged predictions of several: `evaluation.json`.
pub struct Measure {
    id: StageId,
    inputs: Vec<StageId>,
    task: Arc<Task>,
    parts: Vec<Part>,
    of: Of,
}

/// What is measured.
#[derive(Clone, Copy)]
enum Of {
    Merged,
    Ensemble(Averaging),
}

impl Measure {
    /// The model that `merged` makes; or repairs, with an architecture of its own.
    pub fn merged(id: StageId, merged: StageId, task: Arc<Task>, parts: Vec<Part>) -> Measure {
        Measure { id, inputs: vec![merged], task, parts, of: Of::Merged }
    }

    /// The mean of the probabilities that `models` give.
    pub fn ensemble(id: StageId, models: Vec<StageId>, task: Arc<Task>, parts: Vec<Part>) -> Measure {
        Measure { id, inputs: models, task, parts, of: Of::Ensemble(Averaging::Probabilities) }
    }
}

impl Stage for Measure {
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
        let of = match self.of {
            Of::Merged => json!("merged"),
            Of::Ensemble(averaging) => json!({ "ensemble": averaging }),
        };
        let settings = json!({ "data": self.task.measured_recipe(), "parts": self.parts, "of": of, "device": self.task.device });
        Recipe { kind: "measure", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let measured = match self.of {
            Of::Merged => {
                let (graph, merged) = files::load_own(context.inputs.first().context("a measurement of no model")?, graph)?;
                over_parts(context, &self.task, &self.parts, files::OVERFLOWED, |split, normalisation| {
                    Ok(evaluate(&graph, &merged, split, normalisation, context.device)?)
                })?
            }
            Of::Ensemble(averaging) => {
                let models: Vec<Weights> = context.inputs.iter().map(|artifact| files::load(artifact, graph)).collect::<Result<_>>()?;
                let models: Vec<&Weights> = models.iter().collect();
                over_parts(context, &self.task, &self.parts, files::DIVERGED, |split, normalisation| {
                    Ok(evaluate_ensemble(graph, &models, split, normalisation, context.device, averaging)?)
                })?
            }
        };
        files::write_json(&context.out.join(ARTIFACT), &measured)
    }
}
