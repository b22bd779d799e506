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
            // Over a dimension and not over all: some devices end a whole sum in no fixed order.
            activation::log_softmax(logits, 1).gather(1, places).mean_dim(0).reshape([1]).neg()
        }
        Kernels::Fused => on_tape(logits, |logits| loss_and_gradient(logits, labels)),
    }
}

/// What teachers say of a batch, and how much it counts.
pub(crate) struct SoftTargets {
    /// Of each class, rows of `[n, classes]`.
    pub(crate) probabilities: Vec<f64>,
    /// What logits are divided by.
    pub(crate) temperature: f64,
    /// The share of the divergence in the loss.
    pub(crate) weight: f64,
    /// A factor of the divergence.
    pub(crate) scale: f64,
}

impl SoftTargets {
    /// `ln Σ exp(logit / temperature)`.
    pub(crate) fn log_normaliser(row: &[f32], temperature: f64) -> f64 {
        let greatest = row.iter().fold(f32::NEG_INFINITY, |greatest, &logit| greatest.max(logit));
        let greatest = f64::from(greatest) / temperature;
        greatest + row.iter().map(|&logit| (f64::from(logit) / temperature - greatest).exp()).sum::<f64>().ln()
    }
}

/// `(1 - w) · CE(labels) + w · s · KL(targets ‖ softmax(logits / T))`, both means over a batch, as a tensor of one value.
pub(crate) fn distilled(logits: Tensor<2>, labels: &[u8], targets: &SoftTargets, kernels: Kernels) -> Tensor<1> {
    match kernels {
        Kernels::Plain => {
            let (count, device) = (labels.len(), logits.device());
            let data = |of: &dyn Fn(f64) -> f64| {
                let numbers: Vec<f32> = targets.probabilities.iter().map(|&probability| of(probability) as f32).collect();
                Tensor::<2>::from_data(TensorData::new(numbers, logits.dims()), &device)
            };
            let entropy = |probability: f64| if probability > 0.0 { probability * probability.ln() } else { 0.0 };
            let said = activation::log_softmax(logits.clone().div_scalar(targets.temperature), 1);
            let divergence = (data(&entropy) - data(&|probability| probability) * said).sum().div_scalar(count as f64);
            let hard = cross_entropy(logits, labels, kernels).mul_scalar(1.0 - targets.weight);
            hard + divergence.mul_scalar(targets.weight * targets.scale)
        }
        Kernels::Fused => on_tape(logits, |logits| distilled_loss_and_gradient(logits, labels, targets)),
    }
}

/// A loss whose gradient is found with it.
fn on_tape(logits: Tensor<2>, of: impl FnOnce(&FlexTensor) -> (f32, FlexTensor)) -> Tensor<1> {
    let expected = "fused kernels are chosen for the `cpu` device only";
    let (logits, node) = logits.try_into_primitive::<Autodiff<Flex>>().expect(expected).into_parts();
    let (loss, gradient) = of(&contiguous(logits));
    let loss = tensor(vec![loss], [1]);
    let prepared = CrossEntropyBackward.prepare::<NoCheckpointing>([node]).compute_bound().stateful();
    Tensor::from_primitive::<Autodiff<Flex>>(match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(gradient, loss),
        OpsKind::UnTracked(prepared) => prepared.finish(loss),
    })
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

/// The loss of [`distilled`] and its slope, both from `f64` sums.
fn distilled_loss_and_gradient(logits: &FlexTensor, labels: &[u8], targets: &SoftTargets) -> (f32, FlexTensor) {
    let logits = matrix(logits);
    let (count, classes) = logits.dim();
    let SoftTargets { temperature, weight, scale, .. } = *targets;
    let share = 1.0 / count as f64;
    let (mut hard, mut soft) = (0.0, 0.0);
    let mut gradient = Vec::with_capacity(count * classes);
    for ((row, &label), targets) in logits.outer_iter().zip(labels).zip(targets.probabilities.chunks_exact(classes)) {
        let row = row.to_slice().expect("rows of a contiguous matrix");
        let (normaliser, cooled) = (log_normaliser(row), SoftTargets::log_normaliser(row, temperature));
        hard += normaliser - f64::from(row[usize::from(label)]);
        for (class, (&logit, &target)) in row.iter().zip(targets).enumerate() {
            let hit = if class == usize::from(label) { 1.0 } else { 0.0 };
            let said = f64::from(logit) / temperature - cooled;
            if target > 0.0 {
                soft += target * (target.ln() - said);
            }
            let of_label = (f64::from(logit) - normaliser).exp() - hit;
            let of_teacher = scale / temperature * (said.exp() - target);
            gradient.push((((1.0 - weight) * of_label + weight * of_teacher) * share) as f32);
        }
    }
    ((((1.0 - weight) * hard + weight * scale * soft) * share) as f32, tensor(gradient, [count, classes]))
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

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::Device;

    fn targets() -> SoftTargets {
        SoftTargets { probabilities: vec![0.25, 0.75, 0.0, 0.1, 0.2, 0.7], temperature: 2.0, weight: 0.6, scale: 4.0 }
    }

    const LOGITS: [f32; 6] = [0.5, -1.0, 2.0, 0.0, 1.5, -0.5];

    /// The loss of logits `[2, 3]`, and its slope.
    fn slope(logits: [f32; 6], kernels: Kernels) -> (f32, Vec<f32>) {
        let device = Device::select("cpu").unwrap().burn().clone().autodiff();
        let logits = Tensor::<2>::from_data(TensorData::new(logits.to_vec(), [2, 3]), &device).require_grad();
        let loss = distilled(logits.clone(), &[2, 0], &targets(), kernels);
        let gradients = loss.backward();
        let gradient = logits.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
        (loss.inner().into_data().try_into_vec::<f32>().unwrap()[0], gradient)
    }

    #[test]
    fn a_distilled_loss_is_that_of_its_formula() {
        let row = |row: &[f64], temperature: f64| -> Vec<f64> {
            let sum: f64 = row.iter().map(|logit| (logit / temperature).exp()).sum();
            row.iter().map(|logit| logit / temperature - sum.ln()).collect()
        };
        let logits = LOGITS.map(f64::from);
        let mut expected = 0.0;
        for (place, label) in [(0, 2), (1, 0)] {
            let (plain, cooled) = (row(&logits[place * 3..][..3], 1.0), row(&logits[place * 3..][..3], 2.0));
            let targets = &targets().probabilities[place * 3..][..3];
            let divergence: f64 = targets.iter().zip(cooled).filter(|(p, _)| **p > 0.0).map(|(p, said)| p * (p.ln() - said)).sum();
            expected += (0.4 * -plain[label] + 0.6 * 4.0 * divergence) / 2.0;
        }
        for kernels in [Kernels::Fused, Kernels::Plain] {
            assert!((f64::from(slope(LOGITS, kernels).0) - expected).abs() < 1e-6, "{kernels:?}");
        }
    }

    #[test]
    fn the_slope_of_a_distilled_loss_is_its_difference_with_either_kind_of_kernels() {
        for kernels in [Kernels::Fused, Kernels::Plain] {
            let (_, gradient) = slope(LOGITS, kernels);
            for place in 0..6 {
                let at = |step: f32| {
                    let mut moved = LOGITS;
                    moved[place] += step;
                    slope(moved, kernels).0
                };
                let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!((gradient[place] - difference).abs() < 2e-4, "{kernels:?}, {place}: {} and {difference}", gradient[place]);
            }
        }
    }
}
