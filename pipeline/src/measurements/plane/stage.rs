//! The stage that measures mixtures of three models and the same models in the frame.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_datasets::SearchPaths;
use onebasin_matching::{Alignment, mean, to_frame};
use onebasin_network::Weights;
use onebasin_training::evaluate;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{PlaneRequest, lattice};
use crate::dataset_cache;
use crate::demand;
use crate::identity::Part;
use crate::stage::{Context, Demand, Progress, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, Measured};
use crate::task::Task;

/// The file of the stage.
pub const ARTIFACT: &str = "plane.json";

/// Mixtures between two checks whether the run should end.
const CHUNK: usize = 32;

/// Measures loss and accuracy of mixtures of six networks, three models and the same models in the frame, on the first images of a split:
/// `plane.json`. The six are the corners of a hexagon, in this order counter-clockwise from the right; [`lattice`] has its points.
pub struct PlaneStage {
    id: StageId,
    inputs: Vec<StageId>,
    request: PlaneRequest,
    task: Arc<Task>,
}

/// One mixture: an item of `plane.json`.
#[derive(Serialize, Deserialize)]
pub struct Mixture {
    pub split: Part,
    pub x: f64,
    pub y: f64,
    /// Which corner, if it is one.
    pub corner: Option<usize>,
    pub loss: f64,
    pub accuracy: f64,
}

impl PlaneStage {
    /// Of `models`, the ones that the request names, which `alignment` brings into its frame together with all others.
    pub fn new(id: StageId, alignment: StageId, models: [StageId; 3], request: PlaneRequest, task: Arc<Task>) -> PlaneStage {
        PlaneStage { id, inputs: std::iter::once(alignment).chain(models).collect(), request, task }
    }

    /// The models, then the same in the frame.
    fn corners(&self, context: &Context<'_>) -> Result<Vec<Weights>> {
        let graph = &self.task.graph;
        let [alignment, models @ ..] = context.inputs else { bail!("a plane needs an alignment and three models") };
        let alignment = Alignment::load(&alignment.directory)?;
        let mut corners = models.iter().map(|artifact| files::load(artifact, graph)).collect::<Result<Vec<Weights>>>()?;
        for (place, &position) in self.request.models.iter().enumerate() {
            let maps = alignment.maps.get(position).context("a model that its alignment does not have")?;
            corners.push(to_frame(graph.spec(), &corners[place], maps));
        }
        Ok(corners)
    }
}

impl Stage for PlaneStage {
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
        let settings = json!({
            "data": self.task.data_recipe(),
            "part": self.request.part,
            "positions": self.request.models,
            "points": self.request.points,
            "images": self.request.images,
            "device": self.task.device,
        });
        Recipe { kind: "plane", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let networks = lattice::points((self.request.points / 2) as i64).len();
        demand::of_first(&self.task, self.request.part, Some(self.request.images), networks, places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let corners = self.corners(context)?;
        let corners: Vec<&Weights> = corners.iter().collect();
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let split = dataset_cache::part(&dataset, self.request.part);
        let images = split.select(&(0..self.request.images.min(split.len()) as u32).collect::<Vec<_>>());
        let half = (self.request.points / 2) as i64;
        let points = lattice::points(half);
        let mixture = |&point: &lattice::Point| {
            let (x, y) = lattice::place(point, half);
            let network = mean(&corners, Some(&lattice::shares(point, half)))?;
            let evaluation = evaluate(graph, &network, &images, normalisation, context.device)?;
            let Measured { split, loss, accuracy, .. } =
                Measured::new(self.request.part, evaluation, files::OVERFLOWED).with_context(|| format!("at ({x}, {y})"))?;
            let corner = lattice::corners(half).iter().position(|corner| *corner == point);
            Ok(Mixture { split, x, y, corner, loss, accuracy })
        };
        let mut mixtures: Vec<Mixture> = Vec::with_capacity(points.len());
        for chunk in points.chunks(CHUNK) {
            context.check_interrupt()?;
            (context.progress)(Progress::Share { done: mixtures.len(), total: points.len() });
            // So few images are one batch, and so one thread's work: on the host, mixtures go side by side instead.
            let measured: Vec<Mixture> = if context.device.is_host() {
                chunk.par_iter().map(mixture).collect::<Result<_>>()?
            } else {
                chunk.iter().map(mixture).collect::<Result<_>>()?
            };
            mixtures.extend(measured);
        }
        files::write_json(&context.out.join(ARTIFACT), &mixtures)
    }
}
