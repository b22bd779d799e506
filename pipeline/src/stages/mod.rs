//! The kinds of work, one file each. A stage reads the artifacts of its inputs and writes files into its own folder.

mod align;
mod cycle;
mod evaluate;
mod features;
mod files;
mod iterates;
mod line;
mod margins;
mod measure;
mod mender;
mod merge;
mod plane;
mod plot;
mod repair;
mod similarity;
mod survey;
mod tabulate;
mod train;

pub use align::Align;
pub use cycle::{Cycle, CycleStep};
pub use evaluate::Evaluate;
pub use features::Features;
pub use iterates::{Iterates, Wanted};
pub use line::Line;
pub use margins::Margins;
pub use measure::Measure;
pub use merge::Merge;
pub use plane::Plane;
pub use plot::Plot;
pub use repair::{Ends, Merged, Repair};
pub use similarity::Similarity;
pub use survey::Survey;
pub use tabulate::Tabulate;
pub use train::Train;
