use anyhow::{Context, Result};
use onebasin_checkpoints::{StateDict, Tensor};
use onebasin_network::{Graph, Operation, Role, Weights};

use crate::weight_file::Network;

/// A bias that a repair gives to a layer which has none in the file.
pub struct AddedBias {
    /// The layer.
    pub layer: String,
    values: Vec<f32>,
}

/// Takes the biases that a repair has added out of the weights again: into the running mean of a batch norm right behind, which subtracts it,
/// where `folds` says so; what has none there is given back.
///
/// `biased` is the form of `graph` with these biases, and `repaired` are weights of it.
///
/// # Errors
/// When the weights are of another network.
pub fn without_added_biases(graph: &Graph, biased: &Graph, repaired: Weights, folds: bool) -> Result<(Weights, Vec<AddedBias>)> {
    let mut arrays = repaired.into_arrays();
    let mut added = Vec::new();
    for parameter in biased.spec().parameters.iter().filter(|parameter| parameter.role == Role::Bias) {
        if graph.spec().parameter(&parameter.name).is_some() {
            continue;
        }
        let bias = arrays.remove(&parameter.name).with_context(|| format!("`{}` is missing", parameter.name))?;
        let layer = parameter.name.trim_end_matches(".bias").to_owned();
        let place = graph.nodes.iter().position(|node| node.name == layer).with_context(|| format!("there is no layer `{layer}`"))?;
        let mut readers = graph.nodes.iter().filter(|node| node.inputs.contains(&place));
        match (readers.next().map(|node| &node.operation), readers.next()) {
            (Some(Operation::Norm { mean: Some(mean), .. }), None) if folds => {
                let mean = &graph.spec().parameters[*mean].name;
                let mean = arrays.get_mut(mean).with_context(|| format!("`{mean}` is missing"))?;
                mean.iter_mut().zip(&bias).for_each(|(mean, bias)| *mean -= bias);
            }
            _ => added.push(AddedBias { layer, values: bias.iter().copied().collect() }),
        }
    }
    Ok((Weights::new(graph.spec(), arrays)?, added))
}

/// Puts added biases into a file, each behind the weight of its layer and of its type; their names in the file.
///
/// # Errors
/// When a layer has no weight in the file, or a number does not fit its type.
pub fn put_biases(network: &Network, dict: &mut StateDict, added: &[AddedBias]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for AddedBias { layer, values } in added {
        let weight = format!("{layer}.weight");
        let bound = network.inferred.bound.iter().find(|bound| bound.parameter == weight);
        let (of_weight, dtype) = bound
            .map(|bound| (network.dict.tensors[bound.tensor].0.clone(), network.dict.tensors[bound.tensor].1.dtype()))
            .with_context(|| format!("layer `{layer}` has no weight in the file"))?;
        let end = of_weight.rfind(['.', '/']).map_or(0, |end| end + 1);
        let name = format!("{}bias", &of_weight[..end]);
        let zeros = Tensor::new(dtype, vec![values.len()], vec![0; values.len() * dtype.size()]);
        let tensor = zeros.with_values(values).context("a type that is not floating")?;
        let place = dict.tensors.iter().position(|(name, _)| *name == of_weight).map_or(dict.tensors.len(), |place| place + 1);
        dict.tensors.insert(place, (name.clone(), tensor));
        names.push(name);
    }
    Ok(names)
}
