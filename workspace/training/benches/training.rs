//! One epoch of 20 steps of an MLP, by this crate's operations and by burn's.

use std::ops::ControlFlow;

use divan::Bencher;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Blueprint, Graph, Shape};
use onebasin_repro::Stream;
use onebasin_training::{Device, Progress, Training, fit};
use rand::RngCore;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

#[divan::bench(args = ["own", "plain"], sample_count = 10)]
fn twenty_steps_of_an_mlp(bencher: Bencher, kernels: &str) {
    let blueprint: Blueprint = serde_json::from_str(r#"{ "family": "mlp", "hidden": [512, 512, 512] }"#).expect("a blueprint");
    let graph = Graph::build(&blueprint.build(Shape::new(1, 28, 28), 10).expect("an architecture")).expect("a graph");
    let mut pixels = vec![0; 2000 * 784];
    Stream::root(1).rng().fill_bytes(&mut pixels);
    let data = Split { shape: (1, 28, 28), classes: 10, pixels, labels: (0..2000).map(|image| (image % 10) as u8).collect() };
    let normalisation = Normalisation { mean: vec![0.1307], deviation: vec![0.3081] };
    let training: Training =
        serde_json::from_str(r#"{ "epochs": 1, "batch": 100, "optimizer": { "kind": "sgd", "learning-rate": 1e-3, "momentum": 0.9 } }"#)
            .expect("options");
    let device = Device::select("cpu").expect("always there");
    let device = if kernels == "plain" { device.plain() } else { device };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut watch = |_: &Progress| ControlFlow::Continue(());
    bencher.bench_local(|| pool.install(|| fit(&graph, &data, &normalisation, &training, &Stream::root(1), &device, &mut watch)));
}
