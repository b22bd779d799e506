//! Linear assignment: from scratch, and again after a small change.

use divan::{Bencher, black_box};
use ndarray::Array2;
use onebasin_transport::assignment::{Solver, maximise};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const SIZES: [usize; 3] = [512, 1024, 2048];

fn main() {
    divan::main();
}

fn uniform(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || random.random::<f64>())
}

/// Inner products of features that are nearly Gaussian.
fn gram(size: usize) -> Array2<f64> {
    let features = |seed| uniform(size, 784, seed) + uniform(size, 784, seed + 1) + uniform(size, 784, seed + 2) - 1.5;
    features(1).dot(&features(4).t())
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn uniform_gains(bencher: Bencher, size: usize) {
    let gain = uniform(size, size, 1);
    bencher.bench(|| maximise(black_box(gain.view())));
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn gram_gains(bencher: Bencher, size: usize) {
    let gain = gram(size);
    bencher.bench(|| maximise(black_box(gain.view())));
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn gram_gains_single_precision(bencher: Bencher, size: usize) {
    let gain = gram(size).mapv(|value| value as f32);
    bencher.bench(|| maximise(black_box(gain.view())));
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn gram_gains_after_a_small_change(bencher: Bencher, size: usize) {
    let gain = gram(size);
    let changed = &gain + uniform(size, size, 9) * (0.02 * gain.std(0.0));
    let mut solver = Solver::new(size);
    solver.maximise(gain.view()).expect("finite and square");
    bencher.with_inputs(|| solver.clone()).bench_values(|mut solver| solver.maximise(black_box(changed.view())));
}
