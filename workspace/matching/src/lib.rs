//! Aligns the hidden units of networks of one architecture, merges them, and measures the barrier between them.
//!
//! A hidden unit has no name: permuting the units of a group leaves the function of a network as it was. Every method here gives each
//! model a map into one common frame, for each group of units, and seeks a large
//! `f = Σ_{p<q} Σ_ℓ ⟨U_ℓ^p, U_ℓ^q⟩`, the agreement of the models' parameters `U_ℓ` once they are in the frame.
//! In the frame, models are averaged and interpolated entry by entry.
//!
//! The crate trains nothing, evaluates nothing and knows no tensor framework: weights come in as plain arrays and leave as such.

mod activations;
mod align;
mod alignment_file;
mod barrier;
mod cka;
mod cycle;
mod error;
pub mod gain;
mod ground_metric;
mod loss;
mod margins;
mod matcher;
mod merge;
pub mod methods;
mod objective;
mod problem;
mod prune;
mod spherical;
#[cfg(test)]
mod testing;
mod weight_similarity;

pub use activations::{Activations, Score};
pub use align::{pair_maps, permutations, rows_to_frame, to_frame, to_frame_with};
pub use barrier::{Barrier, barrier, lambdas};
pub use cka::{FeatureSimilarity, feature_similarity};
pub use cycle::{Cycle, cycle, cycle_error};
pub use error::MatchingError;
pub use ground_metric::{CostScale, Ground};
pub use loss::{Loss, LossError};
pub use margins::{GroupMargins, margins};
pub use matcher::{
    Alignment, Certificate, Frame, Interrupted, Iterate, Matcher, Outcome, Restart, SolverTrace, Transport, UnitMap, UnitMaps, Untied,
};
pub use merge::{interpolate, mean};
pub use methods::{
    Matching, Mix, activation_matching::ActivationMatching, c2m3::C2m3, c2m3::Schedule, c2m3::SoftIterate, frank_wolfe::FrankWolfe,
    git_rebasin::GitReBasin, greedy_matching::GreedyMatching, identity::Identity, joint_activation_matching::JointActivationMatching,
    merge_many::MergeMany, ot_fusion::OtFusion, steepest_descent::SteepestDescent, straight_through::StraightThrough, wb_fusion::WbFusion,
};
pub use objective::objective;
pub use problem::{Problem, same_layers};
pub use prune::{PruningNorm, prune};
pub use spherical::interpolate_spherically;
pub use weight_similarity::{Compared, WeightSimilarity, weight_similarity};
