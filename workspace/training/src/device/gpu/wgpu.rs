//! GPUs by Vulkan, Metal or DirectX 12.
//!
//! Left to itself the runtime also takes OpenGL, where that has the only GPU or the only driver. Its kernels round in another way under the same
//! name, so each device is asked for by its interface.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burn::tensor::wgpu::{WgpuBackend, wgpu};
use burn::tensor::{Device as BurnDevice, DeviceKind};

use super::Api;
use crate::TrainingError;

const API: Api = Api {
    kind: "wgpu",
    title: "Vulkan, Metal or DirectX 12",
    missing: "use `cpu`, or install a driver; Mesa's `mesa-vulkan-drivers` has one that computes on the processor",
    broken: "check the driver with `vulkaninfo`",
};

/// The interfaces, best first.
const INTERFACES: [(WgpuBackend, wgpu::Backends); 3] =
    [(WgpuBackend::Vulkan, wgpu::Backends::VULKAN), (WgpuBackend::Metal, wgpu::Backends::METAL), (WgpuBackend::Dx12, wgpu::Backends::DX12)];

/// A device that computes.
#[derive(Clone)]
pub(in crate::device) struct Found {
    pub burn: BurnDevice,
    pub description: String,
    /// In bytes.
    pub largest_buffer: u64,
}

/// Those found so far: a device is set up once in a process. Held while one is looked for, too: loaders of Vulkan crash where several
/// threads make instances.
static FOUND: Mutex<BTreeMap<usize, Found>> = Mutex::new(BTreeMap::new());

/// The device of this index.
pub(in crate::device) fn find(text: &str, index: usize) -> Result<Found, TrainingError> {
    let mut known = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.get(&index) {
        return Ok(found.clone());
    }
    let (interface, kinds) = adapters();
    let Some(kind) = kinds.get(index) else { return Err(API.absent(text, kinds.len())) };
    let options = BurnDevice::wgpu_options().device_kind(kind.clone()).graphics_api(interface);
    let (burn, setup) =
        options.init_with_setup().map_err(|error| API.unavailable(text, format!("it cannot be set up: {error}"), API.broken))?;
    let arithmetic = API.arithmetic(text, &burn)?;
    let wgpu::AdapterInfo { name, driver, driver_info, backend, .. } = setup.adapter.get_info();
    let driver = [driver, driver_info].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let limits = setup.device.limits();
    let found = Found {
        burn,
        description: format!("{name}; {backend:?}, driver {driver}; {arithmetic} products"),
        largest_buffer: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
    };
    known.insert(index, found.clone());
    Ok(found)
}

/// The adapters of the first interface that has a GPU, else of the first that has anything: software that stands for one.
fn adapters() -> (WgpuBackend, Vec<DeviceKind>) {
    let mut software = None;
    for (interface, backends) in INTERFACES {
        let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
        let adapters = ready(wgpu::Instance::new(descriptor).enumerate_adapters(backends)).unwrap_or_default();
        let types: Vec<wgpu::DeviceType> = adapters.iter().map(|adapter| adapter.get_info().device_type).collect();
        if types.iter().any(|of| *of != wgpu::DeviceType::Cpu) {
            return (interface, kinds(&types));
        }
        if software.is_none() && !types.is_empty() {
            software = Some((interface, kinds(&types)));
        }
    }
    software.unwrap_or((WgpuBackend::Vulkan, Vec::new()))
}

/// How each adapter of a list is asked for: by its type, and its place among those of its type.
fn kinds(types: &[wgpu::DeviceType]) -> Vec<DeviceKind> {
    let mut kinds = Vec::new();
    for (place, of) in types.iter().enumerate() {
        let before = types[..place].iter().filter(|other| *other == of).count();
        match of {
            wgpu::DeviceType::DiscreteGpu => kinds.push(DeviceKind::DiscreteGpu(before)),
            wgpu::DeviceType::IntegratedGpu => kinds.push(DeviceKind::IntegratedGpu(before)),
            wgpu::DeviceType::VirtualGpu => kinds.push(DeviceKind::VirtualGpu(before)),
            // Software has no number, so only the first can be asked for.
            wgpu::DeviceType::Cpu if before == 0 => kinds.push(DeviceKind::Cpu),
            // What does not say what it is can only be asked for where it is alone.
            wgpu::DeviceType::Other if types.len() == 1 => kinds.push(DeviceKind::DefaultDevice),
            wgpu::DeviceType::Cpu | wgpu::DeviceType::Other => {}
        }
    }
    kinds
}

/// What a future gives that never waits, as those of native adapters are.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_asked_for_by_their_type_and_place_and_never_by_opengl() {
        use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu, Other};
        let asked = kinds(&[IntegratedGpu, DiscreteGpu, Cpu, DiscreteGpu, Cpu, Other]);
        assert_eq!(asked, [DeviceKind::IntegratedGpu(0), DeviceKind::DiscreteGpu(0), DeviceKind::Cpu, DeviceKind::DiscreteGpu(1)]);
        assert_eq!(kinds(&[Other]), [DeviceKind::DefaultDevice]);
        assert!(INTERFACES.iter().all(|(_, backends)| wgpu::Backends::PRIMARY.contains(*backends) && *backends != wgpu::Backends::GL));
    }

    #[test]
    fn a_device_that_is_asked_for_again_is_the_same() {
        if let (Ok(first), Ok(second)) = (find("wgpu", 0), find("wgpu:0", 0)) {
            assert_eq!((first.description, first.largest_buffer), (second.description, second.largest_buffer));
            assert!(first.largest_buffer >= 1 << 20);
        }
    }
}
