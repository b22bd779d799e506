//! Rows in one piece, whatever the strides of the view, and checked numbers.

use ndarray::ArrayView2;

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

/// # Errors
/// The first entry, in reading order, that is NaN, infinite or beyond [`LARGEST`].
pub(crate) fn check_entries(entries: &[f64], columns: usize) -> Result<(), TransportError> {
    if pulp::Arch::new().dispatch(AllUsable(entries)) {
        return Ok(());
    }
    let bad = entries.iter().position(|entry| !usable(*entry));
    bad.map_or(Ok(()), |index| Err(TransportError::BadEntry { row: index / columns, column: index % columns, value: entries[index] }))
}

#[inline(always)]
fn usable(entry: f64) -> bool {
    // NaN compares false, so it is refused too.
    entry.abs() <= LARGEST
}

struct AllUsable<'a>(&'a [f64]);

impl pulp::WithSimd for AllUsable<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> bool {
        self.0.iter().fold(true, |all, entry| all & usable(*entry))
    }
}
