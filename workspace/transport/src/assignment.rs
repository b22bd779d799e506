//! Linear assignment: the permutation of greatest total gain, with its dual certificate.
//!
//! `max Σ_i G[i, c(i)]` over permutations `c`. The dual is `min Σ_i u_i + Σ_j v_j` with `u_i + v_j ≥ G_ij`; the two meet at the optimum.
//!
//! Source: Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing 38
//! (1987), steps 1 to 5; Crouse, "On implementing 2D rectangular assignment algorithms", IEEE TAES 52 (2016), for the search. Restarting from
//! earlier potentials is sound because any `v` becomes dual feasible with `u_i = max_j (G_ij - v_j)`.

mod margin;
mod search;

use ndarray::ArrayView2;

use crate::layout::{check_entries, row_major};
use crate::{Certificate, Cost, TransportError};

/// Prices of an optimum are seldom farther apart than the gains; beyond this many times that, they belong to another problem.
const FARTHEST: f64 = 100.0;

/// An optimal assignment and the potentials that prove it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// `columns[i]` is the column of row `i`; a permutation of `0..n`.
    pub columns: Vec<u32>,
    /// `Σ_i G[i, columns[i]]`, summed in row order.
    pub value: f64,
    /// `u`, one for each row: `u_i + v_j ≥ G_ij`, with equality on the assignment, up to rounding.
    pub row_duals: Vec<f64>,
    /// `v`, one for each column.
    pub column_duals: Vec<f64>,
}

/// Finds a permutation of greatest gain for a square matrix of any strides.
///
/// Cost: O(n³) at worst; about n² · log n on random matrices. One copy of the matrix unless it is `f64` with contiguous rows.
///
/// # Errors
/// The matrix is not square, or an entry is NaN, infinite or beyond 1e150 in magnitude.
pub fn maximise<T: Cost>(gain: ArrayView2<'_, T>) -> Result<Assignment, TransportError> {
    Solver::new(gain.nrows()).maximise(gain)
}

/// Solves a series of assignments of one size, each starting from the last potentials. When the matrix changes slowly this costs
/// little more than reading it; when it does not, little more than [`maximise`]. The value found is the same optimum either way; among
/// several optimal permutations the history may decide.
#[derive(Debug, Clone)]
pub struct Solver {
    size: usize,
    prices: Option<Vec<f64>>,
    /// Row-major copy of a matrix that is not so itself.
    buffer: Vec<f64>,
}

impl Solver {
    /// A solver for `size` × `size` matrices that has seen none yet.
    pub fn new(size: usize) -> Solver {
        Solver { size, prices: None, buffer: Vec::new() }
    }

    /// As [`maximise`](fn@maximise), from where the last solution was.
    ///
    /// # Errors
    /// As [`maximise`](fn@maximise), and when the matrix has another size than this solver. A failed call leaves the solver as it was.
    pub fn maximise<T: Cost>(&mut self, gain: ArrayView2<'_, T>) -> Result<Assignment, TransportError> {
        let (rows, columns) = gain.dim();
        if rows != columns {
            return Err(TransportError::NotSquare { rows, columns });
        }
        if rows != self.size {
            return Err(TransportError::SizeChanged { expected: self.size, got: rows });
        }
        let entries = row_major(gain, &mut self.buffer);
        let (lowest, highest) = check_entries(entries, columns)?;
        let start = self.prices.take().and_then(|prices| usable_start(prices, highest - lowest));
        let assignment = pulp::Arch::new().dispatch(search::Problem { gains: entries, size: self.size, prices: start.as_deref() });
        self.prices = Some(assignment.column_duals.clone());
        Ok(assignment)
    }
}

/// Earlier prices, moved to begin at 0; none if they are so far apart, for gains of this range, that their rounding would blur the optimum.
fn usable_start(mut prices: Vec<f64>, range: f64) -> Option<Vec<f64>> {
    let lowest = prices.iter().copied().fold(f64::INFINITY, f64::min);
    prices.iter_mut().for_each(|price| *price -= lowest);
    prices.iter().all(|price| *price <= FARTHEST * range).then_some(prices)
}

impl Assignment {
    /// Checks this solution against the matrix, from nothing but its own numbers. O(n²).
    ///
    /// `duality_gap` is relative to the sum of the rows' greatest magnitudes, `worst_violation` to the matrix' greatest: no permutation is better by more
    /// than `duality_gap · Σ_i max_j |G_ij| + worst_violation · n · max_ij |G_ij|`. Beside gains that forbid, such as -1e30, that is no proof for the others;
    /// for those see [`exact::plan`](crate::exact::plan).
    ///
    /// A matrix of another size gives infinite numbers.
    pub fn certificate<T: Cost>(&self, gain: ArrayView2<'_, T>) -> Certificate {
        let size = self.columns.len();
        if gain.dim() != (size, size) {
            return Certificate { duality_gap: f64::INFINITY, worst_violation: f64::INFINITY };
        }
        let (mut primal, mut scale, mut largest, mut worst) = (0.0, 0.0, 0.0_f64, 0.0_f64);
        for ((row, row_dual), column) in gain.rows().into_iter().zip(&self.row_duals).zip(&self.columns) {
            let mut row_largest = 0.0_f64;
            for (entry, column_dual) in row.iter().zip(&self.column_duals) {
                let entry = entry.to_f64();
                row_largest = row_largest.max(entry.abs());
                worst = worst.max(entry - row_dual - column_dual);
            }
            primal += row[*column as usize].to_f64();
            scale += row_largest;
            largest = largest.max(row_largest);
        }
        let dual = self.row_duals.iter().sum::<f64>() + self.column_duals.iter().sum::<f64>();
        let relative = |value: f64, to: f64| if value == 0.0 { 0.0 } else { value / to };
        Certificate { duality_gap: relative(dual - primal, scale), worst_violation: relative(worst, largest) }
    }
}
