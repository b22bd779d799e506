//! Rewriting a network so that the output of every convolution can be rescaled and shifted, channel by channel.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayD, IxDyn};

use crate::{Architecture, Binding, Graph, Layer, NetworkError, NodeId, Operation, PermutationSpec, Role, Weights, Width};

impl Architecture {
    /// The form of this network that REPAIR works on: every convolution has a bias, and every identity skip past images is a 1x1
    /// convolution called `skip1`, `skip2`, .. in the order of the layers. All other layers keep their names and places, so the
    /// rewritten network has all parameters of the first, and [`repairable_weights`] fills in the rest. Rewriting twice is rewriting
    /// once.
    ///
    /// A skip that is a convolution cuts the residual stream: the permutation groups before and behind it are no longer tied.
    ///
    /// Source: C2M3, `cycle-consistent-model-merging`, the repair of residual networks.
    #[must_use]
    pub fn repairable(&self) -> Architecture {
        let mut architecture = self.clone();
        let mut skips = Skips { taken: names(&self.layers).map(str::to_owned).collect(), count: 0 };
        rewrite(&mut architecture.layers, Some(self.input.channels), self.classes, &mut skips);
        architecture
    }
}

impl Graph {
    /// The graph of [`Architecture::repairable`].
    ///
    /// # Errors
    /// If a layer of the network is called like one that the rewriting counts.
    pub fn repairable(&self) -> Result<Graph, NetworkError> {
        Graph::build(&self.architecture.repairable())
    }

    /// The group of this network that orders the output channels of each convolution of `repairable`, its repairable form, by the
    /// convolution's name; `None` if their order is fixed.
    ///
    /// The repairable form has groups of its own, more than this network, as its skips are convolutions. Permuted by this network's
    /// groups, a skip that was the identity still is: its channels stand in the order of what it passes on.
    pub fn convolution_groups(&self, repairable: &Graph) -> BTreeMap<String, Option<Binding>> {
        let mut groups = BTreeMap::new();
        let mut own = 0..self.nodes.len();
        // For each node of the repairable form, the node here that has its channels.
        let mut twins: Vec<NodeId> = Vec::with_capacity(repairable.nodes.len());
        for node in &repairable.nodes {
            let weight = match node.operation {
                Operation::Conv { weight, .. } => Some(&repairable.spec().parameters[weight].name),
                _ => None,
            };
            let added = weight.is_some_and(|weight| self.spec().parameter(weight).is_none());
            let twin = if added { twins[node.inputs[0]] } else { own.next().expect("the rewriting only adds convolutions") };
            twins.push(twin);
            if weight.is_some() {
                groups.insert(node.name.clone(), self.nodes[twin].group);
            }
        }
        groups
    }
}

/// The weights of the repairable form of a network that compute what `weights` compute: biases it lacked are zero, skips the identity.
/// `repairable` is the spec of that form.
///
/// # Errors
/// If `weights` are not of the network that was rewritten.
pub fn repairable_weights(weights: &Weights, repairable: &PermutationSpec) -> Result<Weights, NetworkError> {
    let mut arrays: BTreeMap<String, ArrayD<f32>> = weights.clone().into_arrays();
    for parameter in &repairable.parameters {
        if arrays.contains_key(&parameter.name) {
            continue;
        }
        let array = match (parameter.role, parameter.shape.as_slice()) {
            (Role::Bias, shape) => ArrayD::zeros(IxDyn(shape)),
            (Role::Weight, &[out, columns, 1, 1]) if out == columns => {
                ArrayD::from_shape_fn(IxDyn(&parameter.shape), |place| if place[0] == place[1] { 1.0 } else { 0.0 })
            }
            // Anything else the rewriting does not add: reported as missing below.
            _ => continue,
        };
        arrays.insert(parameter.name.clone(), array);
    }
    Weights::new(repairable, arrays)
}

/// The names that the added convolutions get.
struct Skips {
    taken: BTreeSet<String>,
    count: usize,
}

impl Skips {
    fn next(&mut self) -> String {
        loop {
            self.count += 1;
            let name = format!("skip{}", self.count);
            if !self.taken.contains(&name) {
                return name;
            }
        }
    }
}

/// The names given to layers, those inside residuals too.
fn names(layers: &[Layer]) -> Box<dyn Iterator<Item = &str> + '_> {
    Box::new(layers.iter().flat_map(|layer| match layer {
        Layer::Linear { name, .. } | Layer::Conv { name, .. } | Layer::Norm { name, .. } => {
            Box::new(name.as_deref().into_iter()) as Box<dyn Iterator<Item = &str> + '_>
        }
        Layer::Residual { body, shortcut } => Box::new(names(body).chain(names(shortcut))),
        Layer::Flatten {} | Layer::Relu {} | Layer::MaxPool { .. } | Layer::GlobalMean {} => Box::new(std::iter::empty()),
    }))
}

/// Rewrites layers that read images of so many channels, or vectors if `None`; the channels of what they give.
fn rewrite(layers: &mut [Layer], channels: Option<usize>, classes: usize, skips: &mut Skips) -> Option<usize> {
    layers.iter_mut().fold(channels, |channels, layer| match layer {
        Layer::Flatten {} | Layer::GlobalMean {} | Layer::Linear { .. } => None,
        Layer::Norm { .. } | Layer::Relu {} | Layer::MaxPool { .. } => channels,
        Layer::Conv { out, bias, .. } => {
            *bias = true;
            Some(out.resolve(classes))
        }
        Layer::Residual { body, shortcut } => {
            let after = rewrite(body, channels, classes, skips);
            match channels {
                Some(width) if shortcut.is_empty() => shortcut.push(Layer::Conv {
                    name: Some(skips.next()),
                    out: Width::Count(width),
                    kernel: 1,
                    stride: 1,
                    padding: Some(0),
                    bias: true,
                }),
                _ => {
                    rewrite(shortcut, channels, classes, skips);
                }
            }
            after
        }
    })
}
