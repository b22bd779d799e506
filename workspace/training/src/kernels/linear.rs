use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, activation};
use onebasin_network::{Threads, multiply_add};

use super::flex::{FlexTensor, contiguous, matrix, matrix_of, slice, tensor};
use super::{Kernels, buffers};

/// `y = x wᵀ + b`, then `max(y, 0)` if `relu`; `x` `[n, in]`, `w` `[out, in]`, `b` `[out]`, `y` `[n, out]`.
pub(crate) fn linear(
    input: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    relu: bool,
    kernels: Kernels,
    threads: Threads,
) -> Tensor<2> {
    match kernels {
        Kernels::Plain => {
            let output = input.matmul(weight.transpose());
            let output = match bias {
                Some(bias) => output + bias.unsqueeze(),
                None => output,
            };
            if relu { activation::relu(output) } else { output }
        }
        Kernels::Fused if input.is_autodiff() || weight.is_autodiff() => on_tape(input, weight, bias, relu, threads),
        Kernels::Fused => {
            let primitive = |tensor: Tensor<2>| contiguous(tensor.try_into_primitive::<Flex>().expect(ON_CPU));
            let bias = bias.map(|bias| contiguous(bias.try_into_primitive::<Flex>().expect(ON_CPU)));
            Tensor::from_primitive::<Flex>(forward(&primitive(input), &primitive(weight), bias.as_ref(), relu, threads))
        }
    }
}

const ON_CPU: &str = "fused kernels are chosen for the `cpu` device only";

fn on_tape(input: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, relu: bool, threads: Threads) -> Tensor<2> {
    let (input, input_node) = input.try_into_primitive::<Autodiff<Flex>>().expect(ON_CPU).into_parts();
    let (weight, weight_node) = weight.try_into_primitive::<Autodiff<Flex>>().expect(ON_CPU).into_parts();
    let (input, weight) = (contiguous(input), contiguous(weight));
    let finish =
        |output: &FlexTensor| Saved { input: input.clone(), weight: weight.clone(), output: relu.then(|| output.clone()), threads };
    let output = match bias {
        Some(bias) => {
            let (bias, bias_node) = bias.try_into_primitive::<Autodiff<Flex>>().expect(ON_CPU).into_parts();
            let output = forward(&input, &weight, Some(&contiguous(bias)), relu, threads);
            let nodes = [input_node, weight_node, bias_node];
            match Backward::<Flex, 3>::prepare::<NoCheckpointing>(LinearBackward, nodes).compute_bound().stateful() {
                OpsKind::Tracked(prepared) => prepared.finish(finish(&output), output),
                OpsKind::UnTracked(prepared) => prepared.finish(output),
            }
        }
        None => {
            let output = forward(&input, &weight, None, relu, threads);
            match Backward::<Flex, 2>::prepare::<NoCheckpointing>(LinearBackward, [input_node, weight_node]).compute_bound().stateful() {
                OpsKind::Tracked(prepared) => prepared.finish(finish(&output), output),
                OpsKind::UnTracked(prepared) => prepared.finish(output),
            }
        }
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

fn forward(input: &FlexTensor, weight: &FlexTensor, bias: Option<&FlexTensor>, relu: bool, threads: Threads) -> FlexTensor {
    let (input, weight) = (matrix(input), matrix(weight));
    let (count, units) = (input.nrows(), weight.nrows());
    let mut output = buffers::take(count * units);
    if let Some(bias) = bias {
        output.chunks_exact_mut(units).for_each(|row| row.copy_from_slice(slice(bias)));
    }
    let beta = if bias.is_some() { 1.0 } else { 0.0 };
    multiply_add(1.0, input, weight.t(), beta, matrix_of(&mut output, count, units), threads);
    if relu {
        // A comparison, not `max`: a NaN must stay one, so that a diverged training is seen.
        output.iter_mut().for_each(|value| *value = if *value < 0.0 { 0.0 } else { *value });
    }
    tensor(output, [count, units])
}

/// What the gradient needs: the output only where a ReLU hides in it.
#[derive(Clone, Debug)]
struct Saved {
    input: FlexTensor,
    weight: FlexTensor,
    output: Option<FlexTensor>,
    threads: Threads,
}

impl Saved {
    /// Keeps the memory of the activations for the next step, unless someone else still looks at them.
    fn give_back(self) {
        buffers::give_back(self.input);
        self.output.into_iter().for_each(buffers::give_back);
    }
}

#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 2> for LinearBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = masked(gradients.consume::<Flex>(&ops.node), ops.state.output.as_ref());
        let [input, weight] = ops.parents;
        if let Some(node) = weight {
            gradients.register::<Flex>(node.id, weight_gradient(&gradient, &ops.state.input, ops.state.threads));
        }
        if let Some(node) = input {
            gradients.register::<Flex>(node.id, input_gradient(&gradient, &ops.state.weight, ops.state.threads));
        }
        buffers::give_back(gradient);
        ops.state.give_back();
    }
}

impl Backward<Flex, 3> for LinearBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = masked(gradients.consume::<Flex>(&ops.node), ops.state.output.as_ref());
        let [input, weight, bias] = ops.parents;
        if let Some(node) = bias {
            gradients.register::<Flex>(node.id, bias_gradient(&gradient));
        }
        if let Some(node) = weight {
            gradients.register::<Flex>(node.id, weight_gradient(&gradient, &ops.state.input, ops.state.threads));
        }
        if let Some(node) = input {
            gradients.register::<Flex>(node.id, input_gradient(&gradient, &ops.state.weight, ops.state.threads));
        }
        buffers::give_back(gradient);
        ops.state.give_back();
    }
}

/// The gradient where the ReLU let the value through.
fn masked(gradient: FlexTensor, output: Option<&FlexTensor>) -> FlexTensor {
    let mut gradient = contiguous(gradient);
    let Some(output) = output else { return gradient };
    let output = slice(output);
    let pass = |value: &mut f32, output: &f32| *value = if *output > 0.0 { *value } else { 0.0 };
    let whole = slice(&gradient).len() == gradient.bytes().len() / size_of::<f32>();
    match gradient.try_storage_mut::<f32>() {
        Some(values) if whole => {
            values.iter_mut().zip(output).for_each(|(value, output)| pass(value, output));
            gradient
        }
        _ => {
            let mut values = slice(&gradient).to_vec();
            values.iter_mut().zip(output).for_each(|(value, output)| pass(value, output));
            let shape = gradient.layout().shape();
            tensor(values, [shape[0], shape[1]])
        }
    }
}

fn bias_gradient(gradient: &FlexTensor) -> FlexTensor {
    let gradient = matrix(gradient);
    let units = gradient.ncols();
    let mut sums = vec![0.0f64; units];
    for row in gradient.rows() {
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    tensor(sums.into_iter().map(|sum| sum as f32).collect(), [units])
}

fn weight_gradient(gradient: &FlexTensor, input: &FlexTensor, threads: Threads) -> FlexTensor {
    let (gradient, input) = (matrix(gradient), matrix(input));
    let (units, fan_in) = (gradient.ncols(), input.ncols());
    let mut output = buffers::take(units * fan_in);
    multiply_add(1.0, gradient.t(), input, 0.0, matrix_of(&mut output, units, fan_in), threads);
    tensor(output, [units, fan_in])
}

fn input_gradient(gradient: &FlexTensor, weight: &FlexTensor, threads: Threads) -> FlexTensor {
    let (gradient, weight) = (matrix(gradient), matrix(weight));
    let (count, fan_in) = (gradient.nrows(), weight.ncols());
    let mut output = buffers::take(count * fan_in);
    multiply_add(1.0, gradient, weight, 0.0, matrix_of(&mut output, count, fan_in), threads);
    tensor(output, [count, fan_in])
}
