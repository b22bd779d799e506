use std::collections::HashMap;

use anyhow::{Result, bail};
use onebasin_network::Stored;

use super::Named;

/// Refuses a further file whose tensors are other ones than the first file's.
///
/// Names are compared where the files share any; else the layers are, one after the other, by whoever binds them.
pub(super) fn check(first: Named<'_>, further: Named<'_>) -> Result<()> {
    let (Named { place: a, tensors: ours }, Named { place: b, tensors: theirs }) = (first, further);
    let by_name: HashMap<&str, &Stored> = theirs.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    if !ours.iter().any(|tensor| by_name.contains_key(tensor.name.as_str())) {
        return Ok(());
    }
    // The first that differs in the order of the file; what follows from it comes later.
    for tensor in ours {
        match by_name.get(tensor.name.as_str()) {
            Some(other) if other.shape == tensor.shape => {}
            Some(other) => bail!(
                "tensor `{}` has shape {:?} in `{a}` and {:?} in `{b}`\nhint: {}",
                tensor.name,
                tensor.shape,
                other.shape,
                key(ours, tensor, other)
            ),
            None if is_counter(&tensor.name) => {}
            None => {
                bail!("tensor `{}` of shape {:?} is in `{a}` and not in `{b}`\nhint: {}", tensor.name, tensor.shape, lone(&tensor.name))
            }
        }
    }
    let names: HashMap<&str, ()> = ours.iter().map(|tensor| (tensor.name.as_str(), ())).collect();
    if let Some(tensor) = theirs.iter().find(|tensor| !names.contains_key(tensor.name.as_str()) && !is_counter(&tensor.name)) {
        bail!("tensor `{}` of shape {:?} is in `{b}` and not in `{a}`\nhint: {}", tensor.name, tensor.shape, lone(&tensor.name));
    }
    Ok(())
}

fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// What would make two shapes of one tensor fit.
fn key(ours: &[Stored], tensor: &Stored, other: &Stored) -> String {
    let last = ours.iter().rev().find(|tensor| tensor.shape.len() > 1).map(|tensor| tensor.name.as_str());
    let (rows, theirs) = (tensor.shape.first(), other.shape.first());
    match (rows, theirs) {
        (Some(rows), Some(theirs)) if rows != theirs && last.is_some_and(|last| parent(last) == parent(&tensor.name)) => {
            format!("the networks tell {rows} and {theirs} classes apart; train both with the same `classes`, or take off the last layers")
        }
        (Some(rows), Some(theirs)) if rows != theirs => format!(
            "a layer is {rows} and {theirs} units wide; train both with the same `hidden` or `width`. In a spec `matching = {{ by = \"ot-fusion\" }}` matches several widths"
        ),
        _ => "the layer before it has other units, or images are of another shape; train both with the same `input`, `hidden` or `width`"
            .to_owned(),
    }
}

/// What would make a tensor be in both.
fn lone(name: &str) -> String {
    match name.rsplit('.').next() {
        Some("bias" | "shift") => "one network has a bias there; train both with `bias = true`, or both with `bias = false`".to_owned(),
        Some("running_mean" | "running_var" | "scale") => "one network has a norm there; train both with the same `norm`".to_owned(),
        _ => "the networks have other layers; train both with the same `layers`, `depth`, `norm` and `bias`".to_owned(),
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}
