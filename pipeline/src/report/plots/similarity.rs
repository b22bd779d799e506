//! How alike the weights of models are before and after matching: tables over all weights, and over matrices alone.

use std::path::Path;

use anyhow::Result;

use super::tables::{self, Kind, Metric};
use super::{Groups, file_name};
use crate::report::table::Csv;

/// Draws `similarity-<dataset>-<architecture>` and `matrices-...`: cosine and distance over all weights and over matrices alone, means over
/// replicates.
///
/// # Errors
/// When `similarity.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("similarity.csv"))?;
    let parameters = csv.texts("parameter")?;
    let (cosines, distances) = (csv.numbers("cosine")?, csv.numbers("distance")?);
    for (pair, rows) in Groups::of(&csv)?.iter() {
        for (compared, kind, what) in [("all", "similarity", "All weights"), ("matrices", "matrices", "Matrices and kernels")] {
            let rows: Vec<usize> = rows.iter().copied().filter(|&row| parameters[row] == compared).collect();
            let metrics = [
                Metric { name: "cosine", values: &cosines, kind: Kind::Likeness },
                Metric { name: "distance", values: &distances, kind: Kind::Distance },
            ];
            let title = format!("{what} of two models, flattened: {}, {}", pair.0, pair.1);
            tables::draw(&csv, &rows, &metrics, title, out, &file_name(kind, pair))?;
        }
    }
    Ok(())
}
