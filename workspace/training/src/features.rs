use burn::tensor::Tensor;
use ndarray::Array2;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, NodeId, Operation, Weights};

use crate::evaluate::{batch_size, map_batches, values};
use crate::forward::{Mode, Program, Value};
use crate::inputs::Inputs;
use crate::tensors::Tensors;
use crate::{Device, TrainingError};

/// The node that the last linear layer reads, after any activation, pooling and flattening: its values are a network's features.
///
/// # Errors
/// When the network does not end in a linear layer, or that layer is all there is.
pub fn penultimate(graph: &Graph) -> Result<NodeId, TrainingError> {
    let last = &graph.nodes[graph.nodes[graph.output()].inputs[0]];
    let refused = |problem: &str| TrainingError::Unsupported {
        node: last.name.clone(),
        problem: problem.to_owned(),
        hint: "features are what the last linear layer reads: end the network with one",
    };
    match last.operation {
        Operation::Linear { .. } if last.inputs[0] > 0 => Ok(last.inputs[0]),
        Operation::Linear { .. } => Err(refused("it reads the images themselves")),
        _ => Err(refused("the network ends in it")),
    }
}

/// What the last linear layer of a network reads for every image of a split, `[images, units]`; batch norms use their running statistics.
///
/// Batches run on the threads of the current pool; the result does not depend on how many there are. Cost: a forward pass.
///
/// # Errors
/// When the data do not fit the network, or it has no features ([`penultimate`]).
pub fn features(
    graph: &Graph,
    weights: &Weights,
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
) -> Result<Array2<f32>, TrainingError> {
    let place = penultimate(graph)?;
    weights.fits(graph.spec())?;
    let inputs = Inputs::new(graph, data, normalisation)?;
    let program = Program::new(graph, device)?.one_thread();
    let burn = device.burn();
    let tensors = Tensors::new(graph, weights, &burn);
    let count = data.labels.len();
    let parts = map_batches(count, batch_size(graph, device), device, |range| {
        let mut seen: Option<Tensor<2>> = None;
        let mut hook = |node: usize, value: Value| {
            if let (true, Value::Flat(rows)) = (node == place, &value) {
                seen = Some(rows.clone());
            }
            value
        };
        program.run_through(&tensors, inputs.gather(range, &burn), Mode::Infer, &mut hook);
        values(seen.expect("a linear layer reads rows, and the pass went through it"))
    });
    let rows = parts.concat();
    Ok(Array2::from_shape_vec((count, rows.len() / count), rows).expect("one row of features per image"))
}
