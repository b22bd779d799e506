//! Patches of an image as rows of a matrix, and back.

use super::geometry::Geometry;

/// For every run of a patch: its place in the columns, in the image, and its length. Runs lie within one row of the image; what the
/// runs leave out of the columns is padding.
#[inline(always)]
fn for_each_run(geometry: &Geometry, mut run: impl FnMut(usize, usize, usize)) {
    let [rows, columns] = geometry.kernel;
    let (channels, padding) = (geometry.channels, geometry.padding);
    let [out_height, out_width] = geometry.out();
    let mut patch = 0;
    for y in 0..out_height {
        for x in 0..out_width {
            let left = x * geometry.stride;
            let first = padding.saturating_sub(left).min(columns);
            let last = (geometry.width + padding).saturating_sub(left).min(columns);
            for row in 0..rows {
                let line = y * geometry.stride + row;
                if line >= padding && line < geometry.height + padding && first < last {
                    let place = (line - padding) * geometry.width + left + first - padding;
                    run(patch + (row * columns + first) * channels, place * channels, (last - first) * channels);
                }
            }
            patch += rows * columns * channels;
        }
    }
}

/// The patches of one image, `[out height · out width, kernel · kernel · channels]`.
pub(super) fn gather(geometry: &Geometry, image: &[f32], columns: &mut [f32]) {
    if geometry.padding > 0 {
        columns.fill(0.0);
    }
    for_each_run(geometry, |place, source, length| columns[place..place + length].copy_from_slice(&image[source..source + length]));
}

/// Adds the patches to where they came from.
pub(super) fn scatter(geometry: &Geometry, columns: &[f32], image: &mut [f32]) {
    image.fill(0.0);
    for_each_run(geometry, |place, source, length| {
        let target = image[source..source + length].iter_mut();
        target.zip(&columns[place..place + length]).for_each(|(target, value)| *target += value);
    });
}
