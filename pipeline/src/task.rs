//! What the stages of one pair share: the images, the network, the kind of device.

use onebasin_datasets::{Normalisation, Source};
use onebasin_network::{Graph, Role};
use onebasin_repro::Stream;
use serde_json::{Value, json};

use crate::image_limits::ImageLimits;

/// A data set and a network for its images.
#[derive(Clone, Debug)]
pub struct Task {
    /// Where the images come from; it enters no recipe, its content does.
    pub source: Source,
    /// The name of the content.
    pub digest: String,
    /// Instead of the data set's own constants.
    pub normalisation: Option<Normalisation>,
    /// The network as it is trained.
    pub trained: Graph,
    /// The network that its training leaves.
    pub graph: Graph,
    /// Those of models that have other widths.
    pub others: Vec<Graph>,
    /// The kind of device: one of [`Device::KINDS`](onebasin_training::Device::KINDS). Kernels round differently, so it enters recipes.
    pub device: String,
    /// How many images are measured.
    pub measured: ImageLimits,
    /// Training images that no training sees.
    pub validation: Option<Validation>,
}

/// Training images that no training sees.
#[derive(Clone, Debug)]
pub struct Validation {
    /// Which share.
    pub share: f64,
    /// What they are drawn from.
    pub stream: Stream,
}

impl Task {
    /// Whether the network has batch norms, whose running statistics belong to one point only.
    pub fn has_batch_norms(&self) -> bool {
        self.graph.spec().parameters.iter().any(|parameter| parameter.role == Role::RunningMean)
    }

    /// The images as a recipe says them.
    pub fn data_recipe(&self) -> Value {
        let mut recipe = self.content_recipe();
        recipe["normalisation"] = json!(self.normalisation);
        recipe
    }

    /// The images as a recipe says them that does not depend on how they are normalised.
    pub fn content_recipe(&self) -> Value {
        match &self.validation {
            None => json!({ "digest": self.digest }),
            Some(Validation { share, stream }) => json!({ "digest": self.digest, "validation": [share, stream.path()] }),
        }
    }

    /// The images that measurements look at, as a recipe says them.
    pub fn measured_recipe(&self) -> Value {
        let mut recipe = self.data_recipe();
        if let Some(images) = self.measured.recipe() {
            recipe["images"] = images;
        }
        recipe
    }

    /// The network as it is trained, as a recipe says it.
    pub fn trained_recipe(&self) -> Value {
        json!(self.trained.architecture)
    }
}
