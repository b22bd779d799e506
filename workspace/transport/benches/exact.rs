//! Exact transport between random points: uniform masses as in OT fusion, and random ones.

use divan::{Bencher, black_box};
use ndarray::Array2;
use onebasin_transport::exact;
use onebasin_transport::sinkhorn::Sinkhorn;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const SHAPES: [(usize, usize); 5] = [(400, 400), (512, 512), (400, 200), (1024, 1024), (1024, 512)];

fn main() {
    divan::main();
}

fn uniform(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || random.random::<f64>())
}

/// Euclidean distances between random points in 16 dimensions.
fn distances((rows, columns): (usize, usize)) -> Array2<f64> {
    let (a, b) = (uniform(rows, 16, 1), uniform(columns, 16, 2));
    Array2::from_shape_fn((rows, columns), |(i, j)| (&a.row(i) - &b.row(j)).mapv(|value| value * value).sum().sqrt())
}

fn even(count: usize) -> Vec<f64> {
    vec![1.0 / count as f64; count]
}

fn shares(count: usize, seed: u64) -> Vec<f64> {
    let masses = uniform(1, count, seed);
    let total = masses.sum();
    masses.iter().map(|mass| mass / total).collect()
}

#[divan::bench(args = SHAPES, sample_count = 10)]
fn uniform_masses(bencher: Bencher, shape: (usize, usize)) {
    let (cost, rows, columns) = (distances(shape), even(shape.0), even(shape.1));
    bencher.bench(|| exact::plan(black_box(cost.view()), &rows, &columns));
}

#[divan::bench(args = SHAPES, sample_count = 10)]
fn random_masses(bencher: Bencher, shape: (usize, usize)) {
    let (cost, rows, columns) = (distances(shape), shares(shape.0, 3), shares(shape.1, 4));
    bencher.bench(|| exact::plan(black_box(cost.view()), &rows, &columns));
}

#[divan::bench(args = SHAPES, sample_count = 5)]
fn sinkhorn(bencher: Bencher, shape: (usize, usize)) {
    let (cost, rows, columns) = (distances(shape), even(shape.0), even(shape.1));
    let settings = Sinkhorn { regularisation: 0.05, tolerance: 1e-6, iterations: 1000 };
    bencher.bench(|| settings.plan(black_box(cost.view()), &rows, &columns));
}
