//! `onebasin describe`: what networks are made of.

use std::path::Path;

use anyhow::Context;
use onebasin_network::{Binding, Checkpoint, Graph, PermutationSpec};
use serde_json::{Value, json};

use super::session::Session;
use super::{Failure, Verdict};
use crate::cli;
use crate::console::{self, columns};

/// Prints the networks of a spec, or the network of a checkpoint.
pub fn describe(arguments: &cli::Describe) -> Result<Verdict, Failure> {
    let target = &arguments.target;
    let graphs = if is_checkpoint(target) {
        let checkpoint =
            Checkpoint::load(target).with_context(|| format!("cannot describe `{}`", target.display())).map_err(Failure::Input)?;
        vec![(target.display().to_string(), Graph::build(&checkpoint.architecture).map_err(Failure::input)?)]
    } else {
        let session = Session::read(target, &arguments.shared, false)?;
        session.experiment.pairs.into_iter().map(|pair| (pair.name().to_string(), pair.graph)).collect()
    };
    console::data(&if arguments.json {
        let networks: Vec<Value> = graphs.iter().map(|(name, graph)| as_json(name, graph)).collect();
        format!("{:#}", Value::from(networks))
    } else {
        graphs.iter().map(|(name, graph)| as_text(name, graph)).collect::<Vec<_>>().join("\n\n")
    })?;
    Ok(Verdict::Fine)
}

fn is_checkpoint(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "safetensors")
}

fn as_text(name: &str, graph: &Graph) -> String {
    let spec = graph.spec();
    let mut rows = vec![["array", "shape", "rows", "columns"].map(str::to_owned)];
    for parameter in &spec.parameters {
        let shape = parameter.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
        rows.push([parameter.name.clone(), shape, bound(spec, parameter.rows), bound(spec, parameter.columns)]);
    }
    format!("{name}\n\n{}\n\n{}", columns(&rows).join("\n"), graph.describe())
}

fn as_json(name: &str, graph: &Graph) -> Value {
    json!({ "name": name, "network": graph.describe(), "arrays": graph.spec().parameters, "architecture": graph.architecture })
}

/// The group an axis is tied to: `conv13`, or `conv13 x 4` where each unit has four entries.
fn bound(spec: &PermutationSpec, binding: Option<Binding>) -> String {
    match binding {
        None => "-".to_owned(),
        Some(Binding { group, block: 1 }) => spec.groups[group].name.clone(),
        Some(Binding { group, block }) => format!("{} x {block}", spec.groups[group].name),
    }
}
