//! Times the Frank–Wolfe of many models on checkpoints, for the comparison in `benchmarks/c2m3.py`.
//!
//! `time_c2m3 DIR MODELS OPTIONS` takes the first MODELS files of DIR, by name, and OPTIONS as a spec writes them in JSON:
//! `'{"iterations": 20}'`. It prints one JSON object: seconds, iterations, objectives before and after the final assignment,
//! and the most memory held, in MiB (0 where the system does not tell).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use onebasin_matching::{C2m3, Matcher, Problem};
use onebasin_network::{Checkpoint, Graph};
use onebasin_repro::Stream;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, models, options] = arguments.as_slice() else { return Err("usage: time_c2m3 DIR MODELS OPTIONS".into()) };
    time(Path::new(directory), models.parse()?, &serde_json::from_str(options)?)
}

#[expect(clippy::print_stdout, reason = "the figures are this program's data")]
fn time(directory: &Path, models: usize, options: &C2m3) -> Result<(), Box<dyn Error>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    if paths.len() < models {
        return Err(format!("`{}` has {} checkpoints, expected {models}", directory.display(), paths.len()).into());
    }
    let checkpoints: Vec<Checkpoint> = paths[..models].iter().map(|path| Checkpoint::load(path)).collect::<Result<_, _>>()?;
    let first = checkpoints.first().ok_or("no models")?;
    let graph = Graph::build(&first.architecture)?;
    let problem = Problem { spec: graph.spec(), models: checkpoints.iter().map(|checkpoint| &checkpoint.weights).collect() };
    let start = Instant::now();
    let alignment = options.align(&problem, &Stream::root(0))?;
    let seconds = start.elapsed().as_secs_f64();
    let report = serde_json::json!({
        "seconds": seconds,
        "iterations": alignment.iterations,
        "soft": alignment.trace.last().map(|iterate| iterate.objective),
        "hard": alignment.objective,
        "trace": alignment.trace.iter().map(|iterate| iterate.objective).collect::<Vec<_>>(),
        "outcome": alignment.outcome,
        "memory": peak_memory(),
    });
    println!("{report}");
    Ok(())
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kilobytes| kilobytes / 1024)
}
