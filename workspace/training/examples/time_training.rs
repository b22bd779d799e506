//! Times the training step of a network in two threads side by side, or the barrier job, for `benchmarks/training.py`.
//!
//! `time_training steps own|plain SECONDS [BATCH BLUEPRINT]` (a blueprint as JSON, on noise of CIFAR-10's shape; without it an MLP on noise
//! of MNIST's, batch 100) prints images per second of both trainings together, by the clock and by the time their threads
//! were running (Linux; on a machine that does other work too, only the second means something);
//! `time_training line own|plain THREADS IMAGES` prints seconds by the clock and of all threads together.

use std::ops::ControlFlow;
use std::time::Instant;

use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Blueprint, Graph, Shape};
use onebasin_repro::Stream;
use onebasin_training::{Device, Initialisation, Progress, Training, evaluate_line, fit, initialise};
use rand::RngCore;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn graph(hidden: &str) -> Result<Graph, Box<dyn std::error::Error>> {
    let blueprint: Blueprint = serde_json::from_str(&format!(r#"{{ "family": "mlp", "hidden": {hidden} }}"#))?;
    Ok(Graph::build(&blueprint.build(Shape::new(1, 28, 28), 10)?)?)
}

fn noise(images: usize, shape: (usize, usize, usize)) -> Split {
    let size = shape.0 * shape.1 * shape.2;
    let mut pixels = vec![0; images * size];
    Stream::root(1).rng().fill_bytes(&mut pixels);
    let labels = pixels.iter().step_by(size).map(|pixel| pixel % 10).collect();
    Split { shape, classes: 10, pixels, labels }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: time_training steps own|plain SECONDS [BATCH BLUEPRINT] | time_training line own|plain THREADS IMAGES";
    let [job, kernels, numbers @ ..] = arguments.as_slice() else { return Err(usage.into()) };
    let device = Device::select("cpu")?;
    let device = if kernels == "plain" { device.plain() } else { device };
    let normalisation = Normalisation { mean: vec![0.1307], deviation: vec![0.3081] };
    let result = match (job.as_str(), numbers) {
        ("steps", [seconds]) => {
            steps(&graph("[512, 512, 512]")?, &noise(10_000, (1, 28, 28)), 100, seconds.parse()?, &device, &normalisation)?
        }
        ("steps", [seconds, batch, blueprint]) => {
            let blueprint: Blueprint = serde_json::from_str(blueprint)?;
            let graph = Graph::build(&blueprint.build(Shape::new(3, 32, 32), 10)?)?;
            let normalisation = Normalisation { mean: vec![0.5; 3], deviation: vec![0.25; 3] };
            steps(&graph, &noise(2_000, (3, 32, 32)), batch.parse()?, seconds.parse()?, &device, &normalisation)?
        }
        ("line", [threads, images]) => {
            let graph = graph("[512, 512, 512, 256]")?;
            let data = noise(images.parse()?, (1, 28, 28));
            let [a, b] = ["a", "b"].map(|name| initialise(&graph, Initialisation::Pytorch, &Stream::root(1).child(name)));
            let (a, b) = (a?, b?);
            let lambdas: Vec<f64> = (0..25).map(|place| f64::from(place) / 24.0).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
            let start = Instant::now();
            pool.install(|| evaluate_line(&graph, &a, &b, &lambdas, &data, &normalisation, &device))?;
            let running = pool.broadcast(|_| running()).into_iter().sum();
            [start.elapsed().as_secs_f64(), running]
        }
        _ => return Err(usage.into()),
    };
    #[expect(clippy::print_stdout, reason = "the figure is the output")]
    {
        println!("{:.3} {:.3}", result[0], result[1]);
    }
    Ok(())
}

/// Seconds for which this thread has been running on a processor; nothing where the system does not say.
fn running() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(f64::NAN) * 1e-9
}

/// Images per second of two trainings at once, each in a pool of one thread.
fn steps(
    graph: &Graph,
    data: &Split,
    batch: usize,
    seconds: f64,
    device: &Device,
    normalisation: &Normalisation,
) -> Result<[f64; 2], Box<dyn std::error::Error>> {
    let training: Training = serde_json::from_str(&format!(
        r#"{{ "steps": 1000000000, "batch": {batch}, "optimizer": {{ "kind": "sgd", "learning-rate": 1e-3, "momentum": 0.9 }} }}"#
    ))?;
    let rates = std::thread::scope(|scope| {
        let run = |seed| -> Result<[f64; 2], String> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| error.to_string())?;
            let mut begun: Option<(Instant, f64, usize)> = None;
            let mut rates = [0.0; 2];
            pool.install(|| {
                let start = Instant::now();
                let mut watch = |progress: &Progress| {
                    // The first half second warms up.
                    if start.elapsed().as_secs_f64() < 0.5 {
                        return ControlFlow::Continue(());
                    }
                    let (from, ran, first) = *begun.get_or_insert((Instant::now(), running(), progress.step));
                    let elapsed = from.elapsed().as_secs_f64();
                    if elapsed < seconds {
                        return ControlFlow::Continue(());
                    }
                    rates = [elapsed, running() - ran].map(|time| (batch * (progress.step - first)) as f64 / time);
                    ControlFlow::Break(())
                };
                // Ends by the watcher's interruption, which is an error.
                fit(graph, data, normalisation, &training, &Stream::root(seed), device, &mut watch).err()
            });
            Ok(rates)
        };
        [1, 2].map(|seed| scope.spawn(move || run(seed))).map(|thread| thread.join())
    });
    let mut sums = [0.0; 2];
    for rates in rates {
        for (sum, rate) in sums.iter_mut().zip(rates.map_err(|_| "a training panicked")??) {
            *sum += rate;
        }
    }
    Ok(sums)
}
