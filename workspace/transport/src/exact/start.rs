//! The first basis: a greedy plan that is a spanning tree.

use super::masses::Masses;
use super::tree::Mass;
use crate::kernels::least;

/// Each row in turn fills the columns cheapest for it, measured against the cheapest of the column. Each entry uses up one row or one column,
/// so there are rows + columns - 1 of them and they form a tree; the last row and the last column take what rounding left.
#[inline(always)]
pub(crate) fn greedy_basis<S: pulp::Simd>(simd: S, costs: &[f64], masses: &Masses) -> Vec<(u32, u32, Mass)> {
    let (height, width) = (masses.rows.len(), masses.columns.len());
    let mut minima = vec![f64::INFINITY; width];
    for costs in costs.chunks_exact(width) {
        for (minimum, cost) in minima.iter_mut().zip(costs) {
            *minimum = if *cost < *minimum { *cost } else { *minimum };
        }
    }
    let mut rooms: Vec<Mass> = masses.columns.iter().map(|real| Mass { real: *real, perturbation: 0 }).collect();
    rooms[width - 1].perturbation = height as i64;
    let mut open = width;
    let mut basis = Vec::with_capacity(height + width - 1);
    for (row, supply) in masses.rows.iter().enumerate() {
        let costs = &costs[row * width..][..width];
        let mut supply = Mass { real: *supply, perturbation: 1 };
        let last_row = row + 1 == height;
        loop {
            let column = least(simd, costs, &minima).column;
            let closes_column = open > 1 && (last_row || rooms[column] < supply);
            if closes_column || last_row {
                basis.push((row as u32, column as u32, rooms[column]));
                supply = supply.less(rooms[column]);
                // A column of potential -∞ costs +∞: closed.
                minima[column] = f64::NEG_INFINITY;
                open -= 1;
                if open == 0 {
                    break;
                }
            } else {
                basis.push((row as u32, column as u32, supply));
                rooms[column] = rooms[column].less(supply);
                break;
            }
        }
    }
    basis
}
