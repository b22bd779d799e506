//! The stage that compares the weights of models, as they are or in a common frame.

use std::sync::Arc;

use anyhow::{Result, ensure};
use onebasin_matching::{Alignment, Compared, WeightSimilarity, weight_similarity};
use onebasin_network::Weights;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::stage::{Context, Recipe, Stage, StageId, Words};
use crate::stages::files;
use crate::task::Task;

/// The file of the stage.
pub const ARTIFACT: &str = "similarity.json";

/// How the sums over all parameters, and over all matrices, are called among the parameters.
pub const ALL: &str = "all";
pub const MATRICES: &str = "matrices";

/// Compares each pair of models, for each parameter, over all matrices and over all trained weights: `similarity.json`. Running
/// statistics take no part, as they take none in matching.
pub struct SimilarityStage {
    id: StageId,
    inputs: Vec<StageId>,
    aligned: bool,
    task: Arc<Task>,
}

/// One parameter of one pair: an item of `similarity.json`.
#[derive(Serialize, Deserialize)]
pub struct Item {
    pub first: usize,
    pub second: usize,
    pub parameter: String,
    pub cosine: Option<f64>,
    pub distance: f64,
}

impl From<WeightSimilarity> for Item {
    fn from(row: WeightSimilarity) -> Item {
        let WeightSimilarity { pair: (first, second), compared, cosine, distance } = row;
        let parameter = match compared {
            Compared::Parameter(name) => name,
            Compared::Matrices => MATRICES.to_owned(),
            Compared::All => ALL.to_owned(),
        };
        Item { first, second, parameter, cosine, distance }
    }
}

impl SimilarityStage {
    /// Of `models`, which `alignment` brings into one frame, if there is one.
    pub fn new(id: StageId, alignment: Option<StageId>, models: Vec<StageId>, task: Arc<Task>) -> SimilarityStage {
        let aligned = alignment.is_some();
        SimilarityStage { id, inputs: alignment.into_iter().chain(models).collect(), aligned, task }
    }
}

impl Stage for SimilarityStage {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words::COMPARE
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        Recipe { kind: "similarity", version: 2, settings: json!({ "aligned": self.aligned }) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let spec = self.task.graph.spec();
        let (alignment, models) = context.inputs.split_at(usize::from(self.aligned));
        let alignment = alignment.first().map(|artifact| Alignment::load(&artifact.directory)).transpose()?;
        if let Some(alignment) = &alignment {
            ensure!(alignment.maps.len() == models.len(), "an alignment of {} models for {} models", alignment.maps.len(), models.len());
        }
        let models = models.iter().map(|artifact| files::load(artifact, &self.task.graph)).collect::<Result<Vec<Weights>>>()?;
        context.check_interrupt()?;
        let rows = weight_similarity(spec, &models.iter().collect::<Vec<_>>(), alignment.as_ref());
        let items: Vec<Item> = rows.into_iter().map(Item::from).collect();
        files::write_json(&context.out.join(ARTIFACT), &items)
    }
}
