//! From artifacts to tables and pictures.

pub(crate) mod architectures;
mod cell;
mod check;
pub(crate) mod markdown;
mod orderings;
mod others;
pub(crate) mod pairwise;
pub(crate) mod plots;
mod reported;
mod rows;
mod seeds;
mod statistics;
pub(crate) mod summary;
mod table;
mod trends;
mod units;

pub use architectures::ArchitectureRow;
pub use cell::{Cell, File};
pub use check::{Compared, check, made, renewed};
pub use reported::{Comparison, Reported, parse as parse_reported, write as write_reported};
pub use rows::Rows;
