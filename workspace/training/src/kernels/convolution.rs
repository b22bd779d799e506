mod columns;
mod direct;
mod geometry;
mod products;
mod taps;

use std::ops::Range;

use burn::tensor::Tensor;
use onebasin_network::Threads;

use self::geometry::Geometry;
use super::buffers;
use super::flex::{FlexTensor, slice, tensor};
use super::images::{for_each_chunk, sum_in_order};
use super::tape::{Saved, finish, operand};

/// `y[p, o] = Σ x[p · stride + tap - padding, c] w[o, c, tap] + b[o]` over taps and channels, then `max(y, 0)` if `relu`.
///
/// Images `[n, height, width, channels]`, kernel `[out, channels, rows, columns]`, bias `[out]`, output `[n, height, width, out]`. On the
/// tape when all inputs are.
pub(crate) fn convolution(
    images: Tensor<4>,
    kernel: Tensor<4>,
    bias: Option<Tensor<1>>,
    [stride, padding]: [usize; 2],
    relu: bool,
    threads: Threads,
) -> Tensor<4> {
    let ((images, images_guard), (kernel, kernel_guard)) = (operand(images), operand(kernel));
    let bias = bias.map(operand);
    let geometry = Geometry::new(images.layout().shape(), kernel.layout().shape(), stride, padding);
    let packed = pack(&geometry, slice(&kernel));
    let values = bias.as_ref().map(|(bias, _)| slice(bias));
    let output = forward(&geometry, slice(&images), &packed, values, relu, threads);
    buffers::keep(packed);
    let [height, width] = geometry.out();
    let output = tensor(output, [geometry.count, height, width, geometry.units]);
    let saved = |output: &FlexTensor| Kept { geometry, images, kernel, output: relu.then(|| output.clone()), threads };
    match bias {
        Some((_, guard)) => finish::<Kept, 3, 4>([images_guard, kernel_guard, guard], output, saved),
        None => finish::<Kept, 2, 4>([images_guard, kernel_guard], output, saved),
    }
}

fn forward(geometry: &Geometry, images: &[f32], kernel: &[f32], bias: Option<&[f32]>, relu: bool, threads: Threads) -> Vec<f32> {
    let form = match geometry {
        geometry if direct::suits(geometry) => direct::forward,
        geometry if taps::suits(geometry) => taps::forward,
        _ => products::forward,
    };
    form(geometry, images, kernel, bias, relu, threads)
}

fn weight_gradient(geometry: &Geometry, images: &[f32], gradient: &[f32], threads: Threads) -> Vec<f32> {
    let form = match geometry {
        geometry if direct::suits(geometry) => direct::weight_gradient,
        geometry if taps::suits(geometry) => taps::weight_gradient,
        _ => products::weight_gradient,
    };
    form(geometry, images, gradient, threads)
}

/// Units and channels whose weights both layouts hold in a first-level cache while they change place.
const BLOCK: usize = 16;

/// Calls `block` with a range of units and one of channels, for all of both.
fn for_each_block(geometry: &Geometry, mut block: impl FnMut(Range<usize>, Range<usize>)) {
    for unit in (0..geometry.units).step_by(BLOCK) {
        for channel in (0..geometry.channels).step_by(BLOCK) {
            block(unit..geometry.units.min(unit + BLOCK), channel..geometry.channels.min(channel + BLOCK));
        }
    }
}

/// `[out, channels, rows, columns]` to `[rows · columns · channels, out]`.
fn pack(geometry: &Geometry, kernel: &[f32]) -> Vec<f32> {
    let (channels, taps) = (geometry.channels, geometry.kernel[0] * geometry.kernel[1]);
    let mut packed = buffers::take(kernel.len());
    for_each_block(geometry, |units, some| {
        for channel in some {
            for tap in 0..taps {
                let row = &mut packed[(tap * channels + channel) * geometry.units..][units.clone()];
                let kernel = kernel[units.start * channels * taps..].iter().skip(channel * taps + tap).step_by(channels * taps);
                row.iter_mut().zip(kernel).for_each(|(packed, &value)| *packed = value);
            }
        }
    });
    packed
}

/// `[rows · columns · channels, out]`, first in `packed`, to `[out, channels, rows, columns]`.
fn unpack(geometry: &Geometry, packed: &[f32]) -> Vec<f32> {
    let (channels, taps) = (geometry.channels, geometry.kernel[0] * geometry.kernel[1]);
    let mut kernel = buffers::take(geometry.units * channels * taps);
    for_each_block(geometry, |units, some| {
        for unit in units {
            let kernel = kernel[(unit * channels + some.start) * taps..].chunks_exact_mut(taps);
            for (channel, kernel) in some.clone().zip(kernel) {
                let packed = packed[unit..].iter().skip(channel * geometry.units).step_by(channels * geometry.units);
                kernel.iter_mut().zip(packed).for_each(|(value, &packed)| *value = packed);
            }
        }
    });
    kernel
}

/// The kernel turned round, for the input's gradient at stride 1: `[rows · columns · out, channels]`.
fn pack_turned(geometry: &Geometry, kernel: &[f32]) -> Vec<f32> {
    let (channels, units, taps) = (geometry.channels, geometry.units, geometry.kernel[0] * geometry.kernel[1]);
    let mut packed = buffers::take(kernel.len());
    for (unit, kernel) in kernel.chunks_exact(channels * taps).enumerate() {
        for tap in 0..taps {
            let row = &mut packed[((taps - 1 - tap) * units + unit) * channels..][..channels];
            row.iter_mut().zip(kernel[tap..].iter().step_by(taps)).for_each(|(packed, &value)| *packed = value);
        }
    }
    packed
}

/// What the gradient needs: the output only where a ReLU hides in it.
#[derive(Clone, Debug)]
struct Kept {
    geometry: Geometry,
    images: FlexTensor,
    kernel: FlexTensor,
    output: Option<FlexTensor>,
    threads: Threads,
}

impl Kept {
    /// With respect to images, kernel and bias.
    fn all(self, gradient: FlexTensor, [images, kernel, bias]: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let geometry = &self.geometry;
        let gradient = match &self.output {
            Some(output) => {
                let mut values = buffers::to_write(gradient);
                values.iter_mut().zip(slice(output)).for_each(|(value, output)| *value = if *output > 0.0 { *value } else { 0.0 });
                let [height, width] = geometry.out();
                tensor(values, [geometry.count, height, width, geometry.units])
            }
            None => gradient,
        };
        let bias = bias.then(|| self.bias_gradient(&gradient));
        let kernel = kernel.then(|| {
            let packed = weight_gradient(geometry, slice(&self.images), slice(&gradient), self.threads);
            let [rows, columns] = geometry.kernel;
            let unpacked = unpack(geometry, &packed);
            buffers::keep(packed);
            tensor(unpacked, [geometry.units, geometry.channels, rows, columns])
        });
        let images = images.then(|| {
            let values = match geometry.turned() {
                Some(turned) => {
                    let packed = pack_turned(geometry, slice(&self.kernel));
                    let values = forward(&turned, slice(&gradient), &packed, None, false, self.threads);
                    buffers::keep(packed);
                    values
                }
                None => {
                    let packed = pack(geometry, slice(&self.kernel));
                    let values = products::input_gradient(geometry, slice(&gradient), &packed, self.threads);
                    buffers::keep(packed);
                    values
                }
            };
            tensor(values, [geometry.count, geometry.height, geometry.width, geometry.channels])
        });
        buffers::give_back(gradient);
        buffers::give_back(self.images);
        self.output.into_iter().for_each(buffers::give_back);
        [images, kernel, bias]
    }

    fn bias_gradient(&self, gradient: &FlexTensor) -> FlexTensor {
        let (units, size) = (self.geometry.units, self.geometry.out_image());
        let mut parts = vec![0.0; self.geometry.count * units];
        let gradient = slice(gradient);
        for_each_chunk(&mut parts, units, 0, self.threads, |place, sums, _| {
            for row in gradient[place * size..(place + 1) * size].chunks_exact(units) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        });
        let parts: Vec<Vec<f32>> = parts.chunks_exact(units).map(<[f32]>::to_vec).collect();
        tensor(sum_in_order(&parts, units).into_iter().map(|sum| sum as f32).collect(), [units])
    }
}

impl Saved<2> for Kept {
    fn gradients(self, gradient: FlexTensor, [images, kernel]: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let [images, kernel, _] = self.all(gradient, [images, kernel, false]);
        [images, kernel]
    }
}

impl Saved<3> for Kept {
    fn gradients(self, gradient: FlexTensor, wanted: [bool; 3]) -> [Option<FlexTensor>; 3] {
        self.all(gradient, wanted)
    }
}
