use burn::backend::Flex;
use burn::tensor::Tensor;
use onebasin_network::Threads;

use super::buffers;
use super::flex::{FlexTensor, slice, tensor};
use super::images::{for_each_chunk, positive, sum_in_order, vectorised};
use super::tape::{Saved, finish, operand};

/// `(x - mean) / √(variance + ε) · scale + shift` with mean and biased variance of each pixel over its channels, then `max(y, 0)` if
/// `relu`. Images `[n, height, width, channels]`, scale and shift `[channels]`.
pub(crate) fn layer_norm(images: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, epsilon: f32, relu: bool, threads: Threads) -> Tensor<4> {
    let (images, scale, shift) = (operand(images), operand(scale), operand(shift));
    let extents = Extents::of(&images.0);
    let (x, scales, shifts) = (slice(&images.0), slice(&scale.0), slice(&shift.0));
    let mut output = buffers::take(x.len());
    let statistics = for_each_chunk(&mut output, extents.image, 0, threads, |place, output, _| {
        let x = &x[place * extents.image..][..extents.image];
        vectorised!(normalise_pixels(
            x: &'a [f32] = x,
            output: &'a mut [f32] = output,
            vectors: [&'a [f32]; 2] = [scales, shifts],
            epsilon: f32 = epsilon,
            relu: bool = relu,
        ) -> Vec<f32>)
    });
    let output = tensor(output, images.0.layout().shape().to_vec());
    let saved = |_: &FlexTensor| Kept {
        extents,
        images: images.0,
        scale: scale.0,
        shift: shift.0,
        statistics: Statistics::Pixels(statistics),
        relu,
        threads,
    };
    finish::<Kept, 3, 4>([images.1, scale.1, shift.1], output, saved)
}

/// The same with the statistics of each channel over batch and pixels; gives those too, mean and biased variance, off the tape's path.
pub(crate) fn batch_norm(
    images: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f32,
    relu: bool,
    threads: Threads,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    let on_tape = images.is_autodiff();
    let (images, guard) = operand(images);
    let (mean, variance) = channel_statistics(&images, threads);
    let output = with_statistics((images, guard), scale, shift, &mean, &variance, epsilon, relu, true, threads);
    let statistics = [mean, variance].map(vector);
    (output, if on_tape { statistics.map(Tensor::from_inner) } else { statistics })
}

/// Mean and biased variance of each channel over batch and pixels, off any tape.
pub(crate) fn channel_moments(images: Tensor<4>, threads: Threads) -> [Tensor<1>; 2] {
    let (mean, variance) = channel_statistics(&operand(images).0, threads);
    [mean, variance].map(vector)
}

fn vector(values: Vec<f64>) -> Tensor<1> {
    let channels = values.len();
    Tensor::from_primitive::<Flex>(tensor(values.into_iter().map(|value| value as f32).collect(), [channels]))
}

/// The same with given statistics, which are constants to the gradient.
pub(crate) fn fixed_norm(
    images: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    [mean, variance]: [Tensor<1>; 2],
    epsilon: f32,
    relu: bool,
    threads: Threads,
) -> Tensor<4> {
    let values = |vector| slice(&operand::<1>(vector).0).iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
    with_statistics(operand(images), scale, shift, &values(mean), &values(variance), epsilon, relu, false, threads)
}

type Operand = (FlexTensor, Option<burn::backend::autodiff::ops::NodeGuard>);

#[expect(clippy::too_many_arguments, reason = "two callers in this file hand over what they were given")]
fn with_statistics(
    images: Operand,
    scale: Tensor<1>,
    shift: Tensor<1>,
    mean: &[f64],
    variance: &[f64],
    epsilon: f32,
    relu: bool,
    of_batch: bool,
    threads: Threads,
) -> Tensor<4> {
    let (scale, shift) = (operand(scale), operand(shift));
    let extents = Extents::of(&images.0);
    let means: Vec<f32> = mean.iter().map(|&mean| mean as f32).collect();
    let inverses: Vec<f32> = variance.iter().map(|variance| (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32).collect();
    let (x, scales, shifts) = (slice(&images.0), slice(&scale.0), slice(&shift.0));
    let mut output = buffers::take(x.len());
    for_each_chunk(&mut output, extents.image, 0, threads, |place, output, _| {
        let x = &x[place * extents.image..][..extents.image];
        vectorised!(normalise_channels(
            x: &'a [f32] = x,
            output: &'a mut [f32] = output,
            vectors: [&'a [f32]; 4] = [&means, &inverses, scales, shifts],
            relu: bool = relu,
        ) -> ());
    });
    let output = tensor(output, images.0.layout().shape().to_vec());
    let statistics = Statistics::Channels { means, inverses, of_batch };
    let saved = |_: &FlexTensor| Kept { extents, images: images.0, scale: scale.0, shift: shift.0, statistics, relu, threads };
    finish::<Kept, 3, 4>([images.1, scale.1, shift.1], output, saved)
}

#[derive(Clone, Copy, Debug)]
struct Extents {
    /// Values of an image.
    image: usize,
    channels: usize,
    /// Pixels of the batch.
    pixels: usize,
}

impl Extents {
    fn of(images: &FlexTensor) -> Extents {
        let &[count, height, width, channels] = images.layout().shape().as_slice() else { unreachable!("a batch of images has rank 4") };
        Extents { image: height * width * channels, channels, pixels: count * height * width }
    }
}

/// Mean and biased variance of each channel: of each image in `f32`, joined in `f64`.
fn channel_statistics(images: &FlexTensor, threads: Threads) -> (Vec<f64>, Vec<f64>) {
    let extents = Extents::of(images);
    let (x, channels) = (slice(images), extents.channels);
    let area = extents.image / channels;
    let mut parts = vec![0.0; extents.pixels / area * 2 * channels];
    for_each_chunk(&mut parts, 2 * channels, 0, threads, |place, part, _| {
        let (means, squares) = part.split_at_mut(channels);
        let x = &x[place * extents.image..][..extents.image];
        vectorised!(image_statistics(x: &'a [f32] = x, means: &'a mut [f32] = means, squares: &'a mut [f32] = squares) -> ());
    });
    let count = (extents.pixels / area) as f64;
    let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
    for part in parts.chunks_exact(2 * channels) {
        mean.iter_mut().zip(part).for_each(|(sum, &mean)| *sum += f64::from(mean) / count);
    }
    for part in parts.chunks_exact(2 * channels) {
        let (means, squares) = part.split_at(channels);
        for ((sum, &square), (&own, mean)) in variance.iter_mut().zip(squares).zip(means.iter().zip(&mean)) {
            *sum += (f64::from(square) / area as f64 + (f64::from(own) - mean).powi(2)) / count;
        }
    }
    (mean, variance)
}

/// Mean of each channel of one image, and the squares of what it leaves.
#[inline(always)]
fn image_statistics(x: &[f32], means: &mut [f32], squares: &mut [f32]) {
    let channels = means.len();
    let share = 1.0 / (x.len() / channels) as f32;
    for row in x.chunks_exact(channels) {
        means.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    means.iter_mut().for_each(|mean| *mean *= share);
    for row in x.chunks_exact(channels) {
        squares.iter_mut().zip(row).zip(means.iter()).for_each(|((sum, value), mean)| *sum += (value - mean) * (value - mean));
    }
}

const LANES: usize = 16;

/// `Σ term(i)` over `0..length` in lanes that vector instructions can hold.
#[inline(always)]
fn sum_lanes<const N: usize>(length: usize, term: impl Fn(usize) -> [f32; N]) -> [f32; N] {
    let mut sums = [[0.0f32; LANES]; N];
    let whole = length / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            let terms = term(start + lane);
            for (sum, term) in sums.iter_mut().zip(terms) {
                sum[lane] += term;
            }
        }
    }
    for place in whole..length {
        let terms = term(place);
        for (sum, term) in sums.iter_mut().zip(terms) {
            sum[place - whole] += term;
        }
    }
    sums.map(|mut sum| {
        for half in [8, 4, 2, 1] {
            for lane in 0..half {
                sum[lane] += sum[lane + half];
            }
        }
        sum[0]
    })
}

/// Gives mean and inverse deviation of every pixel, in turn.
#[inline(always)]
fn normalise_pixels(x: &[f32], output: &mut [f32], [scale, shift]: [&[f32]; 2], epsilon: f32, relu: bool) -> Vec<f32> {
    let channels = scale.len();
    let shift = &shift[..channels];
    let share = 1.0 / channels as f32;
    let mut statistics = Vec::with_capacity(2 * (x.len() / channels));
    for (x, y) in x.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
        let mean = sum_lanes(channels, |place| [x[place]])[0] * share;
        let variance = sum_lanes(channels, |place| [(x[place] - mean) * (x[place] - mean)])[0] * share;
        let inverse = 1.0 / (variance + epsilon).sqrt();
        for place in 0..channels {
            let value = (x[place] - mean) * inverse * scale[place] + shift[place];
            y[place] = if relu { positive(value) } else { value };
        }
        statistics.extend([mean, inverse]);
    }
    statistics
}

#[inline(always)]
fn normalise_channels(x: &[f32], output: &mut [f32], [means, inverses, scale, shift]: [&[f32]; 4], relu: bool) {
    let channels = scale.len();
    let (shift, means, inverses) = (&shift[..channels], &means[..channels], &inverses[..channels]);
    for (x, y) in x.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
        for place in 0..channels {
            let value = (x[place] - means[place]) * inverses[place] * scale[place] + shift[place];
            y[place] = if relu { positive(value) } else { value };
        }
    }
}

#[derive(Clone, Debug)]
enum Statistics {
    /// Of each image: mean and inverse deviation of every pixel, in turn.
    Pixels(Vec<Vec<f32>>),
    /// Of each channel; the gradient goes through those of the batch.
    Channels { means: Vec<f32>, inverses: Vec<f32>, of_batch: bool },
}

/// What the gradient needs: normalised values and the ReLU's side are computed again from the input.
#[derive(Clone, Debug)]
struct Kept {
    extents: Extents,
    images: FlexTensor,
    scale: FlexTensor,
    shift: FlexTensor,
    statistics: Statistics,
    relu: bool,
    threads: Threads,
}

impl Saved<3> for Kept {
    fn gradients(self, gradient: FlexTensor, wanted: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let Extents { image, channels, pixels } = self.extents;
        let (x, scale, shift, relu) = (slice(&self.images), slice(&self.scale), slice(&self.shift), self.relu);
        let mut values = buffers::to_write(gradient);
        let image_of = |place: usize| &x[place * image..][..image];
        let sums = match &self.statistics {
            Statistics::Pixels(statistics) => {
                let parts = for_each_chunk(&mut values, image, 0, self.threads, |place, gradient, _| {
                    vectorised!(pixels_backward(
                        gradient: &'a mut [f32] = gradient,
                        x: &'a [f32] = image_of(place),
                        statistics: &'a [f32] = &statistics[place],
                        vectors: [&'a [f32]; 2] = [scale, shift],
                        relu: bool = relu,
                    ) -> Vec<f32>)
                });
                sum_in_order(&parts, 2 * channels)
            }
            Statistics::Channels { means, inverses, of_batch } => {
                let parts = for_each_chunk(&mut values, image, 0, self.threads, |place, gradient, _| {
                    vectorised!(channel_sums(
                        gradient: &'a mut [f32] = gradient,
                        x: &'a [f32] = image_of(place),
                        vectors: [&'a [f32]; 4] = [means, inverses, scale, shift],
                        relu: bool = relu,
                    ) -> Vec<f32>)
                });
                let sums = sum_in_order(&parts, 2 * channels);
                let share = if *of_batch { 1.0 / pixels as f64 } else { 0.0 };
                let means_of: Vec<f32> = sums.iter().map(|sum| (sum * share) as f32).collect();
                if wanted[0] {
                    for_each_chunk(&mut values, image, 0, self.threads, |place, gradient, _| {
                        vectorised!(channels_backward(
                            gradient: &'a mut [f32] = gradient,
                            x: &'a [f32] = image_of(place),
                            vectors: [&'a [f32]; 4] = [means, inverses, scale, &means_of],
                        ) -> ());
                    });
                }
                sums
            }
        };
        let vector = |sums: &[f64]| tensor(sums.iter().map(|&sum| sum as f32).collect(), [channels]);
        let (scale, shift) = (vector(&sums[..channels]), vector(&sums[channels..]));
        let input = tensor(values, self.images.layout().shape().to_vec());
        buffers::give_back(self.images);
        [wanted[0].then_some(input), wanted[1].then_some(scale), wanted[2].then_some(shift)]
    }
}

/// Turns the output's gradient of one image into the input's; gives those of scale and shift, one after the other.
///
/// With `x̂` the normalised value and `h = g · scale`: `(h - mean(h) - x̂ · mean(h · x̂)) / √(variance + ε)`, means over the channels.
#[inline(always)]
fn pixels_backward(gradient: &mut [f32], x: &[f32], statistics: &[f32], [scale, shift]: [&[f32]; 2], relu: bool) -> Vec<f32> {
    let channels = scale.len();
    let shift = &shift[..channels];
    let share = 1.0 / channels as f32;
    let mut sums = vec![0.0f32; 2 * channels];
    let (scale_sums, shift_sums) = sums.split_at_mut(channels);
    let rows = gradient.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(statistics.chunks_exact(2));
    for ((gradient, x), statistics) in rows {
        let (mean, inverse) = (statistics[0], statistics[1]);
        for place in 0..channels {
            let hat = (x[place] - mean) * inverse;
            let open = !relu || hat * scale[place] + shift[place] > 0.0;
            let slope = if open { gradient[place] } else { 0.0 };
            gradient[place] = slope;
            scale_sums[place] += slope * hat;
            shift_sums[place] += slope;
        }
        let [direct, along] = sum_lanes(channels, |place| {
            let slope = gradient[place] * scale[place];
            [slope, slope * ((x[place] - mean) * inverse)]
        });
        let (direct, along) = (direct * share, along * share);
        for place in 0..channels {
            let hat = (x[place] - mean) * inverse;
            gradient[place] = (gradient[place] * scale[place] - direct - hat * along) * inverse;
        }
    }
    sums
}

/// Closes the gradient where the ReLU did; gives `Σ g x̂` and `Σ g` of each channel, one after the other.
#[inline(always)]
fn channel_sums(gradient: &mut [f32], x: &[f32], [means, inverses, scale, shift]: [&[f32]; 4], relu: bool) -> Vec<f32> {
    let channels = scale.len();
    let (shift, means, inverses) = (&shift[..channels], &means[..channels], &inverses[..channels]);
    let mut sums = vec![0.0f32; 2 * channels];
    let (scale_sums, shift_sums) = sums.split_at_mut(channels);
    for (gradient, x) in gradient.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        for place in 0..channels {
            let hat = (x[place] - means[place]) * inverses[place];
            let open = !relu || hat * scale[place] + shift[place] > 0.0;
            let slope = if open { gradient[place] } else { 0.0 };
            gradient[place] = slope;
            scale_sums[place] += slope * hat;
            shift_sums[place] += slope;
        }
    }
    sums
}

/// `(g - mean(g) - x̂ · mean(g x̂)) · scale / √(variance + ε)`, with the two means over the batch, `g x̂` first.
#[inline(always)]
fn channels_backward(gradient: &mut [f32], x: &[f32], [means, inverses, scale, means_of]: [&[f32]; 4]) {
    let channels = scale.len();
    let (means, inverses) = (&means[..channels], &inverses[..channels]);
    let (along, direct) = means_of.split_at(channels);
    let direct = &direct[..channels];
    for (gradient, x) in gradient.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        for place in 0..channels {
            let hat = (x[place] - means[place]) * inverses[place];
            gradient[place] = (gradient[place] - direct[place] - hat * along[place]) * (scale[place] * inverses[place]);
        }
    }
}
