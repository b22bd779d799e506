//! The stage that brings models into one frame, and checks that they still compute what they did.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use ndarray::{Array2, Axis};
use onebasin_matching::{Alignment, Matching, Problem, UnitMap, to_frame};
use onebasin_network::Weights;
use onebasin_repro::Stream;
use onebasin_training::logits;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::files;
use super::moments::load_moments;
use super::training_loss::TrainingLoss;
use crate::dataset_cache;
use crate::stage::{Context, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// Test images on which models are compared with themselves in the frame.
const CHECKED_IMAGES: usize = 256;

/// Largest difference allowed between two logits that permuting units should have left equal, relative to `1 + max |logit|`: sums over
/// permuted units round differently, and nothing else may happen.
const TOLERANCE: f64 = 1e-3;

/// Matches the units of models: the files of [`Alignment::save`], and `check.json`.
pub struct Align {
    id: StageId,
    inputs: Vec<StageId>,
    task: Arc<Task>,
    matching: Matching,
    stream: Stream,
    /// Where the models stand among those of the stage of moments, the last input.
    moments: Option<Vec<usize>>,
}

/// What running models and the same models in the frame on the same inputs showed: `check.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Check {
    /// Largest absolute difference of a logit over models, inputs and classes.
    pub function_error: f64,
    /// Largest absolute logit.
    scale: f64,
    /// Inputs.
    images: usize,
}

impl Align {
    /// The alignment of `models`; what a method draws comes from `stream`.
    pub fn new(id: StageId, models: Vec<StageId>, task: Arc<Task>, matching: Matching, stream: Stream) -> Align {
        Align { id, inputs: models, task, matching, stream, moments: None }
    }

    /// The same by the moments of activations that `stage` takes; `models` are the places of the models there.
    pub fn with_moments(mut self, stage: StageId, models: Vec<usize>) -> Align {
        self.inputs.push(stage);
        self.moments = Some(models);
        self
    }

    /// Runs some inputs through each model and the same model in the frame.
    fn check(&self, context: &Context<'_>, models: &[Weights], alignment: &Alignment) -> Result<Check> {
        let graph = &self.task.graph;
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let count = CHECKED_IMAGES.min(dataset.test.len());
        let inputs = dataset.test.select(&(0..count as u32).collect::<Vec<_>>());
        let mut check = Check { function_error: 0.0, scale: 0.0, images: count };
        for (model, (weights, maps)) in models.iter().zip(&alignment.maps).enumerate() {
            context.check_interrupt()?;
            let mut before = logits(graph, weights, &inputs, normalisation, context.device)?;
            // Class scores that a method moved are compared in their new order.
            if let Some(UnitMap::Permutation(order)) = maps.get(graph.spec().groups.len()) {
                before = before.select(Axis(1), &order.as_slice().iter().map(|&class| class as usize).collect::<Vec<_>>());
            }
            let moved = to_frame(graph.spec(), weights, maps);
            let after = logits(graph, &moved, &inputs, normalisation, context.device)?;
            check.add(&before, &after).with_context(|| format!("model {model}, `{}`", self.inputs[model]))?;
        }
        Ok(check)
    }
}

impl Check {
    fn add(&mut self, before: &Array2<f32>, after: &Array2<f32>) -> Result<()> {
        for (&before, &after) in before.iter().zip(after) {
            let (before, after) = (f64::from(before), f64::from(after));
            ensure!(before.is_finite() && after.is_finite(), "a logit is `{before}` before and `{after}` after the alignment");
            self.function_error = self.function_error.max((before - after).abs());
            self.scale = self.scale.max(before.abs());
        }
        Ok(())
    }

    /// Permuting hidden units leaves a function as it is; anything else is a bug of the method or of the architecture's groups.
    fn ensure_preserved(&self) -> Result<()> {
        let Check { function_error, scale, .. } = self;
        let tolerance = TOLERANCE * (1.0 + scale);
        ensure!(
            *function_error <= tolerance,
            "a model computes something else in the frame: logits differ by up to `{function_error:.3e}`, expected at most \
             `{tolerance:.3e}` for logits of up to `{scale:.3}`\nhint: this is a bug of the matching, please report it"
        );
        Ok(())
    }
}

impl Stage for Align {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "aligning", past: "ALIGNED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        // A method that draws nothing gives the same maps in every replicate and under every name.
        let stream = self.matching.is_random().then(|| self.stream.path());
        let mut settings = json!({
            "matching": self.matching,
            "stream": stream,
            "data": self.task.data_recipe(),
            "device": self.task.device,
        });
        if let Some(models) = &self.moments {
            settings["moments-of"] = json!(models);
        }
        // Refinement goes another way since version 2; alignments without it are what they were.
        let refined = matches!(&self.matching, Matching::C2m3(options) if options.refine > 0);
        Recipe { kind: "align", version: if refined { 3 } else { 2 }, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let (trained, moments) = match &self.moments {
            None => (context.inputs, None),
            Some(places) => {
                let (stage, trained) = context.inputs.split_last().context("an alignment by moments without any")?;
                (trained, Some(load_moments(stage, graph.spec(), places)?))
            }
        };
        let models: Vec<Weights> = trained.iter().map(|artifact| files::load(artifact, graph)).collect::<Result<_>>()?;
        context.check_interrupt()?;
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let problem = match &moments {
            Some(moments) => problem.with_moments(moments),
            None => problem,
        };
        let dataset = self.matching.needs_loss().then(|| context.datasets.of(&self.task)).transpose()?;
        let loss = dataset.as_ref().map(|dataset| TrainingLoss::new(context, &self.task, dataset)).transpose()?;
        let problem = match &loss {
            Some(loss) => problem.with_loss(loss),
            None => problem,
        };
        let begun = Instant::now();
        let interrupted = || context.interrupted.load(Ordering::Relaxed);
        let alignment = self.matching.matcher().align_unless(&interrupted, &problem, &self.stream)?;
        // The first word counts; a stage runs once.
        let _ = context.work.set(begun.elapsed().as_secs_f64());
        let check = self.check(context, &models, &alignment)?;
        // Soft maps change the function: there the difference is a result.
        if alignment.is_hard() {
            check.ensure_preserved()?;
        }
        alignment.save(context.out)?;
        files::write_json(&context.out.join("check.json"), &check)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_difference_beyond_rounding_is_a_failure_relative_to_the_logits() {
        let mut check = Check { function_error: 0.0, scale: 0.0, images: 1 };
        check.add(&array![[9.0, -1.0]], &array![[9.009, -1.0]]).unwrap();
        check.ensure_preserved().unwrap();
        check.add(&array![[1.0, 1.0]], &array![[1.0, 1.02]]).unwrap();
        let message = check.ensure_preserved().unwrap_err().to_string();
        assert!(message.contains("2.0") && message.contains("hint: "), "{message}");
    }

    #[test]
    fn a_logit_that_is_no_number_is_a_failure() {
        let mut check = Check { function_error: 0.0, scale: 0.0, images: 1 };
        assert!(check.add(&array![[1.0]], &array![[f32::NAN]]).is_err());
    }
}
