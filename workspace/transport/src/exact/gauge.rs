//! Potentials without needless size.
//!
//! Edges of the basis without mass tie parts of the plan together that need not be: through an entry that a huge cost forbids, they lift the
//! potentials of a whole part by that cost, and as doubles these no longer tell small costs apart. Each part may be shifted as a whole, its
//! rows up and its columns down, as long as `f + g ≤ C` between the parts: shortest paths, from 0, find the greatest such shifts that are
//! not above 0.

use super::fixed::{Fixed, Scale};
use super::tree::Tree;

/// The potentials of an optimal basis, shifted and rounded: row duals, column duals. O(rows · columns + parts²).
pub(crate) fn duals<const N: usize>(costs: &[f64], tree: &Tree<Fixed<N>>, scale: Scale) -> (Vec<f64>, Vec<f64>) {
    let (row_parts, column_parts, offsets) = tree.parts();
    let width = column_parts.len();
    // As if the first node of each part had potential 0.
    let rows = row_parts.iter().enumerate().map(|(row, part)| tree.row_potential(row).less(offsets[*part])).collect::<Vec<_>>();
    let columns = column_parts.iter().zip(tree.column_potentials()).map(|(part, potential)| potential.plus(offsets[*part]));
    let columns = columns.collect::<Vec<_>>();
    let mut shifts = vec![Fixed::ZERO; offsets.len()];
    let mut open = vec![true; offsets.len()];
    // Dijkstra's order, for lengths made positive by the offsets, which are shifts that will do.
    while let Some(part) = (0..shifts.len()).filter(|part| open[*part]).min_by_key(|part| shifts[*part].less(offsets[*part])) {
        open[part] = false;
        for column in (0..width).filter(|column| column_parts[*column] == part) {
            let base = shifts[part].less(columns[column]);
            for (row, row_part) in row_parts.iter().enumerate().filter(|(_, row_part)| open[**row_part]) {
                let most = base.plus(Fixed::new(costs[row * width + column], scale).less(rows[row]));
                shifts[*row_part] = shifts[*row_part].min(most);
            }
        }
    }
    let rows = rows.into_iter().zip(row_parts).map(|(potential, part)| potential.plus(shifts[part]).to_f64(scale));
    let columns = columns.into_iter().zip(column_parts).map(|(potential, part)| potential.less(shifts[part]).to_f64(scale));
    (rows.collect(), columns.collect())
}
