//! The stage that measures one trained model.

use std::sync::Arc;

use anyhow::Result;
use onebasin_training::evaluate;
use serde_json::json;

use super::files::{self, Measured};
use crate::images;
use crate::spec::Part;
use crate::stage::{Context, Progress, Recipe, Stage, StageId};
use crate::subject::Subject;

/// Measures loss and accuracy of a model on each split: `evaluation.json`.
pub struct Evaluate {
    id: StageId,
    inputs: [StageId; 1],
    subject: Arc<Subject>,
    parts: Vec<Part>,
}

impl Evaluate {
    /// The model that `model` trains, on each of `parts`.
    pub fn new(id: StageId, model: StageId, subject: Arc<Subject>, parts: Vec<Part>) -> Evaluate {
        Evaluate { id, inputs: [model], subject, parts }
    }
}

impl Stage for Evaluate {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({ "data": self.subject.measured_recipe(), "parts": self.parts, "device": self.subject.device });
        Recipe { kind: "evaluate", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.subject.graph;
        let weights = files::load(&context.inputs[0], graph)?;
        let measured = over_parts(context, &self.subject, &self.parts, |split, normalisation| {
            Ok(evaluate(graph, &weights, split, normalisation, context.device)?)
        })?;
        files::write_json(&context.out.join("evaluation.json"), &measured)
    }
}

/// Measures something on each split in turn, looking for the end of the run in between.
pub(super) fn over_parts(
    context: &Context<'_>,
    subject: &Subject,
    parts: &[Part],
    measure: impl Fn(&onebasin_datasets::Split, &onebasin_datasets::Normalisation) -> Result<onebasin_training::Evaluation>,
) -> Result<Vec<Measured>> {
    let dataset = context.images.of(subject)?;
    let normalisation = images::normalisation(subject, &dataset);
    let mut measured = Vec::with_capacity(parts.len());
    let splits: Vec<_> = parts.iter().map(|&part| (part, images::measured(subject, &dataset, part))).collect();
    let total = splits.iter().map(|(_, split)| split.len()).sum();
    let mut done = 0;
    for (part, split) in &splits {
        context.look()?;
        (context.progress)(Progress::Share { done, total });
        measured.push(Measured::new(*part, measure(split, normalisation)?)?);
        done += split.len();
    }
    Ok(measured)
}
