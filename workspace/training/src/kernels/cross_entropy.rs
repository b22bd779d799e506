use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Int, Tensor, TensorData, activation};

use super::Kernels;
use super::flex::{FlexTensor, contiguous, matrix, slice, tensor};
use crate::score::log_normaliser;

/// The mean of `-log softmax(logits)[label]` over a batch, as a tensor of one value; logits `[n, classes]`, one label a row.
pub(crate) fn cross_entropy(logits: Tensor<2>, labels: &[u8], kernels: Kernels) -> Tensor<1> {
    match kernels {
        Kernels::Plain => {
            let places: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
            let places = Tensor::<2, Int>::from_data(TensorData::new(places, [labels.len(), 1]), &logits.device());
            activation::log_softmax(logits, 1).gather(1, places).mean().neg()
        }
        Kernels::Fused => {
            let expected = "fused kernels are chosen for the `cpu` device only";
            let (logits, node) = logits.try_into_primitive::<Autodiff<Flex>>().expect(expected).into_parts();
            let (loss, gradient) = loss_and_gradient(&contiguous(logits), labels);
            let loss = tensor(vec![loss], [1]);
            let prepared = CrossEntropyBackward.prepare::<NoCheckpointing>([node]).compute_bound().stateful();
            Tensor::from_primitive::<Autodiff<Flex>>(match prepared {
                OpsKind::Tracked(prepared) => prepared.finish(gradient, loss),
                OpsKind::UnTracked(prepared) => prepared.finish(loss),
            })
        }
    }
}

/// The mean loss and `(softmax(logits) - onehot(label)) / n`, both from `f64` sums.
fn loss_and_gradient(logits: &FlexTensor, labels: &[u8]) -> (f32, FlexTensor) {
    let logits = matrix(logits);
    let (count, classes) = logits.dim();
    let share = 1.0 / count as f64;
    let mut loss = 0.0;
    let mut gradient = Vec::with_capacity(count * classes);
    for (row, &label) in logits.outer_iter().zip(labels) {
        let row = row.to_slice().expect("rows of a contiguous matrix");
        let normaliser = log_normaliser(row);
        loss += normaliser - f64::from(row[usize::from(label)]);
        gradient.extend(row.iter().enumerate().map(|(class, &logit)| {
            let hit = if class == usize::from(label) { 1.0 } else { 0.0 };
            (((f64::from(logit) - normaliser).exp() - hit) * share) as f32
        }));
    }
    ((loss * share) as f32, tensor(gradient, [count, classes]))
}

#[derive(Debug)]
struct CrossEntropyBackward;

impl Backward<Flex, 1> for CrossEntropyBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let scale = slice(&contiguous(gradients.consume::<Flex>(&ops.node)))[0];
        let [logits] = ops.parents;
        if let Some(node) = logits {
            let mut gradient = ops.state;
            if scale != 1.0 {
                gradient.storage_mut::<f32>().iter_mut().for_each(|value| *value *= scale);
            }
            gradients.register::<Flex>(node.id, gradient);
        }
    }
}
