//! The stage that compares what models make of images, as they are or in a common frame.

use std::sync::Arc;

use anyhow::Result;
use ndarray::Array2;
use onebasin_matching::{Alignment, FeatureSimilarity, feature_similarity, to_frame};
use onebasin_training::features;
use serde::Serialize;
use serde_json::json;

use super::files;
use crate::images;
use crate::stage::{Context, Progress, Recipe, Stage, StageId};
use crate::subject::Subject;

/// Compares the features of each pair of models on the first training images, un-augmented and in their order: `features.json`. Models in
/// a frame are run there, not their features rearranged, so that a map that changes the function is seen.
pub struct Features {
    id: StageId,
    inputs: Vec<StageId>,
    aligned: bool,
    images: usize,
    subject: Arc<Subject>,
}

/// One pair: an item of `features.json`.
#[derive(Serialize)]
struct Item {
    first: usize,
    second: usize,
    cka: Option<f64>,
    distance: Option<f64>,
}

impl Features {
    /// Of `models`, which `alignment` brings into one frame, if there is one, on so many images or all there are.
    pub fn new(id: StageId, alignment: Option<StageId>, models: Vec<StageId>, images: usize, subject: Arc<Subject>) -> Features {
        let aligned = alignment.is_some();
        Features { id, inputs: alignment.into_iter().chain(models).collect(), aligned, images, subject }
    }
}

impl Stage for Features {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({
            "aligned": self.aligned,
            "images": self.images,
            "data": self.subject.data_recipe(),
            "device": self.subject.device,
        });
        Recipe { kind: "features", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.subject.graph;
        let (alignment, models) = context.inputs.split_at(usize::from(self.aligned));
        let maps = match alignment.first() {
            Some(artifact) => Some(files::maps(&Alignment::load(&artifact.directory)?, None, models.len())?),
            None => None,
        };
        let dataset = context.images.of(&self.subject)?;
        let normalisation = images::normalisation(&self.subject, &dataset);
        let sample = dataset.train.select(&(0..self.images.min(dataset.train.len()) as u32).collect::<Vec<_>>());
        let mut seen: Vec<Array2<f32>> = Vec::with_capacity(models.len());
        for (index, artifact) in models.iter().enumerate() {
            context.look()?;
            (context.progress)(Progress::Share { done: index, total: models.len() });
            let own = files::load(artifact, graph)?;
            let model = maps.as_ref().map_or_else(|| own.clone(), |maps| to_frame(graph.spec(), &own, &maps[index]));
            seen.push(features(graph, &model, &sample, normalisation, context.device)?);
        }
        context.look()?;
        let rows = feature_similarity(&seen.iter().map(|features| features.view()).collect::<Vec<_>>());
        let items =
            rows.into_iter().map(|FeatureSimilarity { pair: (first, second), cka, distance }| Item { first, second, cka, distance });
        files::write_json(&context.out.join("features.json"), &items.collect::<Vec<_>>())
    }
}
