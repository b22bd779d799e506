//! The stage that measures the activations of a trained model, for repairs.

use std::sync::Arc;

use anyhow::{Result, ensure};
use onebasin_datasets::SearchPaths;
use serde_json::json;

use super::files;
use super::repairer::Repairer;
use crate::demand;
use crate::identity::Part;
use crate::spec;
use crate::stage::{Context, Demand, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// Mean and variance of the outputs of the repaired layers of a model's repairable form, channel by channel, on the model's own units:
/// `statistics.json`. Whatever is merged of the model, by whichever method, is repaired towards them.
pub struct ActivationStatistics {
    id: StageId,
    inputs: [StageId; 1],
    task: Arc<Task>,
    repair: spec::Repair,
}

impl ActivationStatistics {
    /// Of what `model` trains, at the layers, over the images and in the batches of `repair`. Its other options have no effect.
    pub fn new(id: StageId, model: StageId, task: Arc<Task>, repair: &spec::Repair) -> ActivationStatistics {
        ActivationStatistics { id, inputs: [model], task, repair: repair.of_line() }
    }
}

impl Stage for ActivationStatistics {
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
        let mut settings = json!({
            "images": self.repair.images(),
            "batch": self.repair.batch(),
            "data": self.task.data_recipe(),
            "device": self.task.device,
        });
        // Convolutions alone were all there was.
        if let Some((options, _)) = self.repair.renormalises().filter(|(options, _)| !options.layers.are_convolutions()) {
            settings["layers"] = json!(options.layers);
        }
        Recipe { kind: "survey", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        demand::of_first(&self.task, Part::Train, self.repair.images(), 1, places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let model = files::load(&context.inputs[0], &self.task.graph)?;
        let dataset = context.datasets.of(&self.task)?;
        let repairer = Repairer::new(context, &self.task, &dataset, &self.repair)?;
        let statistics = repairer.statistics(&model, 0, repairer.images())?;
        ensure!(statistics.is_finite(), "not every mean and variance is a number\nhint: the model diverged; lower its learning rate");
        files::save_statistics(context.out, &statistics)
    }
}
