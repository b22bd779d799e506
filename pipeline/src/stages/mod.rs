//! The stages that make models: train, align, merge, train a curve, repair. A stage reads the artifacts of its inputs and writes files into its own
//! folder.

mod activation_statistics;
mod align;
pub(crate) mod files;
mod import;
mod merge;
mod moments;
pub(crate) mod path_point;
mod prune;
mod repair;
pub(crate) mod repairer;
mod train;
mod train_path;
mod training_loop;
mod training_loss;

pub use activation_statistics::ActivationStatistics;
pub use align::Align;
pub use import::{Import, UnusableFile};
pub use merge::Merge;
pub use moments::MomentsStage;
pub use path_point::PathPoint;
pub use prune::Prune;
pub use repair::{EndpointStatistics, Merged, Repair};
pub use train::Train;
pub use train_path::TrainPath;
