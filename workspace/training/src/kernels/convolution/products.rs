//! The three passes of a convolution as matrix products over patches, a few images at a time: their columns stay in a cache.

use ndarray::ArrayView2;
use onebasin_network::{Threads, multiply_add};

use super::columns;
use super::geometry::Geometry;
use crate::kernels::buffers;
use crate::kernels::flex::matrix_of;
use crate::kernels::images::{for_each_chunk, positive};

fn view(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("as many values as the shape says")
}

/// The columns of some images: the images themselves for a plain product.
fn columns_of<'a>(geometry: &Geometry, images: &'a [f32], scratch: &'a mut [f32]) -> ArrayView2<'a, f32> {
    let (area, fan_in) = (geometry.out_area(), geometry.fan_in());
    let rows = images.len() / geometry.image() * area;
    if geometry.is_plain_product() {
        return view(images, rows, fan_in);
    }
    let scratch = &mut scratch[..rows * fan_in];
    for (image, columns) in images.chunks_exact(geometry.image()).zip(scratch.chunks_exact_mut(area * fan_in)) {
        columns::gather(geometry, image, columns);
    }
    view(scratch, rows, fan_in)
}

fn scratch(geometry: &Geometry) -> usize {
    if geometry.is_plain_product() { 0 } else { geometry.group() * geometry.out_area() * geometry.fan_in() }
}

/// `[count, out height, out width, units]` from images and the kernel as `[kernel · kernel · channels, units]`.
pub(super) fn forward(geometry: &Geometry, images: &[f32], kernel: &[f32], bias: Option<&[f32]>, relu: bool, threads: Threads) -> Vec<f32> {
    let (group, units, fan_in) = (geometry.group(), geometry.units, geometry.fan_in());
    let kernel = view(kernel, fan_in, units);
    let mut output = buffers::take(geometry.count * geometry.out_image());
    for_each_chunk(&mut output, group * geometry.out_image(), scratch(geometry), threads, |place, output, scratch| {
        let first = place * group * geometry.image();
        let images = &images[first..first + output.len() / geometry.out_image() * geometry.image()];
        let columns = columns_of(geometry, images, scratch);
        if let Some(bias) = bias {
            output.chunks_exact_mut(units).for_each(|row| row.copy_from_slice(bias));
        }
        let beta = if bias.is_some() { 1.0 } else { 0.0 };
        let rows = columns.nrows();
        multiply_add(1.0, columns, kernel, beta, matrix_of(output, rows, units), Threads::One);
        if relu {
            output.iter_mut().for_each(|value| *value = positive(*value));
        }
    });
    output
}

/// The input's gradient for any stride: patches of it by a product, added to where they belong.
pub(super) fn input_gradient(geometry: &Geometry, gradient: &[f32], kernel: &[f32], threads: Threads) -> Vec<f32> {
    let (area, fan_in, units) = (geometry.out_area(), geometry.fan_in(), geometry.units);
    let kernel = view(kernel, fan_in, units);
    let mut output = buffers::take(geometry.count * geometry.image());
    for_each_chunk(&mut output, geometry.image(), area * fan_in, threads, |place, output, scratch| {
        let gradient = view(&gradient[place * geometry.out_image()..][..geometry.out_image()], area, units);
        multiply_add(1.0, gradient, kernel.t(), 0.0, matrix_of(scratch, area, fan_in), Threads::One);
        columns::scatter(geometry, scratch, output);
    });
    output
}

/// The kernel's gradient as `[kernel · kernel · channels, units]`.
///
/// Images are summed in shares of the batch, the shares in their order; how many there are depends on the extents only.
pub(super) fn weight_gradient(geometry: &Geometry, images: &[f32], gradient: &[f32], threads: Threads) -> Vec<f32> {
    let (group, units, fan_in) = (geometry.group(), geometry.units, geometry.fan_in());
    let groups = geometry.count.div_ceil(group);
    // Large kernels: sums are few and long, and their products have enough work for several threads.
    let shares = ((1 << 18) / (fan_in * units)).clamp(1, 8).min(groups.max(1));
    let inner = if shares == 1 { threads } else { Threads::One };
    let mut sums = buffers::take(shares * fan_in * units);
    for_each_chunk(
        &mut sums,
        fan_in * units,
        scratch(geometry),
        if shares == 1 { Threads::One } else { threads },
        |share, sum, scratch| {
            let range = groups * share / shares..groups * (share + 1) / shares;
            for (place, number) in range.enumerate() {
                let taken = number * group..geometry.count.min((number + 1) * group);
                let columns = columns_of(geometry, &images[taken.start * geometry.image()..taken.end * geometry.image()], scratch);
                let gradient = &gradient[taken.start * geometry.out_image()..taken.end * geometry.out_image()];
                let gradient = view(gradient, columns.nrows(), units);
                let beta = if place == 0 { 0.0 } else { 1.0 };
                multiply_add(1.0, columns.t(), gradient, beta, matrix_of(sum, fan_in, units), inner);
            }
        },
    );
    let (first, others) = sums.split_at_mut(fan_in * units);
    for other in others.chunks_exact(fan_in * units) {
        first.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
    }
    sums
}
