use burn::tensor::Device as BurnDevice;

use crate::TrainingError;
use crate::kernels::Kernels;

/// Where tensors live and which kernels work on them.
///
/// Always chosen by name, never by default: a default device of a build with CUDA would panic on a machine without it.
///
/// ```
/// use onebasin_training::Device;
/// assert_eq!(Device::select("cpu")?.name(), "cpu");
/// assert!(Device::select("gpu").is_err());
/// # Ok::<(), onebasin_training::TrainingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Device {
    kind: Kind,
    kernels: Kernels,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cpu,
    #[cfg(feature = "ndarray")]
    NdArray,
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

impl Device {
    /// The device called `text`: `cpu`, `ndarray`, `cuda` or `cuda:1`.
    ///
    /// # Errors
    /// When the name is none of these, when this build lacks the device, or when the machine does.
    pub fn select(text: &str) -> Result<Device, TrainingError> {
        match text {
            "cpu" => Ok(Device { kind: Kind::Cpu, kernels: Kernels::Fused }),
            "ndarray" => ndarray(text),
            "cuda" => cuda(text, 0),
            _ => match text.strip_prefix("cuda:").map(str::parse::<usize>) {
                Some(Ok(index)) => cuda(text, index),
                Some(Err(_)) => Err(TrainingError::UnknownDevice {
                    text: text.to_owned(),
                    hint: "the index after `cuda:` is a whole number from 0, as in `cuda:0`".to_owned(),
                }),
                None => Err(TrainingError::UnknownDevice { text: text.to_owned(), hint: "`cpu` works everywhere".to_owned() }),
            },
        }
    }

    /// The same device with burn's own operations only: slower, and the reference that the others are tested against.
    #[must_use]
    pub fn plain(mut self) -> Device {
        self.kernels = Kernels::Plain;
        self
    }

    /// The name that [`Device::select`] takes.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Cpu => "cpu".to_owned(),
            #[cfg(feature = "ndarray")]
            Kind::NdArray => "ndarray".to_owned(),
            #[cfg(feature = "cuda")]
            Kind::Cuda(index) => format!("cuda:{index}"),
        }
    }

    /// Which operations carry out a network on this device.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Whether the device computes on the threads of its caller.
    pub fn is_host(&self) -> bool {
        match self.kind {
            Kind::Cpu => true,
            #[cfg(feature = "ndarray")]
            Kind::NdArray => true,
            #[cfg(feature = "cuda")]
            Kind::Cuda(_) => false,
        }
    }

    pub(crate) fn burn(&self) -> BurnDevice {
        match self.kind {
            Kind::Cpu => BurnDevice::flex(),
            #[cfg(feature = "ndarray")]
            #[expect(deprecated, reason = "burn drops this backend in a later release; until then it can be asked for")]
            Kind::NdArray => BurnDevice::ndarray(),
            #[cfg(feature = "cuda")]
            Kind::Cuda(index) => BurnDevice::cuda(index),
        }
    }
}

#[cfg(feature = "ndarray")]
fn ndarray(_text: &str) -> Result<Device, TrainingError> {
    Ok(Device { kind: Kind::NdArray, kernels: Kernels::Plain })
}

#[cfg(not(feature = "ndarray"))]
fn ndarray(text: &str) -> Result<Device, TrainingError> {
    Err(not_compiled(text, "ndarray"))
}

#[cfg(feature = "cuda")]
fn cuda(text: &str, index: usize) -> Result<Device, TrainingError> {
    // Counts devices without touching one; an absent driver gives none.
    let count = BurnDevice::enumerate(burn::tensor::DeviceType::Cuda).into_vec().len();
    if index < count {
        let device = Device { kind: Kind::Cuda(index), kernels: Kernels::Plain };
        return if computes(&device) { Ok(device) } else { Err(no_kernels(text)) };
    }
    let problem = match count {
        0 => "no CUDA device was found on this machine".to_owned(),
        1 => "this machine has one CUDA device, `cuda:0`".to_owned(),
        count => format!("this machine has {count} CUDA devices, `cuda:0` to `cuda:{}`", count - 1),
    };
    let hint = if count == 0 { "use `cpu`, or check that the driver (`libcuda.so.1`) is installed" } else { "choose one of these" };
    Err(TrainingError::DeviceUnavailable { text: text.to_owned(), problem, hint: hint.to_owned() })
}

/// Whether a first sum comes back right. Where the compiler of kernels is missing burn panics, here or in a thread of its own: better now
/// than in the middle of a training, and as an error.
#[cfg(feature = "cuda")]
fn computes(device: &Device) -> bool {
    let sum = || burn::tensor::Tensor::<1>::from_data([1.0f32], &device.burn()).add_scalar(1.0).try_into_data();
    let sum = std::panic::catch_unwind(std::panic::AssertUnwindSafe(sum));
    matches!(sum, Ok(Ok(data)) if data.try_to_vec::<f32>().is_ok_and(|values| values == [2.0]))
}

#[cfg(feature = "cuda")]
fn no_kernels(text: &str) -> TrainingError {
    TrainingError::DeviceUnavailable {
        text: text.to_owned(),
        problem: "a first sum on it failed".to_owned(),
        hint: "kernels are compiled when they are first needed: check that `libnvrtc.so` and the CUDA headers (in `$CUDA_PATH` or `/usr/local/cuda`) are installed".to_owned(),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(text: &str, _index: usize) -> Result<Device, TrainingError> {
    Err(not_compiled(text, "cuda"))
}

#[cfg(not(all(feature = "cuda", feature = "ndarray")))]
fn not_compiled(text: &str, feature: &str) -> TrainingError {
    TrainingError::DeviceUnavailable {
        text: text.to_owned(),
        problem: "it was left out of this build".to_owned(),
        hint: format!("use `cpu`, or build with `--features {feature}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_keeps_its_name() {
        let device = Device::select("cpu").unwrap();
        assert_eq!(device.name(), "cpu");
        assert_eq!(device.kernels(), Kernels::Fused);
        assert_eq!(device.plain().kernels(), Kernels::Plain);
    }

    #[test]
    fn a_name_that_means_nothing_is_an_error_with_a_hint() {
        for text in ["", "gpu", "CPU", "cuda:", "cuda:one", "cuda:-1", "cpu:0"] {
            let message = Device::select(text).unwrap_err().to_string();
            assert!(message.contains(&format!("`{text}`")) && message.contains("hint: "), "{message}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_device_left_out_of_the_build_is_an_error_that_names_the_feature() {
        let message = Device::select("cuda:3").unwrap_err().to_string();
        assert!(message.contains("left out of this build") && message.contains("--features cuda"), "{message}");
    }

    #[test]
    fn a_cuda_device_beyond_any_machine_is_an_error() {
        assert!(Device::select("cuda:4096").is_err());
    }
}
