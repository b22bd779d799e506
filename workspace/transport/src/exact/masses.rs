//! Checked and balanced masses.

use crate::TransportError;

/// What rounding a number to `f32` changes, at most, as a share of it.
const ROUNDING: f64 = 1.0 / 16_777_216.0;

/// By how much of the larger two sums of so many masses in all may differ: what rounding each to `f32`, and summing in it to divide by the sum,
/// leaves. Such errors have either sign, so they grow with the root of the number.
fn tolerance(masses: usize) -> f64 {
    4.0 * ROUNDING * (masses as f64).sqrt()
}

/// Masses of both sides in a common unit, with equal sums but for rounding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Masses {
    pub rows: Vec<f64>,
    pub columns: Vec<f64>,
    /// What one of these units is in the caller's masses.
    pub unit: f64,
}

/// The total of the row masses.
///
/// # Errors
/// Wrong counts, a bad mass, or unequal sums.
pub(crate) fn check(shape: (usize, usize), rows: &[f64], columns: &[f64]) -> Result<f64, TransportError> {
    check_each(shape, rows, columns)?;
    let (row_sum, column_sum) = (rows.iter().sum::<f64>(), columns.iter().sum::<f64>());
    let tolerance = tolerance(rows.len() + columns.len());
    let balanced = (row_sum - column_sum).abs() <= tolerance * row_sum.max(column_sum);
    if !balanced {
        return Err(TransportError::UnequalMass { rows: row_sum, columns: column_sum, tolerance });
    }
    Ok(row_sum)
}

/// Masses that fit a matrix of this shape, whatever their sums.
///
/// # Errors
/// Wrong counts, or a bad mass.
pub(crate) fn check_each(shape: (usize, usize), rows: &[f64], columns: &[f64]) -> Result<(), TransportError> {
    for (side, expected, masses) in [("row", shape.0, rows), ("column", shape.1, columns)] {
        if masses.len() != expected {
            return Err(TransportError::MassCount { side, expected, got: masses.len() });
        }
        if let Some(index) = masses.iter().position(|mass| !(mass.is_finite() && *mass >= 0.0)) {
            return Err(TransportError::BadMass { side, index, value: masses[index] });
        }
    }
    Ok(())
}

/// All masses are the same number.
pub(crate) fn uniform(masses: &[f64]) -> bool {
    masses.windows(2).all(|pair| pair[0] == pair[1])
}

/// Both sides with the same total. Two uniform sides become whole numbers, so that no rounding leaves dust behind.
pub(crate) fn balance(rows: &[f64], columns: &[f64], total: f64) -> Masses {
    if uniform(rows) && uniform(columns) && total > 0.0 {
        let (row_count, column_count) = (rows.len() as f64, columns.len() as f64);
        return Masses {
            rows: vec![column_count; rows.len()],
            columns: vec![row_count; columns.len()],
            unit: total / (row_count * column_count),
        };
    }
    let column_sum = columns.iter().sum::<f64>();
    let scale = if column_sum > 0.0 { total / column_sum } else { 1.0 };
    Masses { rows: rows.to_vec(), columns: columns.iter().map(|mass| mass * scale).collect(), unit: 1.0 }
}
