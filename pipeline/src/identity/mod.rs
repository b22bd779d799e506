//! What a result is about, as types: data set and architecture, method and draw, replicate, split, models.
//!
//! The texts in CSV files are these types' `Display`, read back by their `FromStr`, nowhere else.

mod method_label;
mod models;
mod pair_name;
mod part;

pub use method_label::{MethodLabel, MethodName};
pub use models::{ModelNames, by_length};
pub use pair_name::PairName;
pub use part::Part;

use serde::Serialize;

use crate::table::columns;

/// What most rows begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ResultKey {
    /// Data set and architecture.
    pub pair: PairName,
    /// The method, or the end points.
    pub method: MethodLabel,
    /// Which repetition of the whole experiment.
    pub replicate: usize,
}

columns!(ResultKey { pair: PairName, method: MethodLabel, replicate: usize });
