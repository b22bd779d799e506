//! Rewriting a network so that the outputs of its layers can be rescaled and shifted, channel by channel.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayD, IxDyn};

use crate::{Architecture, Binding, Graph, Layer, NetworkError, NodeId, Operation, PermutationSpec, Role, Weights, Width};

/// Which layers' outputs are repaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RepairedLayers {
    /// Convolutions alone, as C2M3 does it: an MLP stays as it is, and so does the head of a VGG.
    Convolutions,
    /// Convolutions and linear layers, but not the class scores, as REPAIR's authors do it with most networks.
    #[default]
    Hidden,
    /// Convolutions and linear layers, the class scores too.
    All,
}

impl RepairedLayers {
    /// All of them.
    pub const EVERY: [RepairedLayers; 3] = [RepairedLayers::Convolutions, RepairedLayers::Hidden, RepairedLayers::All];

    /// Whether these are the convolutions alone.
    pub fn are_convolutions(&self) -> bool {
        *self == RepairedLayers::Convolutions
    }

    /// The places of their nodes in a graph, in running order.
    pub fn places(self, graph: &Graph) -> Vec<NodeId> {
        let scores = graph.nodes[graph.output()].inputs[0];
        let is_repaired = |place: &NodeId| match graph.nodes[*place].operation {
            Operation::Conv { .. } => true,
            Operation::Linear { .. } => match self {
                RepairedLayers::Convolutions => false,
                RepairedLayers::Hidden => *place != scores,
                RepairedLayers::All => true,
            },
            _ => false,
        };
        (0..graph.nodes.len()).filter(is_repaired).collect()
    }
}

impl Architecture {
    /// The form of this network that REPAIR works on: every layer that is repaired has a bias, and every identity skip past images is a 1x1
    /// convolution called `skip1`, `skip2`, .. in the order of the layers. All other layers keep their names and places, so the
    /// rewritten network has all parameters of the first, and [`repairable_weights`] fills in the rest. Rewriting twice is rewriting
    /// once.
    ///
    /// A skip that is a convolution cuts the residual stream: the permutation groups before and behind it are no longer tied.
    ///
    /// Source: C2M3, `cycle-consistent-model-merging`, the repair of residual networks.
    #[must_use]
    pub fn repairable(&self, layers: RepairedLayers) -> Architecture {
        let mut architecture = self.biased(layers);
        let mut skips = Skips { taken: names(&self.layers).map(str::to_owned).collect(), count: 0 };
        rewrite(&mut architecture.layers, Some(self.input.channels), self.classes, &mut skips);
        architecture
    }

    /// The form of this network whose layers that are repaired have biases, and nothing else is changed: identity skips stay, and what comes
    /// by them is not rescaled. [`repairable_weights`] fills in the biases.
    #[must_use]
    pub fn biased(&self, layers: RepairedLayers) -> Architecture {
        let mut architecture = self.clone();
        let linears = match layers {
            RepairedLayers::Convolutions => 0,
            RepairedLayers::Hidden => biases(&mut architecture.layers).count().saturating_sub(1),
            RepairedLayers::All => usize::MAX,
        };
        biases(&mut architecture.layers).take(linears).for_each(|bias| *bias = true);
        with_biased_convolutions(&mut architecture.layers);
        architecture
    }
}

impl Graph {
    /// The graph of [`Architecture::repairable`].
    ///
    /// # Errors
    /// If a layer of the network is called like one that the rewriting counts.
    pub fn repairable(&self, layers: RepairedLayers) -> Result<Graph, NetworkError> {
        Graph::build(&self.architecture.repairable(layers))
    }

    /// The group of this network that orders the output channels of each convolution and linear layer of `repairable`, a repairable form
    /// of it, by the layer's name; `None` if their order is fixed.
    ///
    /// The repairable form has groups of its own, more than this network, as its skips are convolutions. Permuted by this network's
    /// groups, a skip that was the identity still is: its channels stand in the order of what it passes on.
    pub fn layer_groups(&self, repairable: &Graph) -> BTreeMap<String, Option<Binding>> {
        let mut groups = BTreeMap::new();
        let mut own = 0..self.nodes.len();
        // For each node of the repairable form, the node here that has its channels.
        let mut twins: Vec<NodeId> = Vec::with_capacity(repairable.nodes.len());
        for node in &repairable.nodes {
            let weight = match node.operation {
                Operation::Conv { weight, .. } | Operation::Linear { weight, .. } => Some(&repairable.spec().parameters[weight].name),
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

/// Whether each linear layer has a bias, in running order.
fn biases(layers: &mut [Layer]) -> Box<dyn Iterator<Item = &mut bool> + '_> {
    Box::new(layers.iter_mut().flat_map(|layer| match layer {
        Layer::Linear { bias, .. } => Box::new(std::iter::once(bias)) as Box<dyn Iterator<Item = &mut bool> + '_>,
        Layer::Residual { body, shortcut } => Box::new(biases(body).chain(biases(shortcut))),
        Layer::Conv { .. }
        | Layer::Norm { .. }
        | Layer::Flatten {}
        | Layer::Relu {}
        | Layer::MaxPool { .. }
        | Layer::GlobalMean {}
        | Layer::AdaptiveMean { .. }
        | Layer::PadChannels { .. } => Box::new(std::iter::empty()),
    }))
}

fn with_biased_convolutions(layers: &mut [Layer]) {
    for layer in layers {
        match layer {
            Layer::Conv { bias, .. } => *bias = true,
            Layer::Residual { body, shortcut } => {
                with_biased_convolutions(body);
                with_biased_convolutions(shortcut);
            }
            _ => {}
        }
    }
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
        Layer::Flatten {}
        | Layer::Relu {}
        | Layer::MaxPool { .. }
        | Layer::GlobalMean {}
        | Layer::AdaptiveMean { .. }
        | Layer::PadChannels { .. } => Box::new(std::iter::empty()),
    }))
}

/// Rewrites layers that read images of so many channels, or vectors if `None`; the channels of what they give.
fn rewrite(layers: &mut [Layer], channels: Option<usize>, classes: usize, skips: &mut Skips) -> Option<usize> {
    layers.iter_mut().fold(channels, |channels, layer| match layer {
        Layer::Flatten {} | Layer::GlobalMean {} | Layer::Linear { .. } => None,
        Layer::Norm { .. } | Layer::Relu {} | Layer::MaxPool { .. } | Layer::AdaptiveMean { .. } => channels,
        Layer::PadChannels { before, behind, .. } => channels.map(|channels| channels + *before + *behind),
        Layer::Conv { out, .. } => Some(out.resolve(classes)),
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
