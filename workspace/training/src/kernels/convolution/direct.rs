//! The three passes of a convolution with a small kernel, straight from the image: sums stay in vector registers, and no patch is copied.
//!
//! One row of a patch lies side by side in an image, so the sums over its columns and channels are one run of `kernel · channels`
//! values. Used where all weights stay in a cache; there it avoids copying patches and packing them, which take a product by patches
//! as long as the product itself.

use onebasin_network::Threads;
use pulp::{Arch, Simd, WithSimd};

use super::geometry::Geometry;
use crate::kernels::buffers;
use crate::kernels::images::{for_each_chunk, positive};

/// Values of the largest kernel for this form: all of them fit in a second-level cache of a mebibyte.
const LARGEST_KERNEL: usize = 3 << 16;

/// Units are taken by whole vectors, of at most this many values.
const LANES: usize = 16;

/// Pixels of one row that are computed together.
const PIXELS: usize = 8;

/// Whether this form is the faster one.
pub(super) fn suits(geometry: &Geometry) -> bool {
    geometry.units.is_multiple_of(LANES) && geometry.fan_in() * geometry.units <= LARGEST_KERNEL
}

/// Places in an image with its padding around it.
#[derive(Clone, Copy)]
struct Padded {
    width: usize,
    size: usize,
}

impl Padded {
    fn of(geometry: &Geometry) -> Padded {
        let [height, width] = [geometry.height, geometry.width].map(|length| length + 2 * geometry.padding);
        Padded { width, size: height * width * geometry.channels }
    }

    fn scratch(self, geometry: &Geometry) -> usize {
        if geometry.padding == 0 { 0 } else { self.size }
    }

    fn fill<'a>(self, geometry: &Geometry, image: &'a [f32], scratch: &'a mut [f32]) -> &'a [f32] {
        if geometry.padding == 0 {
            return image;
        }
        let (line, border) = (geometry.width * geometry.channels, geometry.padding * geometry.channels);
        let scratch = &mut scratch[..self.size];
        scratch.fill(0.0);
        let lines = scratch.chunks_exact_mut(self.width * geometry.channels).skip(geometry.padding);
        for (padded, line) in lines.zip(image.chunks_exact(line)) {
            padded[border..border + line.len()].copy_from_slice(line);
        }
        scratch
    }
}

/// `[count, out height, out width, units]` from images and the kernel as `[kernel · kernel · channels, units]`.
pub(super) fn forward(geometry: &Geometry, images: &[f32], kernel: &[f32], bias: Option<&[f32]>, relu: bool, threads: Threads) -> Vec<f32> {
    let padded = Padded::of(geometry);
    let mut output = buffers::take(geometry.count * geometry.out_image());
    for_each_chunk(&mut output, geometry.out_image(), padded.scratch(geometry), threads, |place, output, scratch| {
        let image = padded.fill(geometry, &images[place * geometry.image()..][..geometry.image()], scratch);
        Arch::new().dispatch(Forward { geometry, image, line: padded.width * geometry.channels, kernel, bias, output, relu });
    });
    output
}

struct Forward<'a> {
    geometry: &'a Geometry,
    image: &'a [f32],
    /// Values of a row of the padded image.
    line: usize,
    kernel: &'a [f32],
    bias: Option<&'a [f32]>,
    output: &'a mut [f32],
    relu: bool,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let vectors = self.geometry.units / S::F32_LANES;
        for block in (0..vectors / 2).map(|pair| 2 * pair) {
            self.block::<S, 2>(simd, block);
        }
        if vectors % 2 == 1 {
            self.block::<S, 1>(simd, vectors - 1);
        }
        if self.relu {
            self.output.iter_mut().for_each(|value| *value = positive(*value));
        }
    }
}

impl Forward<'_> {
    /// `V` vectors of units from `block` on, for all pixels.
    #[inline(always)]
    fn block<S: Simd, const V: usize>(&mut self, simd: S, block: usize) {
        let [height, width] = self.geometry.out();
        for y in 0..height {
            let mut x = 0;
            while x + PIXELS <= width {
                self.tile::<S, PIXELS, V>(simd, y, x, block);
                x += PIXELS;
            }
            if x < width && width >= PIXELS {
                // Some pixels a second time: the same sums.
                self.tile::<S, PIXELS, V>(simd, y, width - PIXELS, block);
                continue;
            }
            while x + 4 <= width {
                self.tile::<S, 4, V>(simd, y, x, block);
                x += 4;
            }
            while x < width {
                self.tile::<S, 1, V>(simd, y, x, block);
                x += 1;
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const P: usize, const V: usize>(&mut self, simd: S, y: usize, x: usize, block: usize) {
        let Geometry { channels, units, kernel: [rows, columns], stride, .. } = *self.geometry;
        let (vectors, run, step) = (units / S::F32_LANES, columns * channels, stride * channels);
        let mut start = [simd.splat_f32s(0.0); V];
        if let Some(bias) = self.bias {
            start.copy_from_slice(&S::as_simd_f32s(bias).0[block..block + V]);
        }
        let mut sums = [start; P];
        let weights = S::as_simd_f32s(self.kernel).0;
        for row in 0..rows {
            let first = (y * stride + row) * self.line + x * step;
            let patch = &self.image[first..first + (P - 1) * step + run];
            let patches: [&[f32]; P] = std::array::from_fn(|pixel| &patch[pixel * step..][..run]);
            let weights = weights[row * run * vectors..(row + 1) * run * vectors].chunks_exact(vectors);
            for (place, weights) in (0..run).zip(weights) {
                let weights: &[S::f32s; V] = weights[block..block + V].try_into().expect("V vectors");
                for pixel in 0..P {
                    let value = simd.splat_f32s(patches[pixel][place]);
                    for vector in 0..V {
                        sums[pixel][vector] = simd.mul_add_f32s(value, weights[vector], sums[pixel][vector]);
                    }
                }
            }
        }
        let first = (y * self.geometry.out()[1] + x) * vectors;
        let output = &mut S::as_mut_simd_f32s(self.output).0[first..first + P * vectors];
        for (sums, output) in sums.iter().zip(output.chunks_exact_mut(vectors)) {
            output[block..block + V].copy_from_slice(sums);
        }
    }
}

/// The kernel's gradient as `[kernel · kernel · channels, units]`; images are summed in eight shares of the batch, in their order.
pub(super) fn weight_gradient(geometry: &Geometry, images: &[f32], gradient: &[f32], threads: Threads) -> Vec<f32> {
    let padded = Padded::of(geometry);
    let size = geometry.fan_in() * geometry.units;
    let shares = geometry.count.clamp(1, 8);
    let mut sums = buffers::take(shares * size);
    for_each_chunk(&mut sums, size, padded.scratch(geometry), threads, |share, sums, scratch| {
        sums.fill(0.0);
        for place in geometry.count * share / shares..geometry.count * (share + 1) / shares {
            let image = padded.fill(geometry, &images[place * geometry.image()..][..geometry.image()], scratch);
            let gradient = &gradient[place * geometry.out_image()..][..geometry.out_image()];
            Arch::new().dispatch(WeightGradient { geometry, image, line: padded.width * geometry.channels, gradient, sums });
        }
    });
    let (first, others) = sums.split_at_mut(size);
    for other in others.chunks_exact(size) {
        first.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
    }
    sums
}

struct WeightGradient<'a> {
    geometry: &'a Geometry,
    image: &'a [f32],
    line: usize,
    gradient: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let vectors = self.geometry.units / S::F32_LANES;
        for row in 0..self.geometry.kernel[0] {
            for block in (0..vectors / 2).map(|pair| 2 * pair) {
                self.block::<S, 8, 2>(simd, row, block);
            }
            if vectors % 2 == 1 {
                self.block::<S, 16, 1>(simd, row, vectors - 1);
            }
        }
    }
}

impl WeightGradient<'_> {
    /// `V` vectors of units from `block` on, for one row of the kernel, `T` places of its run at a time.
    #[inline(always)]
    fn block<S: Simd, const T: usize, const V: usize>(&mut self, simd: S, row: usize, block: usize) {
        let run = self.geometry.kernel[1] * self.geometry.channels;
        let mut place = 0;
        while place + T <= run {
            self.tile::<S, T, V>(simd, row, place, block);
            place += T;
        }
        while place + 3 <= run {
            self.tile::<S, 3, V>(simd, row, place, block);
            place += 3;
        }
        while place < run {
            self.tile::<S, 1, V>(simd, row, place, block);
            place += 1;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const T: usize, const V: usize>(&mut self, simd: S, row: usize, place: usize, block: usize) {
        let Geometry { channels, units, kernel: [_, columns], stride, .. } = *self.geometry;
        let [height, width] = self.geometry.out();
        let (vectors, run, step) = (units / S::F32_LANES, columns * channels, stride * channels);
        let gradient = S::as_simd_f32s(self.gradient).0;
        let mut sums = [[simd.splat_f32s(0.0); V]; T];
        for y in 0..height {
            let values = &self.image[(y * stride + row) * self.line + place..];
            let gradient = gradient[y * width * vectors..(y + 1) * width * vectors].chunks_exact(vectors);
            for (x, gradient) in gradient.enumerate() {
                let values: &[f32; T] = values[x * step..x * step + T].try_into().expect("T values");
                let gradient: &[S::f32s; V] = gradient[block..block + V].try_into().expect("V vectors");
                for (sums, &value) in sums.iter_mut().zip(values) {
                    let value = simd.splat_f32s(value);
                    for vector in 0..V {
                        sums[vector] = simd.mul_add_f32s(value, gradient[vector], sums[vector]);
                    }
                }
            }
        }
        let first = (row * run + place) * vectors;
        let target = &mut S::as_mut_simd_f32s(self.sums).0[first..first + T * vectors];
        for (sums, target) in sums.iter().zip(target.chunks_exact_mut(vectors)) {
            for (target, &sum) in target[block..block + V].iter_mut().zip(sums) {
                *target = simd.add_f32s(*target, sum);
            }
        }
    }
}
