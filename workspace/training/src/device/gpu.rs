//! Devices that compute on their own: found without a panic, tried, and described.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device as BurnDevice, DeviceType, Tensor, TensorData};

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

/// The CUDA device of this index, and what it is.
#[cfg(feature = "cuda")]
pub(super) fn cuda(text: &str, index: usize) -> Result<(BurnDevice, String), TrainingError> {
    const API: Api = Api {
        kind: "cuda",
        title: "CUDA",
        missing: "use `cpu`, or check that the driver (`libcuda.so.1`) is installed",
        broken: "kernels are compiled when they are first needed: check that `libnvrtc.so` and the CUDA headers (in `$CUDA_PATH` or `/usr/local/cuda`) are installed",
    };
    let (burn, arithmetic) = find(text, index, DeviceType::Cuda, &API)?;
    let name = burn.identity().map_or_else(|| "a CUDA device".to_owned(), |identity| identity.name);
    Ok((burn, format!("{name}; CUDA; {arithmetic} products")))
}

/// What NVIDIA's own program says of the memory of a device, in bytes.
#[cfg(feature = "cuda")]
pub(super) fn memory_of_cuda(index: usize) -> Option<u64> {
    let mut command = std::process::Command::new("nvidia-smi");
    command.args(["--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id", &index.to_string()]);
    let said = String::from_utf8(command.output().ok()?.stdout).ok()?;
    said.trim().parse::<u64>().ok().map(|mebibytes| mebibytes << 20)
}

/// The device of this index that Vulkan, Metal or DirectX 12 has, and what it is.
#[cfg(feature = "wgpu")]
pub(super) fn wgpu(text: &str, index: usize) -> Result<(BurnDevice, String), TrainingError> {
    const API: Api = Api {
        kind: "wgpu",
        title: "Vulkan, Metal or DirectX 12",
        missing: "use `cpu`, or install a driver; Mesa's `mesa-vulkan-drivers` has one that computes on the processor",
        broken: "check the driver with `vulkaninfo`",
    };
    let (burn, arithmetic) = find(text, index, DeviceType::Wgpu, &API)?;
    let name = burn.identity().map_or_else(|| "a device".to_owned(), |identity| identity.name);
    let driver = driver_of(&name).map_or_else(String::new, |driver| format!("; {driver}"));
    Ok((burn, format!("{name}{driver}; {arithmetic} products")))
}

/// A device that has added two numbers rightly, and the arithmetic of its products. Burn panics, here or in a thread of its own, where the
/// driver or the compiler of kernels is missing: better now than in the middle of a training, and as an error.
fn find(text: &str, index: usize, of: DeviceType, api: &Api) -> Result<(BurnDevice, &'static str), TrainingError> {
    let Api { kind, title, missing, broken } = api;
    let unavailable =
        |problem: String, hint: &str| TrainingError::DeviceUnavailable { text: text.to_owned(), problem, hint: hint.to_owned() };
    // Counts devices without touching one; an absent driver gives none.
    let mut devices = catch_unwind(|| BurnDevice::enumerate(of).into_vec()).unwrap_or_default();
    let count = devices.len();
    if index >= count {
        return Err(match count {
            0 => unavailable(format!("no {title} device was found on this machine"), missing),
            1 => unavailable(format!("this machine has one {title} device, `{kind}:0`"), "choose it"),
            count => {
                let problem = format!("this machine has {count} {title} devices, `{kind}:0` to `{kind}:{}`", count - 1);
                unavailable(problem, "choose one of these")
            }
        });
    }
    let device = devices.swap_remove(index);
    match arithmetic(&device) {
        Some(arithmetic) => Ok((device, arithmetic)),
        None => Err(unavailable("a first sum on it failed".to_owned(), broken)),
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

/// Interface and driver of the adapter of this name.
#[cfg(feature = "wgpu")]
fn driver_of(name: &str) -> Option<String> {
    use burn::tensor::wgpu::wgpu;

    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = ready(instance.enumerate_adapters(wgpu::Backends::PRIMARY))?;
    let info = adapters.iter().map(wgpu::Adapter::get_info).find(|info| info.name == name)?;
    let driver = [info.driver, info.driver_info].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    Some(format!("{:?}, driver {driver}", info.backend))
}

/// What a future gives that never waits, as those of native adapters are.
#[cfg(feature = "wgpu")]
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
