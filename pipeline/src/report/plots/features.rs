//! How alike models see images before and after matching, as tables.

use std::path::Path;

use anyhow::Result;

use super::tables::{self, Kind, Metric};
use super::{Groups, file_name};
use crate::report::table::Csv;

/// Draws `features-<dataset>-<architecture>`: linear CKA and Frobenius distance of features, means over replicates.
///
/// # Errors
/// When `features.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("features.csv"))?;
    let (alike, distances) = (csv.numbers("cka")?, csv.numbers("distance")?);
    for (pair, rows) in Groups::of(&csv)?.iter() {
        let metrics = [
            Metric { name: "CKA", values: &alike, kind: Kind::Likeness },
            Metric { name: "distance", values: &distances, kind: Kind::Distance },
        ];
        let title = format!("What the last layer reads in two models: {}, {}", pair.0, pair.1);
        tables::draw(&csv, rows, &metrics, title, out, &file_name("features", pair))?;
    }
    Ok(())
}
