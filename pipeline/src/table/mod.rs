//! CSV files: columns, typed rows, and all tables of an experiment together.

mod csv;
mod row;
mod tables;

pub use csv::{Csv, Table};
pub use row::{Columns, Row};
pub(crate) use row::{columns, row, text_column};
pub use tables::Tables;
