#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod gpu;
mod name;
mod products;

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
    burn: BurnDevice,
    description: Option<String>,
    memory: Option<u64>,
    largest_buffer: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cpu,
    #[cfg(feature = "ndarray")]
    NdArray,
    #[cfg(feature = "cuda")]
    Cuda(usize),
    #[cfg(feature = "wgpu")]
    Wgpu(usize),
}

impl Device {
    /// Every kind of device there is, in this build or another. Kernels of two kinds round differently.
    pub const KINDS: [&str; 4] = ["cpu", "ndarray", "cuda", "wgpu"];

    /// The device called `text`: `cpu`, `ndarray`, `cuda`, `cuda:1`, `wgpu` or `wgpu:1`.
    ///
    /// # Errors
    /// When the name is none of these, when this build lacks the device, or when the machine does.
    pub fn select(text: &str) -> Result<Device, TrainingError> {
        let (kind, index) = name::parse(text)?;
        match kind {
            "ndarray" => ndarray(text),
            "cuda" => cuda(text, index),
            "wgpu" => wgpu(text, index),
            _ => Ok(Device::host(Kind::Cpu, Kernels::Fused, BurnDevice::flex())),
        }
    }

    /// Looks whether `text` names a device that some build on some machine has. Touches none.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_name(text: &str) -> Result<(), TrainingError> {
        name::parse(text).map(drop)
    }

    fn host(kind: Kind, kernels: Kernels, burn: BurnDevice) -> Device {
        Device { kind, kernels, burn, description: None, memory: None, largest_buffer: None }
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
            #[cfg(feature = "wgpu")]
            Kind::Wgpu(index) => format!("wgpu:{index}"),
        }
    }

    /// What it is of [`Device::KINDS`].
    pub fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Cpu => "cpu",
            #[cfg(feature = "ndarray")]
            Kind::NdArray => "ndarray",
            #[cfg(feature = "cuda")]
            Kind::Cuda(_) => "cuda",
            #[cfg(feature = "wgpu")]
            Kind::Wgpu(_) => "wgpu",
        }
    }

    /// The memory of a device that has its own, in bytes, where it can be found out: of `cuda`, by `nvidia-smi`.
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// The bytes that one tensor may have at most, where the device bounds them.
    pub fn largest_buffer(&self) -> Option<u64> {
        self.largest_buffer
    }

    /// What a device that is not the processor calls itself, its driver, and how it rounds products: found out by a product of 512 terms.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
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
            #[cfg(feature = "wgpu")]
            Kind::Wgpu(_) => false,
        }
    }

    pub(crate) fn burn(&self) -> BurnDevice {
        self.burn.clone()
    }
}

#[cfg(feature = "ndarray")]
fn ndarray(_text: &str) -> Result<Device, TrainingError> {
    #[expect(deprecated, reason = "burn drops this backend in a later release; until then it can be asked for")]
    let burn = BurnDevice::ndarray();
    Ok(Device::host(Kind::NdArray, Kernels::Plain, burn))
}

#[cfg(not(feature = "ndarray"))]
fn ndarray(text: &str) -> Result<Device, TrainingError> {
    Err(not_compiled(text, "ndarray"))
}

#[cfg(feature = "cuda")]
fn cuda(text: &str, index: usize) -> Result<Device, TrainingError> {
    let (burn, description) = gpu::cuda::find(text, index)?;
    let memory = gpu::cuda::memory(index);
    // As cubecl has it: its largest page is a quarter of the memory.
    let largest_buffer = memory.map(|memory| memory / 4);
    Ok(Device { kind: Kind::Cuda(index), kernels: Kernels::Plain, burn, description: Some(description), memory, largest_buffer })
}

#[cfg(not(feature = "cuda"))]
fn cuda(text: &str, _index: usize) -> Result<Device, TrainingError> {
    Err(not_compiled(text, "cuda"))
}

#[cfg(feature = "wgpu")]
fn wgpu(text: &str, index: usize) -> Result<Device, TrainingError> {
    let gpu::wgpu::Found { burn, description, largest_buffer } = gpu::wgpu::find(text, index)?;
    let (description, largest_buffer) = (Some(description), Some(largest_buffer));
    Ok(Device { kind: Kind::Wgpu(index), kernels: Kernels::Plain, burn, description, memory: None, largest_buffer })
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(text: &str, _index: usize) -> Result<Device, TrainingError> {
    Err(not_compiled(text, "wgpu"))
}

#[cfg(not(all(feature = "cuda", feature = "ndarray", feature = "wgpu")))]
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
    #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
    fn a_device_left_out_of_the_build_is_an_error_that_names_the_feature() {
        for kind in ["cuda", "wgpu"] {
            let message = Device::select(&format!("{kind}:3")).unwrap_err().to_string();
            assert!(message.contains("left out of this build") && message.contains(&format!("--features {kind}")), "{message}");
        }
    }

    #[test]
    fn a_device_beyond_any_machine_is_an_error() {
        assert!(Device::select("cuda:4096").is_err());
        assert!(Device::select("wgpu:4096").is_err());
    }
}
