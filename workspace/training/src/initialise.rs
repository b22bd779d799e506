use std::collections::BTreeMap;
use std::f64::consts::TAU;

use ndarray::ArrayD;
use onebasin_network::{Graph, Operation, Weights};
use onebasin_repro::{ChaCha8Rng, Stream};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// Where the weights of a network start, named after the library whose defaults these are. Norms start at scale 1, shift 0.
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
                }
                if let Some(bias) = bias {
                    let mut rng = stream.child(&parameters[bias].name).rng();
                    match initialisation {
                        Initialisation::Pytorch => put(bias, &mut || uniform(&mut rng, spread)),
                        Initialisation::Flax => put(bias, &mut || 0.0),
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
            | Operation::Flatten
            | Operation::Add
            | Operation::Output => {}
        }
    }
    Ok(Weights::new(graph.spec(), arrays)?)
}

/// Where the last norm of each residual body has its scale: a place among the parameters each.
pub(crate) fn closing_scales(graph: &Graph) -> Vec<usize> {
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

/// Box–Muller, drawn again while beyond two deviations.
fn cut_normal(rng: &mut ChaCha8Rng, deviation: f64) -> f32 {
    loop {
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let value = radius * (TAU * rng.random::<f64>()).cos();
        if value.abs() <= 2.0 {
            return (value * deviation) as f32;
        }
    }
}
