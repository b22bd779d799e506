//! A transport plan as its few non-zero entries.

use ndarray::{Array2, ArrayView2};

use crate::Certificate;

/// An optimal transport plan and the potentials that prove it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Rows and columns of the cost matrix.
    pub shape: (usize, usize),
    /// `(row, column, mass)` with mass above 0, sorted by row, then column; at most rows + columns - 1 of them.
    pub entries: Vec<(u32, u32, f64)>,
    /// `Σ mass · cost` over the entries.
    pub cost: f64,
    /// `f`, one for each row: `f_i + g_j ≤ C_ij`, with equality on the entries, up to rounding.
    pub row_duals: Vec<f64>,
    /// `g`, one for each column.
    pub column_duals: Vec<f64>,
}

impl Plan {
    /// The plan as a full matrix.
    pub fn to_dense(&self) -> Array2<f64> {
        let mut dense = Array2::zeros(self.shape);
        for (row, column, mass) in &self.entries {
            dense[[*row as usize, *column as usize]] = *mass;
        }
        dense
    }

    /// Checks this plan against the cost matrix, from nothing but its own numbers: dual feasibility, and complementary slackness as the gap
    /// `Σ mass · (C - f - g)` over the entries. O(rows · columns).
    ///
    /// A matrix of another shape gives infinite numbers.
    pub fn certificate(&self, cost: ArrayView2<'_, f64>) -> Certificate {
        if cost.dim() != self.shape {
            return Certificate { duality_gap: f64::INFINITY, worst_violation: f64::INFINITY };
        }
        let (mut largest, mut worst) = (0.0_f64, 0.0_f64);
        let mut row_largest = Vec::with_capacity(self.shape.0);
        for (row, row_dual) in cost.rows().into_iter().zip(&self.row_duals) {
            let mut here = 0.0_f64;
            for (entry, column_dual) in row.iter().zip(&self.column_duals) {
                here = here.max(entry.abs());
                worst = worst.max(row_dual + column_dual - entry);
            }
            row_largest.push(here);
            largest = largest.max(here);
        }
        let (mut gap, mut scale) = (0.0, 0.0);
        for (row, column, mass) in &self.entries {
            let (row, column) = (*row as usize, *column as usize);
            gap += mass * (cost[[row, column]] - self.row_duals[row] - self.column_duals[column]);
            scale += mass * row_largest[row];
        }
        let relative = |value: f64, to: f64| if value == 0.0 { 0.0 } else { value / to };
        Certificate { duality_gap: relative(gap, scale), worst_violation: relative(worst, largest) }
    }
}
