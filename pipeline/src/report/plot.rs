//! The stage that draws pictures of the result files.

use anyhow::Result;
use serde_json::json;

use super::draw::draw_all;
use crate::stage::{Context, Recipe, Stage, StageId, Words};

/// Draws every plot of an experiment, as SVG and PNG, from its CSV files alone.
pub struct Plot {
    id: StageId,
    inputs: [StageId; 1],
}

impl Plot {
    /// The plots of what `tabulate` writes.
    pub fn new(tabulate: StageId) -> Plot {
        Plot { id: StageId::new("plot"), inputs: [tabulate] }
    }
}

impl Stage for Plot {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "plotting", past: "PLOTTED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        Recipe { kind: "plot", version: 11, settings: json!({}) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        draw_all(&context.inputs[0].directory, context.out)
    }
}
