//! The stage that climbs again to see the soft matrices on the way.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_matching::{Alignment, C2m3, Problem};
use onebasin_network::Weights;
use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::stage::{Context, Recipe, Stage, StageId, Words};
use crate::stages::files;
use crate::task::Task;

/// The file of the stage.
pub const ARTIFACT: &str = "iterates.json";

/// Entries of at most this much are left out.
const LEAST: f64 = 1e-6;

/// Of a larger group the first so many units and slots are written.
const MOST_UNITS: usize = 64;

/// The doubly stochastic matrix of one group of one model after each of the first iterations of an alignment: `iterates.json`.
pub struct IteratesStage {
    id: StageId,
    inputs: Vec<StageId>,
    task: Arc<Task>,
    matching: C2m3,
    stream: Stream,
    wanted: Wanted,
}

/// What is written of an ascent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// The model, by its place among those aligned.
    pub model: usize,
    /// The group of units.
    pub group: String,
    /// How many iterates.
    pub count: usize,
}

/// One iterate: an item of `iterates.json`.
#[derive(Serialize, Deserialize)]
pub struct Item {
    pub group: String,
    /// In the group; rows and columns go up to [`MOST_UNITS`].
    pub units: usize,
    pub iteration: usize,
    pub step: Option<f64>,
    /// (unit of the model, slot of the universe, value).
    pub entries: Vec<(usize, usize, f64)>,
}

impl IteratesStage {
    /// Of `alignment`, which `matching` made of `models` by `stream`.
    pub fn new(
        id: StageId,
        alignment: StageId,
        models: Vec<StageId>,
        task: Arc<Task>,
        matching: C2m3,
        stream: Stream,
        wanted: Wanted,
    ) -> IteratesStage {
        IteratesStage { id, inputs: std::iter::once(alignment).chain(models).collect(), task, matching, stream, wanted }
    }
}

impl Stage for IteratesStage {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "tracing", past: "TRACED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        // The alignment among the inputs says how it was matched and drawn.
        Recipe { kind: "iterates", version: 1, settings: json!({ "wanted": self.wanted }) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let spec = self.task.graph.spec();
        let [alignment, models @ ..] = context.inputs else { bail!("iterates need an alignment and its models") };
        let chosen = Alignment::load(&alignment.directory)?.starts.iter().position(|restart| restart.chosen).unwrap_or(0);
        let models = models.iter().map(|artifact| files::load(artifact, &self.task.graph)).collect::<Result<Vec<Weights>>>()?;
        context.check_interrupt()?;
        let Wanted { model, group, count } = &self.wanted;
        let index = spec.groups.iter().position(|known| known.name == *group).context("a group that the architecture does not have")?;
        let problem = Problem::new(spec, models.iter().collect());
        let iterates = self.matching.iterates(&problem, &self.stream, chosen, (*model, index), *count)?;
        let item = |(iteration, soft): (usize, onebasin_matching::SoftIterate)| {
            let kept = |&((row, column), value): &((usize, usize), &f64)| row < MOST_UNITS && column < MOST_UNITS && *value > LEAST;
            let entries = soft.matrix.indexed_iter().filter(kept).map(|((row, column), &value)| (row, column, value)).collect();
            Item { group: group.clone(), units: soft.matrix.nrows(), iteration, step: soft.iterate.step, entries }
        };
        let items: Vec<Item> = iterates.into_iter().enumerate().map(item).collect();
        files::write_json(&context.out.join(ARTIFACT), &items)
    }
}
