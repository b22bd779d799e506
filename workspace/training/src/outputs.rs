use burn::tensor::{Tensor, TensorData};
use ndarray::{Array2, ArrayView4, Axis};
use onebasin_network::{Graph, Weights};

use crate::evaluate::{batch_size, map_batches, values};
use crate::forward::{Mode, Program};
use crate::tensors::Tensors;
use crate::{Device, TrainingError};

/// The outputs of a network, `[inputs, classes]`, for inputs `[inputs, channels, height, width]` as they are: nothing is normalised. Batch norms
/// use their running statistics.
///
/// # Errors
/// When there are no inputs, or they are of another shape than the network's.
pub fn outputs(graph: &Graph, weights: &Weights, inputs: ArrayView4<'_, f32>, device: &Device) -> Result<Array2<f32>, TrainingError> {
    let (count, channels, height, width) = inputs.dim();
    let expected = graph.architecture.input;
    if count == 0 || (channels, height, width) != (expected.channels, expected.height, expected.width) {
        return Err(TrainingError::Data {
            what: "the shape of the inputs",
            got: format!("{count} of {channels} × {height} × {width}"),
            expected: format!("at least 1 of {} × {} × {}", expected.channels, expected.height, expected.width),
            hint: "give inputs as the network takes them",
        });
    }
    let program = Program::new(graph, device)?.one_thread();
    let burn = device.burn();
    let tensors = Tensors::new(graph, weights, &burn);
    // Few inputs are shared out among threads too.
    let size = batch_size(graph, device).min(count.div_ceil(rayon::current_num_threads()).max(1));
    let parts = map_batches(count, size, device, |range| {
        let batch = inputs.slice_axis(Axis(0), ndarray::Slice::from(range.clone()));
        let data = TensorData::new(batch.iter().copied().collect::<Vec<f32>>(), [range.len(), channels, height, width]);
        values(program.run(&tensors, Tensor::from_data(data, &burn), Mode::Infer).logits)
    });
    Ok(Array2::from_shape_vec((count, graph.architecture.classes), parts.concat()).expect("one row of outputs for each input"))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, array};
    use onebasin_network::{Blueprint, Shape};

    use super::*;

    #[test]
    fn outputs_are_those_of_the_formula() {
        let blueprint: Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": []}"#).unwrap();
        let graph = Graph::build(&blueprint.build(Shape::new(2, 1, 1), 2).unwrap()).unwrap();
        let arrays = [("fc1.weight", array![[1.0, 2.0], [3.0, 4.0]].into_dyn()), ("fc1.bias", array![0.5, -0.5].into_dyn())];
        let weights = Weights::new(graph.spec(), arrays.map(|(name, array)| (name.to_owned(), array)).into()).unwrap();
        let inputs = Array4::from_shape_vec((2, 2, 1, 1), vec![1.0, 0.0, 0.0, -1.0]).unwrap();
        let device = Device::select("cpu").unwrap();
        assert_eq!(outputs(&graph, &weights, inputs.view(), &device).unwrap(), array![[1.5, 2.5], [-1.5, -4.5]]);
        let other = Array4::zeros((1, 1, 1, 1));
        assert!(outputs(&graph, &weights, other.view(), &device).unwrap_err().to_string().contains("the shape of the inputs"));
    }
}
