//! Doubly stochastic matrices as what Frank–Wolfe makes of them: weighted sums of permutations.

use ndarray::{Array2, ArrayView2};

/// `P = w · base + Σ_k w_k Π_k`, shape [units, slots]: rows are a model's units, columns are slots of the universe.
///
/// A permutation `Π` is held by the unit of each slot, `Π[units[j], j] = 1`, which is the map model → frame. So a point after
/// hundreds of steps costs its vertices, not a dense matrix, and its weights are known in `f64`.
#[derive(Clone, Debug)]
pub(crate) struct SoftPermutation {
    base: Option<(f64, Array2<f64>)>,
    vertices: Vec<(f64, Vec<u32>)>,
    size: usize,
}

impl SoftPermutation {
    /// A single permutation, given by the unit of each slot.
    pub fn vertex(units: Vec<u32>) -> SoftPermutation {
        SoftPermutation { base: None, size: units.len(), vertices: vec![(1.0, units)] }
    }

    /// Any square matrix.
    pub fn dense(matrix: Array2<f64>) -> SoftPermutation {
        SoftPermutation { size: matrix.nrows(), base: Some((1.0, matrix)), vertices: Vec::new() }
    }

    /// The permutation, if it is one.
    pub fn as_vertex(&self) -> Option<&[u32]> {
        match (&self.base, self.vertices.as_slice()) {
            (None, [(_, units)]) => Some(units),
            _ => None,
        }
    }

    /// `(1 − step) · P + step · Π`, with `Π` given by the unit of each slot.
    pub fn step(&mut self, step: f64, units: &[u32]) {
        if step >= 1.0 {
            *self = SoftPermutation::vertex(units.to_vec());
            return;
        }
        if let Some((weight, _)) = &mut self.base {
            *weight *= 1.0 - step;
        }
        for (weight, _) in &mut self.vertices {
            *weight *= 1.0 - step;
        }
        match self.vertices.iter_mut().find(|(_, held)| held == units) {
            Some((weight, _)) => *weight += step,
            None => self.vertices.push((step, units.to_vec())),
        }
    }

    /// The matrix itself.
    pub fn to_dense(&self) -> Array2<f64> {
        let mut matrix = match &self.base {
            Some((weight, base)) => *weight * base,
            None => Array2::zeros((self.size, self.size)),
        };
        for (weight, units) in &self.vertices {
            for (slot, &unit) in units.iter().enumerate() {
                matrix[[unit as usize, slot]] += weight;
            }
        }
        matrix
    }

    /// Permutations, as units of slots, that weigh more than `least`.
    pub fn vertices(&self, least: f64) -> impl Iterator<Item = (f64, &[u32])> {
        self.vertices.iter().filter(move |(weight, _)| *weight > least).map(|(weight, units)| (*weight, units.as_slice()))
    }

    /// The dense matrix of the start, if it weighs more than `least`.
    pub fn base(&self, least: f64) -> Option<(f64, ArrayView2<'_, f64>)> {
        self.base.as_ref().filter(|(weight, _)| *weight > least).map(|(weight, base)| (*weight, base.view()))
    }
}

/// Whether every row and column sums to 1 within `tolerance` and nothing is negative.
#[cfg(test)]
pub(crate) fn is_doubly_stochastic(matrix: ArrayView2<'_, f64>, tolerance: f64) -> bool {
    let even = |sum: f64| (sum - 1.0).abs() <= tolerance;
    matrix.iter().all(|&value| value >= 0.0)
        && matrix.rows().into_iter().all(|row| even(row.sum()))
        && matrix.columns().into_iter().all(|column| even(column.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_step_moves_weight_to_the_vertex_and_keeps_sums() {
        let mut mixture = SoftPermutation::vertex(vec![0, 1, 2]);
        mixture.step(0.25, &[1, 2, 0]);
        mixture.step(0.5, &[0, 1, 2]);
        let expected = array![[0.875, 0.0, 0.125], [0.125, 0.875, 0.0], [0.0, 0.125, 0.875]];
        assert_eq!(mixture.to_dense(), expected);
        assert!(is_doubly_stochastic(mixture.to_dense().view(), 1e-15));
        assert_eq!(mixture.vertices.len(), 2);
    }

    #[test]
    fn a_full_step_forgets_what_was_before() {
        let mut mixture = SoftPermutation::dense(Array2::from_elem((2, 2), 0.5));
        assert!(mixture.as_vertex().is_none());
        mixture.step(1.0, &[1, 0]);
        assert_eq!(mixture.as_vertex(), Some([1, 0].as_slice()));
        assert_eq!(mixture.to_dense(), array![[0.0, 1.0], [1.0, 0.0]]);
    }
}
