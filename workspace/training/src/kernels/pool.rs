use burn::tensor::Tensor;
use onebasin_network::Threads;

use super::buffers;
use super::flex::{FlexTensor, slice, tensor};
use super::images::{for_each_chunk, vectorised};
use super::tape::{Saved, finish, operand};

/// The greatest value of each window of each channel, the first of equals; padding never wins. Images `[n, height, width, channels]`.
pub(crate) fn max_pool(images: Tensor<4>, size: usize, stride: usize, padding: usize, threads: Threads) -> Tensor<4> {
    let (images, guard) = operand(images);
    let &[count, height, width, channels] = images.layout().shape().as_slice() else { unreachable!("a batch of images has rank 4") };
    let [out_height, out_width] = [height, width].map(|length| (length + 2 * padding - size) / stride + 1);
    let (image, out_image) = (height * width * channels, out_height * out_width * channels);
    let x = slice(&images);
    // Values of an image, then the places they came from: bits of whole numbers, so that one kind of memory serves every step.
    let mut both = buffers::take(2 * count * out_image);
    let window = Window { height, width, channels, size, stride, padding };
    for_each_chunk(&mut both, 2 * out_image, 0, threads, |place, both, _| {
        let (output, winners) = both.split_at_mut(out_image);
        vectorised!(greatest(
            window: Window = window,
            x: &'a [f32] = &x[place * image..][..image],
            output: &'a mut [f32] = output,
            winners: &'a mut [f32] = winners,
        ) -> ());
    });
    buffers::give_back(images);
    let mut output = buffers::take(count * out_image);
    for (output, both) in output.chunks_exact_mut(out_image).zip(both.chunks_exact(2 * out_image)) {
        output.copy_from_slice(&both[..out_image]);
    }
    let kept = Pooled { both, shape: [count, height, width, channels], threads };
    finish::<Pooled, 1, 4>([guard], tensor(output, [count, out_height, out_width, channels]), |_| kept)
}

#[derive(Clone, Copy)]
struct Window {
    height: usize,
    width: usize,
    channels: usize,
    size: usize,
    stride: usize,
    padding: usize,
}

/// The greatest values of one image's windows and the places they came from.
#[inline(always)]
fn greatest(window: Window, x: &[f32], output: &mut [f32], winners: &mut [f32]) {
    let Window { height, width, channels, size, stride, padding } = window;
    let out_width = (width + 2 * padding - size) / stride + 1;
    for (pixel, (output, winners)) in output.chunks_exact_mut(channels).zip(winners.chunks_exact_mut(channels)).enumerate() {
        let (y, left) = (pixel / out_width * stride, pixel % out_width * stride);
        let mut first = true;
        for line in y.max(padding)..(y + size).min(height + padding) {
            for column in left.max(padding)..(left + size).min(width + padding) {
                let start = ((line - padding) * width + column - padding) * channels;
                let values = &x[start..start + channels];
                for (place, ((best, winner), &value)) in output.iter_mut().zip(winners.iter_mut()).zip(values).enumerate() {
                    // A NaN wins and stays, so that a diverged training is seen.
                    let wins = first | (value > *best) | value.is_nan();
                    *best = if wins { value } else { *best };
                    *winner = if wins { f32::from_bits((start + place) as u32) } else { *winner };
                }
                first = false;
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Pooled {
    /// Of each image its outputs, then where in it each came from.
    both: Vec<f32>,
    shape: [usize; 4],
    threads: Threads,
}

impl Saved<1> for Pooled {
    fn gradients(self, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let image: usize = self.shape[1..].iter().product();
        let mut input = buffers::take(self.shape[0] * image);
        let values = slice(&gradient);
        for_each_chunk(&mut input, image, 0, self.threads, |place, input, _| {
            input.fill(0.0);
            let length = values.len() / self.shape[0];
            let winners = &self.both[(2 * place + 1) * length..][..length];
            for (winner, value) in winners.iter().zip(&values[place * length..]) {
                input[winner.to_bits() as usize] += value;
            }
        });
        buffers::keep(self.both);
        buffers::give_back(gradient);
        [Some(tensor(input, self.shape))]
    }
}

/// The mean of each channel over the pixels: `[n, height, width, channels]` to `[n, channels]`.
pub(crate) fn global_mean(images: Tensor<4>, threads: Threads) -> Tensor<2> {
    let (images, guard) = operand(images);
    let &[count, height, width, channels] = images.layout().shape().as_slice() else { unreachable!("a batch of images has rank 4") };
    let image = height * width * channels;
    let x = slice(&images);
    let mut output = vec![0.0; count * channels];
    for_each_chunk(&mut output, channels, 0, threads, |place, means, _| {
        for row in x[place * image..][..image].chunks_exact(channels) {
            means.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        means.iter_mut().for_each(|mean| *mean /= (height * width) as f32);
    });
    buffers::give_back(images);
    finish::<Averaged, 1, 2>([guard], tensor(output, [count, channels]), |_| Averaged { shape: [count, height, width, channels] })
}

#[derive(Clone, Debug)]
struct Averaged {
    shape: [usize; 4],
}

impl Saved<1> for Averaged {
    fn gradients(self, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let [_, height, width, channels] = self.shape;
        let mut input = buffers::take(self.shape.iter().product());
        for (image, gradient) in input.chunks_exact_mut(height * width * channels).zip(slice(&gradient).chunks_exact(channels)) {
            for row in image.chunks_exact_mut(channels) {
                row.iter_mut().zip(gradient).for_each(|(value, gradient)| *value = gradient / (height * width) as f32);
            }
        }
        [Some(tensor(input, self.shape))]
    }
}
