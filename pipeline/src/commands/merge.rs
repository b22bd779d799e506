//! `onebasin merge`: networks in files become one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context, anyhow};
use onebasin_matching::mean;
use onebasin_network::{Graph, Operation, RepairedLayers, Weights};
use onebasin_training::{Device, Restores, Sample, Spread, Statistics, repair, reset_batch_norms, statistics};
use serde_json::json;

use super::networks::{Aligned, Images, align};
use super::{Failure, Verdict, unwritable};
use crate::cli;
use crate::console;
use crate::interrupt;
use crate::weight_file::{self, Network};
use crate::whole_file;

/// Images in a batch of a repair.
const BATCH: usize = 100;

/// Matches networks, averages them in their frame, and writes the mean in the form of the first file.
pub fn merge(arguments: &cli::Merge) -> Result<Verdict, Failure> {
    let images = arguments.images.data.is_some().then(|| Images::open(&arguments.images)).transpose()?;
    let mut network = arguments.network.clone();
    if let Some(images) = &images {
        let (channels, height, width) = images.dataset.train.shape;
        network.input.get_or_insert_with(|| vec![channels, height, width]);
    }
    // A wrong ending is better found before the work.
    let endings = ["safetensors", "pt", "pth", "ckpt", "bin"];
    if !arguments.out.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending)) {
        let problem = format!("`{}` does not say a format by its ending\nhint: use `.safetensors` or `.pt`", arguments.out.display());
        return Err(Failure::Input(anyhow!(problem)));
    }
    let Some(aligned) = align(&arguments.files, &arguments.matching, &network)? else { return Ok(Verdict::No) };
    let graph = &aligned.networks[0].graph;
    let merged = mean(&aligned.models.iter().collect::<Vec<_>>(), None).map_err(Failure::running)?;
    let merged = restore(arguments, graph, &aligned, merged, images.as_ref())?;
    if let Some((name, _)) = merged.iter().find(|(_, array)| !array.iter().all(|value| value.is_finite())) {
        return Err(Failure::Running(anyhow!("`{name}` of the merged network holds a number that is not finite")));
    }
    write(&aligned.networks[0], &merged, &arguments.out)?;
    if arguments.aligned {
        for (number, (network, model)) in aligned.networks.iter().zip(&aligned.models).enumerate() {
            write(network, model, &beside(&arguments.out, number))?;
        }
    }
    let mut summary = aligned.summary();
    summary["merged"] = json!(arguments.out.display().to_string());
    console::data(&if arguments.json {
        format!("{summary:#}")
    } else {
        format!("{}\nmerged        {}", aligned.text(), arguments.out.display())
    })?;
    Ok(Verdict::Fine)
}

/// `merged.safetensors` to `merged.aligned-0.safetensors`.
fn beside(out: &Path, number: usize) -> PathBuf {
    let ending = out.extension().unwrap_or_default().to_string_lossy().into_owned();
    out.with_extension(format!("aligned-{number}.{ending}"))
}

fn write(network: &Network, weights: &Weights, path: &Path) -> Result<(), Failure> {
    let dict = network.with_weights(weights).map_err(Failure::Running)?;
    let bytes = weight_file::to_bytes(&dict, path).map_err(Failure::Input)?;
    whole_file::write(path, &bytes).with_context(|| format!("cannot write `{}`", path.display())).map_err(unwritable)
}

/// Restores the statistics of activations, where images are given; says what is lost, where they are not.
fn restore(arguments: &cli::Merge, graph: &Graph, aligned: &Aligned, merged: Weights, images: Option<&Images>) -> Result<Weights, Failure> {
    let has_batch_norms = graph.nodes.iter().any(|node| matches!(node.operation, Operation::Norm { mean: Some(_), .. }));
    let Some(images) = images else {
        if has_batch_norms {
            console::note(
                "warning: the running statistics of batch norms are averaged, which the merged network's activations do not follow: it may be far \
                 worse than it could be\nhint: `--data NAME` takes them anew over training images; or call the network in training mode on \
                 your own images, without a gradient, with momentum `None`",
            );
        }
        return Ok(merged);
    };
    console::note(&images.told());
    let split = images.first(&images.dataset.train);
    let device = Device::select("cpu").map_err(Failure::input)?;
    let sample = Sample { data: &split, normalisation: &images.normalisation, batch: BATCH.min(split.len()), device: &device };
    let mut watch = |_| if interrupt::install().load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    if !arguments.repair {
        return reset_batch_norms(graph, &merged, &sample, &mut watch).map_err(Failure::running);
    }
    let layers = RepairedLayers::Hidden;
    let repairable = graph.repairable(layers).map_err(Failure::running)?;
    if repairable.architecture != graph.architecture {
        let hint = "leave `--repair` out: `--data` alone resets batch norms. In a spec, a repaired network may have other layers";
        let problem =
            "a repair would add biases that the files do not have, so the merged network could not be loaded by the script they come from";
        return Err(Failure::Input(anyhow!("{problem}\nhint: {hint}")));
    }
    let goals = aligned.models.iter().map(|model| statistics(graph, layers, model, &sample, &mut watch));
    let goals: Vec<Statistics> = goals.collect::<Result<_, _>>().map_err(Failure::running)?;
    let shares = vec![1.0 / goals.len() as f64; goals.len()];
    let goal = Statistics::mixture(&goals.iter().collect::<Vec<_>>(), &shares, Spread::Deviation).map_err(Failure::running)?;
    repair(graph, layers, &merged, &goal, Restores::SpreadAndMean, &sample, &mut watch).map_err(Failure::running)
}
