//! The network simplex on the complete bipartite graph: pivots on a spanning tree of rows and columns.
//!
//! Pricing reads one row at a time in turn and takes its most negative reduced cost, a loop without branches. Cycling is excluded by perturbing
//! the masses symbolically: each row has an infinitesimal more, the last column all of them, so no basic entry is ever exactly zero.

use super::masses::Masses;
use super::start::greedy_basis;
use super::tree::{Mass, Tree};
use crate::kernels::least;

/// A reduced cost below this share of the numbers it is the difference of is rounding.
const NEGLIGIBLE: f64 = 1e-13;

/// After this many pivots for each row and column, which no problem is known to take, rounding is allowed twice as much, and again.
const PATIENCE: u64 = 1000;

pub(crate) struct Solution {
    /// The basis, sorted by row, then column; masses may be zero.
    pub entries: Vec<(u32, u32, f64)>,
    pub row_duals: Vec<f64>,
    pub column_duals: Vec<f64>,
}

/// Costs, row after row, and the masses of both sides.
pub(crate) struct Problem<'a> {
    pub costs: &'a [f64],
    pub masses: &'a Masses,
}

impl pulp::WithSimd for Problem<'_> {
    type Output = Solution;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> Solution {
        solve(simd, self.costs, self.masses)
    }
}

#[inline(always)]
fn solve<S: pulp::Simd>(simd: S, costs: &[f64], masses: &Masses) -> Solution {
    let (height, width) = (masses.rows.len(), masses.columns.len());
    if height == 0 || width == 0 {
        return Solution { entries: Vec::new(), row_duals: vec![0.0; height], column_duals: vec![0.0; width] };
    }
    let mut tree = Tree::new(costs, height, width, greedy_basis(simd, costs, masses));
    let nodes = (height + width) as u64;
    let (mut row, mut idle, mut pivots) = (0, 0, 0_u64);
    let (mut negligible, mut exact_potentials) = (NEGLIGIBLE, true);
    loop {
        let costs_here = &costs[row * width..][..width];
        let entering = least(simd, costs_here, tree.column_potentials());
        let potential = tree.row_potential(row);
        let reduced = entering.value - potential;
        let size = costs_here[entering.column].abs() + tree.column_potentials()[entering.column].abs() + potential.abs();
        if reduced < -negligible * size {
            tree.pivot(row, entering.column, reduced);
            pivots += 1;
            (idle, exact_potentials) = (0, false);
            if pivots.is_multiple_of(nodes) {
                // Potentials are updated by differences: what a large cost left behind in them must not steer for long.
                tree.refresh_potentials(costs);
            }
            if pivots.is_multiple_of(PATIENCE * nodes) {
                negligible *= 2.0;
            }
        } else {
            idle += 1;
        }
        row = if row + 1 == height { 0 } else { row + 1 };
        if idle == height {
            if exact_potentials {
                break;
            }
            tree.refresh_potentials(costs);
            (idle, exact_potentials) = (0, true);
        }
    }
    let mut entries: Vec<(u32, u32, f64)> = tree.basis().map(|(row, column, mass): (u32, u32, Mass)| (row, column, mass.real)).collect();
    entries.sort_unstable_by_key(|(row, column, _)| (*row, *column));
    let (row_duals, column_duals) = tree.into_potentials();
    Solution { entries, row_duals, column_duals }
}
