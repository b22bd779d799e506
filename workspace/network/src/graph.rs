//! A network as a flat list of nodes with names, shapes and groups.

mod build;
mod spaces;

use crate::{Architecture, Binding, NetworkError, NormKind, PermutationSpec, Shape};

/// Index into [`Graph::nodes`].
pub type NodeId = usize;

/// An architecture laid out: every operation in the order in which it runs, and the permutation symmetry that follows.
///
/// Groups are inferred. Every linear layer and convolution makes a fresh space of units; norms, activations, pools and flattens keep
/// the space of their input; the two arms of a sum share one; input and output are fixed. What is left free is a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// What it was built from.
    pub architecture: Architecture,
    /// Inputs come before what uses them; the first is the input, the last the output.
    pub nodes: Vec<Node>,
    spec: PermutationSpec,
}

impl Graph {
    /// Checks an architecture and lays it out.
    ///
    /// # Errors
    /// Names the layer that cannot stand where it stands: wrong shapes, arms of a residual that differ, windows larger than the
    /// image, duplicate names, an output that is not `classes` numbers. More than 2^30 parameters or 20 000 layers.
    pub fn build(architecture: &Architecture) -> Result<Graph, NetworkError> {
        let (nodes, spec) = build::lay_out(architecture)?;
        Ok(Graph { architecture: architecture.clone(), nodes, spec })
    }

    /// The permutation groups and the parameters tied to them.
    pub fn spec(&self) -> &PermutationSpec {
        &self.spec
    }

    /// The node whose value is the network's output.
    pub fn output(&self) -> NodeId {
        self.nodes.len() - 1
    }

    /// Multiplications and additions of one image's forward pass: two for each multiply-add of linear layers and convolutions.
    /// Norms, activations, pools and biases are not counted. Padding counts as if it were image.
    pub fn flops(&self) -> u64 {
        2 * self.nodes.iter().map(|node| self.multiply_adds(node)).sum::<u64>()
    }

    /// Multiply-adds of one node for one image.
    pub fn multiply_adds(&self, node: &Node) -> u64 {
        match node.operation {
            Operation::Linear { weight, .. } | Operation::Conv { weight, .. } => {
                self.spec.parameters[weight].len() as u64 * node.shape.pixels() as u64
            }
            Operation::Input
            | Operation::Norm { .. }
            | Operation::Relu
            | Operation::MaxPool { .. }
            | Operation::GlobalMean
            | Operation::AdaptiveMean { .. }
            | Operation::PadChannels { .. }
            | Operation::Flatten
            | Operation::Add
            | Operation::Output => 0,
        }
    }

    /// How much memory all parameters take, running statistics included. A training holds several times as much.
    pub fn bytes(&self) -> u64 {
        4 * self.spec.parameters.iter().map(|parameter| parameter.len() as u64).sum::<u64>()
    }

    /// How many numbers are trained; running statistics are not.
    pub fn parameter_count(&self) -> usize {
        self.spec.parameters.iter().filter(|parameter| parameter.role.is_matched()).map(|parameter| parameter.len()).sum()
    }
}

/// One operation in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The layer's name; the prefix of its parameters' names.
    pub name: String,
    /// What it does.
    pub operation: Operation,
    /// The earlier nodes it reads.
    pub inputs: Vec<NodeId>,
    /// The shape of its output; `[features, 1, 1]` if flat.
    pub shape: Shape,
    /// Whether its output is a batch of vectors `[n, features]` rather than of images `[n, c, h, w]`.
    pub flat: bool,
    /// The group of its output's channels or features; `None` if their order is fixed.
    pub group: Option<Binding>,
}

impl Node {
    /// What comes out of it, for messages.
    fn value(&self) -> String {
        if self.flat { format!("`{}` features", self.shape.channels) } else { format!("shape {}", self.shape) }
    }
}

/// What a node does. Numbers of type `usize` named after a role are indices into [`PermutationSpec::parameters`].
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The images.
    Input,
    /// `W x + b`, `W` of shape `[out, in]`.
    Linear {
        /// The matrix.
        weight: usize,
        /// The bias, of shape `[out]`.
        bias: Option<usize>,
    },
    /// A convolution with a kernel `[out, in, height, width]`.
    Conv {
        /// The kernel.
        weight: usize,
        /// The bias, of shape `[out]`.
        bias: Option<usize>,
        /// Step in both directions.
        stride: usize,
        /// Zeros on each of the four sides.
        padding: usize,
    },
    /// `(x - mean) / sqrt(variance + epsilon) * scale + shift`, the variance without Bessel's correction.
    Norm {
        /// Where mean and variance come from.
        kind: NormKind,
        /// Shape `[channels]`.
        scale: usize,
        /// Shape `[channels]`.
        shift: usize,
        /// Running mean, for batch norm only.
        mean: Option<usize>,
        /// Running variance, for batch norm only.
        variance: Option<usize>,
        /// Added to the variance.
        epsilon: f32,
    },
    /// `max(x, 0)`.
    Relu,
    /// The largest of each window; padding never wins.
    MaxPool {
        /// Height and width of the window.
        size: usize,
        /// Step in both directions.
        stride: usize,
        /// Rows and columns added on each side; less than `size`.
        padding: usize,
    },
    /// The mean over the pixels of each channel; flat.
    GlobalMean,
    /// Row `i` of `size` is the mean of rows `floor(i h / size)` to `ceil((i + 1) h / size)` of the image's `h`, and so are columns.
    AdaptiveMean {
        /// Height and width of what comes out.
        size: usize,
    },
    /// Every `stride`-th pixel from the first on, between channels of zeros.
    PadChannels {
        /// Channels before.
        before: usize,
        /// Channels behind.
        behind: usize,
        /// Step in both directions.
        stride: usize,
    },
    /// `[c, h, w]` to `c * h * w` features, channel after channel.
    Flatten,
    /// The sum of its two inputs.
    Add,
    /// The network's output: its input as it is.
    Output,
}

impl Operation {
    /// Indices of its parameters, in the order of the spec.
    pub fn parameters(&self) -> impl Iterator<Item = usize> {
        let slots = match *self {
            Operation::Linear { weight, bias } | Operation::Conv { weight, bias, .. } => [Some(weight), bias, None, None],
            Operation::Norm { scale, shift, mean, variance, .. } => [Some(scale), Some(shift), mean, variance],
            Operation::Input
            | Operation::Relu
            | Operation::MaxPool { .. }
            | Operation::GlobalMean
            | Operation::AdaptiveMean { .. }
            | Operation::PadChannels { .. }
            | Operation::Flatten
            | Operation::Add
            | Operation::Output => [None; 4],
        };
        slots.into_iter().flatten()
    }
}
