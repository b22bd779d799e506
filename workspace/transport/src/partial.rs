//! Exact partial transport: a given mass moves at the least cost, and the rest stays where it is.
//!
//! `min Σ_ij P_ij C_ij` over `P ≥ 0` with row sums at most `a`, column sums at most `b`, and the total `s`. One more row and one more
//! column at no cost take what does not move; what would go from one to the other costs more than any entry, so nothing does. What is left
//! is [`exact::plan`].
//!
//! Source: Chapel, Alaya and Gasso, "Partial optimal transport with applications on positive-unlabeled learning", NeurIPS 2020, proposition
//! 1 with ξ = 0; Caffarelli and McCann, "Free boundaries in optimal transport and Monge–Ampère obstacle problems", Annals of Mathematics
//! 171 (2010), whose problem and dummy points these are.

use ndarray::{Array2, ArrayView2, s};

use crate::layout::{LARGEST, check_entries, row_major};
use crate::{Certificate, Plan, TransportError, exact};

/// An optimal partial plan and the potentials that prove it.
#[derive(Debug, Clone, PartialEq)]
pub struct PartialPlan {
    /// Rows and columns of the cost matrix.
    pub shape: (usize, usize),
    /// `(row, column, mass)` with mass above 0, sorted by row, then column; at most rows + columns + 1 of them.
    pub entries: Vec<(u32, u32, f64)>,
    /// `Σ mass · cost` over the entries.
    pub cost: f64,
    /// `f ≤ 0`, one for each row: 0 where mass stays. `f_i + g_j + λ ≤ C_ij`, with equality on the entries, up to rounding.
    pub row_duals: Vec<f64>,
    /// `g ≤ 0`, one for each column.
    pub column_duals: Vec<f64>,
    /// `λ`: what one more unit of mass would cost. The dual value is `Σ a f + Σ b g + s λ`.
    pub price: f64,
    /// The plan with its dummy points, and what going from one to the other costs.
    extended: Plan,
    corner: f64,
}

impl PartialPlan {
    /// The plan as a full matrix.
    pub fn to_dense(&self) -> Array2<f64> {
        let mut dense = Array2::zeros(self.shape);
        for (row, column, mass) in &self.entries {
            dense[[*row as usize, *column as usize]] = *mass;
        }
        dense
    }

    /// Checks this plan against the cost matrix: the certificate of the plan with its dummy points, see [`Plan::certificate`]. Its figures
    /// are relative to what the plan moves at what cost, as dummy points cost nothing.
    pub fn certificate(&self, cost: ArrayView2<'_, f64>) -> Certificate {
        self.extended.certificate(extended(cost, self.corner).view())
    }
}

/// An optimal plan that moves `mass`, for costs of shape (rows, columns) and the masses that there are on either side, of any totals.
///
/// Cost: as [`exact::plan`] with one more row and column.
///
/// # Errors
/// An entry is NaN, infinite or beyond 1e150 in magnitude; a mass is negative or not finite; a side has the wrong number of masses; the
/// mass to move is not above 0, or more than the smaller side has.
pub fn plan(cost: ArrayView2<'_, f64>, rows: &[f64], columns: &[f64], mass: f64) -> Result<PartialPlan, TransportError> {
    let shape = cost.dim();
    exact::masses::check_each(shape, rows, columns)?;
    let mut buffer = Vec::new();
    let (lowest, highest) = check_entries(row_major(cost, &mut buffer), shape.1)?;
    let (row_sum, column_sum) = (rows.iter().sum::<f64>(), columns.iter().sum::<f64>());
    let most = row_sum.min(column_sum);
    // A share of 1 may have been rounded.
    if !(mass > 0.0 && mass <= most * (1.0 + 1e-12)) {
        let expected = "a number above 0, at most what the smaller side has";
        return Err(TransportError::BadSetting { setting: "mass", value: mass, expected });
    }
    let mass = mass.min(most);
    let largest = lowest.abs().max(highest.abs());
    let corner = if largest > 0.0 { (2.0 * largest).min(LARGEST) } else { 1.0 };
    let with = |masses: &[f64], rest: f64| masses.iter().copied().chain([rest]).collect::<Vec<_>>();
    let (all_rows, all_columns) = (with(rows, column_sum - mass), with(columns, row_sum - mass));
    let found = exact::plan(extended(cost, corner).view(), &all_rows, &all_columns)?;
    let is_real = |(row, column, _): &(u32, u32, f64)| (*row as usize) < shape.0 && (*column as usize) < shape.1;
    let entries: Vec<(u32, u32, f64)> = found.entries.iter().copied().filter(is_real).collect();
    let (row_dummy, column_dummy) = (found.row_duals[shape.0], found.column_duals[shape.1]);
    Ok(PartialPlan {
        shape,
        cost: entries.iter().map(|(row, column, mass)| mass * cost[[*row as usize, *column as usize]]).sum(),
        entries,
        row_duals: found.row_duals[..shape.0].iter().map(|dual| dual + column_dummy).collect(),
        column_duals: found.column_duals[..shape.1].iter().map(|dual| dual + row_dummy).collect(),
        price: -(row_dummy + column_dummy),
        extended: found,
        corner,
    })
}

/// The costs with a row and a column of dummy points.
fn extended(cost: ArrayView2<'_, f64>, corner: f64) -> Array2<f64> {
    let (rows, columns) = cost.dim();
    let mut all = Array2::zeros((rows + 1, columns + 1));
    all.slice_mut(s![..rows, ..columns]).assign(&cost);
    all[[rows, columns]] = corner;
    all
}
