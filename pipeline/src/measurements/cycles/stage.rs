//! The stage that maps a model around a cycle.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_datasets::SearchPaths;
use onebasin_matching::{Alignment, cycle};
use onebasin_network::Weights;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::demand;
use crate::identity::Part;
use crate::measurements::barriers::stage::{Point, along};
use crate::stage::{Context, Demand, Recipe, Stage, StageId, Words};
use crate::stages::files;
use crate::task::Task;

/// The file of the stage.
pub const ARTIFACT: &str = "cycle.json";

/// Maps a model onto the units of one model after another until it is back on its own, and measures the straight line from it (λ = 0) to
/// what came back (λ = 1), and their distance: `cycle.json`. Maps that compose to the identity bring back the very same weights.
pub struct CycleStage {
    id: StageId,
    inputs: Vec<StageId>,
    steps: Vec<CycleStep>,
    task: Arc<Task>,
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
#[derive(Serialize, Deserialize)]
pub struct Round {
    pub distance: f64,
    pub points: Vec<Point>,
}

impl CycleStage {
    /// From `start` along `steps` through `alignments`.
    pub fn new(
        id: StageId,
        alignments: Vec<StageId>,
        start: StageId,
        steps: Vec<CycleStep>,
        task: Arc<Task>,
        lambdas: usize,
        parts: Vec<Part>,
    ) -> CycleStage {
        let inputs = std::iter::once(start).chain(alignments).collect();
        CycleStage { id, inputs, steps, task, lambdas, parts }
    }

    /// What comes back, and how far from where it started.
    fn around(&self, start: &Weights, alignments: &[Alignment]) -> Result<onebasin_matching::Cycle> {
        for step in &self.steps {
            let alignment = alignments.get(step.alignment).context("a cycle without an alignment")?;
            alignment.maps.get(step.from.max(step.onto)).context("a model that its alignment does not have")?;
        }
        let path: Vec<usize> = (0..self.steps.len()).collect();
        Ok(cycle(self.task.graph.spec(), &[start], &path, |place, _| {
            let CycleStep { alignment, from, onto } = self.steps[place];
            alignments[alignment].pair_maps(from, onto)
        }))
    }
}

impl Stage for CycleStage {
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
        let settings = json!({
            "data": self.task.measured_recipe(),
            "parts": self.parts,
            "steps": self.steps,
            "lambdas": self.lambdas,
            "device": self.task.device,
        });
        Recipe { kind: "cycle", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        demand::of_measuring(&self.task, &self.parts, self.lambdas, places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let (start, alignments) = context.inputs.split_first().context("a cycle without a model")?;
        let start = files::load(start, &self.task.graph)?;
        let alignments = alignments.iter().map(|artifact| Alignment::load(&artifact.directory)).collect::<Result<Vec<_>, _>>()?;
        let back = self.around(&start, &alignments)?;
        let points = along(context, &self.task, &self.parts, self.lambdas, [&start, &back.aligned])?;
        files::write_json(&context.out.join(ARTIFACT), &Round { distance: back.distance, points })
    }
}
