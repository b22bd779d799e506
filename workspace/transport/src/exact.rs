//! Exact optimal transport between two mass distributions.
//!
//! `min Σ_ij P_ij C_ij` over `P ≥ 0` with row sums `a` and column sums `b`. Equal sizes with uniform masses are an assignment (Birkhoff: the
//! vertices are permutations, each entry carrying 1/n); everything else goes through a network simplex.
//!
//! Source: Dantzig, "Linear programming and extensions", 1963, chapters 14 to 17 (transportation simplex, perturbation against cycling);
//! Glover, Karney, Klingman and Napier, "A computation study on start procedures, basis change criteria, and solution algorithms for
//! transportation problems", Management Science 20 (1974), for the row-wise pivot rule and the greedy start; Cunningham, "A network simplex
//! method", Mathematical Programming 11 (1976), whose strongly feasible trees the perturbation amounts to. The peer measured is POT's, after Bonneel
//! et al., "Displacement interpolation using Lagrangian mass transport", SIGGRAPH Asia 2011, and LEMON.

pub(crate) mod fixed;
mod gauge;
pub(crate) mod masses;
mod proof;
mod simplex;
mod start;
mod tree;

use ndarray::ArrayView2;

use self::proof::{Slack, proven};
use crate::layout::{check_entries, row_major};
use crate::{Plan, TransportError, assignment};

/// An assignment is trusted where no number it is made of is larger than this many times the mean of the costs it ends with.
const ALIKE: f64 = 1000.0;

/// An optimal plan for costs of shape (rows, columns) and masses of any equal total; masses may be zero.
///
/// Column masses are scaled to the total of the row masses, so a difference within the tolerance never leaves mass behind.
/// Costs may be of very unequal size, such as 1e30 for entries that must not be used beside 1 for the others: where doubles do not prove the plan
/// optimal to 1e-12 of its own cost, potentials without rounding do.
/// Cost: about ten times (rows + columns) pivots, each reading one row and walking one subtree; 1024 × 512 takes some 30 ms, and several times
/// that without rounding.
///
/// # Errors
/// An entry is NaN, infinite or beyond 1e150 in magnitude; a mass is negative or not finite; a side has the wrong number of masses; the sums
/// differ by more than `4 · 2⁻²⁴ · √(rows + columns)` of the larger, which is what masses rounded to `f32` and summed in it may differ by;
/// the pivots come to no end, which no known problem brings about.
pub fn plan(cost: ArrayView2<'_, f64>, rows: &[f64], columns: &[f64]) -> Result<Plan, TransportError> {
    let shape = cost.dim();
    let total = masses::check(shape, rows, columns)?;
    let mut buffer = Vec::new();
    let costs = row_major(cost, &mut buffer);
    let (lowest, highest) = check_entries(costs, shape.1)?;
    if shape.0 == shape.1 && masses::uniform(rows) && masses::uniform(columns) {
        let plan = permutation(costs, shape.0, rows)?;
        if is_sharp(&plan, cost, lowest.abs().max(highest.abs()), total) {
            return Ok(plan);
        }
    }
    let masses = masses::balance(rows, columns, total);
    let mut solution = simplex::Problem { costs, masses: &masses }.solve()?;
    solution.entries.retain(|(_, _, mass)| *mass > 0.0);
    for (_, _, mass) in &mut solution.entries {
        *mass *= masses.unit;
    }
    let value = solution.entries.iter().map(|(row, column, mass)| mass * cost[[*row as usize, *column as usize]]).sum();
    Ok(Plan { shape, entries: solution.entries, cost: value, row_duals: solution.row_duals, column_duals: solution.column_duals })
}

/// The plan of a uniform square problem: an assignment on negated costs.
fn permutation(costs: &[f64], size: usize, rows: &[f64]) -> Result<Plan, TransportError> {
    let gains: Vec<f64> = costs.iter().map(|cost| -cost).collect();
    let gains = ndarray::Array2::from_shape_vec((size, size), gains).expect("a square of the length of its own view");
    let found = assignment::maximise(gains.view())?;
    let entries: Vec<(u32, u32, f64)> = (0_u32..)
        .zip(&found.columns)
        .zip(rows)
        .filter(|(_, mass)| **mass > 0.0)
        .map(|((row, column), mass)| (row, *column, *mass))
        .collect();
    let cost = entries.iter().map(|(row, column, mass)| mass * costs[*row as usize * size + *column as usize]).sum();
    let negated = |duals: Vec<f64>| duals.into_iter().map(|dual| -dual).collect();
    Ok(Plan { shape: (size, size), entries, cost, row_duals: negated(found.row_duals), column_duals: negated(found.column_duals) })
}

/// Whether a plan made by an assignment on costs of at most this magnitude is optimal beyond doubt: its numbers are of one size, or prove it.
fn is_sharp(plan: &Plan, cost: ArrayView2<'_, f64>, largest: f64, total: f64) -> bool {
    let Plan { row_duals, column_duals, entries, .. } = plan;
    let largest = row_duals.iter().chain(column_duals).fold(largest, |largest, value| largest.max(value.abs()));
    let moved: f64 = entries.iter().map(|(row, column, mass)| mass * cost[[*row as usize, *column as usize]].abs()).sum();
    if moved < f64::INFINITY && largest * total <= ALIKE * moved {
        return true;
    }
    let mut slack = Slack::NONE;
    for (row, potential) in cost.rows().into_iter().zip(row_duals) {
        slack.see(row.iter().zip(column_duals).map(|(cost, dual)| cost - dual).fold(f64::INFINITY, f64::min), *potential);
    }
    let entry = |(row, column, mass): &(u32, u32, f64)| {
        let (row, column) = (*row as usize, *column as usize);
        (*mass, cost[[row, column]], row_duals[row], column_duals[column])
    };
    proven(slack, total, entries.iter().map(entry)) || plan.certificate(cost).holds(proof::PROVEN)
}
