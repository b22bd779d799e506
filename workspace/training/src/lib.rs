//! Trains and evaluates networks: everything that needs a forward pass or a gradient, with burn.
//!
//! A training minimises the mean cross-entropy `-(1/n) Σᵢ log softmax(f(xᵢ; w))[yᵢ]` over the weights `w` of a
//! [`Graph`](onebasin_network::Graph), from weights and in an order of images drawn from named streams only: equal streams give equal
//! bytes, beside any other training in the process and on any number of threads.
//!
//! A [`ModePath`] between two networks is a curve of low loss, whose bends are trained.
//!
//! A merged network can be repaired: [`statistics`] of the end points' layers, mixed into a goal, say what [`repair`] makes of the
//! merged one's; [`reset_batch_norms`] estimates running statistics anew.
//!
//! A training that is interrupted goes on from a [`Snapshot`] and ends with the same bytes.
//!
//! This crate neither matches nor merges models, reads no files and prints nothing.

mod batch_loss;
mod correlations;
mod device;
mod distillation;
mod error;
mod evaluate;
mod features;
mod fit;
mod forward;
#[cfg(test)]
mod gradients;
mod initialise;
mod inputs;
mod interpolation;
mod kernels;
mod largest_buffer;
mod layer_outputs;
mod learning_curve;
mod mode_path;
mod moments;
mod optimizer;
mod options;
mod outputs;
mod prediction;
#[cfg(test)]
mod pytorch;
mod repair;
mod resize;
mod schedule;
mod score;
mod snapshot;
mod statistics;
mod tensors;
mod together;
mod training_run;
mod update;

pub use batch_loss::BatchLoss;
pub use correlations::unit_correlations;
pub use device::Device;
pub use distillation::{Distillation, MeanOver};
pub use error::TrainingError;
pub use evaluate::{Averaging, evaluate, logits};
pub use features::{features, penultimate};
pub use fit::fit;
pub use initialise::{Initialisation, first_weights, has_closing_norm, initialise};
pub use inputs::resident_bytes;
pub use interpolation::evaluate_line;
pub use kernels::{Kernels, free_buffers};
pub use learning_curve::CurvePoint;
pub use mode_path::{ModePath, PathKind, length_weighted, path_steps};
pub use moments::{Places, cross_moments, cross_moments_of_widths};
pub use optimizer::{Adam, Optimizer, Sgd};
pub use options::{Training, has_lone_batch_norm};
pub use outputs::outputs;
pub use prediction::{Predictions, predict, predict_ensemble};
pub use repair::{Restores, repair, reset_batch_norms};
pub use schedule::{Per, Schedule, ScheduleKind, Span};
pub use score::Evaluation;
pub use snapshot::Snapshot;
pub use statistics::{Moments, Sample, Spread, Statistics, statistics};
pub use training_run::{Progress, Trained, TrainingRun};
