//! The stage that measures the line between two models.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_matching::{Alignment, lambdas, to_frame};
use onebasin_training::evaluate_line;
use serde::Serialize;
use serde_json::json;

use super::files::{self, Measured};
use crate::images;
use crate::spec::Part;
use crate::stage::{Context, Progress, Recipe, Stage, StageId};
use crate::subject::Subject;

/// Measures loss and accuracy along the straight line from a model, the fixed one, to the image of another, the permutee, on the fixed
/// one's units: `line.json`. The way from the one's units to the other's leads through the frame of an alignment.
pub struct Line {
    id: StageId,
    inputs: [StageId; 3],
    positions: [usize; 2],
    subject: Arc<Subject>,
    lambdas: usize,
    parts: Vec<Part>,
}

/// A point of the line on one split: an item of `line.json`.
#[derive(Serialize)]
struct Point {
    split: &'static str,
    lambda: f64,
    loss: f64,
    accuracy: f64,
}

impl Line {
    /// From the first of `ends` (λ = 0) to the second (λ = 1), at `lambdas` equally spaced points; `positions` are the two's places among
    /// the models of the alignment.
    pub fn new(
        id: StageId,
        alignment: StageId,
        ends: [StageId; 2],
        positions: [usize; 2],
        subject: Arc<Subject>,
        lambdas: usize,
        parts: Vec<Part>,
    ) -> Line {
        let [fixed, permutee] = ends;
        Line { id, inputs: [alignment, fixed, permutee], positions, subject, lambdas, parts }
    }
}

impl Stage for Line {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({
            "data": self.subject.data_recipe(),
            "parts": self.parts,
            "positions": self.positions,
            "lambdas": self.lambdas,
            "device": self.subject.device,
        });
        Recipe { kind: "line", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.subject.graph;
        let [alignment, fixed, permutee] = context.inputs else { bail!("a line needs an alignment and two models") };
        let alignment = Alignment::load(&alignment.directory)?;
        let [onto, from] = self.positions;
        let last = onto.max(from);
        alignment.maps.get(last).with_context(|| format!("no model {last} in an alignment of {}", alignment.maps.len()))?;
        let fixed = files::load(fixed, graph)?;
        let permutee = to_frame(graph.spec(), &files::load(permutee, graph)?, &alignment.pair_maps(from, onto));
        let dataset = context.images.of(&self.subject)?;
        let normalisation = images::normalisation(&self.subject, &dataset);
        let lambdas = lambdas(self.lambdas);
        let mut points: Vec<Point> = Vec::with_capacity(self.parts.len() * lambdas.len());
        for (done, &part) in self.parts.iter().enumerate() {
            context.look()?;
            (context.progress)(Progress::Share { done, total: self.parts.len() });
            let split = images::part(&dataset, part);
            let evaluations = evaluate_line(graph, &fixed, &permutee, &lambdas, split, normalisation, context.device)?;
            for (&lambda, evaluation) in lambdas.iter().zip(evaluations) {
                let Measured { split, loss, accuracy, .. } = Measured::new(part, evaluation).with_context(|| format!("at λ = {lambda}"))?;
                points.push(Point { split, lambda, loss, accuracy });
            }
        }
        files::write_json(&context.out.join("line.json"), &points)
    }
}
