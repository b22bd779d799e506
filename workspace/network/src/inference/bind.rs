//! Tensors for the parameters of a network that is known.

use super::modules::{Kind, Module, modules, natural, untold};
use super::{Bound, Inferred, Stored, layout, order};
use crate::{Graph, NetworkError, Node, NormKind, Operation, did_you_mean};

/// Another name: each `*` of `from` stands for a run of letters without a point, and for the same in `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// A name of the file, or its beginning up to a point.
    pub from: String,
    /// The layer's name.
    pub to: String,
}

impl Rename {
    /// The name it makes of another, if it is about that one.
    fn apply(&self, name: &str) -> Option<String> {
        let (pattern, parts): (Vec<&str>, Vec<&str>) = (self.from.split('.').collect(), name.split('.').collect());
        if pattern.len() > parts.len() {
            return None;
        }
        let mut runs = Vec::new();
        for (pattern, part) in pattern.iter().zip(&parts) {
            match pattern.split_once('*') {
                None if pattern == part => {}
                Some((before, after)) => runs.push(part.strip_prefix(before)?.strip_suffix(after)?),
                None => return None,
            }
        }
        let mut runs = runs.into_iter();
        let mut to: Vec<String> = Vec::new();
        for component in self.to.split('.') {
            to.push(match component.split_once('*') {
                Some((before, after)) => format!("{before}{}{after}", runs.next()?),
                None => component.to_owned(),
            });
        }
        to.extend(parts[pattern.len()..].iter().map(|&part| part.to_owned()));
        Some(to.join("."))
    }
}

/// Finds the tensors of a network: by their names once renamed, or where no layer has its name in the file, one after the other: as the file has them where
/// `is_ordered`, else sorted, numbers by their value.
///
/// # Errors
/// Names the layer that has no tensors, or tensors of other shapes, or that could stand for another one in a file whose tensors are sorted.
pub fn bind(graph: &Graph, tensors: &[Stored], names: &[Rename], is_ordered: bool) -> Result<Inferred, NetworkError> {
    let renamed: Vec<Stored> = tensors
        .iter()
        .map(|tensor| Stored {
            name: names.iter().find_map(|rename| rename.apply(&tensor.name)).unwrap_or_else(|| tensor.name.clone()),
            shape: tensor.shape.clone(),
        })
        .collect();
    let layers: Vec<&Node> = graph.nodes.iter().filter(|node| node.operation.parameters().next().is_some()).collect();
    names_are_meant(names, tensors, &renamed, &layers)?;
    let (modules, kept) = modules(&renamed)?;
    let is_named = |node: &&&Node| modules.iter().any(|module| is_called(module, &node.name));
    let named = layers.iter().filter(is_named).count();
    let mut assumed = Vec::new();
    // Some names may be the same by accident; the order tells where they do not tell all. Names that are said outright tell alone.
    let by_name = named == layers.len() || (named > 0 && !names.is_empty());
    let mut bound = if by_name {
        of_names(graph, &layers, &modules, named)?
    } else {
        let mut in_row = modules.clone();
        if !is_ordered {
            in_row.sort_by(|left, right| natural(&left.path, &right.path));
        }
        match of_order(graph, &layers, &in_row) {
            Ok(bound) => {
                if let Some((module, problem)) = untold(&in_row.iter().collect::<Vec<_>>()).filter(|_| !is_ordered) {
                    return Err(NetworkError::Layer { layer: module.path.clone(), problem, hint: UNTOLD.to_owned() });
                }
                let pair = |(node, module): (&&Node, &Module)| format!("`{}` is `{}`", module.path, node.name);
                let pairs: Vec<String> = layers.iter().zip(&in_row).map(pair).collect();
                assumed.push(format!("tensors stand for layers one after the other: {}", pairs.join(", ")));
                bound
            }
            // By what more of the names say.
            Err(_) if 2 * named > layers.len() => of_names(graph, &layers, &modules, named)?,
            Err(error) => return Err(error),
        }
    };
    layout::flatten_of_flax(graph, &mut bound);
    order(graph, &mut bound);
    Ok(Inferred { architecture: graph.architecture.clone(), family: "as the architecture says".to_owned(), assumed, bound, kept })
}

/// What helps where nothing tells an order.
pub const UNTOLD: &str = "a table `names` says which layer each is";

/// Holds what `names` say against the file and the architecture.
fn names_are_meant(names: &[Rename], tensors: &[Stored], renamed: &[Stored], layers: &[&Node]) -> Result<(), NetworkError> {
    let path = |name: &str| name.rsplit_once('.').map_or("", |(path, _)| path).to_owned();
    for rename in names {
        let hint = |name: &str, known: &mut dyn Iterator<Item = &str>| match did_you_mean(name, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`*` stands for letters without a point; `describe` of a file lists its names".to_owned(),
        };
        let applies = |tensor: &&Stored| rename.apply(&tensor.name).is_some();
        if !tensors.iter().any(|tensor| applies(&tensor)) {
            let paths: Vec<String> = tensors.iter().map(|tensor| path(&tensor.name)).collect();
            return Err(NetworkError::Architecture {
                problem: format!("`names` has `{}`, and nothing in the file is called so", rename.from),
                hint: hint(&rename.from, &mut paths.iter().map(String::as_str)),
            });
        }
        for (tensor, renamed) in tensors.iter().zip(renamed).filter(|(tensor, _)| applies(tensor)) {
            let target = path(&renamed.name);
            if target.is_empty() {
                return Err(NetworkError::Architecture {
                    problem: format!("`names` makes `{}` of `{}`, which is no layer's: expected the layer's name, a point and the parameter's", renamed.name, tensor.name),
                    hint: "`\"W*\" = \"fc*.weight\"` names a weight with its outputs first, `\"W*\" = \"fc*.kernel\"` one with its inputs first".to_owned(),
                });
            }
            if !layers.iter().any(|node| node.name == target) {
                return Err(NetworkError::Architecture {
                    problem: format!(
                        "`names` makes `{target}` of `{}`, and the architecture has no layer of that name",
                        path(&tensor.name)
                    ),
                    hint: hint(&target, &mut layers.iter().map(|node| node.name.as_str())),
                });
            }
        }
    }
    Ok(())
}

fn is_called(module: &Module, name: &str) -> bool {
    module.path == name || module.layer_name() == name
}

/// The tensors of a module as those of a layer, where they fit.
fn of_module(graph: &Graph, node: &Node, module: &Module) -> Result<Vec<Bound>, NetworkError> {
    fits(graph, node, module)?;
    let suffix = |parameter: &str| parameter.rsplit_once('.').map_or("", |(_, suffix)| suffix).to_owned();
    let bound = module.bound().into_iter();
    Ok(bound.map(|of| Bound { parameter: format!("{}.{}", node.name, suffix(&of.parameter)), ..of }).collect())
}

/// Layers take the tensors of their own name.
fn of_names(graph: &Graph, layers: &[&Node], modules: &[Module], named: usize) -> Result<Vec<Bound>, NetworkError> {
    let mut bound = Vec::new();
    for node in layers {
        let Some(module) = modules.iter().find(|module| is_called(module, &node.name)) else {
            return Err(NetworkError::Layer {
                layer: node.name.clone(),
                problem: format!("the file has no tensors for it, though for {named} of {} layers", layers.len()),
                hint: "map its name in a table `names`".to_owned(),
            });
        };
        bound.extend(of_module(graph, node, module)?);
    }
    if let Some(module) = modules.iter().find(|module| !layers.iter().any(|node| is_called(module, &node.name))) {
        return Err(NetworkError::Layer {
            layer: module.path.clone(),
            problem: "is in the file and not in the architecture".to_owned(),
            hint: "map its name in a table `names`, or add the layer".to_owned(),
        });
    }
    Ok(bound)
}

/// Layers take tensors one after the other.
fn of_order(graph: &Graph, layers: &[&Node], modules: &[Module]) -> Result<Vec<Bound>, NetworkError> {
    if layers.len() != modules.len() {
        return Err(NetworkError::Architecture {
            problem: format!("the file has {} layers, the architecture {}", modules.len(), layers.len()),
            hint: format!(
                "the file begins with `{}`, the architecture with `{}`; a table `names` maps one to the other",
                modules[0].path, layers[0].name
            ),
        });
    }
    let pairs = layers.iter().zip(modules).map(|(node, module)| of_module(graph, node, module));
    Ok(pairs.collect::<Result<Vec<_>, _>>()?.concat())
}

fn fits(graph: &Graph, node: &Node, module: &Module) -> Result<(), NetworkError> {
    let shape = |index: usize| graph.spec().parameters[index].shape.as_slice();
    let (fine, expected) = match node.operation {
        Operation::Linear { weight, bias } => {
            let of = shape(weight);
            let fine = matches!(module.kind, Kind::Linear { inputs, outputs } if [outputs, inputs] == *of)
                && bias.is_some() == module.bias.is_some();
            (fine, format!("a linear layer of shape {of:?}{}", if bias.is_some() { " with a bias" } else { " without a bias" }))
        }
        Operation::Conv { weight, bias, .. } => {
            let of = shape(weight);
            let same = matches!(module.kind, Kind::Conv { inputs, outputs, kernel } if [outputs, inputs, kernel, kernel] == *of);
            let fine = same && bias.is_some() == module.bias.is_some();
            (fine, format!("a convolution of shape {of:?}{}", if bias.is_some() { " with a bias" } else { " without a bias" }))
        }
        Operation::Norm { scale, kind, .. } => {
            let units = shape(scale)[0];
            let fine = matches!(module.kind, Kind::Norm { units: own, kind: of } if own == units && of == kind);
            let what = if kind == NormKind::Batch { "a batch norm with running statistics" } else { "a layer norm" };
            (fine, format!("{what} of {units}"))
        }
        _ => (true, String::new()),
    };
    if fine {
        return Ok(());
    }
    let came = match module.kind {
        Kind::Linear { inputs, outputs } => format!("a linear layer of shape {:?}", [outputs, inputs]),
        Kind::Conv { inputs, outputs, kernel } => format!("a convolution of shape {:?}", [outputs, inputs, kernel, kernel]),
        Kind::Norm { units, kind: NormKind::Batch } => format!("a batch norm of {units}"),
        Kind::Norm { units, kind: NormKind::Layer } => format!("a norm of {units} without running statistics"),
    };
    let with = match (module.bias, module.kind) {
        (Some(_), Kind::Linear { .. } | Kind::Conv { .. }) => " with a bias",
        (None, Kind::Linear { .. } | Kind::Conv { .. }) => " without a bias",
        _ => "",
    };
    Err(NetworkError::Layer {
        layer: node.name.clone(),
        problem: format!("is {expected}, but `{}` in the file is {came}{with}", module.path),
        hint: "correct the architecture, or map names in a table `names`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::Rename;

    #[test]
    fn stars_stand_for_runs_of_letters() {
        let rename = Rename { from: "layer*.*.bn*".to_owned(), to: "stage*.block*.norm*".to_owned() };
        assert_eq!(rename.apply("layer1.0.bn2.weight").as_deref(), Some("stage1.block0.norm2.weight"));
        assert_eq!(rename.apply("layer1.0.conv2.weight"), None);
        let rename = Rename { from: "net".to_owned(), to: "model.body".to_owned() };
        assert_eq!(rename.apply("net.0.weight").as_deref(), Some("model.body.0.weight"));
    }
}
