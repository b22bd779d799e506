//! Devices that compute on their own: found without a panic, tried, and described.

#[cfg(feature = "cuda")]
pub(super) mod cuda;
#[cfg(feature = "wgpu")]
pub(super) mod wgpu;

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};

use crate::TrainingError;

/// Terms of the product that tells how a device rounds.
const TERMS: usize = 512;

/// What there is to say of one kind of device.
struct Api {
    /// As `--device` begins.
    kind: &'static str,
    /// As people call it.
    title: &'static str,
    /// What to see to where none is found.
    missing: &'static str,
    /// What to see to where a device is found that cannot compute.
    broken: &'static str,
}

impl Api {
    fn unavailable(&self, text: &str, problem: String, hint: &str) -> TrainingError {
        TrainingError::DeviceUnavailable { text: text.to_owned(), problem, hint: hint.to_owned() }
    }

    /// There are `count` devices, too few for the one asked for.
    fn absent(&self, text: &str, count: usize) -> TrainingError {
        let Api { kind, title, missing, .. } = self;
        match count {
            0 => self.unavailable(text, format!("no {title} device was found on this machine"), missing),
            1 => self.unavailable(text, format!("this machine has one {title} device, `{kind}:0`"), "choose it"),
            count => {
                let problem = format!("this machine has {count} {title} devices, `{kind}:0` to `{kind}:{}`", count - 1);
                self.unavailable(text, problem, "choose one of these")
            }
        }
    }

    /// How a device that has added two numbers rightly rounds its products. Burn panics, here or in a thread of its own, where the driver or
    /// the compiler of kernels is missing: better now than in the middle of a training, and as an error.
    fn arithmetic(&self, text: &str, device: &BurnDevice) -> Result<&'static str, TrainingError> {
        arithmetic(device).ok_or_else(|| self.unavailable(text, "a first sum on it failed".to_owned(), self.broken))
    }
}

/// How a device rounds the factors of a product: `f32`, or less. `1 + 2⁻¹²` has more digits than the ten bits of `tf32`, where the product of
/// its powers is that of ones. None where it cannot add two numbers.
fn arithmetic(device: &BurnDevice) -> Option<&'static str> {
    let computed = catch_unwind(AssertUnwindSafe(|| {
        let sum = Tensor::<1>::from_data([1.0f32], device).add_scalar(1.0).try_into_data().ok()?;
        let matrix = Tensor::<2>::from_data(TensorData::new(vec![1.0f32 + 2.0f32.powi(-12); TERMS * TERMS], [TERMS, TERMS]), device);
        let product = matrix.clone().matmul(matrix).try_into_data().ok()?;
        Some((sum.try_to_vec::<f32>().ok()?, product.try_to_vec::<f32>().ok()?))
    }));
    let (sum, product) = computed.ok()??;
    let expected = TERMS as f32 * (1.0 + 2.0f32.powi(-11));
    let worst = product.iter().map(|value| (value - expected).abs()).fold(0.0f32, f32::max);
    (sum == [2.0]).then_some(if worst < 0.01 { "f32" } else { "tf32" })
}
