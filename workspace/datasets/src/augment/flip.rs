use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::rng::Uniform;
use super::wrong;
use crate::error::DatasetError;

/// Mirrors left and right with some probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flip {
    /// The probability, 0 to 1. Default: 0.5.
    pub probability: f64,
}

impl Default for Flip {
    fn default() -> Flip {
        Flip { probability: 0.5 }
    }
}

impl Flip {
    pub(super) fn check(&self) -> Result<(), DatasetError> {
        match (0.0..=1.0).contains(&self.probability) {
            true => Ok(()),
            false => Err(wrong("augmentation.probability", "a number from 0 to 1", self.probability, "0.5 is usual")),
        }
    }

    pub(super) fn apply(&self, rng: &mut Uniform<impl RngCore>, (_, _, width): (usize, usize, usize), image: &mut [u8]) {
        if rng.unit() < self.probability {
            image.chunks_exact_mut(width.max(1)).for_each(<[u8]>::reverse);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::scripted;
    use super::*;

    #[test]
    fn rows_are_reversed_below_the_probability() {
        for (unit, expected) in [(0.499, [3, 2, 1, 6, 5, 4]), (0.5, [1, 2, 3, 4, 5, 6])] {
            let mut image = [1, 2, 3, 4, 5, 6];
            Flip::default().apply(&mut scripted(&[unit]), (1, 2, 3), &mut image);
            assert_eq!(image, expected);
        }
    }
}
