//! A transport plan as its few non-zero entries.

use ndarray::{Array2, ArrayView2};

use crate::Certificate;
use crate::exact::fixed::{Exactly, Fixed, Scale};

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

    /// Checks this plan against the cost matrix, from nothing but its own numbers and without rounding: dual feasibility, and complementary
    /// slackness as the gap `Σ mass · (C - f - g)` over the entries. O(rows · columns).
    ///
    /// Both figures are relative to what the plan itself moves at what cost: with `S = Σ mass · |C|` over its entries, `duality_gap` is the gap over
    /// `S`, and `worst_violation` the greatest `f + g - C` times the total mass, over `S`. No plan with these marginals costs less than this one
    /// by more than their sum times `S`, however large the costs are that this one avoids.
    ///
    /// A matrix of another shape, and duals that are not finite, give infinite numbers.
    pub fn certificate(&self, cost: ArrayView2<'_, f64>) -> Certificate {
        let duals = self.row_duals.iter().chain(&self.column_duals);
        let fits = cost.dim() == self.shape && (self.row_duals.len(), self.column_duals.len()) == self.shape;
        if !fits || duals.clone().chain(cost).any(|value| !value.is_finite()) {
            return Certificate { duality_gap: f64::INFINITY, worst_violation: f64::INFINITY };
        }
        let (gap, violation) = Scale::of(duals.chain(cost).copied(), 3).dispatch(Slackness { plan: self, cost });
        let (mut scale, mut total) = (0.0, 0.0);
        for (row, column, mass) in &self.entries {
            scale += mass * cost[[*row as usize, *column as usize]].abs();
            total += mass;
        }
        let relative = |value: f64| if value == 0.0 { 0.0 } else { value / scale };
        Certificate { duality_gap: relative(gap), worst_violation: relative(violation * total) }
    }
}

/// `Σ mass · (C - f - g)` over the entries of a plan, and the greatest `f + g - C` of all; at least 0.
struct Slackness<'a> {
    plan: &'a Plan,
    cost: ArrayView2<'a, f64>,
}

impl Exactly for Slackness<'_> {
    type Output = (f64, f64);

    fn run<const N: usize>(self, scale: Scale) -> (f64, f64) {
        let fixed = |values: &[f64]| values.iter().map(|value| Fixed::<N>::new(*value, scale)).collect::<Vec<_>>();
        let (rows, columns) = (fixed(&self.plan.row_duals), fixed(&self.plan.column_duals));
        let mut least = Fixed::ZERO;
        for (costs, row) in self.cost.rows().into_iter().zip(&rows) {
            for (cost, column) in costs.iter().zip(&columns) {
                least = least.min(Fixed::new(*cost, scale).less(*row).less(*column));
            }
        }
        let left = |(row, column, mass): &(u32, u32, f64)| {
            let (row, column) = (*row as usize, *column as usize);
            mass * Fixed::new(self.cost[[row, column]], scale).less(rows[row]).less(columns[column]).to_f64(scale)
        };
        (self.plan.entries.iter().map(left).sum(), Fixed::ZERO.less(least).to_f64(scale))
    }
}
