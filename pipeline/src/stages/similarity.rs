//! The stage that compares the weights of models, as they are or in a common frame.

use std::sync::Arc;

use anyhow::{Result, ensure};
use onebasin_matching::{Alignment, Compared, WeightSimilarity, weight_similarity};
use onebasin_network::Weights;
use serde::Serialize;
use serde_json::json;

use super::files;
use crate::stage::{Context, Recipe, Stage, StageId};
use crate::subject::Subject;

/// How the sums over all parameters, and over all matrices, are called among the parameters.
const ALL: &str = "all";
const MATRICES: &str = "matrices";

/// Compares each pair of models, for each parameter, over all matrices and over all trained weights: `similarity.json`. Running statistics take no part, as
/// they take none in matching.
pub struct Similarity {
    id: StageId,
    inputs: Vec<StageId>,
    aligned: bool,
    subject: Arc<Subject>,
}

/// One parameter of one pair: an item of `similarity.json`.
#[derive(Serialize)]
struct Item {
    first: usize,
    second: usize,
    parameter: String,
    cosine: Option<f64>,
    distance: f64,
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

impl Similarity {
    /// Of `models`, which `alignment` brings into one frame, if there is one.
    pub fn new(id: StageId, alignment: Option<StageId>, models: Vec<StageId>, subject: Arc<Subject>) -> Similarity {
        let aligned = alignment.is_some();
        Similarity { id, inputs: alignment.into_iter().chain(models).collect(), aligned, subject }
    }
}

impl Stage for Similarity {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        Recipe { kind: "similarity", version: 2, settings: json!({ "aligned": self.aligned }) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let spec = self.subject.graph.spec();
        let (alignment, models) = context.inputs.split_at(usize::from(self.aligned));
        let alignment = alignment.first().map(|artifact| Alignment::load(&artifact.directory)).transpose()?;
        if let Some(alignment) = &alignment {
            ensure!(alignment.maps.len() == models.len(), "an alignment of {} models for {} models", alignment.maps.len(), models.len());
        }
        let models = models.iter().map(|artifact| files::load(artifact, &self.subject.graph)).collect::<Result<Vec<Weights>>>()?;
        context.look()?;
        let rows = weight_similarity(spec, &models.iter().collect::<Vec<_>>(), alignment.as_ref());
        let items: Vec<Item> = rows.into_iter().map(Item::from).collect();
        files::write_json(&context.out.join("similarity.json"), &items)
    }
}
