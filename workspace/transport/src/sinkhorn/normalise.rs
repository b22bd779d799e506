//! Alternate normalisation of rows and columns.

use ndarray::{Array2, Axis};

/// Divides rows, then columns, by their sums until every row sums to 1 within `tolerance` (the columns then do too, but for rounding), or
/// `sweeps` times. Returns the sweeps done. For a square matrix with positive entries this converges to a doubly stochastic one; rows or columns
/// that sum to 0 stay as they are.
///
/// Source: Sinkhorn, "A relationship between arbitrary positive matrices and doubly stochastic matrices", Annals of Mathematical Statistics 35
/// (1964).
pub fn doubly_stochastic(matrix: &mut Array2<f64>, tolerance: f64, sweeps: usize) -> usize {
    for sweep in 1..=sweeps {
        for axis in [Axis(0), Axis(1)] {
            for mut line in matrix.axis_iter_mut(axis) {
                let sum = line.sum();
                if sum != 0.0 {
                    line /= sum;
                }
            }
        }
        if matrix.rows().into_iter().all(|row| row.sum() == 0.0 || (row.sum() - 1.0).abs() <= tolerance) {
            return sweep;
        }
    }
    sweeps
}
