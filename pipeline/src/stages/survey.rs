//! The stage that surveys a trained model for repairs.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;

use super::files;
use super::mender::Mender;
use crate::spec;
use crate::stage::{Context, Recipe, Stage, StageId};
use crate::subject::Subject;

/// Mean and variance of the output of every convolution of a model's repairable form, channel by channel, on the model's own units:
/// `statistics.json`. Whatever is merged of the model, by whichever method, is repaired towards them.
pub struct Survey {
    id: StageId,
    inputs: [StageId; 1],
    subject: Arc<Subject>,
    repair: spec::Repair,
}

impl Survey {
    /// Of what `model` trains, over the images and in the batches of `repair`, whose other options it does not look at.
    pub fn new(id: StageId, model: StageId, subject: Arc<Subject>, repair: &spec::Repair) -> Survey {
        Survey { id, inputs: [model], subject, repair: repair.of_line() }
    }
}

impl Stage for Survey {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({
            "images": self.repair.images(),
            "batch": self.repair.batch(),
            "data": self.subject.data_recipe(),
            "device": self.subject.device,
        });
        Recipe { kind: "survey", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let model = files::load(&context.inputs[0], &self.subject.graph)?;
        let dataset = context.images.of(&self.subject)?;
        let mender = Mender::new(context, &self.subject, &dataset, &self.repair)?;
        let statistics = mender.statistics(&model, 0, mender.images())?;
        ensure!(statistics.is_finite(), "not every mean and variance is a number\nhint: the model diverged; lower its learning rate");
        files::save_statistics(context.out, &statistics)
    }
}
