//! What the commands on files of networks share: reading them, checking them, matching them.

mod alignment;
mod expectation;
mod images;
mod repaired;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use ndarray::Array4;
use onebasin_checkpoints::array;
use onebasin_network::{Graph, Shape};

pub use alignment::{Aligned, align, text};
pub use expectation::meets_expectation;
pub use images::Images;
pub use repaired::{AddedBias, put_biases, without_added_biases};

use super::Failure;
use crate::cli::NetworkOptions;
use crate::console;
use crate::network_match::drawn_inputs;
use crate::weight_file::{self, ArchitectureFile, Hints, Network};

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

/// Reads files of one network, says what was passed over and changed, and holds the first against logits that are given.
///
/// `false` where these differ.
pub fn read(paths: &[PathBuf], options: &NetworkOptions) -> Result<(Vec<Network>, bool), Failure> {
    told(weight_file::read_all(paths, &hints(options)?).map_err(Failure::Input)?, options)
}

/// As [`read`], of files that may be of several networks.
pub fn read_each(paths: &[PathBuf], options: &NetworkOptions) -> Result<(Vec<Network>, bool), Failure> {
    told(weight_file::read_each(paths, &hints(options)?).map_err(Failure::Input)?, options)
}

fn told(networks: Vec<Network>, options: &NetworkOptions) -> Result<(Vec<Network>, bool), Failure> {
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
            "run as the network that names and shapes suggest, with {count} assumption{} that `onebasin describe {}` lists; \
             `--expect` and `--inputs` hold it against outputs of your own",
            if count == 1 { "" } else { "s" },
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
            console::note(&format!("`{path}`: `{}` is of no layer and is kept as it is", network.dict.tensors[kept].0));
        }
    }
    for note in &network.notes {
        console::note(&format!("`{path}`: {note}"));
    }
}

/// The inputs of a file.
fn inputs_from(path: &Path, shape: Shape) -> Result<Array4<f32>, Failure> {
    let tensor = array(path, "inputs").map_err(Failure::input)?;
    weight_file::inputs(&tensor, shape, path).map_err(Failure::Input)
}

/// Inputs to check functions on: those that are given, or drawn ones.
pub fn check_inputs(graph: &Graph, options: &NetworkOptions) -> Result<Array4<f32>, Failure> {
    match &options.inputs {
        Some(path) => inputs_from(path, graph.architecture.input),
        None => drawn_inputs(graph).map_err(Failure::Input),
    }
}

/// Refuses to write over a file that is read.
pub fn overwrites(out: &Path, files: &[PathBuf]) -> Result<(), Failure> {
    let same = |file: &&PathBuf| match (out.canonicalize(), file.canonicalize()) {
        (Ok(out), Ok(file)) => out == file,
        _ => false,
    };
    match files.iter().find(same) {
        None => Ok(()),
        Some(file) => {
            let problem = format!("`{}` is one of the inputs, `{}`, and would be written over", out.display(), file.display());
            Err(Failure::Input(anyhow!("{problem}\nhint: name another file")))
        }
    }
}
