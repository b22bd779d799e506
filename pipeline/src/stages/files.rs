//! The files of artifacts that more than one stage knows.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use onebasin_matching::{Alignment, Frame, UnitMaps};
use onebasin_network::{Architecture, Checkpoint, Graph, RepairedLayers, Weights};
use onebasin_training::{CurvePoint, Evaluation, Statistics};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::identity::Part;
use crate::stage::Artifact;
use crate::task::Task;

const WEIGHTS: &str = "weights.safetensors";
/// What to do where a network as trained gives no finite loss.
pub(crate) const DIVERGED: &str = "its training diverged; lower the learning rate";

/// What to do where a network made of trained ones gives none, though those do.
pub(crate) const OVERFLOWED: &str =
    "the models as trained may be fine: look at the coefficients, the matching and the repair of the method";

const STATISTICS: &str = "statistics.json";
const LEARNING_CURVE: &str = "learning-curve.json";
const SNAPSHOT: &str = "snapshot.safetensors";

/// Loss and accuracy on one split: an item of `evaluation.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    pub split: Part,
    pub loss: f64,
    pub accuracy: f64,
    pub count: usize,
}

impl Measured {
    /// Refuses what is not a number, which neither JSON nor a table could say; `hint` knows what kind of network was measured.
    pub fn new(part: Part, evaluation: Evaluation, hint: &str) -> Result<Measured> {
        let Evaluation { loss, accuracy, count } = evaluation;
        ensure!(loss.is_finite(), "the loss on the {part} split is `{loss}`: expected a finite number\nhint: {hint}");
        Ok(Measured { split: part, loss, accuracy, count })
    }
}

/// Writes a model into a folder.
pub(crate) fn save(folder: &Path, architecture: &Architecture, weights: Weights) -> Result<()> {
    let checkpoint = Checkpoint { architecture: architecture.clone(), weights };
    checkpoint.save(&folder.join(WEIGHTS)).context("cannot save the model")
}

/// The model of an artifact, which must be of the graph's architecture.
pub(crate) fn load(artifact: &Artifact, graph: &Graph) -> Result<Weights> {
    let checkpoint = Checkpoint::load(&artifact.directory.join(WEIGHTS)).context("cannot load a model")?;
    ensure!(
        checkpoint.architecture == graph.architecture,
        "the model in `{}` is of another architecture than the spec says",
        artifact.directory.display()
    );
    Ok(checkpoint.weights)
}

/// The model of an artifact with its graph, which is that of the task or of one of its models of other widths.
pub(crate) fn load_model(artifact: &Artifact, task: &Task) -> Result<(Graph, Weights)> {
    let Checkpoint { architecture, weights } = Checkpoint::load(&artifact.directory.join(WEIGHTS)).context("cannot load a model")?;
    let graph = std::iter::once(&task.graph).chain(&task.others).find(|graph| graph.architecture == architecture);
    let graph =
        graph.with_context(|| format!("the model in `{}` is of another architecture than the spec says", artifact.directory.display()))?;
    Ok((graph.clone(), weights))
}

/// The model of an artifact with the graph of its own architecture: a repair rewrites the one that
/// the spec says, and fine-tuning may fold its batch norms.
pub(crate) fn load_own(artifact: &Artifact, task: &Task) -> Result<(Graph, Weights)> {
    let Checkpoint { architecture, weights } = Checkpoint::load(&artifact.directory.join(WEIGHTS)).context("cannot load a model")?;
    let graph = &task.graph;
    let repaired = || RepairedLayers::EVERY.map(|layers| graph.architecture.repairable(layers));
    let others = || task.others.iter().map(|other| other.architecture.clone());
    let forms = || std::iter::once(graph.architecture.clone()).chain(repaired()).chain(others());
    let folded = |form: &Architecture| form.without_batch_norms().is_ok_and(|folded| folded == architecture);
    ensure!(
        forms().any(|form| form == architecture || folded(&form)),
        "the model in `{}` is of another architecture than the spec says",
        artifact.directory.display()
    );
    Ok((Graph::build(&architecture)?, weights))
}

/// Writes the control points of a curve into a folder.
pub(crate) fn save_controls(folder: &Path, architecture: &Architecture, controls: Vec<Weights>) -> Result<()> {
    for (place, weights) in controls.into_iter().enumerate() {
        let checkpoint = Checkpoint { architecture: architecture.clone(), weights };
        checkpoint.save(&folder.join(control(place))).context("cannot save a control point")?;
    }
    Ok(())
}

/// The control points of a curve, which must be of the graph's architecture.
pub(crate) fn load_controls(artifact: &Artifact, graph: &Graph, count: usize) -> Result<Vec<Weights>> {
    let load = |place: usize| {
        let checkpoint = Checkpoint::load(&artifact.directory.join(control(place))).context("cannot load a control point")?;
        ensure!(
            checkpoint.architecture == graph.architecture,
            "a control point in `{}` is of another architecture than the spec says",
            artifact.directory.display()
        );
        Ok(checkpoint.weights)
    };
    (0..count).map(load).collect()
}

fn control(place: usize) -> String {
    format!("control-{place}.safetensors")
}

/// Writes the learning curve of a training into a folder.
pub(crate) fn save_learning_curve(folder: &Path, curve: &[CurvePoint]) -> Result<()> {
    write_json(&folder.join(LEARNING_CURVE), &curve)
}

/// The learning curve of a training.
pub(crate) fn load_learning_curve(artifact: &Artifact) -> Result<Vec<CurvePoint>> {
    read_json(artifact, LEARNING_CURVE)
}

/// Writes what a training goes on from into a folder.
pub(crate) fn save_snapshot(folder: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(folder.join(SNAPSHOT), bytes).with_context(|| format!("cannot write `{SNAPSHOT}`"))
}

/// What a training goes on from.
pub(crate) fn load_snapshot(artifact: &Artifact) -> Result<Vec<u8>> {
    let path = artifact.directory.join(SNAPSHOT);
    std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Writes statistics of activations into a folder.
pub(crate) fn save_statistics(folder: &Path, statistics: &Statistics) -> Result<()> {
    write_json(&folder.join(STATISTICS), statistics)
}

/// Statistics of activations.
pub(crate) fn load_statistics(artifact: &Artifact) -> Result<Statistics> {
    read_json(artifact, STATISTICS)
}

/// The maps of `models` models: of all of an alignment, or of those at some places in it.
pub(crate) fn maps(alignment: &Alignment, positions: Option<&[usize]>, models: usize) -> Result<Vec<UnitMaps>> {
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

/// The reference of an alignment, whose units the slots of the frame are, where maps are soft: slots that no unit of another model reaches
/// keep its rows. `models` are those at these places in the alignment, or all of it.
pub(crate) fn own(alignment: &Alignment, positions: Option<&[usize]>, models: &[Artifact], task: &Task) -> Result<Option<Weights>> {
    let Frame::Reference(reference) = alignment.frame else { return Ok(None) };
    if alignment.is_hard() {
        return Ok(None);
    }
    let place = positions.map_or(Some(reference), |positions| positions.iter().position(|&position| position == reference));
    place.and_then(|place| models.get(place)).map(|artifact| Ok(load_model(artifact, task)?.1)).transpose()
}

/// The network of models in the frame of an alignment of theirs: that of its reference, or of all.
pub(crate) fn frame_graph<'a>(alignment: &Alignment, positions: Option<&[usize]>, graphs: &'a [Graph], task: &'a Task) -> &'a Graph {
    let Frame::Reference(reference) = alignment.frame else { return &task.graph };
    let place = positions.map_or(Some(reference), |positions| positions.iter().position(|&position| position == reference));
    place.and_then(|place| graphs.get(place)).unwrap_or(&task.graph)
}

/// Writes a value as JSON, every number so that it is read back exactly.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).with_context(|| format!("cannot write `{}`", path.display()))?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Reads the JSON file of an artifact.
pub(crate) fn read_json<T: DeserializeOwned>(artifact: &Artifact, name: &str) -> Result<T> {
    let path = artifact.directory.join(name);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| {
        let folder = artifact.directory.display();
        format!("cannot parse `{}` as what its stage writes\nhint: remove `{folder}` and run again", path.display())
    })
}
