//! Rows in one piece, whatever the strides of the view, and checked numbers.

use std::borrow::Cow;

use ndarray::ArrayView2;

use crate::{Cost, TransportError};

/// Larger magnitudes are refused: sums of potentials along a path must stay finite.
pub(crate) const LARGEST: f64 = 1e150;

/// Side of the square tiles of a transposing copy: two tiles of `f64` fit the first cache.
const TILE: usize = 32;

/// The entries row after row; copied, tile by tile, only when the view is not laid out so already.
pub(crate) fn row_major<T: Cost>(view: ArrayView2<'_, T>) -> Cow<'_, [T]> {
    if let Some(slice) = view.to_slice() {
        return Cow::Borrowed(slice);
    }
    let (rows, columns) = view.dim();
    let mut copy = vec![T::ZERO; rows * columns];
    for top in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            let right = (left + TILE).min(columns);
            for row in top..(top + TILE).min(rows) {
                let target = &mut copy[row * columns + left..row * columns + right];
                for (value, column) in target.iter_mut().zip(left..right) {
                    *value = view[[row, column]];
                }
            }
        }
    }
    Cow::Owned(copy)
}

/// # Errors
/// The first entry, in reading order, that is NaN, infinite or beyond [`LARGEST`].
pub(crate) fn check_entries<T: Cost>(entries: &[T], columns: usize) -> Result<(), TransportError> {
    if pulp::Arch::new().dispatch(|| all_usable(entries)) {
        return Ok(());
    }
    let bad = entries.iter().position(|entry| !usable(*entry));
    bad.map_or(Ok(()), |index| {
        Err(TransportError::BadEntry { row: index / columns, column: index % columns, value: entries[index].to_f64() })
    })
}

#[inline(always)]
fn usable<T: Cost>(entry: T) -> bool {
    // NaN compares false, so it is refused too.
    entry.to_f64().abs() <= LARGEST
}

#[inline(always)]
fn all_usable<T: Cost>(entries: &[T]) -> bool {
    entries.iter().fold(true, |all, entry| all & usable(*entry))
}
