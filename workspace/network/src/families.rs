//! Families: functions from a few keys to a list of layers, and what a spec's `[architectures.NAME]` table may say.

mod mlp;
mod raw;
mod resnet;
mod vgg;

use serde::{Deserialize, Serialize};

pub use mlp::Mlp;
pub use resnet::{Resnet, Stem};
pub use vgg::Vgg;

use crate::{Architecture, Graph, Layer, NetworkError, NormKind, Shape, Width};

/// What a spec says of an architecture: a family with its keys, or the layers outright.
///
/// Read from a table with `family = "mlp"`, `"vgg"` or `"resnet"` and that family's keys, or with `layers = [..]`. Written with
/// `family` (`"layers"` for a list) and all defaults filled in, so that equal networks are written alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "kebab-case", try_from = "raw::Raw")]
pub enum Blueprint {
    /// Dense layers.
    Mlp(Mlp),
    /// Convolutions and pools, then dense layers.
    Vgg(Vgg),
    /// Residual blocks.
    Resnet(Resnet),
    /// Any layers.
    Layers(Listed),
}

/// A list of layers, as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// From the input to the output.
    pub layers: Vec<Layer>,
}

impl Blueprint {
    /// The families' names.
    pub const FAMILIES: &[&str] = &["mlp", "vgg", "resnet"];

    /// The architecture for images of this shape and so many classes, checked by building its graph.
    ///
    /// # Errors
    /// If a key has an impossible value, or the layers do not fit the input; see [`Graph::build`].
    pub fn build(&self, input: Shape, classes: usize) -> Result<Architecture, NetworkError> {
        let layers = match self {
            Blueprint::Mlp(mlp) => mlp.layers()?,
            Blueprint::Vgg(vgg) => vgg.layers()?,
            Blueprint::Resnet(resnet) => resnet.layers()?,
            Blueprint::Layers(listed) => listed.layers.clone(),
        };
        let architecture = Architecture { input, classes, layers }.resolved();
        Graph::build(&architecture)?;
        Ok(architecture)
    }
}

/// The normalisation behind each hidden layer of a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NormChoice {
    /// Over the channels at each pixel.
    Layer,
    /// Over images and pixels, with running statistics.
    Batch,
    /// None.
    #[default]
    None,
}

impl NormChoice {
    /// No layer or one.
    fn layer(self, name: Option<String>, epsilon: f64) -> Option<Layer> {
        let kind = match self {
            NormChoice::Layer => NormKind::Layer,
            NormChoice::Batch => NormKind::Batch,
            NormChoice::None => return None,
        };
        Some(Layer::Norm { name, kind, epsilon })
    }
}

/// Hidden dense layers with norm and ReLU, then the one that gives the classes.
fn dense(hidden: &[usize], bias: bool, norm: NormChoice, epsilon: f64) -> Vec<Layer> {
    let mut layers = Vec::new();
    for &units in hidden {
        layers.push(Layer::Linear { name: None, out: Width::Count(units), bias });
        layers.extend(norm.layer(None, epsilon));
        layers.push(Layer::Relu {});
    }
    layers.push(Layer::Linear { name: None, out: Width::Classes, bias });
    layers
}

fn impossible(problem: String, hint: impl Into<String>) -> NetworkError {
    NetworkError::Family { problem, hint: hint.into() }
}
