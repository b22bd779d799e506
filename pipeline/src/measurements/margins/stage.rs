//! The stage that asks how sure each match of an alignment is.

use std::sync::Arc;

use anyhow::{Result, bail};
use onebasin_matching::{Alignment, GroupMargins, Problem, UnitMap, margins};
use onebasin_network::Weights;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::stage::{Context, Recipe, Stage, StageId, Words};
use crate::stages::files;
use crate::task::Task;

/// The file of the stage.
pub const ARTIFACT: &str = "margins.json";

/// What the objective loses if a unit must go elsewhere, for each unit of each model: `margins.json`. Empty where a map is no permutation.
pub struct MarginsStage {
    id: StageId,
    inputs: Vec<StageId>,
    task: Arc<Task>,
}

/// One group of one model: an item of `margins.json`.
#[derive(Serialize, Deserialize)]
pub struct Item {
    pub model: usize,
    pub group: String,
    /// For each slot of the frame, the model's unit there.
    pub units: Vec<u32>,
    /// For each slot, the loss over the mean magnitude of the group's agreements, so that layers compare. None where there is nowhere
    /// else to go, or nothing agrees or disagrees.
    pub margins: Vec<Option<f64>>,
}

impl MarginsStage {
    /// Of an alignment of `models`.
    pub fn new(id: StageId, alignment: StageId, models: Vec<StageId>, task: Arc<Task>) -> MarginsStage {
        MarginsStage { id, inputs: std::iter::once(alignment).chain(models).collect(), task }
    }
}

/// Losses in units of what a unit of the group agrees with the other models on average.
fn relative(margins: &GroupMargins) -> Vec<Option<f64>> {
    let sum: f64 = margins.agreements.iter().map(|agreement| agreement.abs()).sum();
    let mean = sum / margins.agreements.len().max(1) as f64;
    margins.losses.iter().map(|loss| Some(loss / mean).filter(|margin| margin.is_finite())).collect()
}

impl Stage for MarginsStage {
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
        Recipe { kind: "margins", version: 1, settings: json!({}) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let spec = self.task.graph.spec();
        let [alignment, models @ ..] = context.inputs else { bail!("margins need an alignment and its models") };
        let alignment = Alignment::load(&alignment.directory)?;
        let models = models.iter().map(|artifact| files::load(artifact, &self.task.graph)).collect::<Result<Vec<Weights>>>()?;
        context.check_interrupt()?;
        let mut items = Vec::new();
        if alignment.is_hard() {
            let found = margins(&Problem::new(spec, models.iter().collect()), &alignment)?;
            for (model, of_model) in found.iter().enumerate() {
                for ((margins, map), group) in of_model.iter().zip(&alignment.maps[model]).zip(&alignment.groups) {
                    let UnitMap::Permutation(permutation) = map else { bail!("the map of `{group}` is no permutation") };
                    let units = permutation.as_slice().to_vec();
                    items.push(Item { model, group: group.clone(), units, margins: relative(margins) });
                }
            }
        }
        files::write_json(&context.out.join(ARTIFACT), &items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_do_not_know_the_scale_of_a_layer_and_a_single_unit_has_none() {
        let of = |scale: f64| {
            let agreements = vec![6.0 * scale, -2.0 * scale];
            relative(&GroupMargins { agreements, losses: vec![2.0 * scale, -scale], shortfall: 0.0 })
        };
        assert_eq!(of(1.0), [Some(0.5), Some(-0.25)]);
        assert_eq!(of(1024.0), of(1.0));
        let alone = GroupMargins { agreements: vec![3.0], losses: vec![f64::INFINITY], shortfall: 0.0 };
        assert_eq!(relative(&alone), [None]);
        let silent = GroupMargins { agreements: vec![0.0; 2], losses: vec![0.0; 2], shortfall: 0.0 };
        assert_eq!(relative(&silent), [None, None]);
    }
}
