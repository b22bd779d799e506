//! The stage that compares the weights of models, as they are or in a common frame.

use std::sync::Arc;

use anyhow::{Result, ensure};
use onebasin_matching::{Alignment, to_frame};
use onebasin_network::Weights;
use serde::Serialize;
use serde_json::json;

use super::files;
use crate::likeness::Likeness;
use crate::stage::{Context, Recipe, Stage, StageId};
use crate::subject::Subject;

/// How the sums over all parameters are called among the parameters.
const ALL: &str = "all";

/// Compares each pair of models, over all trained weights and for each parameter: `similarity.json`. Running statistics are compared
/// for themselves and take no part in the sums, as they take none in matching.
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

impl Similarity {
    /// Of `models`, which `alignment` brings into one frame, if there is one.
    pub fn new(id: StageId, alignment: Option<StageId>, models: Vec<StageId>, subject: Arc<Subject>) -> Similarity {
        let aligned = alignment.is_some();
        Similarity { id, inputs: alignment.into_iter().chain(models).collect(), aligned, subject }
    }

    /// The models in the frame.
    fn models(&self, context: &Context<'_>) -> Result<Vec<Weights>> {
        let graph = &self.subject.graph;
        let (alignment, models) = context.inputs.split_at(usize::from(self.aligned));
        let alignment = alignment.first().map(|artifact| Alignment::load(&artifact.directory)).transpose()?;
        if let Some(alignment) = &alignment {
            ensure!(alignment.maps.len() == models.len(), "an alignment of {} models for {} models", alignment.maps.len(), models.len());
        }
        let mut loaded = Vec::with_capacity(models.len());
        for (index, artifact) in models.iter().enumerate() {
            context.look()?;
            let weights = files::load(artifact, graph)?;
            loaded.push(match &alignment {
                Some(alignment) => to_frame(graph.spec(), &weights, &alignment.maps[index]),
                None => weights,
            });
        }
        Ok(loaded)
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
        Recipe { kind: "similarity", version: 1, settings: json!({ "aligned": self.aligned }) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let models = self.models(context)?;
        let mut items = Vec::new();
        for (first, one) in models.iter().enumerate() {
            for (second, other) in models.iter().enumerate().skip(first + 1) {
                context.look()?;
                let mut whole = Likeness::default();
                let mut parts = Vec::new();
                let item = |parameter: &str, likeness: Likeness| {
                    let (cosine, distance) = (likeness.cosine(), likeness.distance());
                    Item { first, second, parameter: parameter.to_owned(), cosine, distance }
                };
                for parameter in &self.subject.graph.spec().parameters {
                    let likeness = Likeness::of(one.values(&parameter.name), other.values(&parameter.name));
                    if parameter.role.is_matched() {
                        whole = whole.and(likeness);
                    }
                    parts.push(item(&parameter.name, likeness));
                }
                items.push(item(ALL, whole));
                items.append(&mut parts);
            }
        }
        files::write_json(&context.out.join("similarity.json"), &items)
    }
}
