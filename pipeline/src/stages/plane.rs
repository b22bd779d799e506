//! The stage that measures mixtures of three models and their images in the frame.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_matching::{Alignment, mean, to_frame};
use onebasin_network::Weights;
use onebasin_training::evaluate;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::files::{self, Measured};
use crate::spec::Part;
use crate::stage::{Context, Progress, Recipe, Stage, StageId};
use crate::subject::Subject;
use crate::{hexagon, images, spec};

/// Mixtures between two looks whether the run should end.
const STRETCH: usize = 32;

/// Measures loss and accuracy of mixtures of six networks, three models and their images in the frame, on the first images of a split:
/// `plane.json`. The six are the corners of a hexagon, in this order counter-clockwise from the right; `hexagon.rs` has its points.
pub struct Plane {
    id: StageId,
    inputs: Vec<StageId>,
    plane: spec::Plane,
    subject: Arc<Subject>,
    part: Part,
}

/// One mixture: an item of `plane.json`.
#[derive(Serialize)]
struct Mixture {
    split: &'static str,
    x: f64,
    y: f64,
    /// Which corner, if it is one.
    corner: Option<usize>,
    loss: f64,
    accuracy: f64,
}

impl Plane {
    /// Of `models`, the ones that `plane` names, which `alignment` brings into its frame together with all others.
    pub fn new(id: StageId, alignment: StageId, models: [StageId; 3], plane: spec::Plane, subject: Arc<Subject>, part: Part) -> Plane {
        Plane { id, inputs: std::iter::once(alignment).chain(models).collect(), plane, subject, part }
    }

    /// The models, then their images.
    fn corners(&self, context: &Context<'_>) -> Result<Vec<Weights>> {
        let graph = &self.subject.graph;
        let [alignment, models @ ..] = context.inputs else { bail!("a plane needs an alignment and three models") };
        let alignment = Alignment::load(&alignment.directory)?;
        let mut corners = models.iter().map(|artifact| files::load(artifact, graph)).collect::<Result<Vec<Weights>>>()?;
        for (place, &position) in self.plane.models.iter().enumerate() {
            let maps = alignment.maps.get(position).context("a model that its alignment does not have")?;
            corners.push(to_frame(graph.spec(), &corners[place], maps));
        }
        Ok(corners)
    }
}

impl Stage for Plane {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({
            "data": self.subject.data_recipe(),
            "part": self.part,
            "positions": self.plane.models,
            "points": self.plane.points,
            "images": self.plane.images,
            "device": self.subject.device,
        });
        Recipe { kind: "plane", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.subject.graph;
        let corners = self.corners(context)?;
        let corners: Vec<&Weights> = corners.iter().collect();
        let dataset = context.images.of(&self.subject)?;
        let normalisation = images::normalisation(&self.subject, &dataset);
        let split = images::part(&dataset, self.part);
        let images = split.select(&(0..self.plane.images.min(split.len()) as u32).collect::<Vec<_>>());
        let half = (self.plane.points / 2) as i64;
        let points = hexagon::points(half);
        let mixture = |&point: &hexagon::Point| {
            let (x, y) = hexagon::place(point, half);
            let network = mean(&corners, Some(&hexagon::shares(point, half)))?;
            let evaluation = evaluate(graph, &network, &images, normalisation, context.device)?;
            let Measured { split, loss, accuracy, .. } = Measured::new(self.part, evaluation).with_context(|| format!("at ({x}, {y})"))?;
            let corner = hexagon::corners(half).iter().position(|corner| *corner == point);
            Ok(Mixture { split, x, y, corner, loss, accuracy })
        };
        let mut mixtures: Vec<Mixture> = Vec::with_capacity(points.len());
        for stretch in points.chunks(STRETCH) {
            context.look()?;
            (context.progress)(Progress::Share { done: mixtures.len(), total: points.len() });
            // So few images are one batch, and so one thread's work: on the host, mixtures go side by side instead.
            let measured: Vec<Mixture> = if self.subject.device != "cuda" {
                stretch.par_iter().map(mixture).collect::<Result<_>>()?
            } else {
                stretch.iter().map(mixture).collect::<Result<_>>()?
            };
            mixtures.extend(measured);
        }
        files::write_json(&context.out.join("plane.json"), &mixtures)
    }
}
