//! Whether models compute in a frame what they computed before.

use anyhow::{Result, ensure};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Largest difference allowed between two logits that permuting units should have left equal, relative to `1 + max |logit|`: sums over
/// permuted units round differently, and nothing else may happen.
const TOLERANCE: f64 = 1e-3;

/// What running models and the same models in the frame on the same inputs showed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct FunctionCheck {
    /// Largest absolute difference of a logit over models, inputs and classes.
    pub function_error: f64,
    /// Largest absolute logit.
    pub scale: f64,
    /// Inputs.
    pub images: usize,
}

impl FunctionCheck {
    /// Nothing compared yet; each model will be on so many inputs.
    pub fn new(images: usize) -> FunctionCheck {
        FunctionCheck { function_error: 0.0, scale: 0.0, images }
    }

    /// Takes the logits of one model before and after.
    ///
    /// # Errors
    /// When one of them is no number.
    pub fn add(&mut self, before: &Array2<f32>, after: &Array2<f32>) -> Result<()> {
        for (&before, &after) in before.iter().zip(after) {
            let (before, after) = (f64::from(before), f64::from(after));
            ensure!(before.is_finite() && after.is_finite(), "a logit is `{before}` before and `{after}` after the alignment");
            self.function_error = self.function_error.max((before - after).abs());
            self.scale = self.scale.max(before.abs());
        }
        Ok(())
    }

    /// Permuting hidden units leaves a function as it is; anything else is a bug of the method or of the architecture's groups.
    ///
    /// # Errors
    /// When logits differ by more than rounding.
    pub fn ensure_preserved(&self) -> Result<()> {
        let FunctionCheck { function_error, scale, .. } = self;
        let tolerance = TOLERANCE * (1.0 + scale);
        ensure!(
            *function_error <= tolerance,
            "a model computes something else in the frame: logits differ by up to `{function_error:.3e}`, expected at most \
             `{tolerance:.3e}` for logits of up to `{scale:.3}`\nhint: this is a bug of the matching, please report it"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_difference_beyond_rounding_is_a_failure_relative_to_the_logits() {
        let mut check = FunctionCheck::new(1);
        check.add(&array![[9.0, -1.0]], &array![[9.009, -1.0]]).unwrap();
        check.ensure_preserved().unwrap();
        check.add(&array![[1.0, 1.0]], &array![[1.0, 1.02]]).unwrap();
        let message = check.ensure_preserved().unwrap_err().to_string();
        assert!(message.contains("2.0") && message.contains("hint: "), "{message}");
    }

    #[test]
    fn a_logit_that_is_no_number_is_a_failure() {
        let mut check = FunctionCheck::new(1);
        assert!(check.add(&array![[1.0]], &array![[f32::NAN]]).is_err());
    }
}
