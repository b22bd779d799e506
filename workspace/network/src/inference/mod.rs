//! What network the tensors of a file are of, by their names and shapes.
//!
//! Two forms are known: a sequence (multi-layer perceptrons, VGG, small convolutional networks) and residual blocks (ResNets). Layers
//! keep the names that they have in the file. What shapes cannot tell is assumed and said: see [`Inferred::assumed`].

mod bind;
mod blocks;
mod geometry;
mod layer_order;
mod layout;
mod modules;
mod norms;
mod residual;
mod sequence;

pub use bind::{Rename, UNTOLD, bind};
pub use layout::Layout;

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use crate::{Architecture, Graph, NetworkError, Shape, Weights};

/// A tensor of a file: its name without the prefixes of wrappers, and its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Components joined by points.
    pub name: String,
    /// As stored.
    pub shape: Vec<usize>,
}

/// What is known besides names and shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Known {
    /// The shape of an image.
    pub input: Option<Shape>,
    /// Whether the tensors stand in the order in which their layers were made; else names are sorted, numbers by their value.
    pub is_ordered: bool,
    /// Whether there are no activations between layers.
    pub linear: bool,
    /// Added to variances of norms; 1e-5 by default.
    pub epsilon: Option<f64>,
}

/// A network and where its parameters stand in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// The network.
    pub architecture: Architecture,
    /// What it is, for a person.
    pub family: String,
    /// What names and shapes do not say and is taken to be so, each as a sentence.
    pub assumed: Vec<String>,
    /// One for each parameter, in the order of the architecture's specification.
    pub bound: Vec<Bound>,
    /// Tensors that are no parameters and are kept as they are: counters of batch norms.
    pub kept: Vec<usize>,
}

/// Where a parameter stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// Its name in the architecture.
    pub parameter: String,
    /// Index of the tensor.
    pub tensor: usize,
    /// How the tensor lies.
    pub layout: Layout,
}

/// What batch norms of Keras add to variances.
const KERAS_EPSILON: f64 = 1e-3;

/// What can be told, said where something else is met.
pub(crate) const SUPPORTED: &str = "known are linear layers, square convolutions of one group, batch and layer norms, in a sequence or in residual blocks; \
     `--architecture FILE.toml` says what names do not";

/// The network of some tensors.
///
/// # Errors
/// Names the tensor at which they stop to be one: a kind of layer that is not known (attention, a grouped convolution), a width that does not
/// follow from the layer before.
pub fn infer(tensors: &[Stored], known: &Known) -> Result<Inferred, NetworkError> {
    let (modules, kept) = modules::modules(tensors)?;
    let is_keras = tensors.iter().any(|tensor| tensor.name.contains("moving_variance"));
    let known = &Known { epsilon: known.epsilon.or(is_keras.then_some(KERAS_EPSILON)), ..*known };
    let mut inferred = match blocks::blocks(&modules, known.is_ordered)? {
        Some(blocks) => residual::infer(&modules, &blocks, known)?,
        None => sequence::infer(&modules, known)?,
    };
    if known.input.is_none() && modules.iter().any(|module| matches!(module.kind, modules::Kind::Conv { .. })) {
        let channels = inferred.architecture.input.channels;
        let s = if channels == 1 { "" } else { "s" };
        let first = format!(
            "images have {channels} channel{s}: the first convolution is taken to be of one group, and shapes do not tell it from one of several"
        );
        inferred.assumed.push(first);
        inferred.assumed.push("convolutions are not dilated".to_owned());
    }
    if is_keras {
        inferred.assumed.push(format!("batch norms add {KERAS_EPSILON} to variances, as those of Keras do"));
    }
    let graph = Graph::build(&inferred.architecture)?;
    layout::flatten_of_flax(&graph, &mut inferred.bound);
    order(&graph, &mut inferred.bound);
    Ok(Inferred { kept, ..inferred })
}

/// Puts places into the order of the specification.
fn order(graph: &Graph, bound: &mut [Bound]) {
    let places: BTreeMap<&str, usize> =
        graph.spec().parameters.iter().enumerate().map(|(place, parameter)| (parameter.name.as_str(), place)).collect();
    bound.sort_by_key(|bound| places.get(bound.parameter.as_str()).copied());
}

impl Inferred {
    /// The weights, from the numbers of each tensor as stored.
    ///
    /// # Errors
    /// When the numbers are not as many as the tensor's shape says.
    pub fn weights(&self, graph: &Graph, mut values: impl FnMut(usize) -> Vec<f32>) -> Result<Weights, NetworkError> {
        let mut arrays = BTreeMap::new();
        for bound in &self.bound {
            let shape = graph.spec().parameter(&bound.parameter).map(|parameter| parameter.shape.clone()).unwrap_or_default();
            let values = bound.layout.read(values(bound.tensor), &shape);
            let numbers = values.len();
            let array = ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|_| NetworkError::Layer {
                layer: bound.parameter.clone(),
                problem: format!("has {numbers} numbers in the file, and shape {shape:?} in the network that names and shapes suggest"),
                hint: "`--input C,H,W` says the shape of images, `--architecture FILE.toml` the layers".to_owned(),
            })?;
            arrays.insert(bound.parameter.clone(), array);
        }
        Weights::new(graph.spec(), arrays)
    }

    /// The numbers of each tensor that is a parameter, as the file stores them: indices of tensors and numbers.
    pub fn stored<'a>(&'a self, weights: &'a Weights) -> impl Iterator<Item = (usize, Vec<f32>)> + 'a {
        self.bound.iter().map(|bound| {
            let array = weights.get(&bound.parameter);
            (bound.tensor, bound.layout.write(weights.values(&bound.parameter), array.shape()))
        })
    }
}

fn refuse(layer: &str, problem: impl Into<String>) -> NetworkError {
    NetworkError::Layer { layer: layer.to_owned(), problem: problem.into(), hint: SUPPORTED.to_owned() }
}
