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

use crate::table::{Columns, Csv, Table};

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

impl Columns for ResultKey {
    fn add<'a>(table: Table, _: &str, values: impl Iterator<Item = &'a Self> + Clone) -> Table {
        let table = PairName::add(table, "pair", values.clone().map(|key| &key.pair));
        let table = MethodLabel::add(table, "method", values.clone().map(|key| &key.method));
        usize::add(table, "replicate", values.map(|key| &key.replicate))
    }

    fn read(csv: &Csv, _: &str) -> anyhow::Result<Vec<Self>> {
        let pairs = PairName::read(csv, "pair")?;
        let methods = MethodLabel::read(csv, "method")?;
        let replicates = usize::read(csv, "replicate")?;
        let keys = pairs.into_iter().zip(methods).zip(replicates);
        Ok(keys.map(|((pair, method), replicate)| ResultKey { pair, method, replicate }).collect())
    }
}
