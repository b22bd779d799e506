//! What a network is, without a framework: architectures as data, the graph and the permutation groups that follow from them, and
//! weights as plain arrays.
//!
//! An [`Architecture`] (input, classes, layers; written out, or made by a family from a few keys: [`Blueprint`]) is laid out as a
//! [`Graph`]: nodes in running order, parameters with names and shapes, and a [`PermutationSpec`]. The symmetry is inferred, not
//! declared: each linear layer and convolution makes new units, sums unite the units of their two arms, input and output are fixed,
//! and each class of united units that stays free is a group. For a plain layer `l` the spec says
//!
//! ```text
//! W'_l = P_l W_l P_(l-1)^T,   b'_l = P_l b_l        (P_l permutes the units of layer l)
//! ```
//!
//! and [`permute`] does it: a network under any permutations of its groups computes the same function.
//!
//! ```
//! use onebasin_network::{Blueprint, Graph, Permutation, Shape, Weights, permute};
//!
//! let blueprint: Blueprint = toml::from_str("family = 'mlp'\nhidden = [3]")?;
//! let graph = Graph::build(&blueprint.build(Shape::new(1, 2, 2), 10)?)?;
//! let [hidden] = graph.spec().groups.as_slice() else { panic!("one hidden layer, one group") };
//! assert_eq!((hidden.name.as_str(), hidden.units), ("fc1", 3));
//!
//! let weights = Weights::zeros(graph.spec());
//! let turned = permute(graph.spec(), &weights, &[Permutation::new(vec![1, 2, 0])?]);
//! assert_eq!(turned.get("fc2.weight").shape(), [10, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Architecture::repairable`] rewrites a network so that its layers' outputs can be rescaled, as the repair of merged models needs.
//!
//! [`Graph::taps`] says where the activations of a group of units are read.
//!
//! [`infer`] says what network the tensors of a file are of, by their names and shapes; [`bind`] finds those of a network that is known.
//!
//! [`Weights`] are `f32` arrays in the layout `[out, in, height, width]`; a [`Checkpoint`] stores them with their architecture.
//!
//! Not here: running or training a network (no forward pass, no gradients), finding permutations, random numbers, hashes.

mod architecture;
mod checkpoint;
mod describe;
mod error;
mod families;
mod fold;
mod graph;
mod inference;
mod moments;
mod permutation;
mod permute;
mod product;
mod repairable;
mod spec;
mod suggestion;
mod taps;
mod weights;

pub use architecture::{Architecture, Layer, NormKind, Shape, Width};
pub use checkpoint::Checkpoint;
pub use describe::{Description, Row};
pub use error::NetworkError;
pub use families::{Blueprint, Listed, Mlp, NormChoice, Resnet, Stem, Vgg};
pub use fold::fold_batch_norms;
pub use graph::{Graph, Node, NodeId, Operation};
pub use inference::{Bound, Inferred, Known, Layout, Rename, Stored, UNTOLD, bind, infer};
pub use moments::GroupMoments;
pub use permutation::Permutation;
pub use permute::permute;
pub use product::{Threads, multiply_add};
pub use repairable::{RepairedLayers, repairable_weights};
pub use spec::{Binding, Group, Parameter, PermutationSpec, Role};
pub use suggestion::did_you_mean;
pub use taps::{StreamTaps, Tap};
pub use weights::Weights;
