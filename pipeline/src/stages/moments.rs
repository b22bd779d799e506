//! The stage that takes the moments of activations, for matchings by what units give.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};
use onebasin_datasets::{SearchPaths, Split};
use onebasin_matching::Activations;
use onebasin_network::{Graph, GroupMoments, PermutationSpec, Weights};
use onebasin_repro::Stream;
use onebasin_training::{Places, cross_moments_of_widths};
use serde_json::json;

use super::files;
use crate::dataset_cache;
use crate::demand;
use crate::identity::Part;
use crate::stage::{Artifact, Context, Demand, Progress, Recipe, Stage, StageId, Words};
use crate::task::Task;

/// The file of the stage.
const ARTIFACT: &str = "moments.safetensors";

/// Cross moments of the activations of several models, for each group of units, and for each layer where that is asked for:
/// `moments.safetensors`. Alignments of any of them read it.
pub struct MomentsStage {
    id: StageId,
    inputs: Vec<StageId>,
    task: Arc<Task>,
    activations: Activations,
    layers: bool,
    stream: Stream,
}

impl MomentsStage {
    /// Of what `models` train; images that are drawn come from `stream`.
    pub fn new(id: StageId, models: Vec<StageId>, task: Arc<Task>, activations: Activations, stream: Stream) -> MomentsStage {
        MomentsStage { id, inputs: models, task, activations, layers: false, stream }
    }

    /// The same with the moments of each layer beside those of each group.
    pub fn of_layers_too(self) -> MomentsStage {
        MomentsStage { layers: true, ..self }
    }

    fn images<'a>(&self, train: &'a Split) -> Result<Cow<'a, Split>> {
        let there = train.len();
        let Some(images) = self.activations.images.filter(|&images| images != there) else { return Ok(Cow::Borrowed(train)) };
        ensure!(
            images < there,
            "`activations.images` is `{images}`, but there are {there} training images\nhint: leave it out to take all"
        );
        let chosen: Vec<u32> = if self.activations.drawn {
            let mut drawn = self.stream.shuffled(there);
            drawn.truncate(images);
            drawn.sort_unstable();
            drawn
        } else {
            (0..images as u32).collect()
        };
        Ok(Cow::Owned(train.select(&chosen)))
    }
}

impl Stage for MomentsStage {
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
            "activations": self.activations,
            "stream": self.activations.drawn.then(|| self.stream.path()),
            "data": self.task.data_recipe(),
            "device": self.task.device,
        });
        if self.layers {
            settings["layers"] = json!(true);
        }
        Recipe { kind: "moments", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        // Products of activations are about as many operations as the passes that made them.
        demand::of_first(&self.task, Part::Train, self.activations.images, 2 * self.inputs.len(), places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let models = context.inputs.iter().map(|artifact| files::load_model(artifact, &self.task)).collect::<Result<Vec<_>>>()?;
        let dataset = context.datasets.of(&self.task)?;
        let images = self.images(&dataset.train)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let total = images.len();
        let mut watch = |done| {
            (context.progress)(Progress::Share { done, total });
            if context.interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let Activations { tap, stream, .. } = self.activations;
        let places = Places { tap, stream, layers: self.layers };
        let networks: Vec<(&Graph, &Weights)> = models.iter().map(|(graph, weights)| (graph, weights)).collect();
        let moments = cross_moments_of_widths(&networks, places, &images, normalisation, context.device, &mut watch)?;
        let (first, _) = models.first().context("moments of no models")?;
        let bytes = GroupMoments::to_bytes(&moments, first.spec())?;
        std::fs::write(context.out.join(ARTIFACT), bytes).with_context(|| format!("cannot write `{ARTIFACT}`"))
    }
}

/// The moments of some of the models of a moments stage, by their places among its inputs.
pub fn load_moments(artifact: &Artifact, spec: &PermutationSpec, models: &[usize]) -> Result<Vec<GroupMoments>> {
    let path = artifact.directory.join(ARTIFACT);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let all = GroupMoments::from_bytes(&bytes, spec).with_context(|| format!("`{}`", path.display()))?;
    let there = all.first().map_or(0, GroupMoments::models);
    ensure!(models.iter().all(|&model| model < there), "`{}` is of {there} models, and model {models:?} is asked for", path.display());
    Ok(all.iter().map(|moments| moments.of_models(models)).collect())
}
