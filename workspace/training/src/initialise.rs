use std::collections::BTreeMap;
use std::f64::consts::TAU;

use ndarray::ArrayD;
use onebasin_network::{Graph, Operation, Weights};
use onebasin_repro::{ChaCha8Rng, Stream};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{Training, TrainingError};

/// Where the weights of a network start, named after the library whose defaults these are, or after what it looks at. Norms start at scale 1,
/// shift 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Initialisation {
    /// Weights and biases uniform in ±1/√fan-in (Kaiming uniform with a = √5).
    ///
    /// Source: PyTorch, `torch/nn/modules/linear.py` and `conv.py`, `reset_parameters`.
    #[default]
    Pytorch,
    /// Weights normal with variance 1/fan-in, cut off at two standard deviations before scaling; biases 0.
    ///
    /// Source: Flax, `linear.py` (`lecun_normal`); LeCun et al. 1998, equation 16.
    Flax,
    /// Weights normal with variance 2 over the input features or channels, a kernel's pixels not counted; biases 0.
    ///
    /// Source: `crisostomi/cycle-consistent-federated-learning`, the clients of C2M3's tables 9 and 10 in their first round.
    Channels,
}

/// Standard deviation of a unit normal cut off at ±2.
const CUT_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// Fresh weights of `graph`, each parameter drawn from the child of `stream` that has its name.
///
/// # Errors
/// Only when graph and specification disagree, which [`Graph::build`] excludes.
pub fn initialise(graph: &Graph, initialisation: Initialisation, stream: &Stream) -> Result<Weights, TrainingError> {
    let parameters = &graph.spec().parameters;
    let mut arrays = BTreeMap::new();
    let mut put = |index: usize, value: &mut dyn FnMut() -> f32| {
        let shape = parameters[index].shape.as_slice();
        arrays.insert(parameters[index].name.clone(), ArrayD::from_shape_simple_fn(shape, value));
    };
    for node in &graph.nodes {
        match node.operation {
            Operation::Linear { weight, bias } | Operation::Conv { weight, bias, .. } => {
                let fan_in: usize = parameters[weight].shape[1..].iter().product();
                let spread = 1.0 / (fan_in as f64).sqrt();
                let mut rng = stream.child(&parameters[weight].name).rng();
                match initialisation {
                    Initialisation::Pytorch => put(weight, &mut || uniform(&mut rng, spread)),
                    Initialisation::Flax => put(weight, &mut || cut_normal(&mut rng, spread / CUT_DEVIATION)),
                    Initialisation::Channels => {
                        let deviation = (2.0 / parameters[weight].shape[1] as f64).sqrt();
                        put(weight, &mut || (normal(&mut rng) * deviation) as f32);
                    }
                }
                if let Some(bias) = bias {
                    let mut rng = stream.child(&parameters[bias].name).rng();
                    match initialisation {
                        Initialisation::Pytorch => put(bias, &mut || uniform(&mut rng, spread)),
                        Initialisation::Flax | Initialisation::Channels => put(bias, &mut || 0.0),
                    }
                }
            }
            Operation::Norm { scale, shift, mean, variance, .. } => {
                put(scale, &mut || 1.0);
                put(shift, &mut || 0.0);
                mean.into_iter().for_each(|mean| put(mean, &mut || 0.0));
                variance.into_iter().for_each(|variance| put(variance, &mut || 1.0));
            }
            Operation::Input
            | Operation::Relu
            | Operation::MaxPool { .. }
            | Operation::GlobalMean
            | Operation::AdaptiveMean { .. }
            | Operation::PadChannels { .. }
            | Operation::Flatten
            | Operation::Add
            | Operation::Output => {}
        }
    }
    Ok(Weights::new(graph.spec(), arrays)?)
}

/// The weights that a training begins with: those of its initialisation, with the scales that `zero-init-residual` speaks of at 0.
///
/// # Errors
/// As [`initialise`].
pub fn first_weights(graph: &Graph, training: &Training, stream: &Stream) -> Result<Weights, TrainingError> {
    let weights = initialise(graph, training.initialisation, stream)?;
    if !training.zero_init_residual {
        return Ok(weights);
    }
    let mut arrays = weights.into_arrays();
    for scale in closing_scales(graph) {
        arrays.entry(graph.spec().parameters[scale].name.clone()).and_modify(|scale| scale.fill(0.0));
    }
    Ok(Weights::new(graph.spec(), arrays)?)
}

/// Whether `zero-init-residual` changes anything: whether a residual body of the network ends in a norm.
pub fn has_closing_norm(graph: &Graph) -> bool {
    !closing_scales(graph).is_empty()
}

/// Where the last norm of each residual body has its scale: a place among the parameters each.
fn closing_scales(graph: &Graph) -> Vec<usize> {
    let sums = graph.nodes.iter().filter(|node| matches!(node.operation, Operation::Add));
    // A sum reads its body first.
    let ends = sums.filter_map(|sum| sum.inputs.first().map(|&end| &graph.nodes[end].operation));
    let scale = |operation: &Operation| match operation {
        Operation::Norm { scale, .. } => Some(*scale),
        _ => None,
    };
    ends.filter_map(scale).collect()
}

fn uniform(rng: &mut ChaCha8Rng, bound: f64) -> f32 {
    ((2.0 * rng.random::<f64>() - 1.0) * bound) as f32
}

/// Box–Muller.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    // 1 - u lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (TAU * rng.random::<f64>()).cos()
}

/// Drawn again while beyond two deviations.
fn cut_normal(rng: &mut ChaCha8Rng, deviation: f64) -> f32 {
    loop {
        let value = normal(rng);
        if value.abs() <= 2.0 {
            return (value * deviation) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use onebasin_network::{Architecture, Layer, Shape, Width};

    use super::*;

    #[test]
    fn weights_by_channels_have_a_variance_that_knows_no_kernel() {
        let conv = |out| Layer::Conv { name: None, out: Width::Count(out), kernel: 5, stride: 1, padding: None, bias: true };
        let layers =
            vec![conv(8), Layer::Relu {}, conv(200), Layer::GlobalMean {}, Layer::Linear { name: None, out: Width::Classes, bias: true }];
        let graph = Graph::build(&Architecture { input: Shape::new(3, 8, 8), classes: 50, layers }).unwrap();
        let weights = initialise(&graph, Initialisation::Channels, &Stream::root(3)).unwrap();
        for (name, inputs) in [("conv2.weight", 8.0), ("fc1.weight", 200.0)] {
            let values = weights.get(name);
            let variance = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / values.len() as f64;
            // 10 000 values or more: five deviations of their variance are less than 0.08 of it.
            assert!((variance * inputs / 2.0 - 1.0).abs() < 0.08, "{name}: {variance}");
        }
        assert!(["conv1.bias", "conv2.bias", "fc1.bias"].iter().all(|name| weights.get(name).iter().all(|&value| value == 0.0)));
    }
}
