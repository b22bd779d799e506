//! The files of artifacts that more than one stage knows.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use onebasin_matching::{Alignment, UnitMaps};
use onebasin_network::{Architecture, Checkpoint, Graph, Weights};
use onebasin_training::{Evaluation, Statistics};
use serde::Serialize;

use crate::spec::Part;
use crate::stage::Artifact;

const WEIGHTS: &str = "weights.safetensors";
const STATISTICS: &str = "statistics.json";

/// Loss and accuracy on one split: an item of `evaluation.json`.
#[derive(Serialize)]
pub(super) struct Measured {
    pub split: &'static str,
    pub loss: f64,
    pub accuracy: f64,
    pub count: usize,
}

impl Measured {
    /// Refuses what is not a number, which neither JSON nor a table could say.
    pub fn new(part: Part, evaluation: Evaluation) -> Result<Measured> {
        let Evaluation { loss, accuracy, count } = evaluation;
        let split = part.name();
        ensure!(loss.is_finite(), "the loss on the {split} split is `{loss}`\nhint: the model diverged; lower its learning rate");
        Ok(Measured { split, loss, accuracy, count })
    }
}

/// Writes a model into a folder.
pub(super) fn save(folder: &Path, architecture: &Architecture, weights: Weights) -> Result<()> {
    let checkpoint = Checkpoint { architecture: architecture.clone(), weights };
    checkpoint.save(&folder.join(WEIGHTS)).context("cannot save the model")
}

/// The model of an artifact, which must be of the graph's architecture.
pub(super) fn load(artifact: &Artifact, graph: &Graph) -> Result<Weights> {
    let checkpoint = Checkpoint::load(&artifact.directory.join(WEIGHTS)).context("cannot load a model")?;
    ensure!(
        checkpoint.architecture == graph.architecture,
        "the model in `{}` is of another architecture than the spec says",
        artifact.directory.display()
    );
    Ok(checkpoint.weights)
}

/// The model of an artifact with the graph of its own architecture: a repair rewrites the one that the spec says.
pub(super) fn load_own(artifact: &Artifact, graph: &Graph) -> Result<(Graph, Weights)> {
    let Checkpoint { architecture, weights } = Checkpoint::load(&artifact.directory.join(WEIGHTS)).context("cannot load a model")?;
    ensure!(
        architecture == graph.architecture || architecture == graph.architecture.repairable(),
        "the model in `{}` is of another architecture than the spec says",
        artifact.directory.display()
    );
    Ok((Graph::build(&architecture)?, weights))
}

/// Writes what a survey found into a folder.
pub(super) fn save_statistics(folder: &Path, statistics: &Statistics) -> Result<()> {
    write_json(&folder.join(STATISTICS), statistics)
}

/// What a survey found.
pub(super) fn load_statistics(artifact: &Artifact) -> Result<Statistics> {
    let path = artifact.directory.join(STATISTICS);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("cannot read the statistics in `{}`", path.display()))
}

/// The maps of `models` models: of all of an alignment, or of those at some places in it.
pub(super) fn maps(alignment: &Alignment, positions: Option<&[usize]>, models: usize) -> Result<Vec<UnitMaps>> {
    let maps = match positions {
        None => alignment.maps.clone(),
        Some(positions) => {
            let map = |&place: &usize| alignment.maps.get(place).cloned().context("a model that its alignment does not have");
            positions.iter().map(map).collect::<Result<_>>()?
        }
    };
    ensure!(maps.len() == models, "an alignment of {} models for {models} models", maps.len());
    Ok(maps)
}

/// Writes a value as JSON, every number so that it is read back exactly.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).with_context(|| format!("cannot write `{}`", path.display()))?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
