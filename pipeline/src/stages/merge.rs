//! The stage that makes one model of several.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_datasets::SearchPaths;
use onebasin_matching::{Alignment, interpolate_spherically, mean, rows_to_frame, to_frame_with};
use onebasin_network::{Graph, Weights};
use serde_json::json;

use super::files;
use crate::demand;
use crate::spec::Columns;
use crate::stage::{Context, Demand, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// Averages models in the frame of their alignment and saves the mean as `weights.safetensors`.
pub struct Merge {
    id: StageId,
    inputs: Vec<StageId>,
    task: Arc<Task>,
    coefficients: Option<Vec<f64>>,
    positions: Option<Vec<usize>>,
    /// Whether it is the middle of the arc between two models.
    arc: bool,
    /// Whether columns stay where they are.
    unaligned_columns: bool,
}

impl Merge {
    /// The mean of `models`, which `alignment` brings into one frame; each with its coefficient, or all alike.
    pub fn new(id: StageId, alignment: StageId, models: Vec<StageId>, task: Arc<Task>, coefficients: Option<Vec<f64>>) -> Merge {
        let inputs = std::iter::once(alignment).chain(models).collect();
        Merge { id, inputs, task, coefficients, positions: None, arc: false, unaligned_columns: false }
    }

    /// The middle of the arc between two models in place of the mean.
    pub fn on_the_arc(self) -> Merge {
        Merge { arc: true, ..self }
    }

    /// The same with columns left where they are.
    pub fn with_columns(self, columns: Columns) -> Merge {
        Merge { unaligned_columns: columns == Columns::Unaligned, ..self }
    }

    /// The same of models that stand at these places in the alignment, which has others too.
    pub fn at(mut self, positions: Option<Vec<usize>>) -> Merge {
        self.positions = positions;
        self
    }
}

impl Stage for Merge {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "merging", past: "MERGED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let mut settings = json!({ "coefficients": self.coefficients });
        if let Some(positions) = &self.positions {
            settings["positions"] = json!(positions);
        }
        if self.arc {
            settings["interpolation"] = json!("spherical");
        }
        if self.unaligned_columns {
            settings["columns"] = json!("unaligned");
        }
        Recipe { kind: "merge", version: 1, settings }
    }

    fn demand(&self, _places: &SearchPaths) -> Option<Demand> {
        Some(demand::of_mean(&self.task.graph, self.inputs.len().saturating_sub(1)))
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let (alignment, models) = context.inputs.split_first().context("a merge without an alignment")?;
        let alignment = Alignment::load(&alignment.directory)?;
        let maps = files::maps(&alignment, self.positions.as_deref(), models.len())?;
        let own = files::own(&alignment, self.positions.as_deref(), models, &self.task)?;
        let (graphs, models): (Vec<Graph>, Vec<Weights>) =
            models.iter().map(|artifact| files::load_model(artifact, &self.task)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let graph = files::frame_graph(&alignment, self.positions.as_deref(), &graphs, &self.task);
        let mut aligned: Vec<Weights> = Vec::with_capacity(models.len());
        for (model, maps) in models.into_iter().zip(&maps) {
            context.check_interrupt()?;
            aligned.push(match self.unaligned_columns {
                true => rows_to_frame(graph.spec(), &model, maps),
                false => to_frame_with(graph.spec(), &model, maps, own.as_ref()),
            });
        }
        let merged = match aligned.as_slice() {
            [first, second] if self.arc => interpolate_spherically(graph.spec(), first, second, 0.5),
            models => mean(&models.iter().collect::<Vec<_>>(), self.coefficients.as_deref())?,
        };
        files::save(context.out, &graph.architecture, merged)
    }
}
