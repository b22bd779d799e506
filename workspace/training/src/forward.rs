use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, activation};
use onebasin_network::{Graph, NormKind, Operation, Threads};

use crate::kernels::{self, Kernels};
use crate::tensors::Tensors;
use crate::{Device, TrainingError, resize};

/// What flows between nodes: a batch of rows `[n, units]` or of images, in the layout of the architecture `[n, channels, height, width]`
/// or in that of this crate's own operations `[n, height, width, channels]`.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Flat(Tensor<2>),
    Image(Tensor<4>),
    Pixels(Tensor<4>),
}

/// Whether batch norm uses the statistics of the batch or the running ones. Always said, never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Train,
    Infer,
}

/// The statistics that a batch norm saw in one batch, to be mixed into its running ones.
pub(crate) struct BatchNormStats {
    /// Places of the running mean and variance among the parameters.
    pub(crate) running: (usize, usize),
    pub(crate) mean: Tensor<1>,
    /// Unbiased, as PyTorch stores it; 0 where `count` is 1, which training refuses.
    pub(crate) variance: Tensor<1>,
    /// Values of a channel in the batch.
    pub(crate) count: usize,
}

impl BatchNormStats {
    /// From mean and biased variance over `count` values.
    fn new(running: (usize, usize), [mean, variance]: [Tensor<1>; 2], count: usize) -> BatchNormStats {
        let values = count as f64;
        BatchNormStats { running, mean, variance: variance.mul_scalar(values / (values - 1.0).max(1.0)), count }
    }
}

/// What a forward pass gives: the logits `[n, classes]` and, in training, what batch norms saw.
pub(crate) struct Pass {
    pub(crate) logits: Tensor<2>,
    pub(crate) seen: Vec<BatchNormStats>,
}

/// Takes the value of a node and gives what its readers shall see.
pub(crate) type OutputHook<'b> = &'b mut dyn FnMut(usize, Value) -> Value;

/// A graph made ready to be computed: who reads what, and which activations ride on the operation before them.
pub(crate) struct Program<'a> {
    graph: &'a Graph,
    kernels: Kernels,
    threads: Threads,
    readers: Vec<usize>,
    /// Nodes whose only reader is a ReLU that they carry out themselves.
    with_relu: Vec<bool>,
}

impl<'a> Program<'a> {
    pub(crate) fn new(graph: &'a Graph, device: &Device) -> Result<Program<'a>, TrainingError> {
        let mut readers = vec![0; graph.nodes.len()];
        for node in &graph.nodes {
            node.inputs.iter().for_each(|&input| readers[input] += 1);
            let from_flat = node.inputs.first().is_some_and(|&input| graph.nodes[input].flat);
            let unsupported =
                |problem: &str, hint| TrainingError::Unsupported { node: node.name.clone(), problem: problem.to_owned(), hint };
            match node.operation {
                Operation::Linear { .. } if !from_flat => {
                    return Err(unsupported("it reads an image", "put a `flatten` or `global-mean` before it"));
                }
                Operation::Conv { .. }
                | Operation::MaxPool { .. }
                | Operation::GlobalMean
                | Operation::AdaptiveMean { .. }
                | Operation::PadChannels { .. }
                    if from_flat =>
                {
                    return Err(unsupported("it reads rows without height and width", "put it before the `flatten`"));
                }
                Operation::Output if !from_flat => {
                    return Err(unsupported("the output is an image", "end with `global-mean` or `flatten`, then `linear`"));
                }
                _ => {}
            }
        }
        let kernels = device.kernels();
        let mut with_relu = vec![false; graph.nodes.len()];
        for node in &graph.nodes {
            if let Operation::Relu = node.operation {
                let before = node.inputs[0];
                let fuses = match graph.nodes[before].operation {
                    Operation::Linear { .. } | Operation::Conv { .. } => true,
                    Operation::Norm { .. } | Operation::Add => !graph.nodes[before].flat,
                    _ => false,
                };
                with_relu[before] = kernels == Kernels::Fused && fuses && readers[before] == 1;
            }
        }
        Ok(Program { graph, kernels, threads: Threads::All, readers, with_relu })
    }

    /// The same with products on the calling thread only, for callers that share out batches among threads.
    pub(crate) fn one_thread(mut self) -> Program<'a> {
        self.threads = Threads::One;
        self
    }

    /// The same with no ReLU carried out inside these nodes, so that [`Program::run_through`] sees what they give.
    pub(crate) fn bare(mut self, places: &[usize]) -> Program<'a> {
        places.iter().for_each(|&place| self.with_relu[place] = false);
        self
    }

    /// The parameters that node `place` computes with.
    pub(crate) fn parameters_of(&self, place: usize) -> Vec<usize> {
        match self.graph.nodes[place].operation {
            Operation::Linear { weight, bias } | Operation::Conv { weight, bias, .. } => [weight].into_iter().chain(bias).collect(),
            _ => Vec::new(),
        }
    }

    /// The node up to which the output is linear in the parameters: the first linear or convolution on the plain path from the input,
    /// together with the positions of its parameters. None when something else reads that path.
    pub(crate) fn head(&self) -> Option<usize> {
        let mut place = 0;
        loop {
            let node = &self.graph.nodes[place];
            match node.operation {
                Operation::Linear { .. } | Operation::Conv { .. } => return Some(place),
                Operation::Input | Operation::Flatten if self.readers[place] == 1 => {}
                _ => return None,
            }
            let next = place + 1;
            if self.graph.nodes.get(next)?.inputs != [place] {
                return None;
            }
            place = next;
        }
    }

    /// The logits of `input`, a batch of images `[n, c, h, w]`.
    pub(crate) fn run(&self, tensors: &Tensors, input: Tensor<4>, mode: Mode) -> Pass {
        self.run_through(tensors, input, mode, &mut |_, value| value)
    }

    /// The same with the value of every node replaced by what `hook` makes of it, before anything reads it.
    pub(crate) fn run_through(&self, tensors: &Tensors, input: Tensor<4>, mode: Mode, hook: OutputHook<'_>) -> Pass {
        self.run_after(0, Value::Image(input), tensors, mode, hook)
    }

    /// What `head` gives for `input`, before any activation.
    pub(crate) fn run_to_head(&self, head: usize, tensors: &Tensors, input: Tensor<4>) -> Value {
        let mut value = Value::Image(input);
        for place in 1..=head {
            value = self.compute(place, vec![value], tensors, false, Mode::Infer, &mut Vec::new());
        }
        value
    }

    /// The logits from the value of `head`, before its activation.
    pub(crate) fn run_from_head(&self, head: usize, value: Value, tensors: &Tensors) -> Pass {
        let value = if self.with_relu[head] { relu(value) } else { value };
        self.run_after(head, value, tensors, Mode::Infer, &mut |_, value| value)
    }

    /// The nodes after `first`, whose value is given.
    fn run_after(&self, first: usize, value: Value, tensors: &Tensors, mode: Mode, hook: OutputHook<'_>) -> Pass {
        let last = self.graph.output();
        let mut values: Vec<Option<Value>> = vec![None; self.graph.nodes.len()];
        let mut unread = self.readers.clone();
        let mut seen = Vec::new();
        values[first] = Some(value);
        for place in first + 1..=last {
            let mut inputs = Vec::with_capacity(2);
            for &input in &self.graph.nodes[place].inputs {
                unread[input] -= 1;
                // The last reader takes the value, so that its memory can be used again at once.
                let value = if unread[input] == 0 { values[input].take() } else { values[input].clone() };
                inputs.push(value.expect("inputs stand before their readers"));
            }
            values[place] = Some(hook(place, self.compute(place, inputs, tensors, self.with_relu[place], mode, &mut seen)));
        }
        match values[last].take() {
            Some(Value::Flat(logits)) => Pass { logits, seen },
            _ => unreachable!("checked when the program was made"),
        }
    }

    fn compute(
        &self,
        place: usize,
        inputs: Vec<Value>,
        tensors: &Tensors,
        with_relu: bool,
        mode: Mode,
        seen: &mut Vec<BatchNormStats>,
    ) -> Value {
        let mut inputs = inputs.into_iter();
        let mut input = || inputs.next().expect("as many inputs as the operation has");
        let own = self.kernels == Kernels::Fused;
        match &self.graph.nodes[place].operation {
            Operation::Input => unreachable!("the input is given"),
            Operation::Linear { weight, bias } => {
                let bias = bias.map(|bias| tensors.0[bias].vector());
                Value::Flat(kernels::linear(input().flat(), tensors.0[*weight].matrix(), bias, with_relu, self.kernels, self.threads))
            }
            Operation::Conv { weight, bias, stride, padding } => {
                let bias = bias.map(|bias| tensors.0[bias].vector());
                if own {
                    let kernel = tensors.0[*weight].kernel();
                    let output = kernels::convolution(input().pixels(), kernel, bias, [*stride, *padding], with_relu, self.threads);
                    return Value::Pixels(output);
                }
                let options = ConvOptions::new([*stride; 2], [*padding; 2], [1; 2], 1);
                Value::Image(conv2d(input().image(), tensors.0[*weight].kernel(), bias, options))
            }
            Operation::Norm { kind, scale, shift, mean, variance, epsilon } => {
                let input = input();
                let (scale, shift) = (tensors.0[*scale].vector(), tensors.0[*shift].vector());
                let running = mean.zip(*variance);
                let (image, was_flat) = match input {
                    Value::Flat(flat) => {
                        let [n, units] = flat.dims();
                        (flat.reshape([n, units, 1, 1]), true)
                    }
                    input if own => {
                        let (images, threads) = (input.pixels(), self.threads);
                        return Value::Pixels(match (kind, running, mode) {
                            (NormKind::Layer, _, _) => kernels::layer_norm(images, scale, shift, *epsilon, with_relu, threads),
                            (NormKind::Batch, Some((mean, variance)), Mode::Infer) => {
                                let statistics = [mean, variance].map(|place| tensors.0[place].vector());
                                kernels::fixed_norm(images, scale, shift, statistics, *epsilon, with_relu, threads)
                            }
                            (NormKind::Batch, running, _) => {
                                let [n, h, w, _] = images.dims();
                                let (output, statistics) = kernels::batch_norm(images, scale, shift, *epsilon, with_relu, threads);
                                seen.extend(running.map(|running| BatchNormStats::new(running, statistics, n * h * w)));
                                output
                            }
                        });
                    }
                    input => (input.image(), false),
                };
                let epsilon = f64::from(*epsilon);
                let output = match (kind, running, mode) {
                    (NormKind::Layer, _, _) => layer_norm(image, scale, shift, epsilon),
                    (NormKind::Batch, Some((mean, variance)), Mode::Infer) => {
                        let (mean, variance) = (tensors.0[mean].vector(), tensors.0[variance].vector());
                        batch_norm(image, mean, variance, scale, shift, epsilon)
                    }
                    (NormKind::Batch, running, _) => {
                        let [n, _, h, w] = image.dims();
                        let (mean, variance) = batch_statistics(image.clone());
                        let statistics = [mean.clone().detach(), variance.clone().detach()];
                        seen.extend(running.map(|running| BatchNormStats::new(running, statistics, n * h * w)));
                        batch_norm(image, mean, variance, scale, shift, epsilon)
                    }
                };
                if was_flat { Value::Image(output).flatten() } else { Value::Image(output) }
            }
            Operation::Relu => {
                let input_place = self.graph.nodes[place].inputs[0];
                if self.with_relu[input_place] { input() } else { relu(input()) }
            }
            Operation::MaxPool { size, stride, padding } if own => {
                Value::Pixels(kernels::max_pool(input().pixels(), *size, *stride, *padding, self.threads))
            }
            Operation::MaxPool { size, stride, padding } => {
                let options = MaxPoolOptions::new([*size; 2]).with_stride([*stride; 2]).with_padding([*padding; 2]);
                Value::Image(max_pool2d(input().image(), options))
            }
            Operation::GlobalMean if own => Value::Flat(kernels::global_mean(input().pixels(), self.threads)),
            Operation::GlobalMean => {
                let image = input().image();
                let [n, c, h, w] = image.dims();
                Value::Flat(image.reshape([n, c, h * w]).mean_dim(2).reshape([n, c]))
            }
            Operation::AdaptiveMean { size } => Value::Image(resize::adaptive_mean(input().image(), *size)),
            Operation::PadChannels { before, behind, stride } => {
                Value::Image(resize::pad_channels(input().image(), [*before, *behind], *stride))
            }
            Operation::Flatten => input().flatten(),
            Operation::Add => match (input(), input()) {
                (Value::Flat(a), Value::Flat(b)) => Value::Flat(a + b),
                (Value::Flat(_), _) | (_, Value::Flat(_)) => unreachable!("a graph adds values of one shape"),
                (a, b) if own => Value::Pixels(kernels::sum(a.pixels(), b.pixels(), with_relu)),
                (a, b) => Value::Image(a.image() + b.image()),
            },
            Operation::Output => input(),
        }
    }
}

impl Value {
    fn flat(self) -> Tensor<2> {
        match self {
            Value::Flat(flat) => flat,
            _ => unreachable!("checked when the program was made"),
        }
    }

    fn image(self) -> Tensor<4> {
        match self {
            Value::Image(image) => image,
            Value::Pixels(pixels) => pixels.permute([0, 3, 1, 2]),
            Value::Flat(_) => unreachable!("checked when the program was made"),
        }
    }

    fn pixels(self) -> Tensor<4> {
        match self {
            Value::Image(image) => image.permute([0, 2, 3, 1]),
            Value::Pixels(pixels) => pixels,
            Value::Flat(_) => unreachable!("checked when the program was made"),
        }
    }

    pub(crate) fn flatten(self) -> Value {
        match self {
            Value::Flat(flat) => Value::Flat(flat),
            images => {
                let image = images.image();
                let [n, c, h, w] = image.dims();
                Value::Flat(image.reshape([n, c * h * w]))
            }
        }
    }

    /// `(1 - λ) self + λ other`.
    pub(crate) fn between(&self, other: &Value, lambda: f64) -> Value {
        match (self, other) {
            (Value::Flat(a), Value::Flat(b)) => Value::Flat(a.clone().mul_scalar(1.0 - lambda) + b.clone().mul_scalar(lambda)),
            (Value::Image(a), Value::Image(b)) => Value::Image(a.clone().mul_scalar(1.0 - lambda) + b.clone().mul_scalar(lambda)),
            (Value::Pixels(a), Value::Pixels(b)) => Value::Pixels(a.clone().mul_scalar(1.0 - lambda) + b.clone().mul_scalar(lambda)),
            _ => unreachable!("both ends come from one node"),
        }
    }
}

fn relu(value: Value) -> Value {
    match value {
        Value::Flat(flat) => Value::Flat(activation::relu(flat)),
        Value::Image(image) => Value::Image(activation::relu(image)),
        Value::Pixels(pixels) => Value::Pixels(activation::relu(pixels)),
    }
}

fn per_channel(vector: Tensor<1>) -> Tensor<4> {
    let [channels] = vector.dims();
    vector.reshape([1, channels, 1, 1])
}

/// Over the channels at each pixel: `(x - mean) / √(variance + ε) · scale + shift`, biased variance.
fn layer_norm(image: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, epsilon: f64) -> Tensor<4> {
    let centred = image.clone() - image.mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    centred / variance.add_scalar(epsilon).sqrt() * per_channel(scale) + per_channel(shift)
}

/// Mean and biased variance of each channel over batch and pixels.
pub(crate) fn batch_statistics(image: Tensor<4>) -> (Tensor<1>, Tensor<1>) {
    let [n, c, h, w] = image.dims();
    let by_channel = image.swap_dims(0, 1).reshape([c, n * h * w]);
    let mean = by_channel.clone().mean_dim(1);
    let centred = by_channel - mean.clone();
    let variance = (centred.clone() * centred).mean_dim(1);
    (mean.reshape([c]), variance.reshape([c]))
}

pub(crate) fn batch_norm(
    image: Tensor<4>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
) -> Tensor<4> {
    let factor = scale / variance.add_scalar(epsilon).sqrt();
    (image - per_channel(mean)) * per_channel(factor) + per_channel(shift)
}
