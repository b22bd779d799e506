//! `onebasin describe`: what networks are made of.

use std::path::Path;

use anyhow::Context;
use onebasin_datasets::Class;
use onebasin_network::{Binding, Checkpoint, Graph, PermutationSpec};
use serde_json::{Value, json};

use super::session::Session;
use super::{Failure, Verdict};
use crate::cli;
use crate::console::{self, columns};
use crate::spec::Pair;

/// What is described.
struct Network {
    name: String,
    graph: Graph,
    /// Folders of pictures, in the order of labels; none where classes have no folders.
    classes: Vec<Class>,
}

/// Prints the networks of a spec, or the network of a checkpoint.
pub fn describe(arguments: &cli::Describe) -> Result<Verdict, Failure> {
    let target = &arguments.target;
    let networks: Vec<Network> = if is_checkpoint(target) {
        let checkpoint =
            Checkpoint::load(target).with_context(|| format!("cannot describe `{}`", target.display())).map_err(Failure::Input)?;
        let graph = Graph::build(&checkpoint.architecture).map_err(Failure::input)?;
        vec![Network { name: target.display().to_string(), graph, classes: Vec::new() }]
    } else {
        let session = Session::read(target, &arguments.shared, false)?;
        let network = |pair: Pair| Network { name: pair.name().to_string(), graph: pair.graph, classes: pair.classes };
        session.experiment.pairs.into_iter().map(network).collect()
    };
    console::data(&if arguments.json {
        format!("{:#}", Value::from(networks.iter().map(as_json).collect::<Vec<Value>>()))
    } else {
        networks.iter().map(as_text).collect::<Vec<_>>().join("\n\n")
    })?;
    Ok(Verdict::Fine)
}

fn is_checkpoint(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "safetensors")
}

fn as_text(Network { name, graph, classes }: &Network) -> String {
    let spec = graph.spec();
    let mut rows = vec![["array", "shape", "rows", "columns"].map(str::to_owned)];
    for parameter in &spec.parameters {
        let shape = parameter.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
        rows.push([parameter.name.clone(), shape, bound(spec, parameter.rows), bound(spec, parameter.columns)]);
    }
    let mut text = format!("{name}\n\n{}\n\n{}", columns(&rows).join("\n"), graph.describe());
    if !classes.is_empty() {
        let mut rows = vec![["label", "class", "train", "test"].map(str::to_owned)];
        let row = |class: &Class| [class.label.to_string(), class.folder.clone(), class.train.to_string(), class.test.to_string()];
        rows.extend(classes.iter().map(row));
        text.push_str(&format!("\n\n{}", columns(&rows).join("\n")));
    }
    text
}

fn as_json(Network { name, graph, classes }: &Network) -> Value {
    let class = |class: &Class| json!({ "label": class.label, "class": class.folder, "train": class.train, "test": class.test });
    json!({
        "name": name, "network": graph.describe(), "arrays": graph.spec().parameters, "architecture": graph.architecture,
        "classes": classes.iter().map(class).collect::<Vec<Value>>(),
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
