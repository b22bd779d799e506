//! The barrier job on 2000 images: 25 points between two MLPs, against evaluating each interpolated network.

use divan::Bencher;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Blueprint, Graph, Shape, Weights};
use onebasin_repro::Stream;
use onebasin_training::{Device, Initialisation, evaluate, evaluate_line, initialise};
use rand::RngCore;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

struct Setting {
    graph: Graph,
    ends: [Weights; 2],
    data: Split,
    normalisation: Normalisation,
    device: Device,
    lambdas: Vec<f64>,
}

fn setting() -> Setting {
    let blueprint: Blueprint = serde_json::from_str(r#"{ "family": "mlp", "hidden": [512, 512, 512, 256] }"#).expect("a blueprint");
    let graph = Graph::build(&blueprint.build(Shape::new(1, 28, 28), 10).expect("an architecture")).expect("a graph");
    let mut pixels = vec![0; 2000 * 784];
    Stream::root(1).rng().fill_bytes(&mut pixels);
    let data = Split { shape: (1, 28, 28), classes: 10, pixels, labels: (0..2000).map(|image| (image % 10) as u8).collect() };
    let ends = [1, 2].map(|seed| initialise(&graph, Initialisation::Pytorch, &Stream::root(seed)).expect("weights"));
    let lambdas = (0..25).map(|place| f64::from(place) / 24.0).collect();
    let normalisation = Normalisation { mean: vec![0.1307], deviation: vec![0.3081] };
    Setting { graph, ends, data, normalisation, device: Device::select("cpu").expect("always there"), lambdas }
}

#[divan::bench(sample_count = 5)]
fn along_the_line(bencher: Bencher) {
    let Setting { graph, ends: [a, b], data, normalisation, device, lambdas } = setting();
    bencher.bench_local(|| evaluate_line(&graph, &a, &b, &lambdas, &data, &normalisation, &device));
}

#[divan::bench(sample_count = 5)]
fn point_by_point(bencher: Bencher) {
    let Setting { graph, ends: [a, b], data, normalisation, device, lambdas } = setting();
    bencher.bench_local(|| {
        for &lambda in &lambdas {
            let between = a.zip_map(&b, |a, b| ((1.0 - lambda) * f64::from(a) + lambda * f64::from(b)) as f32);
            divan::black_box(evaluate(&graph, &between, &data, &normalisation, &device).expect("data that fit"));
        }
    });
}
