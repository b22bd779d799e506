//! How fast a device multiplies large matrices: what a training's share of it is told by.

use std::time::Instant;

use burn::tensor::Tensor;

use super::Device;
use crate::TrainingError;

/// A product of matrices that takes at least so long is large enough to time.
const LONG: f64 = 0.02;
/// Rows of the largest matrix that is tried.
const MOST: usize = 8192;

impl Device {
    /// Operations per second of products of large matrices of `f32`, measured for about so many seconds: a multiplication and an addition are two.
    ///
    /// # Errors
    /// When the device fails.
    pub fn product_rate(&self, seconds: f64) -> Result<f64, TrainingError> {
        let failed = |error: burn::tensor::ExecutionError| TrainingError::DeviceUnavailable {
            text: self.name(),
            problem: format!("a product of matrices fails: {error}"),
            hint: "is its memory full?".to_owned(),
        };
        let timed = |size: usize, times: usize| {
            let burn = self.burn();
            let one = Tensor::<2>::ones([size, size], &burn);
            burn.sync().map_err(failed)?;
            let begun = Instant::now();
            let mut last = one.clone();
            for _ in 0..times {
                last = one.clone().matmul(one.clone());
            }
            // Whatever came out, it is waited for.
            let rows = last.slice([0..1, 0..1]).into_data();
            debug_assert!(rows.num_elements() == 1);
            Ok::<f64, TrainingError>(begun.elapsed().as_secs_f64())
        };
        let mut size = 256;
        let mut each = timed(size, 1)?;
        loop {
            // The first product of a size may compile its kernel.
            each = each.min(timed(size, 1)?);
            if each >= LONG || size == MOST {
                break;
            }
            size *= 2;
            each = timed(size, 1)?;
        }
        let times = (seconds / each).ceil().clamp(1.0, 1e6) as usize;
        let took = timed(size, times)?;
        Ok(2.0 * (size as f64).powi(3) * times as f64 / took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_multiplies_at_some_rate() {
        let rate = Device::select("cpu").unwrap().product_rate(0.01).unwrap();
        assert!(rate > 1e7 && rate < 1e15, "{rate}");
    }
}
