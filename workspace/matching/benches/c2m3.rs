//! Seconds per iteration of the Frank–Wolfe of many models: growth with their number at a quarter of the width, and five models of the full
//! MLP 784-512-512-512-256-10. Models are drawn at random; ten iterations from the identity, the costliest ones, and the final assignment.
//!
//! Networks of other families are timed by `benchmarks/c2m3.py --blueprint`, which makes models that share half of their weights. Seconds of the
//! processor for an iteration, all in, on a core that multiplies large `f32` matrices at 94 GFLOP/s (taken on a busy machine; clock times there say nothing):
//!
//! | | 2 models | 5 | 10 | 20 | MiB for 5 |
//! | --- | --- | --- | --- | --- | --- |
//! | ResNet20, width 16 | | 0.022 | | | 35 |
//! | ResNet20, width 32 | 0.037 | 0.091 | 0.206 | 0.400 | 126 |
//! | ResNet20, width 64 | | 0.49 | | | 488 |
//! | VGG16 | | 3.2 | | | 1638 |
//! | MLP 784-512-512-512-256-10 | | 0.16 | | | 141 |
//!
//! `benchmarks/c2m3.py --scaling` tells how it grows, and what the parts take: again processor seconds of a busy machine whose large products ran at 102 to 107 GFLOP/s on one thread.
//!
//! | network | models | an iteration | MiB | gradients' products | their GFLOP/s | of a large product | assignments |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | ResNet20, width 16 | 2, 5, 10, 20 | 0.007, 0.020, 0.044, 0.087 | 18, 35, 64, 121 | 23 to 25 % | 57 to 75 | 56 to 73 % | 8 to 22 % |
//! | ResNet20, width 32 | 2, 5, 10, 20 | 0.032, 0.091, 0.190, 0.385 | 57, 126, 239, 468 | 34 to 46 % | 66 to 79 | 65 to 78 % | 5 to 8 % |
//! | ResNet20, width 16, 32, 64, 128 | 3 | 0.012, 0.050, 0.277, 1.66 | 24, 80, 306, 1208 | 21, 44, 50, 64 % | 75, 68, 86, 89 | 73, 66, 83, 87 % | 17, 5, 6, 6 % |
//! | VGG16 | 5 | 2.7 | 1637 | 60 % | 90 | 84 % | 13 % |
//!
//! So time and memory are linear in the number of models; twice the width costs 4 to 6 times, on the way from the square (passes over weights) to the cube (products); products run on average at more
//! than half of the machine's rate in every network, packing included, and assignments of all models and groups go side by side. The rest is the line search, the step and the sums over models. Times of small networks are read off a clock with a hundred ticks a second, so shares there are good to some percent.
//!
//! The PyTorch rewrite needs 0.036 s where this needs 0.016 (three ResNet20 of width 16), and 0.31 s for 0.093 (two MLPs).

use std::collections::BTreeMap;

use ndarray::Array;
use onebasin_matching::methods::c2m3::Stop;
use onebasin_matching::{C2m3, FrankWolfe, Matcher, Problem};
use onebasin_network::{Blueprint, Graph, Shape, Weights};
use onebasin_repro::Stream;
use rand::Rng;

const ITERATIONS: usize = 10;

fn main() {
    divan::main();
}

fn models(hidden: &str, count: usize) -> (Graph, Vec<Weights>) {
    let blueprint: Blueprint = serde_json::from_str(&format!(r#"{{"family": "mlp", "hidden": {hidden}}}"#)).expect("a known family");
    let graph = Graph::build(&blueprint.build(Shape::new(1, 28, 28), 10).expect("a fit input")).expect("a graph");
    let draw = |model: usize| {
        let arrays = graph.spec().parameters.iter().map(|parameter| {
            let mut rng = Stream::root(model as u64).child(&parameter.name).rng();
            let bound = 1.0 / (parameter.shape.get(1).copied().unwrap_or(512) as f32).sqrt();
            (parameter.name.clone(), Array::from_shape_simple_fn(parameter.shape.clone(), || rng.random_range(-bound..bound)))
        });
        Weights::new(graph.spec(), arrays.collect::<BTreeMap<_, _>>()).expect("shapes of the spec")
    };
    let models = (0..count).map(draw).collect();
    (graph, models)
}

fn run(bencher: divan::Bencher<'_, '_>, hidden: &str, count: usize, matcher: &impl Matcher) {
    let (graph, models) = models(hidden, count);
    let problem = Problem::new(graph.spec(), models.iter().collect());
    let bencher = bencher.counter(divan::counter::ItemsCount::new(ITERATIONS));
    bencher.bench_local(|| matcher.align(&problem, &Stream::root(0)).expect("a fit problem"));
}

fn without_stop() -> Stop {
    Stop::Absolute { tolerance: 0.0, patience: ITERATIONS }
}

#[divan::bench(args = [2, 5, 10, 20], sample_count = 5, sample_size = 1)]
fn ten_iterations_of_narrow_models(bencher: divan::Bencher<'_, '_>, count: usize) {
    run(bencher, "[128, 128, 128, 64]", count, &C2m3 { iterations: ITERATIONS, stop: without_stop(), ..C2m3::published() });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn ten_iterations_of_five_wide_models(bencher: divan::Bencher<'_, '_>) {
    run(bencher, "[512, 512, 512, 256]", 5, &C2m3 { iterations: ITERATIONS, stop: without_stop(), ..C2m3::published() });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn ten_pairwise_iterations_of_wide_models(bencher: divan::Bencher<'_, '_>) {
    run(bencher, "[512, 512, 512, 256]", 2, &FrankWolfe { iterations: ITERATIONS, stop: without_stop(), ..FrankWolfe::default() });
}
