//! What the commands on files of networks share: reading them, checking them, matching them.

mod alignment;
mod images;
mod maps;

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use ndarray::{Array2, Array4};
use onebasin_checkpoints::array;
use onebasin_network::{Graph, Shape};
use onebasin_repro::Stream;
use onebasin_training::{Device, outputs};

pub use alignment::{Aligned, align};
pub use images::Images;
pub use maps::{read_maps, write_maps};

use super::Failure;
use crate::cli::NetworkOptions;
use crate::console;
use crate::weight_file::{self, ArchitectureFile, Hints, Network};

/// How far logits may lie from those that are expected, relative to `1 + max |logit|`: other programs round sums differently.
const EXPECTED: f64 = 1e-3;

/// What the options say of the files.
pub fn hints(options: &NetworkOptions) -> Result<Hints, Failure> {
    let architecture = options.architecture.as_deref().map(ArchitectureFile::read).transpose().map_err(Failure::Input)?;
    let input = match options.input.as_deref() {
        None => None,
        Some(&[channels, height, width]) => Some(Shape::new(channels, height, width)),
        Some(other) => {
            return Err(Failure::Input(anyhow!("`--input` has {} numbers, expected channels, height, width: `3,32,32`", other.len())));
        }
    };
    Ok(Hints { key: options.key.clone(), architecture, input, linear: options.linear })
}

/// Reads the files, says what was passed over and changed, and holds the first against logits that are given.
///
/// `false` where these differ.
pub fn read(paths: &[std::path::PathBuf], options: &NetworkOptions) -> Result<(Vec<Network>, bool), Failure> {
    let networks = weight_file::read_all(paths, &hints(options)?).map_err(Failure::Input)?;
    for network in &networks {
        tell(network);
    }
    let fine = meets_expectation(&networks[0], options)?;
    Ok((networks, fine))
}

/// Says on which network figures and checks stand, where nothing holds it against the user's own.
pub fn tell_assumptions(network: &Network, options: &NetworkOptions) {
    let count = network.inferred.assumed.len();
    if count > 0 && options.expect.is_none() {
        console::note(&format!(
            "run as the network that names and shapes suggest, with {count} assumptions that `onebasin describe {}` lists; \
             `--expect` and `--inputs` hold it against outputs of your own",
            network.path.display()
        ));
    }
}

/// What was passed over, with `-v`, and what was changed.
pub fn tell(network: &Network) {
    let path = network.path.display();
    if console::verbosity() == console::Verbosity::Verbose {
        for passed in &network.dict.passed_over {
            console::note(&format!("`{path}`: passed over {passed}, which is no tensor"));
        }
        for &kept in &network.inferred.kept {
            console::note(&format!("`{path}`: `{}` is a counter and is kept as it is", network.dict.tensors[kept].0));
        }
    }
    for note in &network.notes {
        console::note(&format!("`{path}`: {note}"));
    }
}

/// Holds the outputs of a network against those of another program, where they are given.
pub fn meets_expectation(network: &Network, options: &NetworkOptions) -> Result<bool, Failure> {
    let Some(expected) = &options.expect else { return Ok(true) };
    let given = options.inputs.as_ref().context("`--expect` needs `--inputs`").map_err(Failure::Input)?;
    let graph = &network.graph;
    let inputs = inputs_from(given, graph.architecture.input)?;
    let logits = array(expected, "logits").map_err(Failure::input)?;
    let values = logits.to_f32().context("numbers of 8 bits").map_err(Failure::Input)?;
    let device = Device::select("cpu").map_err(Failure::input)?;
    let ours = outputs(graph, &network.weights, inputs.view(), &device).map_err(Failure::input)?;
    if values.len() != ours.len() {
        let problem = format!("`{}` has shape {:?}, expected {:?}", expected.display(), logits.shape(), ours.shape());
        return Err(Failure::Input(anyhow!("{problem}\nhint: it should hold the network's outputs for `{}`", given.display())));
    }
    let pairs = || ours.iter().zip(&values).map(|(&ours, &theirs)| (f64::from(ours), f64::from(theirs)));
    let error = pairs()
        .fold(0.0_f64, |worst, (ours, theirs)| if (ours - theirs).is_nan() { f64::INFINITY } else { worst.max((ours - theirs).abs()) });
    let scale = pairs().fold(0.0_f64, |largest, (_, theirs)| largest.max(theirs.abs()));
    let fine = error <= EXPECTED * (1.0 + scale);
    let told = format!("outputs differ from `{}` by at most {error:.2e}, for logits of up to {scale:.3}", expected.display());
    if fine {
        console::note(&told);
    } else {
        let assumed: String = network.inferred.assumed.iter().map(|line| format!("\n  assumed: {line}")).collect();
        let limit = EXPECTED * (1.0 + scale);
        console::error(&format!(
            "error: {told}; expected at most {limit:.2e}: this is not the network of `{}`{assumed}\nhint: `--architecture FILE.toml` says what names and shapes do not",
            network.path.display()
        ));
    }
    Ok(fine)
}

/// The inputs of a file.
fn inputs_from(path: &Path, shape: Shape) -> Result<Array4<f32>, Failure> {
    let tensor = array(path, "inputs").map_err(Failure::input)?;
    weight_file::inputs(&tensor, shape, path).map_err(Failure::Input)
}

/// Inputs to check functions on: those that are given, or a few of independent numbers with mean 0 and variance 1.
pub fn check_inputs(graph: &Graph, options: &NetworkOptions) -> Result<Array4<f32>, Failure> {
    let shape = graph.architecture.input;
    if let Some(path) = &options.inputs {
        return inputs_from(path, shape);
    }
    // As many as some seconds allow.
    let count = (20_000_000_000 / graph.flops().max(1)).clamp(2, 64) as usize;
    let length = count * shape.volume();
    let order = Stream::root(0).child("check-inputs").shuffled(length);
    let half_width = 3.0_f32.sqrt();
    let values = order.iter().map(|&rank| half_width * (2.0 * (rank as f32 + 0.5) / length as f32 - 1.0)).collect();
    let inputs = Array4::from_shape_vec((count, shape.channels, shape.height, shape.width), values);
    inputs.map_err(Failure::running)
}

/// The outputs of weights of a network on inputs.
pub fn outputs_of(graph: &Graph, weights: &onebasin_network::Weights, inputs: &Array4<f32>) -> Result<Array2<f32>, Failure> {
    let device = Device::select("cpu").map_err(Failure::input)?;
    outputs(graph, weights, inputs.view(), &device).map_err(Failure::running)
}
