//! Taking batch norms into the layers before them.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn};

use crate::{Architecture, Graph, Layer, NetworkError, NormKind, Operation, Weights};

impl Architecture {
    /// This network without its batch norms: each is behind a convolution or a linear layer, which gets a bias if it had none. All other
    /// layers keep their names. [`fold_batch_norms`] makes its weights.
    ///
    /// # Errors
    /// A batch norm behind anything else.
    pub fn without_batch_norms(&self) -> Result<Architecture, NetworkError> {
        Ok(Architecture { layers: folded(&self.layers)?, ..self.clone() })
    }
}

/// The weights of the network without batch norms that compute what `weights` of `graph` compute at inference, with running statistics:
/// `W' = W γ/√(v + ε)` and `b' = β + (b - m) γ/√(v + ε)`, a channel of the output at a time. A network without batch norms stays as it is.
///
/// # Errors
/// As [`Architecture::without_batch_norms`].
pub fn fold_batch_norms(graph: &Graph, weights: &Weights) -> Result<(Graph, Weights), NetworkError> {
    let folded = Graph::build(&graph.architecture.without_batch_norms()?)?;
    let name = |place: usize| graph.spec().parameters[place].name.as_str();
    let values = |place: usize| weights.values(name(place));
    let mut arrays: BTreeMap<String, ArrayD<f32>> = weights.clone().into_arrays();
    for node in &graph.nodes {
        let Operation::Norm { scale, shift, mean: Some(mean), variance: Some(variance), epsilon, .. } = node.operation else { continue };
        let layer = &graph.nodes[node.inputs[0]];
        let (Operation::Linear { weight, bias } | Operation::Conv { weight, bias, .. }) = layer.operation else { continue };
        let gains: Vec<f64> = values(scale)
            .iter()
            .zip(values(variance))
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + f64::from(epsilon)).sqrt())
            .collect();
        let mut product = weights.get(name(weight)).clone();
        for (mut unit, &gain) in product.axis_iter_mut(Axis(0)).zip(&gains) {
            unit.mapv_inplace(|value| (f64::from(value) * gain) as f32);
        }
        let before = bias.map_or_else(|| vec![0.0; gains.len()], |bias| values(bias).to_vec());
        let bias = |unit: usize| {
            let centred = f64::from(before[unit]) - f64::from(values(mean)[unit]);
            (f64::from(values(shift)[unit]) + centred * gains[unit]) as f32
        };
        arrays.insert(name(weight).to_owned(), product);
        arrays.insert(format!("{}.bias", layer.name), ArrayD::from_shape_fn(IxDyn(&[gains.len()]), |unit| bias(unit[0])));
        for place in [scale, shift, mean, variance] {
            arrays.remove(name(place));
        }
    }
    let weights = Weights::new(folded.spec(), arrays)?;
    Ok((folded, weights))
}

fn folded(layers: &[Layer]) -> Result<Vec<Layer>, NetworkError> {
    let mut kept: Vec<Layer> = Vec::with_capacity(layers.len());
    for layer in layers {
        match layer {
            Layer::Norm { name, kind: NormKind::Batch, .. } => match kept.last_mut() {
                Some(Layer::Conv { bias, .. } | Layer::Linear { bias, .. }) => *bias = true,
                _ => {
                    return Err(NetworkError::Layer {
                        layer: name.clone().unwrap_or_else(|| "norm".to_owned()),
                        problem: "a batch norm that no convolution or linear layer stands before cannot be taken into one".to_owned(),
                        hint: "put the norm behind a layer with weights, or keep the norms".to_owned(),
                    });
                }
            },
            Layer::Residual { body, shortcut } => kept.push(Layer::Residual { body: folded(body)?, shortcut: folded(shortcut)? }),
            other => kept.push(other.clone()),
        }
    }
    Ok(kept)
}
