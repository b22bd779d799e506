//! What a device is worth: how it rounds, whether it repeats itself, how far it is from the CPU, how fast it trains alone and shared.
//!
//! `device_check DEVICE [SECONDS]` prints one JSON object. `SECONDS` (8) is how long each rate is measured, after two of warming up.

use std::ops::ControlFlow;
use std::time::Instant;

use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Blueprint, Graph, Operation, Shape};
use onebasin_repro::Stream;
use onebasin_training::{Device, Progress, Training, evaluate, fit};
use rand::RngCore;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// The networks that rates are measured of: name, blueprint, batch. Images are those of CIFAR-10.
const NETWORKS: [(&str, &str, usize); 3] = [
    ("mlp, 4 x 512", r#"{ "family": "mlp", "hidden": [512, 512, 512, 512] }"#, 100),
    ("resnet20, 32 wide, layer norm", r#"{ "family": "resnet", "depth": 20, "width": 32, "norm": "layer" }"#, 100),
    (
        "vgg16, batch norm",
        r#"{ "family": "vgg", "stages": [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]], "head": [512, 512], "norm": "batch" }"#,
        100,
    ),
];

/// Trainings side by side.
const CROWDS: [usize; 4] = [1, 2, 4, 8];

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, seconds) = match arguments.as_slice() {
        [name] => (name, 8.0),
        [name, seconds] => (name, seconds.parse()?),
        _ => return Err("usage: device_check DEVICE [SECONDS]".into()),
    };
    let device = Device::select(name)?;
    let products = device.product_rate(seconds)?;
    let mut rates = Vec::new();
    for (network, blueprint, batch) in NETWORKS {
        let graph = graph(blueprint)?;
        for crowd in CROWDS {
            let images = rate(&graph, batch, crowd, seconds, &device)?;
            // A training step is a forward pass and twice as much backwards.
            let operations = 3.0 * images * operations_of_an_image(&graph);
            rates.push(
                json!({ "network": network, "batch": batch, "trainings": crowd, "images_per_second": images, "tflops": operations / 1e12,
                    "share_of_products": operations / products }),
            );
        }
    }
    let report = json!({
        "device": device.name(),
        "description": device.description(),
        "program": env!("CARGO_PKG_VERSION"),
        "products_tflops": products / 1e12,
        "repeats": repeats(&device)?,
        "beside_the_cpu": beside_the_cpu(&device)?,
        "rates": rates,
    });
    #[expect(clippy::print_stdout, reason = "the report is the output")]
    {
        println!("{report:#}");
    }
    Ok(())
}

fn graph(blueprint: &str) -> Fallible<Graph> {
    let blueprint: Blueprint = serde_json::from_str(blueprint)?;
    Ok(Graph::build(&blueprint.build(Shape::new(3, 32, 32), 10)?)?)
}

fn normalisation() -> Normalisation {
    Normalisation { mean: vec![0.5; 3], deviation: vec![0.25; 3] }
}

/// Images of noise, brighter in a stripe whose place is the class.
fn stripes(images: usize, seed: u64) -> Split {
    let (classes, size) = (10usize, 3 * 32 * 32);
    let mut pixels = vec![0; images * size];
    Stream::root(seed).rng().fill_bytes(&mut pixels);
    let labels: Vec<u8> = (0..images).map(|image| (image * 7 % classes) as u8).collect();
    for (image, &label) in pixels.chunks_exact_mut(size).zip(&labels) {
        for (place, pixel) in image.iter_mut().enumerate() {
            let bright = place % 1024 / 32 / 3 == usize::from(label);
            *pixel = *pixel / 2 + if bright { 100 } else { 0 };
        }
    }
    Split { shape: (3, 32, 32), classes, pixels, labels }
}

/// Multiplications and additions of the layers with weights, for one image.
fn operations_of_an_image(graph: &Graph) -> f64 {
    let of = |node: &onebasin_network::Node| match node.operation {
        Operation::Linear { weight, .. } | Operation::Conv { weight, .. } => {
            let kernel = graph.spec().parameters[weight].len() as f64;
            2.0 * kernel * (node.shape.height * node.shape.width) as f64
        }
        _ => 0.0,
    };
    graph.nodes.iter().map(of).sum()
}

/// Images per second of so many trainings at once, all together.
fn rate(graph: &Graph, batch: usize, crowd: usize, seconds: f64, device: &Device) -> Fallible<f64> {
    let data = stripes(2000, 1);
    let training: Training = serde_json::from_str(&format!(
        r#"{{ "steps": 1000000000, "batch": {batch}, "optimizer": {{ "kind": "sgd", "learning-rate": 1e-3, "momentum": 0.9 }} }}"#
    ))?;
    let run = |seed: usize| -> Result<f64, String> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| error.to_string())?;
        let (start, mut begun, mut rate) = (Instant::now(), None, 0.0);
        let mut watch = |progress: &Progress| {
            if start.elapsed().as_secs_f64() < 2.0 {
                return ControlFlow::Continue(());
            }
            let (from, first): (Instant, usize) = *begun.get_or_insert((Instant::now(), progress.step));
            let elapsed = from.elapsed().as_secs_f64();
            if elapsed < seconds || progress.step == first {
                return ControlFlow::Continue(());
            }
            rate = (batch * (progress.step - first)) as f64 / elapsed;
            ControlFlow::Break(())
        };
        // Ends by the watcher's interruption, which is an error.
        pool.install(|| fit(graph, &data, &normalisation(), &training, &Stream::root(seed as u64), device, &mut watch).err());
        if rate > 0.0 { Ok(rate) } else { Err("a training failed before its rate was known".to_owned()) }
    };
    let rates = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..crowd).map(|seed| scope.spawn(move || run(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a training panicked".to_owned()))).collect::<Vec<_>>()
    });
    Ok(rates.into_iter().sum::<Result<f64, String>>()?)
}

/// A small network that is trained for real.
fn trained(device: &Device, seed: u64) -> Fallible<(Graph, onebasin_network::Weights)> {
    let graph = graph(r#"{ "family": "resnet", "depth": 8, "width": 8, "norm": "batch" }"#)?;
    let training: Training = serde_json::from_str(
        r#"{ "epochs": 3, "batch": 50, "gradient-clip": 1.0, "optimizer": { "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9 } }"#,
    )?;
    let mut watch = |_: &Progress| ControlFlow::Continue(());
    let weights = fit(&graph, &stripes(1000, 1), &normalisation(), &training, &Stream::root(seed), device, &mut watch)?.weights;
    Ok((graph, weights))
}

/// Whether five trainings of one seed end in the same bytes, and how far they are apart at most.
fn repeats(device: &Device) -> Fallible<Value> {
    let first = trained(device, 5)?.1;
    let mut apart = 0.0f32;
    for _ in 1..5 {
        let other = trained(device, 5)?.1;
        apart = first.flat().iter().zip(other.flat()).map(|(a, b)| (a - b).abs()).fold(apart, f32::max);
    }
    Ok(json!({ "trainings": 5, "same_bytes": apart == 0.0, "farthest_apart": apart }))
}

/// The same training here and on the CPU, and one network judged by both.
fn beside_the_cpu(device: &Device) -> Fallible<Value> {
    let cpu = Device::select("cpu")?;
    let test = stripes(1000, 2);
    let (graph, there) = trained(device, 5)?;
    let here = trained(&cpu, 5)?.1;
    let judged = |weights, device: &Device| evaluate(&graph, weights, &test, &normalisation(), device);
    let (own, other, reference) = (judged(&there, device)?, judged(&there, &cpu)?, judged(&here, &cpu)?);
    Ok(json!({
        "accuracy": own.accuracy,
        "accuracy_of_a_training_on_the_cpu": reference.accuracy,
        "loss_of_one_network": own.loss,
        "loss_of_one_network_on_the_cpu": other.loss,
    }))
}
