use std::ops::ControlFlow;

use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Blueprint, Graph, Shape, Weights};
use onebasin_repro::Stream;
use onebasin_training::{Device, Progress, Training, TrainingError, fit};
use rand::Rng;

pub const SIZE: usize = 8;
pub const CLASSES: usize = 4;

pub fn graph(blueprint: &str) -> Graph {
    graph_for(blueprint, Shape::new(1, SIZE, SIZE), CLASSES)
}

pub fn graph_for(blueprint: &str, shape: Shape, classes: usize) -> Graph {
    let blueprint: Blueprint = serde_json::from_str(blueprint).unwrap();
    Graph::build(&blueprint.build(shape, classes).unwrap()).unwrap()
}

/// Noise with a bright stripe whose place is the class: separable, not trivially so.
pub fn stripes(images: usize, seed: u64) -> Split {
    let mut rng = Stream::root(seed).child("stripes").rng();
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..images {
        let class = rng.random_range(0..CLASSES);
        for place in 0..SIZE * SIZE {
            let bright = (place / SIZE) / 2 == class;
            pixels.push(rng.random_range(0..160u8) + if bright { 60 } else { 0 });
        }
        labels.push(class as u8);
    }
    Split { shape: (1, SIZE, SIZE), classes: CLASSES, pixels, labels }
}

pub fn normalisation() -> Normalisation {
    Normalisation { mean: vec![0.35], deviation: vec![0.2] }
}

pub fn training(text: &str) -> Training {
    serde_json::from_str(text).unwrap()
}

pub fn cpu() -> Device {
    Device::select("cpu").unwrap()
}

pub fn train(graph: &Graph, data: &Split, training: &Training, seed: u64, device: &Device) -> Result<Weights, TrainingError> {
    let mut watch = |_: &Progress| ControlFlow::Continue(());
    fit(graph, data, &normalisation(), training, &Stream::root(seed), device, &mut watch).map(|trained| trained.weights)
}

/// The greatest difference of two networks' entries.
pub fn distance(a: &Weights, b: &Weights) -> f32 {
    a.flat().iter().zip(b.flat()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
