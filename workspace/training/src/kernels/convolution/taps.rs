//! Convolutions of many channels over small images, one product for each place of the kernel and row of the output, over all images.
//!
//! Values lie as `[height, width, n, channels]` here: the pixels of a row that some place of the kernel reads are then one matrix of all
//! images, so nothing is gathered in patches, and the padding is left out instead of multiplied by. At 4×4 pixels a third of the work of
//! patches is padding, at 2×2 more than half.

use std::ops::Range;

use ndarray::ArrayView2;
use onebasin_network::{Threads, multiply_add};

use super::geometry::Geometry;
use crate::kernels::buffers;
use crate::kernels::flex::matrix_of;
use crate::kernels::images::{for_each_chunk, positive};

/// Pixels a side of the largest output; beyond, padding is too small a part of the work.
const LARGEST_SIDE: usize = 8;

/// Channels and units below which sums would be read and written too often for the work between.
const FEWEST_CHANNELS: usize = 128;

/// Images that go through the places of the kernel together: their sums for one row stay in a cache.
const GROUP: usize = 64;

/// Images below which the matrices are too low.
const FEWEST_IMAGES: usize = 8;

/// Whether this form is the fastest one.
pub(super) fn suits(geometry: &Geometry) -> bool {
    geometry.stride == 1
        && geometry.padding > 0
        && geometry.out().into_iter().all(|side| side <= LARGEST_SIDE)
        && geometry.channels.min(geometry.units) >= FEWEST_CHANNELS
        && geometry.count >= FEWEST_IMAGES
}

/// The outputs along one side for which place `tap` of the kernel reads the image and not its padding.
fn reach(out: usize, side: usize, padding: usize, tap: usize) -> Range<usize> {
    padding.saturating_sub(tap)..(side + padding).saturating_sub(tap).min(out)
}

/// `[n, height, width, channels]` to `[height, width, n, channels]`.
fn pixels_first(images: &[f32], image: usize, channels: usize, pixels: &mut [f32]) {
    let row = images.len() / image * channels;
    for (place, image) in images.chunks_exact(image).enumerate() {
        for (pixel, values) in image.chunks_exact(channels).enumerate() {
            pixels[pixel * row + place * channels..][..channels].copy_from_slice(values);
        }
    }
}

fn view(values: &[f32], columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((values.len() / columns, columns), values).expect("whole rows")
}

/// `[count, out height, out width, units]` from images and the kernel as `[kernel · kernel · channels, units]`.
pub(super) fn forward(geometry: &Geometry, images: &[f32], kernel: &[f32], bias: Option<&[f32]>, relu: bool, threads: Threads) -> Vec<f32> {
    let &Geometry { count, units, .. } = geometry;
    let (image, out_image, group) = (geometry.image(), geometry.out_image(), count.min(GROUP));
    // One group: its products have enough work for several threads.
    let (outer, inner) = if count <= group { (Threads::One, threads) } else { (threads, Threads::One) };
    let mut output = buffers::take(count * out_image);
    for_each_chunk(&mut output, group * out_image, group * (image + out_image), outer, |place, output, scratch| {
        let here = output.len() / out_image;
        let (pixels, sums) = scratch.split_at_mut(group * image);
        let (pixels, sums) = (&mut pixels[..here * image], &mut sums[..here * out_image]);
        pixels_first(&images[place * group * image..][..here * image], image, geometry.channels, pixels);
        match bias {
            Some(bias) => sums.chunks_exact_mut(units).for_each(|row| row.copy_from_slice(bias)),
            None => sums.fill(0.0),
        }
        for_each_product(geometry, here, |tap, source, target| {
            let weights = view(&kernel[tap * geometry.channels * units..][..geometry.channels * units], units);
            let sums = &mut sums[target.start * units..target.end * units];
            let source = view(&pixels[source.start * geometry.channels..source.end * geometry.channels], geometry.channels);
            multiply_add(1.0, source, weights, 1.0, matrix_of(sums, source.nrows(), units), inner);
        });
        for (place, output) in output.chunks_exact_mut(out_image).enumerate() {
            for (pixel, output) in output.chunks_exact_mut(units).enumerate() {
                let sums = &sums[(pixel * here + place) * units..][..units];
                output.iter_mut().zip(sums).for_each(|(output, &sum)| *output = if relu { positive(sum) } else { sum });
            }
        }
    });
    output
}

/// Calls `product` with a place of the kernel and the rows of values that it takes from and adds to, row by row of the output.
fn for_each_product(geometry: &Geometry, images: usize, mut product: impl FnMut(usize, Range<usize>, Range<usize>)) {
    let ([rows, columns], [height, width], padding) = (geometry.kernel, geometry.out(), geometry.padding);
    for y in 0..height {
        for row in (0..rows).filter(|&row| reach(height, geometry.height, padding, row).contains(&y)) {
            for column in 0..columns {
                let range = reach(width, geometry.width, padding, column);
                if !range.is_empty() {
                    let source = (y + row - padding) * geometry.width + range.start + column - padding;
                    let target = y * width + range.start;
                    let run = |first: usize| first * images..(first + range.len()) * images;
                    product(row * columns + column, run(source), run(target));
                }
            }
        }
    }
}

/// The kernel's gradient as `[kernel · kernel · channels, units]`.
pub(super) fn weight_gradient(geometry: &Geometry, images: &[f32], gradient: &[f32], threads: Threads) -> Vec<f32> {
    let &Geometry { count, channels, units, .. } = geometry;
    let mut pixels = buffers::take(count * geometry.image());
    pixels_first(images, geometry.image(), channels, &mut pixels);
    let mut slopes = buffers::take(count * geometry.out_image());
    pixels_first(gradient, geometry.out_image(), units, &mut slopes);
    let mut sums = buffers::take(geometry.fan_in() * units);
    for_each_chunk(&mut sums, channels * units, 0, threads, |place, sums, _| {
        let mut beta = 0.0;
        for_each_product(geometry, count, |tap, source, target| {
            if tap == place {
                let source = view(&pixels[source.start * channels..source.end * channels], channels);
                let slopes = view(&slopes[target.start * units..target.end * units], units);
                multiply_add(1.0, source.t(), slopes, beta, matrix_of(sums, channels, units), Threads::One);
                beta = 1.0;
            }
        });
        if beta == 0.0 {
            sums.fill(0.0);
        }
    });
    buffers::keep(pixels);
    buffers::keep(slopes);
    sums
}
