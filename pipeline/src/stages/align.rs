//! The stage that brings models into one frame, and checks that they still compute what they did.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, Result};
use ndarray::Axis;
use onebasin_datasets::SearchPaths;
use onebasin_matching::{Alignment, Matching, Problem, UnitMap, to_frame};
use onebasin_network::{Graph, Weights};
use onebasin_repro::Stream;
use onebasin_training::logits;
use serde_json::json;

use super::files;
use super::moments::load_moments;
use super::training_loss::TrainingLoss;
use crate::dataset_cache;
use crate::demand;
use crate::function_check::FunctionCheck;
use crate::identity::Part;
use crate::stage::{Context, Demand, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// Test images on which models are compared with themselves in the frame.
const CHECKED_IMAGES: usize = 256;

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
    fn check(&self, context: &Context<'_>, (graphs, models): (&[Graph], &[Weights]), alignment: &Alignment) -> Result<FunctionCheck> {
        let frame = files::frame_graph(alignment, None, graphs, &self.task);
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let count = CHECKED_IMAGES.min(dataset.test.len());
        let inputs = dataset.test.select(&(0..count as u32).collect::<Vec<_>>());
        let mut check = FunctionCheck::new(count);
        for (model, ((graph, weights), maps)) in graphs.iter().zip(models).zip(&alignment.maps).enumerate() {
            context.check_interrupt()?;
            let mut before = logits(graph, weights, &inputs, normalisation, context.device)?;
            // Class scores that a method moved are compared in their new order.
            if let Some(UnitMap::Permutation(order)) = maps.get(frame.spec().groups.len()) {
                before = before.select(Axis(1), &order.as_slice().iter().map(|&class| class as usize).collect::<Vec<_>>());
            }
            let moved = to_frame(frame.spec(), weights, maps);
            let after = logits(frame, &moved, &inputs, normalisation, context.device)?;
            check.add(&before, &after).with_context(|| format!("model {model}, `{}`", self.inputs[model]))?;
        }
        Ok(check)
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

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        if self.matching.needs_loss() {
            return None;
        }
        let models = self.inputs.len() - usize::from(self.moments.is_some());
        let checked = demand::of_first(&self.task, Part::Test, Some(CHECKED_IMAGES), 2 * models, places)?;
        Some(checked.and(demand::of_matching(&self.task.graph, models)))
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let (trained, stage) = match &self.moments {
            None => (context.inputs, None),
            Some(places) => {
                let (stage, trained) = context.inputs.split_last().context("an alignment by moments without any")?;
                (trained, Some((stage, places)))
            }
        };
        let models = trained.iter().map(|artifact| files::load_model(artifact, &self.task)).collect::<Result<Vec<_>>>()?;
        let (graphs, models): (Vec<Graph>, Vec<Weights>) = models.into_iter().unzip();
        context.check_interrupt()?;
        // The first of them has the widths of whatever all have alike.
        let first = graphs.first().context("an alignment of no models")?;
        let moments = stage.map(|(stage, places)| load_moments(stage, first.spec(), places)).transpose()?;
        let problem = Problem::of_widths(graphs.iter().map(Graph::spec).collect(), models.iter().collect());
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
        let flag = context.interrupted;
        let interrupted = || flag.load(Ordering::Relaxed);
        let alignment = self.matching.matcher().align_unless(&interrupted, &problem, &self.stream)?;
        // The first word counts; a stage runs once.
        let _ = context.work.set(begun.elapsed().as_secs_f64());
        let check = self.check(context, (&graphs, &models), &alignment)?;
        // Soft maps change the function: there the difference is a result.
        if alignment.is_hard() {
            check.ensure_preserved()?;
        }
        alignment.save(context.out)?;
        files::write_json(&context.out.join("check.json"), &check)
    }
}
