//! The stage that measures the line between two models.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_matching::{Alignment, lambdas, to_frame};
use onebasin_training::{Evaluation, evaluate_line};
use serde::Serialize;
use serde_json::json;

use super::files::{self, Measured};
use crate::images;
use crate::spec::Part;
use crate::stage::{Context, Progress, Recipe, Stage, StageId};
use crate::subject::Subject;

/// Images between two looks whether the run should end: seconds of work.
const STRETCH: usize = 10_000;

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

/// Measurements of several stretches of one split.
#[derive(Clone, Default)]
struct Sum {
    loss: f64,
    right: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, Evaluation { loss, accuracy, count }: Evaluation) {
        self.loss += loss * count as f64;
        // A share of so many images: back to how many they were.
        self.right += (accuracy * count as f64).round();
        self.count += count;
    }

    fn mean(self) -> Evaluation {
        let count = self.count.max(1) as f64;
        Evaluation { loss: self.loss / count, accuracy: self.right / count, count: self.count }
    }
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
            "data": self.subject.measured_recipe(),
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
        let splits: Vec<_> = self.parts.iter().map(|&part| (part, images::measured(&self.subject, &dataset, part))).collect();
        let total = splits.iter().map(|(_, split)| split.len()).sum();
        let mut points: Vec<Point> = Vec::with_capacity(self.parts.len() * lambdas.len());
        let mut done = 0;
        for (part, split) in &splits {
            let mut sums = vec![Sum::default(); lambdas.len()];
            let indices: Vec<u32> = (0..split.len() as u32).collect();
            for indices in indices.chunks(STRETCH) {
                context.look()?;
                (context.progress)(Progress::Share { done, total });
                let images = split.select(indices);
                let evaluations = evaluate_line(graph, &fixed, &permutee, &lambdas, &images, normalisation, context.device)?;
                sums.iter_mut().zip(evaluations).for_each(|(sum, evaluation)| sum.add(evaluation));
                done += indices.len();
            }
            for (&lambda, sum) in lambdas.iter().zip(sums) {
                let Measured { split, loss, accuracy, .. } =
                    Measured::new(*part, sum.mean()).with_context(|| format!("at λ = {lambda}"))?;
                points.push(Point { split, lambda, loss, accuracy });
            }
        }
        files::write_json(&context.out.join("line.json"), &points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_weigh_as_many_images_as_they_have() {
        let mut sum = Sum::default();
        sum.add(Evaluation { loss: 1.0, accuracy: 2.0 / 3.0, count: 3 });
        sum.add(Evaluation { loss: 3.0, accuracy: 0.0, count: 1 });
        assert_eq!(sum.mean(), Evaluation { loss: 1.5, accuracy: 0.5, count: 4 });
    }
}
