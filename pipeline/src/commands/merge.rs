//! `onebasin merge`: networks in files become one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context, anyhow};
use onebasin_checkpoints::{Format, with_tensors};
use onebasin_matching::mean;
use onebasin_network::{Graph, Operation, RepairedLayers, Weights, repairable_weights};
use onebasin_training::{Device, Restores, Sample, Spread, Statistics, repair, reset_batch_norms, statistics};
use serde_json::json;

use super::networks::{AddedBias, Aligned, Images, align, overwrites, put_biases, text, without_added_biases};
use super::{Failure, Verdict, at_least_two, unwritable};
use crate::cli;
use crate::console;
use crate::interrupt;
use crate::weight_file::{self, Network};
use crate::whole_file;

/// What `--repair` repairs.
const REPAIRED: RepairedLayers = RepairedLayers::Hidden;
/// Images in a batch of a repair.
const BATCH: usize = 100;

/// Matches networks, averages them in their frame, and writes the mean in the form of the first file.
pub fn merge(arguments: &cli::Merge) -> Result<Verdict, Failure> {
    at_least_two(&arguments.files, "files of networks")?;
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
    overwrites(&arguments.out, &arguments.files)?;
    if arguments.aligned {
        (0..arguments.files.len()).try_for_each(|number| overwrites(&beside(&arguments.out, number), &arguments.files))?;
    }
    let Some(aligned) = align(&arguments.files, &arguments.matching, &network)? else { return Ok(Verdict::No) };
    let graph = &aligned.networks[0].graph;
    let merged = mean(&aligned.matched.models.iter().collect::<Vec<_>>(), None).map_err(Failure::running)?;
    let (merged, added) = restore(arguments, graph, &aligned, merged, images.as_ref())?;
    if let Some((name, _)) = merged.iter().find(|(_, array)| !array.iter().all(|value| value.is_finite())) {
        return Err(Failure::Running(anyhow!("`{name}` of the merged network holds a number that is not finite")));
    }
    // All files are made before the first is written.
    let mut files = vec![(arguments.out.clone(), bytes(&aligned.networks[0], &merged, &added, arguments, &arguments.out)?)];
    if arguments.aligned {
        for (number, (network, model)) in aligned.networks.iter().zip(&aligned.matched.models).enumerate() {
            let path = beside(&arguments.out, number);
            files.push((path.clone(), bytes(network, model, &[], arguments, &path)?));
        }
    }
    for (path, bytes) in &files {
        whole_file::write(path, bytes).with_context(|| format!("cannot write `{}`", path.display())).map_err(unwritable)?;
    }
    tell_others(&aligned.networks[0], &added, &arguments.out);
    let mut summary = aligned.matched.summary();
    summary["merged"] = json!(arguments.out.display().to_string());
    console::data(&if arguments.json {
        format!("{summary:#}")
    } else {
        format!("{}\nmerged        {}", text(&aligned.matched), arguments.out.display())
    })?;
    Ok(Verdict::Fine)
}

/// `merged.safetensors` to `merged.aligned-0.safetensors`.
fn beside(out: &Path, number: usize) -> PathBuf {
    let ending = out.extension().unwrap_or_default().to_string_lossy().into_owned();
    out.with_extension(format!("aligned-{number}.{ending}"))
}

/// Whether what else the file holds stays in what is written of it.
fn keeps_others(network: &Network, added: &[AddedBias], path: &Path) -> bool {
    let is_pytorch = network.dict.format == Format::Pytorch && path.extension().is_some_and(|ending| ending != "safetensors");
    is_pytorch && !network.dict.beside.is_empty() && added.is_empty()
}

/// A network in the form of its file.
fn bytes(network: &Network, weights: &Weights, added: &[AddedBias], arguments: &cli::Merge, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut dict = network.with_weights(weights).map_err(Failure::Running)?;
    if keeps_others(network, added, path) {
        let original = weight_file::bytes(&network.path).map_err(Failure::Input)?;
        with_tensors(&original, &network.path, arguments.network.key.as_deref(), &dict).map_err(Failure::input)
    } else {
        put_biases(network, &mut dict, added).map_err(Failure::Running)?;
        let architecture = &network.graph.architecture;
        let written = if added.is_empty() { architecture.clone() } else { architecture.biased(REPAIRED) };
        weight_file::say_architecture(&mut dict, &written);
        weight_file::to_bytes(&dict, path).map_err(Failure::Input)
    }
}

/// Says what became of keys beside the network's, and what the file has more than the first.
fn tell_others(network: &Network, added: &[AddedBias], path: &Path) {
    let (first, out) = (network.path.display(), path.display());
    let listed = |names: &[String]| {
        let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
        let more = names.len().saturating_sub(8);
        format!("{}{}", shown.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
    };
    let keeps = keeps_others(network, added, path);
    let (sharing, beside): (Vec<String>, Vec<String>) =
        network.dict.beside.iter().cloned().partition(|name| keeps && network.dict.sharing.contains(name));
    if !beside.is_empty() {
        let fate = if keeps { "as in" } else { "left out; see" };
        console::note(&format!("`{out}`: what stands beside the network, {}, is {fate} `{first}`", listed(&beside)));
    }
    if !sharing.is_empty() {
        let hint = "hint: where it is to stay, save the file with `copy.deepcopy` of it";
        console::note(&format!(
            "warning: `{out}`: of what stands beside the network, these share its numbers and change with them: {}\n{hint}",
            listed(&sharing)
        ));
    }
    if !added.is_empty() {
        let layers: Vec<String> = added.iter().map(|added| added.layer.clone()).collect();
        console::note(&format!(
            "`{out}` has a bias that `{first}` does not have, for {}: load it into a network made with `bias=True` there",
            listed(&layers)
        ));
    }
}

/// Restores the statistics of activations, where images are given; says what is lost, where they are not.
fn restore(
    arguments: &cli::Merge,
    graph: &Graph,
    aligned: &Aligned,
    merged: Weights,
    images: Option<&Images>,
) -> Result<(Weights, Vec<AddedBias>), Failure> {
    let has_batch_norms = graph.nodes.iter().any(|node| matches!(node.operation, Operation::Norm { mean: Some(_), .. }));
    let Some(images) = images else {
        if has_batch_norms {
            console::note(
                "warning: the running statistics of batch norms are averaged, which the merged network's activations do not follow: it may be far \
                 worse than it could be\nhint: `--data NAME` takes them anew over training images; or call the network in training mode on \
                 your own images, without a gradient, with momentum `None`",
            );
        }
        return Ok((merged, Vec::new()));
    };
    console::note(&images.told());
    let split = images.first(&images.dataset.train);
    let device = Device::select("cpu").map_err(Failure::input)?;
    let sample = Sample { data: &split, normalisation: &images.normalisation, batch: BATCH.min(split.len()), device: &device };
    let mut watch = |_| if interrupt::install().load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    if !arguments.repair {
        let reset = reset_batch_norms(graph, &merged, &sample, &mut watch).map_err(Failure::running)?;
        return Ok((reset, Vec::new()));
    }
    let layers = REPAIRED;
    // Skips stay as they are: a file has no place for convolutions in them.
    let biased = Graph::build(&graph.architecture.biased(layers)).map_err(Failure::running)?;
    let of_biased = |weights: &Weights| repairable_weights(weights, biased.spec()).map_err(Failure::running);
    let mut goals: Vec<Statistics> = Vec::new();
    for model in &aligned.matched.models {
        goals.push(statistics(&biased, layers, &of_biased(model)?, &sample, &mut watch).map_err(Failure::running)?);
    }
    let shares = vec![1.0 / goals.len() as f64; goals.len()];
    let goal = Statistics::mixture(&goals.iter().collect::<Vec<_>>(), &shares, Spread::Deviation).map_err(Failure::running)?;
    let merged = of_biased(&merged)?;
    let repaired = repair(&biased, layers, &merged, &goal, Restores::SpreadAndMean, &sample, &mut watch).map_err(Failure::running)?;
    // In the pass of the repair, spreads are those inside of a batch, a little larger than what the weights then give.
    let repaired = reset_batch_norms(&biased, &repaired, &sample, &mut watch).map_err(Failure::running)?;
    // A file that says its architecture then says one with all of these biases.
    let folds = !aligned.networks[0].says_architecture();
    without_added_biases(graph, &biased, repaired, folds).map_err(Failure::Running)
}
