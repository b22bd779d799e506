//! Aligns the hidden units of networks of one architecture, merges them, and measures the barrier between them.
//!
//! A hidden unit has no name: permuting the units of a group leaves the function of a network as it was. Every method here gives each
//! model a map into one common frame, for each group of units, and seeks a large
//! `f = Σ_{p<q} Σ_ℓ ⟨U_ℓ^p, U_ℓ^q⟩`, the agreement of the models' parameters `U_ℓ` once they are in the frame.
//! In the frame, models are averaged and interpolated entry by entry.
//!
//! The crate trains nothing, evaluates nothing and knows no tensor framework: weights come in as plain arrays and leave as such.

mod align;
mod alignment_file;
mod barrier;
mod closeness;
mod cycle;
mod error;
mod ground;
mod margins;
mod matcher;
mod merge;
pub mod methods;
mod objective;
mod representations;
pub mod similarity;
#[cfg(test)]
mod testing;

pub use align::{pair_maps, permutations, to_frame};
pub use barrier::{Barrier, barrier, lambdas};
pub use closeness::{Closeness, Compared, closeness};
pub use cycle::{Cycle, cycle, cycle_error};
pub use error::MatchingError;
pub use ground::Ground;
pub use margins::{GroupMargins, margins};
pub use matcher::{Alignment, Attempt, Certificate, Course, Frame, Interrupted, Iterate, Matcher, Outcome, Problem, UnitMap, UnitMaps};
pub use merge::{interpolate, mean};
pub use methods::{
    Matching, c2m3::C2m3, c2m3::SoftIterate, frank_wolfe::FrankWolfe, git_rebasin::GitReBasin, identity::Identity, merge_many::MergeMany,
    ot_fusion::OtFusion,
};
pub use objective::objective;
pub use representations::{Agreement, agreement};
