//! How much an optimum owes to each of its matches.

use ndarray::ArrayView2;

use super::Assignment;
use crate::layout::{check_entries, row_major};
use crate::{Cost, TransportError};

impl Assignment {
    /// For each row `i`, what the optimum loses when `i` may not have `columns[i]`: `value − max Σ G` over the permutations that give
    /// row `i` another column, all other rows free. At least 0; 0 where another optimum does without the match; infinite for 1 × 1.
    ///
    /// Row `i` takes the column of a row `k`, which takes that of a third, and so on until a row takes what `i` had: the cheapest such
    /// cycle in the reduced costs `u_i + v_j − G_ij ≥ 0`, found from each row by Dijkstra's search. O(n²) a row at worst; a search ends
    /// as soon as no longer path can close a cheaper cycle, usually after a few steps of O(n).
    ///
    /// Source: Volgenant, "An addendum on sensitivity analysis of the optimal assignment", EJOR 169 (2006): the tolerance of a basic entry.
    ///
    /// # Errors
    /// As [`maximise`](fn@super::maximise), and a matrix of another size than this solution.
    pub fn margins<T: Cost>(&self, gain: ArrayView2<'_, T>) -> Result<Vec<f64>, TransportError> {
        let size = self.columns.len();
        let (rows, columns) = gain.dim();
        if rows != columns {
            return Err(TransportError::NotSquare { rows, columns });
        }
        if rows != size {
            return Err(TransportError::SizeChanged { expected: size, got: rows });
        }
        let mut buffer = Vec::new();
        let gains = row_major(gain, &mut buffer);
        check_entries(gains, columns)?;
        // `costs[i · n + k]`: row `i` takes the column that row `k` has. Rounding may leave a reduced cost below 0 by a hair.
        let mut costs = vec![0.0; size * size];
        for (row, (costs, gains)) in costs.chunks_exact_mut(size.max(1)).zip(gains.chunks_exact(size.max(1))).enumerate() {
            for (cost, &column) in costs.iter_mut().zip(&self.columns) {
                let column = column as usize;
                *cost = (self.row_duals[row] + self.column_duals[column] - gains[column]).max(0.0);
            }
        }
        let mut distances = vec![0.0; size];
        Ok((0..size).map(|row| cheapest_cycle(&costs, row, &mut distances)).collect())
    }
}

/// The least sum of costs along a cycle of at least two rows through `start`.
fn cheapest_cycle(costs: &[f64], start: usize, distances: &mut [f64]) -> f64 {
    let size = distances.len();
    distances.copy_from_slice(&costs[start * size..][..size]);
    // Rows whose distance is final are marked by infinity and never relaxed again, as is the start itself.
    distances[start] = f64::INFINITY;
    let mut open: Vec<bool> = (0..size).map(|row| row != start).collect();
    let mut best = f64::INFINITY;
    loop {
        let mut nearest = (f64::INFINITY, usize::MAX);
        for (row, &distance) in distances.iter().enumerate() {
            if distance < nearest.0 {
                nearest = (distance, row);
            }
        }
        let (distance, row) = nearest;
        if distance >= best || row == usize::MAX {
            return best;
        }
        (distances[row], open[row]) = (f64::INFINITY, false);
        let costs = &costs[row * size..][..size];
        best = best.min(distance + costs[start]);
        for ((held, &cost), &open) in distances.iter_mut().zip(costs).zip(&open) {
            let through = distance + cost;
            if open && through < *held {
                *held = through;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use crate::assignment::maximise;

    /// The best value over all permutations that do not give `row` the column `without`.
    fn best_without(gain: &Array2<f64>, row: usize, without: usize) -> f64 {
        fn search(gain: &Array2<f64>, at: usize, free: &mut Vec<usize>, row: usize, without: usize) -> f64 {
            if at == gain.nrows() {
                return 0.0;
            }
            let mut best = f64::NEG_INFINITY;
            for place in 0..free.len() {
                let column = free[place];
                if at == row && column == without {
                    continue;
                }
                free.remove(place);
                best = best.max(gain[[at, column]] + search(gain, at + 1, free, row, without));
                free.insert(place, column);
            }
            best
        }
        search(gain, 0, &mut (0..gain.nrows()).collect(), row, without)
    }

    #[test]
    fn three_rows_by_hand() {
        // The diagonal is best. Without row 0's match the cheapest way is to trade with row 1: 5 + 4 − 3 − 1. Row 2 trades with row 1.
        let gain = array![[5.0, 3.0, 0.0], [1.0, 4.0, 2.0], [0.0, 1.0, 3.0]];
        assert_eq!(maximise(gain.view()).unwrap().margins(gain.view()).unwrap(), [5.0, 4.0, 4.0]);
    }

    #[test]
    fn a_lone_row_has_no_other_column_and_a_tie_has_no_margin() {
        assert_eq!(maximise(array![[2.0]].view()).unwrap().margins(array![[2.0]].view()).unwrap(), [f64::INFINITY]);
        let even = Array2::from_elem((4, 4), 1.5);
        assert_eq!(maximise(even.view()).unwrap().margins(even.view()).unwrap(), [0.0; 4]);
        let none = Array2::<f64>::zeros((0, 0));
        assert!(maximise(none.view()).unwrap().margins(none.view()).unwrap().is_empty());
    }

    #[test]
    fn a_matrix_of_another_size_is_refused() {
        let best = maximise(Array2::<f64>::eye(3).view()).unwrap();
        assert!(best.margins(Array2::<f64>::eye(4).view()).is_err());
        assert!(best.margins(Array2::<f64>::zeros((3, 4)).view()).is_err());
    }

    proptest! {
        #[test]
        fn every_margin_is_that_of_a_search_through_all_permutations(size in 2_usize..7, whole in any::<bool>(), seed in proptest::collection::vec(-4.0_f64..4.0, 36)) {
            // Whole numbers make ties.
            let entry = |(row, column): (usize, usize)| if whole { seed[row * 6 + column].round() } else { seed[row * 6 + column] };
            let gain = Array2::from_shape_fn((size, size), entry);
            let best = maximise(gain.view()).unwrap();
            for (row, margin) in best.margins(gain.view()).unwrap().into_iter().enumerate() {
                let expected = best.value - best_without(&gain, row, best.columns[row] as usize);
                prop_assert!((margin - expected).abs() < 1e-12, "row {row}: {margin} and {expected}");
            }
        }
    }
}
