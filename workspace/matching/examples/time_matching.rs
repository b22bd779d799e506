//! Times a matching on checkpoints, for the comparisons in `benchmarks/git_rebasin.py` and `benchmarks/convolutional.py`.
//!
//! `time_matching make A B` writes two checkpoints of an MLP: B is A with its units shuffled, plus noise as large as the weights.
//! `time_matching draw ARCHITECTURE A ..` writes checkpoints drawn at random, for images of 3 × 32 × 32. ARCHITECTURE is JSON as in a spec.
//! `time_matching groups A` prints its permutation groups as JSON, and which axes of which parameters they move.
//! `time_matching MATCHING SEED RUNS A B ..` prints one JSON object: seconds, iterations and objective of each run, with order seeds
//! from SEED on; and of the mean of all models in the frame its seconds and its squared length. MATCHING is JSON as in a spec:
//! `{"by": "git-re-basin"}`, `{"by": "merge-many"}`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ndarray::Array;
use onebasin_matching::{Alignment, Matching, Problem, mean, to_frame};
use onebasin_network::{Blueprint, Checkpoint, Graph, Permutation, PermutationSpec, Role, Shape, Weights, permute};
use onebasin_repro::Stream;
use rand::Rng;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["make", a, b] => make(Path::new(a), Path::new(b)),
        ["draw", blueprint, checkpoints @ ..] => draw(blueprint, checkpoints),
        ["groups", checkpoint] => groups(Path::new(checkpoint)),
        [matching, seed, runs, checkpoints @ ..] => time(&serde_json::from_str(matching)?, seed.parse()?, runs.parse()?, checkpoints),
        _ => Err("usage: time_matching make A B | draw ARCHITECTURE A .. | groups A | MATCHING SEED RUNS A B ..".into()),
    }
}

fn make(a: &Path, b: &Path) -> Result<(), Box<dyn Error>> {
    let blueprint: Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": [512, 512, 512, 256]}"#)?;
    let architecture = blueprint.build(Shape::new(1, 28, 28), 10)?;
    let graph = Graph::build(&architecture)?;
    let spec = graph.spec();
    let root = Stream::root(1);
    let first = drawn(spec, &root.child("a"))?;
    let shuffles: Result<Vec<_>, _> =
        spec.groups.iter().map(|group| Permutation::new(root.child(&group.name).shuffled(group.units))).collect();
    let second = permute(spec, &first, &shuffles?).zip_map(&drawn(spec, &root.child("noise"))?, |value, noise| value + noise);
    Checkpoint { architecture: architecture.clone(), weights: first }.save(a)?;
    Checkpoint { architecture, weights: second }.save(b)?;
    Ok(())
}

/// Weights as PyTorch draws them, norms near their start.
fn drawn(spec: &PermutationSpec, stream: &Stream) -> Result<Weights, Box<dyn Error>> {
    let arrays = spec.parameters.iter().map(|parameter| {
        let mut rng = stream.child(&parameter.name).rng();
        let inputs: usize = parameter.shape[1..].iter().product();
        let (center, spread) = match parameter.role {
            Role::Scale => (1.0, 0.2),
            Role::Shift => (0.0, 0.1),
            _ if parameter.shape.len() == 1 => (0.0, 1.0 / 512_f32.sqrt()),
            _ => (0.0, 1.0 / (inputs as f32).sqrt()),
        };
        let array = Array::from_shape_simple_fn(parameter.shape.clone(), || center + rng.random_range(-spread..spread));
        (parameter.name.clone(), array)
    });
    Ok(Weights::new(spec, arrays.collect::<BTreeMap<_, _>>())?)
}

fn draw(blueprint: &str, checkpoints: &[&str]) -> Result<(), Box<dyn Error>> {
    let blueprint: Blueprint = serde_json::from_str(blueprint)?;
    let architecture = blueprint.build(Shape::new(3, 32, 32), 10)?;
    let graph = Graph::build(&architecture)?;
    for path in checkpoints {
        let file = Path::new(path).file_name().ok_or("a checkpoint without a name")?;
        let weights = drawn(graph.spec(), &Stream::root(1).child(file.to_string_lossy()))?;
        Checkpoint { architecture: architecture.clone(), weights }.save(Path::new(path))?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the groups are this program's data")]
fn groups(checkpoint: &Path) -> Result<(), Box<dyn Error>> {
    let graph = Graph::build(&Checkpoint::load(checkpoint)?.architecture)?;
    println!("{}", serde_json::to_string(graph.spec())?);
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
        let start = Instant::now();
        let merged = merge(&problem, &alignment)?;
        let merging = start.elapsed().as_secs_f64();
        let squared: f64 = merged.flat().into_iter().map(|value| f64::from(value).powi(2)).sum();
        measured.push(serde_json::json!({
            "seconds": seconds, "merging_seconds": merging, "squared_length": squared,
            "iterations": alignment.iterations, "objective": alignment.objective,
        }));
    }
    println!("{}", serde_json::json!({ "runs": measured }));
    Ok(())
}

fn merge(problem: &Problem<'_>, alignment: &Alignment) -> Result<Weights, Box<dyn Error>> {
    let models = problem.models.iter().zip(&alignment.maps);
    let aligned: Vec<Weights> = models.map(|(weights, maps)| to_frame(problem.spec, weights, maps)).collect();
    Ok(mean(&aligned.iter().collect::<Vec<_>>(), None)?)
}
