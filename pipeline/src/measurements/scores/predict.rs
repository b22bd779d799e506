//! The stage that asks a model, or several, about every image.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_datasets::SearchPaths;
use onebasin_network::{Graph, Weights};
use onebasin_training::{Averaging, Predictions, predict, predict_ensemble};
use serde_json::json;

use super::ARTIFACT;
use crate::dataset_cache;
use crate::demand;
use crate::identity::Part;
use crate::stage::{Artifact, Context, Demand, Progress, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, Measured};
use crate::task::Task;

/// What a model says of each image of each split, and what follows of loss and accuracy: `predictions-PART.safetensors`, `evaluation.json`.
///
/// Everything that is told of single images or classes is made of these files, without another forward pass.
pub struct Predict {
    id: StageId,
    inputs: Vec<StageId>,
    task: Arc<Task>,
    parts: Vec<Part>,
    of: Of,
    /// Of the models of an ensemble.
    shares: Option<Vec<f64>>,
    keep_logits: bool,
}

/// Whose predictions they are.
#[derive(Clone, Copy)]
enum Of {
    /// A trained model's.
    Trained,
    /// Those of a merged model, or a repaired one with an architecture of its own.
    Merged,
    /// Those of several, averaged.
    Ensemble(Averaging),
}

impl Of {
    /// What to do where a loss is no number.
    fn hint(self) -> &'static str {
        match self {
            Of::Trained | Of::Ensemble(_) => files::DIVERGED,
            Of::Merged => files::OVERFLOWED,
        }
    }
}

impl Predict {
    /// Those of the model that `model` trains.
    pub fn trained(id: StageId, model: StageId, task: Arc<Task>, parts: Vec<Part>) -> Predict {
        Predict { id, inputs: vec![model], task, parts, of: Of::Trained, shares: None, keep_logits: false }
    }

    /// Those of the model that `model` merges or repairs.
    pub fn merged(id: StageId, model: StageId, task: Arc<Task>, parts: Vec<Part>) -> Predict {
        Predict { id, inputs: vec![model], task, parts, of: Of::Merged, shares: None, keep_logits: false }
    }

    /// The mean of what `models` predict.
    pub fn ensemble(id: StageId, models: Vec<StageId>, task: Arc<Task>, parts: Vec<Part>, average: Averaging) -> Predict {
        Predict { id, inputs: models, task, parts, of: Of::Ensemble(average), shares: None, keep_logits: false }
    }

    /// The same with models that count by shares.
    #[must_use]
    pub fn with_shares(self, shares: Option<Vec<f64>>) -> Predict {
        Predict { shares, ..self }
    }

    /// The same with the logits of every class, or without.
    #[must_use]
    pub fn keeping_logits(self, keep_logits: bool) -> Predict {
        Predict { keep_logits, ..self }
    }

    /// Asks on each split in turn, checking for interrupts in between.
    fn over_parts(
        &self,
        context: &Context<'_>,
        ask: impl Fn(&onebasin_datasets::Split, &onebasin_datasets::Normalisation) -> Result<Predictions> + Sync,
    ) -> Result<()> {
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let splits: Vec<_> = self.parts.iter().map(|&part| (part, dataset_cache::measured(&self.task, &dataset, part))).collect();
        let total = splits.iter().map(|(_, split)| split.len()).sum();
        let mut measured = Vec::with_capacity(splits.len());
        let mut done = 0;
        for (part, split) in &splits {
            context.check_interrupt()?;
            (context.progress)(Progress::Share { done, total });
            let predictions = context.compute(|| ask(split, normalisation))?;
            measured.push(Measured::new(*part, predictions.evaluation(), self.of.hint())?);
            let path = context.out.join(file(*part));
            std::fs::write(&path, predictions.to_bytes()?).with_context(|| format!("cannot write `{}`", path.display()))?;
            done += split.len();
        }
        files::write_json(&context.out.join(ARTIFACT), &measured)
    }
}

/// The file of one split's predictions.
fn file(part: Part) -> String {
    format!("predictions-{part}.safetensors")
}

/// The predictions of an artifact on a split.
pub fn predictions(artifact: &Artifact, part: Part) -> Result<Predictions> {
    let path = artifact.directory.join(file(part));
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Predictions::from_bytes(&bytes).with_context(|| format!("cannot read `{}`", path.display()))
}

impl Stage for Predict {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "measuring", past: "MEASURED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let of = match self.of {
            Of::Trained => json!("trained"),
            Of::Merged => json!("merged"),
            Of::Ensemble(averaging) => json!({ "ensemble": averaging }),
        };
        let mut settings = json!({ "data": self.task.measured_recipe(), "parts": self.parts, "of": of, "device": self.task.device });
        if let Some(shares) = &self.shares {
            settings["shares"] = json!(shares);
        }
        if self.keep_logits {
            settings["logits"] = json!(true);
        }
        Recipe { kind: "predict", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let networks = if matches!(self.of, Of::Ensemble(_)) { self.inputs.len() } else { 1 };
        demand::of_measuring(&self.task, &self.parts, networks, places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let keep_logits = self.keep_logits;
        match self.of {
            Of::Trained | Of::Merged => {
                let (graph, model) = files::load_own(context.inputs.first().context("predictions of no model")?, &self.task)?;
                self.over_parts(context, |split, normalisation| {
                    Ok(predict(&graph, &model, split, normalisation, context.device, keep_logits)?)
                })
            }
            Of::Ensemble(averaging) => {
                let models = context.inputs.iter().map(|artifact| files::load_model(artifact, &self.task)).collect::<Result<Vec<_>>>()?;
                let networks: Vec<(&Graph, &Weights)> = models.iter().map(|(graph, weights)| (graph, weights)).collect();
                self.over_parts(context, |split, normalisation| {
                    Ok(predict_ensemble(&networks, split, normalisation, context.device, (averaging, self.shares.as_deref()), keep_logits)?)
                })
            }
        }
    }
}
