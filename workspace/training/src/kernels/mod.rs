//! Operations of this crate's own, with their gradients, for the `cpu` device.
//!
//! They are ordinary nodes of burn's tape: nets mix them freely with burn's operations.

#[cfg(test)]
mod agreement;
pub(crate) mod buffers;
mod convolution;
mod cross_entropy;
mod flex;
mod images;
mod linear;
mod norm;
mod pool;
mod sum;
mod tape;

pub use buffers::free_buffers;
pub(crate) use convolution::convolution;
pub(crate) use cross_entropy::{SoftTargets, cross_entropy, distilled};
pub(crate) use flex::{FlexTensor, slice};
pub(crate) use linear::linear;
pub(crate) use norm::{batch_norm, channel_moments, fixed_norm, layer_norm};
pub(crate) use pool::{global_mean, max_pool};
pub(crate) use sum::sum;

/// Which operations carry out a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// burn's own operations only: every device has them, and they are the reference for the others.
    Plain,
    /// This crate's operations where there is one (`cpu` only), burn's elsewhere.
    Fused,
}
