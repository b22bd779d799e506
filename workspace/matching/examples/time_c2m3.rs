//! Times the Frank–Wolfe of many models, for the comparison in `benchmarks/c2m3.py`.
//!
//! `time_c2m3 DIR MODELS OPTIONS` takes the first MODELS files of DIR, by name, and OPTIONS as a spec writes them in JSON:
//! `'{"iterations": 20}'`. It prints one JSON object: seconds by the clock and of the processor, iterations, objectives before and after the final
//! assignment, how refinement and other starts came out, and the most memory held, in MiB (0 where the system does not tell).
//!
//! `time_c2m3 BLUEPRINT MODELS OPTIONS` makes models instead, for 32 × 32 colour images and 10 classes: with
//! `'{"family": "resnet", "depth": 20, "width": 32, "norm": "layer"}'` all of them are one random net plus as much noise, units shuffled.
//! With `shares` as a fourth argument, further figures: seconds of the processor for an iteration, for its products and its assignments, start and end left out, the products' rate
//! and that of a large product on one thread, in GFLOP/s.
//!
//! `time_c2m3 BLUEPRINT MODELS DIR` writes these models into DIR, with the ties of their parameters as `ties.json`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ndarray::{Array, Array2};
use onebasin_matching::{C2m3, Matcher, Problem};
use onebasin_network::{
    Architecture, Blueprint, Checkpoint, Graph, Parameter, Permutation, PermutationSpec, Shape, Threads, Weights, multiply_add, permute,
};
use onebasin_repro::Stream;
use rand::Rng;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (from, count, last, shared) = match arguments.as_slice() {
        [from, count, last] => (from, count, last, false),
        [from, count, last, word] if word == "shares" => (from, count, last, true),
        _ => return Err("usage: time_c2m3 DIR|BLUEPRINT MODELS OPTIONS|DIR [shares]".into()),
    };
    let count = count.parse()?;
    let (architecture, models) = if from.starts_with('{') { planted(from, count)? } else { load(Path::new(from), count)? };
    let graph = Graph::build(&architecture)?;
    if last.starts_with('{') {
        return time(graph.spec(), &models, &serde_json::from_str(last)?, shared);
    }
    let directory = Path::new(last);
    std::fs::write(directory.join("ties.json"), ties(graph.spec()).to_string())?;
    for (model, weights) in models.into_iter().enumerate() {
        let checkpoint = Checkpoint { architecture: architecture.clone(), weights };
        checkpoint.save(&directory.join(format!("model-{model:02}.safetensors")))?;
    }
    Ok(())
}

fn load(directory: &Path, count: usize) -> Fallible<(Architecture, Vec<Weights>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    if paths.len() < count {
        return Err(format!("`{}` has {} checkpoints, expected {count}", directory.display(), paths.len()).into());
    }
    let checkpoints: Vec<Checkpoint> = paths[..count].iter().map(|path| Checkpoint::load(path)).collect::<Result<_, _>>()?;
    let architecture = checkpoints.first().ok_or("no models")?.architecture.clone();
    Ok((architecture, checkpoints.into_iter().map(|checkpoint| checkpoint.weights).collect()))
}

/// One net and, for each model, noise of the same size; then the units of each model shuffled.
fn planted(blueprint: &str, count: usize) -> Fallible<(Architecture, Vec<Weights>)> {
    let architecture = serde_json::from_str::<Blueprint>(blueprint)?.build(Shape::new(3, 32, 32), 10)?;
    let graph = Graph::build(&architecture)?;
    let spec = graph.spec();
    let common = draw(spec, &Stream::root(0).child("common"))?;
    let model = |model: usize| -> Fallible<Weights> {
        let stream = Stream::root(0).child(format!("model-{model}"));
        let noise = draw(spec, &stream)?;
        let maps = spec.groups.iter().map(|group| Permutation::new(stream.child(format!("units/{}", group.name)).shuffled(group.units)));
        Ok(permute(spec, &common.zip_map(&noise, |common, noise| common + noise), &maps.collect::<Result<Vec<_>, _>>()?))
    };
    let models = (0..count).map(model).collect::<Fallible<_>>()?;
    Ok((architecture, models))
}

/// Uniform within one over the root of the fan-in, as new nets are.
fn draw(spec: &PermutationSpec, stream: &Stream) -> Fallible<Weights> {
    let array = |parameter: &Parameter| {
        let mut rng = stream.child(&parameter.name).rng();
        let fan_in: usize = parameter.shape.iter().skip(1).product();
        let bound = 1.0 / (fan_in as f32).sqrt();
        (parameter.name.clone(), Array::from_shape_simple_fn(parameter.shape.clone(), || rng.random_range(-bound..=bound)))
    };
    Ok(Weights::new(spec, spec.parameters.iter().map(array).collect::<BTreeMap<_, _>>())?)
}

/// For each matched parameter: the group and block of its rows and columns.
fn ties(spec: &PermutationSpec) -> serde_json::Value {
    let bound = |binding: Option<onebasin_network::Binding>| binding.map(|binding| (binding.group, binding.block));
    let matched = spec.parameters.iter().filter(|parameter| parameter.role.is_matched());
    let parameters: Vec<_> = matched.map(|parameter| (&parameter.name, bound(parameter.rows), bound(parameter.columns))).collect();
    serde_json::json!({ "units": spec.groups.iter().map(|group| group.units).collect::<Vec<_>>(), "parameters": parameters })
}

#[expect(clippy::print_stdout, reason = "the figures are this program's data")]
fn time(spec: &PermutationSpec, models: &[Weights], options: &C2m3, shared: bool) -> Fallible<()> {
    let problem = Problem::new(spec, models.iter().collect());
    let (start, processor) = (Instant::now(), processor_seconds());
    let alignment = options.align(&problem, &Stream::root(0))?;
    let (seconds, processor) = (start.elapsed().as_secs_f64(), processor_seconds() - processor);
    let mut report = serde_json::json!({
        "seconds": seconds,
        "process": processor,
        "iterations": alignment.iterations,
        "soft": alignment.trace.last().map(|iterate| iterate.objective),
        "hard": alignment.objective,
        "trace": alignment.trace.iter().map(|iterate| iterate.objective).collect::<Vec<_>>(),
        "refinement": alignment.refinement,
        "starts": alignment.starts,
        "outcome": alignment.outcome,
        "memory": peak_memory(),
    });
    if shared {
        let shares = options.shares(&problem, &Stream::root(0), &processor_seconds)?;
        let iterations = shares.iterations as f64;
        report["ascent"] = (shares.ascent / iterations).into();
        report["products"] = (shares.products / iterations).into();
        report["assignments"] = (shares.assignments / iterations).into();
        report["operations"] = (shares.operations / iterations).into();
        report["rate"] = (shares.operations / shares.products / 1e9).into();
        report["large"] = large_product().into();
    }
    println!("{report}");
    Ok(())
}

/// GFLOP/s of a product of large matrices on this thread, by its processor time.
fn large_product() -> f64 {
    const SIDE: usize = 1536;
    const TURNS: u32 = 10;
    let factor = Array2::from_shape_fn((SIDE, SIDE), |(row, column)| ((row * 7 + column * 13) % 17) as f32 / 17.0);
    let mut product = Array2::zeros((SIDE, SIDE));
    let begun = processor_seconds();
    for _ in 0..TURNS {
        multiply_add(1.0, factor.view(), factor.view(), 0.0, product.view_mut(), Threads::One);
    }
    f64::from(TURNS) * 2.0 * (SIDE as f64).powi(3) / (processor_seconds() - begun) / 1e9
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kilobytes| kilobytes / 1024)
}

/// Time of the processor spent by this process, in user and system mode; 0 where the system does not tell.
fn processor_seconds() -> f64 {
    const TICKS_A_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_A_SECOND
}
