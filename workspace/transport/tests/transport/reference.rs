//! Slow, plain, independent solvers to compare with, and matrices to try.

use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

pub fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn uniform(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut random = random(seed);
    Array2::from_shape_simple_fn((rows, columns), || random.random::<f64>())
}

/// Sums of uniforms: near enough to Gaussian for features.
pub fn gaussian(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut random = random(seed);
    Array2::from_shape_simple_fn((rows, columns), || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0)
}

/// Inner products of random features: a few strong directions, as trained networks have them.
pub fn gram(size: usize, features: usize, seed: u64) -> Array2<f64> {
    gaussian(size, features, seed).dot(&gaussian(size, features, seed + 1).t())
}

/// The best value over all permutations, by trying them.
pub fn best_by_enumeration(gain: &Array2<f64>) -> f64 {
    fn extend(gain: &Array2<f64>, row: usize, used: &mut Vec<bool>, value: f64, best: &mut f64) {
        if row == gain.nrows() {
            *best = best.max(value);
            return;
        }
        for column in 0..gain.nrows() {
            if !used[column] {
                used[column] = true;
                extend(gain, row + 1, used, value + gain[[row, column]], best);
                used[column] = false;
            }
        }
    }
    let mut best = f64::NEG_INFINITY;
    extend(gain, 0, &mut vec![false; gain.nrows()], 0.0, &mut best);
    best
}

/// The best value by cancelling positive cycles with Bellman and Ford's relaxation: nothing in common with the solver under test.
pub fn best_by_cycle_cancelling(gain: &Array2<f64>) -> f64 {
    let size = gain.nrows();
    let mut columns: Vec<usize> = (0..size).collect();
    // Nodes are rows; the edge i -> k says that i takes over the column of k.
    let weight = |columns: &[usize], i: usize, k: usize| gain[[i, columns[k]]] - gain[[i, columns[i]]];
    loop {
        let mut reach = vec![0.0_f64; size];
        let mut parent = vec![usize::MAX; size];
        let mut touched = None;
        for _ in 0..=size {
            touched = None;
            for i in 0..size {
                for k in 0..size {
                    if i != k && reach[i] + weight(&columns, i, k) > reach[k] + 1e-12 {
                        reach[k] = reach[i] + weight(&columns, i, k);
                        parent[k] = i;
                        touched = Some(k);
                    }
                }
            }
            if touched.is_none() {
                break;
            }
        }
        let Some(mut node) = touched else {
            return (0..size).map(|i| gain[[i, columns[i]]]).sum();
        };
        for _ in 0..size {
            node = parent[node];
        }
        let mut cycle = vec![node];
        let mut at = parent[node];
        while at != node {
            cycle.push(at);
            at = parent[at];
        }
        // cycle[t + 1] = parent of cycle[t]: the parent takes over the child's column.
        let taken: Vec<usize> = cycle.iter().map(|child| columns[*child]).collect();
        for (child, column) in cycle.iter().zip(taken) {
            columns[parent[*child]] = column;
        }
    }
}
