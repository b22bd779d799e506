use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::rng::Uniform;
use super::{Scratch, wrong};
use crate::error::DatasetError;

/// Pads the image with zeros, then crops a window of the old size at one of the `(2 · padding + 1)²` positions, all equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Crop {
    /// Pixels on each side. Default: 4.
    pub padding: usize,
}

impl Default for Crop {
    fn default() -> Crop {
        Crop { padding: 4 }
    }
}

impl Crop {
    pub(super) fn check(&self) -> Result<(), DatasetError> {
        match self.padding {
            1..=1024 => Ok(()),
            other => Err(wrong("augmentation.padding", "a whole number from 1 to 1024", other, "4 is usual for images of 32x32")),
        }
    }

    pub(super) fn apply(
        &self,
        rng: &mut Uniform<impl RngCore>,
        (_, height, width): (usize, usize, usize),
        scratch: &mut Scratch,
        image: &mut [u8],
    ) {
        let places = 2 * self.padding + 1;
        let (down, right) = (rng.below(places), rng.below(places));
        scratch.pixels.clear();
        scratch.pixels.extend_from_slice(image);
        image.fill(0);
        // Row r of the window is row r + down - padding of the image.
        let overlap = |shift: usize, length: usize| {
            let (from, to) = (shift.saturating_sub(self.padding), self.padding.saturating_sub(shift));
            (from.min(length), to.min(length), length.saturating_sub(from + to))
        };
        let ((from_row, to_row, rows), (from_column, to_column, columns)) = (overlap(down, height), overlap(right, width));
        for (target, source) in image.chunks_exact_mut(height * width).zip(scratch.pixels.chunks_exact(height * width)) {
            for row in 0..rows {
                let (target_at, source_at) = ((to_row + row) * width + to_column, (from_row + row) * width + from_column);
                target[target_at..][..columns].copy_from_slice(&source[source_at..][..columns]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::scripted;
    use super::*;

    fn cropped(padding: usize, units: [f64; 2]) -> Vec<u8> {
        let mut image: Vec<u8> = (1..=12).collect();
        Crop { padding }.apply(&mut scripted(&units), (2, 2, 3), &mut Scratch::default(), &mut image);
        image
    }

    #[test]
    fn the_window_moves_over_the_padded_image() {
        // Padding 1: three places each way; the middle one is the image itself.
        assert_eq!(cropped(1, [0.5, 0.5]), (1..=12).collect::<Vec<u8>>());
        // The first place shows the padding above and to the left, the last one that below and to the right.
        assert_eq!(cropped(1, [0.0, 0.0]), [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 8]);
        assert_eq!(cropped(1, [0.99, 0.99]), [5, 6, 0, 0, 0, 0, 11, 12, 0, 0, 0, 0]);
        assert_eq!(cropped(1, [0.0, 0.99]), [0, 0, 0, 2, 3, 0, 0, 0, 0, 8, 9, 0]);
    }

    #[test]
    fn a_window_may_miss_the_image() {
        assert_eq!(cropped(5, [0.0, 0.5]), [0; 12]);
        assert_eq!(cropped(5, [0.5, 0.999]), [0; 12]);
    }
}
