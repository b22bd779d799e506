//! The stage that maps a model around a cycle of models and looks how it comes back.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_matching::{Alignment, cycle};
use onebasin_network::Weights;
use serde::Serialize;
use serde_json::json;

use super::files;
use super::line::{self, Point};
use crate::spec::Part;
use crate::stage::{Context, Recipe, Stage, StageId};
use crate::subject::Subject;

/// Maps a model onto the units of one model after another until it is back on its own, and measures the straight line from it (λ = 0) to
/// what came back (λ = 1), and their distance: `cycle.json`. Maps that compose to the identity bring back the very same weights.
pub struct Cycle {
    id: StageId,
    inputs: Vec<StageId>,
    steps: Vec<CycleStep>,
    subject: Arc<Subject>,
    lambdas: usize,
    parts: Vec<Part>,
}

/// From the units of a model to those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CycleStep {
    /// Which of the alignments.
    pub alignment: usize,
    /// The place among its models of the one whose units are left.
    pub from: usize,
    /// The place of the one whose units are taken.
    pub onto: usize,
}

/// `cycle.json`.
#[derive(Serialize)]
struct Round {
    distance: f64,
    points: Vec<Point>,
}

impl Cycle {
    /// From `start` along `steps` through `alignments`.
    pub fn new(
        id: StageId,
        alignments: Vec<StageId>,
        start: StageId,
        steps: Vec<CycleStep>,
        subject: Arc<Subject>,
        lambdas: usize,
        parts: Vec<Part>,
    ) -> Cycle {
        let inputs = std::iter::once(start).chain(alignments).collect();
        Cycle { id, inputs, steps, subject, lambdas, parts }
    }

    /// What comes back, and how far from where it started.
    fn around(&self, start: &Weights, alignments: &[Alignment]) -> Result<onebasin_matching::Cycle> {
        for step in &self.steps {
            let alignment = alignments.get(step.alignment).context("a cycle without an alignment")?;
            alignment.maps.get(step.from.max(step.onto)).context("a model that its alignment does not have")?;
        }
        let path: Vec<usize> = (0..self.steps.len()).collect();
        Ok(cycle(self.subject.graph.spec(), &[start], &path, |place, _| {
            let CycleStep { alignment, from, onto } = self.steps[place];
            alignments[alignment].pair_maps(from, onto)
        }))
    }
}

impl Stage for Cycle {
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
            "steps": self.steps,
            "lambdas": self.lambdas,
            "device": self.subject.device,
        });
        Recipe { kind: "cycle", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let (start, alignments) = context.inputs.split_first().context("a cycle without a model")?;
        let start = files::load(start, &self.subject.graph)?;
        let alignments = alignments.iter().map(|artifact| Alignment::load(&artifact.directory)).collect::<Result<Vec<_>, _>>()?;
        let back = self.around(&start, &alignments)?;
        let points = line::along(context, &self.subject, &self.parts, self.lambdas, [&start, &back.aligned])?;
        files::write_json(&context.out.join("cycle.json"), &Round { distance: back.distance, points })
    }
}
