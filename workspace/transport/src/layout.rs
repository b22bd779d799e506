//! Rows in one piece, whatever the strides of the view, and checked numbers.

use ndarray::ArrayView2;
use pulp::{Simd, WithSimd};

use crate::{Cost, TransportError};

/// Larger magnitudes are refused: sums of potentials along a path must stay finite.
pub(crate) const LARGEST: f64 = 1e150;

/// Side of the square tiles of a transposing copy: two tiles of `f64` fit the first cache.
const TILE: usize = 32;

/// The entries as `f64`, row after row; copied into `buffer` only when the view is not that already.
pub(crate) fn row_major<'a, T: Cost>(view: ArrayView2<'a, T>, buffer: &'a mut Vec<f64>) -> &'a [f64] {
    if let Some(slice) = view.to_slice() {
        if let Some(slice) = T::as_f64(slice) {
            return slice;
        }
        buffer.clear();
        buffer.extend(slice.iter().map(|value| value.to_f64()));
        return buffer;
    }
    let (rows, columns) = view.dim();
    buffer.resize(rows * columns, 0.0);
    // Tile by tile, so that neither side of a transposing copy leaves the first cache.
    for top in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            let right = (left + TILE).min(columns);
            for row in top..(top + TILE).min(rows) {
                let target = &mut buffer[row * columns + left..row * columns + right];
                for (value, column) in target.iter_mut().zip(left..right) {
                    *value = view[[row, column]].to_f64();
                }
            }
        }
    }
    buffer
}

/// The lowest and the highest entry; (+∞, -∞) when there is none.
///
/// # Errors
/// The first entry, in reading order, that is NaN, infinite or beyond [`LARGEST`].
pub(crate) fn check_entries(entries: &[f64], columns: usize) -> Result<(f64, f64), TransportError> {
    if let Some(range) = pulp::Arch::new().dispatch(UsableRange(entries)) {
        return Ok(range);
    }
    let usable = |entry: &f64| entry.abs() <= LARGEST;
    let index = entries.iter().position(|entry| !usable(entry)).expect("one was just found");
    Err(TransportError::BadEntry { row: index / columns, column: index % columns, value: entries[index] })
}

/// The range of the entries, if all are usable.
struct UsableRange<'a>(&'a [f64]);

impl WithSimd for UsableRange<'_> {
    type Output = Option<(f64, f64)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Option<(f64, f64)> {
        let (blocks, rest) = S::as_simd_f64s(self.0);
        let mut lowest = simd.splat_f64s(f64::INFINITY);
        let mut highest = simd.splat_f64s(f64::NEG_INFINITY);
        // Stays 0, or becomes and stays NaN: x - x is NaN for NaN and for the infinities.
        let mut poison = simd.splat_f64s(0.0);
        for block in blocks {
            lowest = simd.min_f64s(lowest, *block);
            highest = simd.max_f64s(highest, *block);
            poison = simd.add_f64s(poison, simd.sub_f64s(*block, *block));
        }
        let low = rest.iter().copied().fold(simd.reduce_min_f64s(lowest), f64::min);
        let high = rest.iter().copied().fold(simd.reduce_max_f64s(highest), f64::max);
        let sound = simd.reduce_sum_f64s(poison) == 0.0 && rest.iter().all(|entry| entry.is_finite());
        (sound && low >= -LARGEST && high <= LARGEST).then_some((low, high))
    }
}
