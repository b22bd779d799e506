//! Times a matching on checkpoints, for the comparison in `benchmarks/git_rebasin.py`.
//!
//! `time_git_rebasin make A B` writes two checkpoints: B is A with its units shuffled, plus noise as large as the weights.
//! `time_git_rebasin MATCHING SEED RUNS A B ..` prints one JSON object: seconds, iterations and objective of each run, with order seeds
//! from SEED on. MATCHING is JSON as in a spec: `{"by": "git-re-basin"}`, `{"by": "merge-many"}`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ndarray::Array;
use onebasin_matching::{Matching, Problem};
use onebasin_network::{Blueprint, Checkpoint, Graph, Permutation, Shape, Weights, permute};
use onebasin_repro::Stream;
use rand::Rng;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["make", a, b] => make(Path::new(a), Path::new(b)),
        [matching, seed, runs, checkpoints @ ..] => time(&serde_json::from_str(matching)?, seed.parse()?, runs.parse()?, checkpoints),
        _ => Err("usage: time_git_rebasin make A B | time_git_rebasin MATCHING SEED RUNS A B ..".into()),
    }
}

fn make(a: &Path, b: &Path) -> Result<(), Box<dyn Error>> {
    let blueprint: Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": [512, 512, 512, 256]}"#)?;
    let architecture = blueprint.build(Shape::new(1, 28, 28), 10)?;
    let graph = Graph::build(&architecture)?;
    let spec = graph.spec();
    let draw = |stream: &Stream| -> Result<Weights, Box<dyn Error>> {
        let arrays = spec.parameters.iter().map(|parameter| {
            let mut rng = stream.child(&parameter.name).rng();
            let bound = 1.0 / (parameter.shape.get(1).copied().unwrap_or(512) as f32).sqrt();
            let array = Array::from_shape_simple_fn(parameter.shape.clone(), || rng.random_range(-bound..bound));
            (parameter.name.clone(), array)
        });
        Ok(Weights::new(spec, arrays.collect::<BTreeMap<_, _>>())?)
    };
    let root = Stream::root(1);
    let first = draw(&root.child("a"))?;
    let shuffles: Result<Vec<_>, _> =
        spec.groups.iter().map(|group| Permutation::new(root.child(&group.name).shuffled(group.units))).collect();
    let second = permute(spec, &first, &shuffles?).zip_map(&draw(&root.child("noise"))?, |value, noise| value + noise);
    Checkpoint { architecture: architecture.clone(), weights: first }.save(a)?;
    Checkpoint { architecture, weights: second }.save(b)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are this program's data")]
fn time(matching: &Matching, seed: u64, runs: u64, checkpoints: &[&str]) -> Result<(), Box<dyn Error>> {
    let checkpoints = checkpoints.iter().map(|path| Checkpoint::load(Path::new(path))).collect::<Result<Vec<_>, _>>()?;
    let graph = Graph::build(&checkpoints.first().ok_or("no checkpoints")?.architecture)?;
    let problem = Problem::new(graph.spec(), checkpoints.iter().map(|checkpoint| &checkpoint.weights).collect());
    let mut measured = Vec::new();
    for run in seed..seed + runs {
        let start = Instant::now();
        let alignment = matching.matcher().align(&problem, &Stream::root(run))?;
        let seconds = start.elapsed().as_secs_f64();
        measured.push(serde_json::json!({"seconds": seconds, "iterations": alignment.iterations, "objective": alignment.objective}));
    }
    println!("{}", serde_json::json!({ "runs": measured }));
    Ok(())
}
