//! Moments of the activations of two models, against evaluating both on the same images.

use std::ops::ControlFlow;

use divan::Bencher;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Blueprint, Graph, Shape, Weights};
use onebasin_repro::Stream;
use onebasin_training::{Device, Initialisation, Places, cross_moments, evaluate, initialise};
use rand::RngCore;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NETWORKS: [&str; 3] = ["mlp", "vgg", "resnet"];

fn main() {
    divan::main();
}

struct Setting {
    graph: Graph,
    models: [Weights; 2],
    data: Split,
    normalisation: Normalisation,
    device: Device,
}

fn setting(network: &str) -> Setting {
    let (blueprint, (channels, size), images) = match network {
        "mlp" => (r#"{ "family": "mlp", "hidden": [512, 512, 512] }"#, (1, 28), 8000),
        "vgg" => (r#"{ "family": "vgg", "depth": 11, "width": 32, "head": [], "bias": false }"#, (3, 32), 400),
        _ => (r#"{ "family": "resnet", "depth": 20, "width": 16, "norm": "layer" }"#, (3, 32), 400),
    };
    let blueprint: Blueprint = serde_json::from_str(blueprint).expect("a blueprint");
    let graph = Graph::build(&blueprint.build(Shape::new(channels, size, size), 10).expect("an architecture")).expect("a graph");
    let mut pixels = vec![0; images * channels * size * size];
    Stream::root(1).rng().fill_bytes(&mut pixels);
    let labels = (0..images).map(|image| (image % 10) as u8).collect();
    let data = Split { shape: (channels, size, size), classes: 10, pixels, labels };
    let models = [1, 2].map(|seed| initialise(&graph, Initialisation::Pytorch, &Stream::root(seed)).expect("weights"));
    let normalisation = Normalisation { mean: vec![0.5; channels], deviation: vec![0.3; channels] };
    Setting { graph, models, data, normalisation, device: Device::select("cpu").expect("always there") }
}

#[divan::bench(args = NETWORKS, sample_count = 10)]
fn moments(bencher: Bencher, network: &str) {
    let Setting { graph, models: [a, b], data, normalisation, device } = setting(network);
    let mut watch = |_| ControlFlow::Continue(());
    bencher.bench_local(|| cross_moments(&graph, &[&a, &b], Places::default(), &data, &normalisation, &device, &mut watch));
}

#[divan::bench(args = NETWORKS, sample_count = 10)]
fn evaluation(bencher: Bencher, network: &str) {
    let Setting { graph, models, data, normalisation, device } = setting(network);
    bencher.bench_local(|| models.iter().for_each(|model| drop(divan::black_box(evaluate(&graph, model, &data, &normalisation, &device)))));
}
