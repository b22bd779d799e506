//! `onebasin describe`: what networks are made of.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use onebasin_datasets::{Class, DatasetError, open};
use onebasin_network::{Binding, Graph, Inferred, PermutationSpec};
use serde_json::{Value, json};

use super::session::Session;
use super::{Failure, Verdict, networks};
use crate::cli;
use crate::console::{self, columns};
use crate::dataset_cache::hold_out;
use crate::input_file;
use crate::spec::{Model, Pair};
use crate::training_images::{class_counts, training_images};

/// Bytes by which text is told from weights.
const HEAD: u64 = 4096;

/// What is described.
struct Network {
    name: String,
    graph: Graph,
    /// Folders of pictures, in the order of labels; none where classes have no folders.
    classes: Vec<Class>,
    /// Where models see parts of the training images, how many of each class, by the models' names.
    seen: Vec<(String, Vec<usize>)>,
    /// Of a file, what was told of its network, and the files' names of its tensors.
    file: Option<(Inferred, Vec<String>)>,
}

/// Prints the networks of a spec, or the network of a file.
pub fn describe(arguments: &cli::Describe) -> Result<Verdict, Failure> {
    let target = &arguments.target;
    let mut verdict = Verdict::Fine;
    let described: Vec<Network> = if !is_spec(target) {
        let hints = networks::hints(&arguments.network)?;
        let read = crate::weight_file::Network::read(target, &hints);
        let network = read.with_context(|| format!("cannot describe `{}`", target.display())).map_err(Failure::Input)?;
        networks::tell(&network);
        if !networks::meets_expectation(&network, &arguments.network)? {
            verdict = Verdict::No;
        }
        let names = network.dict.tensors.into_iter().map(|(name, _)| name).collect();
        let (name, graph) = (target.display().to_string(), (*network.graph).clone());
        vec![Network { name, graph, classes: Vec::new(), seen: Vec::new(), file: Some((network.inferred, names)) }]
    } else {
        let session = Session::read(target, &arguments.shared, false)?;
        let mut described = Vec::new();
        for pair in &session.experiment.pairs {
            let (name, graph, classes) = (pair.name().to_string(), pair.graph.clone(), pair.classes.clone());
            described.push(Network { name, graph, classes, seen: seen(&session, pair)?, file: None });
            // Models with other widths than the pair's.
            described.extend(pair.widths.iter().map(|(&model, width)| Network {
                name: format!("{}, model {}: {}", pair.name(), session.experiment.models[model].name, width.architecture),
                graph: width.graph.clone(),
                classes: Vec::new(),
                seen: Vec::new(),
                file: None,
            }));
        }
        described
    };
    console::data(&if arguments.json {
        format!("{:#}", Value::from(described.iter().map(as_json).collect::<Vec<Value>>()))
    } else {
        described.iter().map(as_text).collect::<Vec<_>>().join("\n\n")
    })?;
    Ok(verdict)
}

/// How many images of each class each model of a pair sees in the first replicate; nothing where every model sees all.
fn seen(session: &Session, pair: &Pair) -> Result<Vec<(String, Vec<usize>)>, Failure> {
    let experiment = &session.experiment;
    if pair.subsets.is_empty() && experiment.models.iter().all(|model| model.subset.is_none()) {
        return Ok(Vec::new());
    }
    let dataset = match open(&pair.source, &session.places) {
        Ok(dataset) => dataset,
        Err(DatasetError::Missing { .. }) => {
            console::note(&format!("the files of `{}` are not here, so classes of each model are not counted", pair.dataset));
            return Ok(Vec::new());
        }
        Err(error) => return Err(Failure::input(error)),
    };
    let (dataset, _) = hold_out(dataset, experiment.held_out(pair).as_ref());
    let count = |(index, model): (usize, &Model)| {
        let streams = experiment.model_streams(pair, 0, index);
        let images = training_images(&dataset.train, experiment.subset(pair, index), &streams)
            .with_context(|| format!("model `{}`", model.name))
            .map_err(Failure::Input)?;
        Ok((model.name.clone(), class_counts(&images.labels, dataset.train.classes)))
    };
    experiment.models.iter().enumerate().filter(|(index, _)| experiment.knows_images_of(pair, *index)).map(count).collect()
}

/// Whether a file is no file of weights: a TOML by its name, or text by its content.
fn is_spec(path: &Path) -> bool {
    let weights = ["safetensors", "pt", "pth", "ckpt", "bin", "npz"];
    if let Some(ending) = path.extension().and_then(|extension| extension.to_str()) {
        if weights.contains(&ending) {
            return false;
        }
        if ending == "toml" {
            return true;
        }
    }
    let mut head = Vec::new();
    let read = input_file::regular(path).and_then(|()| File::open(path)).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    // What cannot be read is said by whoever reads specs. A letter may be cut at the end of the head.
    let is_text = |error: std::str::Utf8Error| error.error_len().is_none();
    read.is_err() || (!head.contains(&0) && std::str::from_utf8(&head).map_or_else(is_text, |_| true))
}

fn as_text(Network { name, graph, classes, seen, file }: &Network) -> String {
    let spec = graph.spec();
    let mut rows = vec![["array", "shape", "rows", "columns"].map(str::to_owned)];
    for parameter in &spec.parameters {
        let shape = parameter.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
        rows.push([parameter.name.clone(), shape, bound(spec, parameter.rows), bound(spec, parameter.columns)]);
    }
    let told = file.as_ref().map_or(String::new(), |(inferred, _)| {
        let assumed: String = inferred.assumed.iter().map(|line| format!("\n  assumed: {line}")).collect();
        format!(": {}{assumed}", inferred.family)
    });
    let mut text = format!("{name}{told}\n\n{}\n\n{}", columns(&rows).join("\n"), graph.describe());
    if !classes.is_empty() {
        let mut rows = vec![["label", "class", "train", "test"].map(str::to_owned)];
        let row = |class: &Class| [class.label.to_string(), class.folder.clone(), class.train.to_string(), class.test.to_string()];
        rows.extend(classes.iter().map(row));
        text.push_str(&format!("\n\n{}", columns(&rows).join("\n")));
    }
    if let Some((_, first)) = seen.first() {
        text.push_str("\n\ntraining images of each model, in the first replicate\n");
        let of_label =
            |label: usize| std::iter::once(label.to_string()).chain(seen.iter().map(move |(_, counts)| counts[label].to_string()));
        let head = std::iter::once("label".to_owned()).chain(seen.iter().map(|(model, _)| model.clone()));
        let rows = std::iter::once(head.collect()).chain((0..first.len()).map(|label| of_label(label).collect()));
        text.push_str(&columns(&rows.collect::<Vec<Vec<String>>>()).join("\n"));
    }
    text
}

fn as_json(Network { name, graph, classes, seen, file }: &Network) -> Value {
    let class = |class: &Class| json!({ "label": class.label, "class": class.folder, "train": class.train, "test": class.test });
    json!({
        "name": name, "network": graph.describe(), "arrays": graph.spec().parameters, "architecture": graph.architecture,
        "classes": classes.iter().map(class).collect::<Vec<Value>>(),
        "file": file.as_ref().map(|(inferred, names)| json!({
            "family": inferred.family,
            "assumed": inferred.assumed,
            "tensors": inferred.bound.iter().map(|bound| json!({ "parameter": bound.parameter, "tensor": names[bound.tensor] })).collect::<Vec<_>>(),
        })),
        "seen": seen.iter().map(|(model, counts)| json!({ "model": model, "images": counts })).collect::<Vec<Value>>(),
    })
}

/// The group an axis is tied to: `conv13`, or `conv13 x 4` where each unit has four entries.
fn bound(spec: &PermutationSpec, binding: Option<Binding>) -> String {
    match binding {
        None => "-".to_owned(),
        Some(Binding { group, block: 1 }) => spec.groups[group].name.clone(),
        Some(Binding { group, block }) => format!("{} x {block}", spec.groups[group].name),
    }
}
