//! What a pass does with the outputs of layers: takes their moments, and brings them to given ones.

use burn::tensor::Tensor;
use onebasin_network::{NodeId, Threads};

use crate::forward::{Value, batch_norm, batch_statistics};
use crate::kernels;

/// What is done with the outputs of layers, whose places are in running order.
pub(crate) enum LayerHook {
    /// Nothing, and they are not looked at.
    Nothing,
    /// Their statistics are taken.
    Observe { places: Vec<NodeId> },
    /// Their statistics are taken, and they are brought to given ones: divided by the deviation of the batch, times a scale; unless
    /// `keeps_mean`, less the mean of the batch, plus a shift. A scale and a shift for each place.
    Normalise { places: Vec<NodeId>, vectors: Vec<[Tensor<1>; 2]>, epsilon: f32, keeps_mean: bool },
}

impl LayerHook {
    pub(crate) fn places(&self) -> &[NodeId] {
        match self {
            LayerHook::Nothing => &[],
            LayerHook::Observe { places } | LayerHook::Normalise { places, .. } => places,
        }
    }
}

/// Mean and unbiased variance of each channel of a layer's output, and over how many values.
pub(crate) fn observe(value: Value) -> (Value, [Tensor<1>; 2], usize) {
    match value {
        Value::Pixels(pixels) => {
            let [n, h, w, _] = pixels.dims();
            let statistics = kernels::channel_moments(pixels.clone(), Threads::One);
            (Value::Pixels(pixels), unbiased(statistics, n * h * w), n * h * w)
        }
        Value::Image(image) => {
            let [n, _, h, w] = image.dims();
            let (mean, variance) = batch_statistics(image.clone());
            (Value::Image(image), unbiased([mean, variance], n * h * w), n * h * w)
        }
        Value::Flat(rows) => as_image(rows, observe),
    }
}

/// The same, and the output brought to the deviation `scale` and the mean `shift`.
pub(crate) fn normalise(value: Value, vectors: &[Tensor<1>; 2], epsilon: f32) -> (Value, [Tensor<1>; 2], usize) {
    let [scale, shift] = vectors.clone();
    match value {
        Value::Pixels(pixels) => {
            let [n, h, w, _] = pixels.dims();
            let (output, statistics) = kernels::batch_norm(pixels, scale, shift, epsilon, false, Threads::One);
            (Value::Pixels(output), unbiased(statistics, n * h * w), n * h * w)
        }
        Value::Image(image) => {
            let [n, _, h, w] = image.dims();
            let (mean, variance) = batch_statistics(image.clone());
            let output = batch_norm(image, mean.clone(), variance.clone(), scale, shift, f64::from(epsilon));
            (Value::Image(output), unbiased([mean, variance], n * h * w), n * h * w)
        }
        Value::Flat(rows) => as_image(rows, |value| normalise(value, vectors, epsilon)),
    }
}

/// The same, and the output brought to the deviation `scale`; its mean goes along. A value alone, as the last batch may have it, has no
/// deviation and stays as it is: over the root of `epsilon` it would be hundreds of times as large.
pub(crate) fn rescale(value: Value, scale: &Tensor<1>, epsilon: f32) -> (Value, [Tensor<1>; 2], usize) {
    let (value, statistics, count) = observe(value);
    if count == 1 {
        return (value, statistics, count);
    }
    // The deviation of the batch is that of a batch norm: biased.
    let biased = statistics[1].clone().mul_scalar((count as f64 - 1.0) / count as f64);
    let factor = scale.clone() / biased.add_scalar(f64::from(epsilon)).sqrt();
    let [channels] = factor.dims();
    let value = match value {
        Value::Pixels(pixels) => Value::Pixels(pixels * factor.reshape([1, 1, 1, channels])),
        Value::Image(image) => Value::Image(image * factor.reshape([1, channels, 1, 1])),
        Value::Flat(rows) => Value::Flat(rows * factor.reshape([1, channels])),
    };
    (value, statistics, count)
}

/// Rows as images of one pixel.
fn as_image(rows: Tensor<2>, act: impl Fn(Value) -> (Value, [Tensor<1>; 2], usize)) -> (Value, [Tensor<1>; 2], usize) {
    let [n, units] = rows.dims();
    let (value, statistics, count) = act(Value::Image(rows.reshape([n, units, 1, 1])));
    (value.flatten(), statistics, count)
}

/// A variance over one value alone is unknown; it stays 0, and weighs nothing.
fn unbiased([mean, variance]: [Tensor<1>; 2], count: usize) -> [Tensor<1>; 2] {
    let count = count as f64;
    [mean, variance.mul_scalar(count / (count - 1.0).max(1.0))]
}
