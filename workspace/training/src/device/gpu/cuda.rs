//! GPUs by CUDA.

use std::panic::catch_unwind;

use burn::tensor::{Device as BurnDevice, DeviceType};

use super::Api;
use crate::TrainingError;

const API: Api = Api {
    kind: "cuda",
    title: "CUDA",
    missing: "use `cpu`, or check that the driver (`libcuda.so.1`) is installed",
    broken: "kernels are compiled when they are first needed: check that `libnvrtc.so` and the CUDA headers (in `$CUDA_PATH` or `/usr/local/cuda`) are installed",
};

/// The CUDA device of this index, and what it is.
pub(in crate::device) fn find(text: &str, index: usize) -> Result<(BurnDevice, String), TrainingError> {
    // Counts devices without touching one; an absent driver gives none.
    let mut devices = catch_unwind(|| BurnDevice::enumerate(DeviceType::Cuda).into_vec()).unwrap_or_default();
    if index >= devices.len() {
        return Err(API.absent(text, devices.len()));
    }
    let burn = devices.swap_remove(index);
    let arithmetic = API.arithmetic(text, &burn)?;
    let name = burn.identity().map_or_else(|| "a CUDA device".to_owned(), |identity| identity.name);
    Ok((burn, format!("{name}; CUDA; {arithmetic} products")))
}

/// What NVIDIA's own program says of the memory of a device, in bytes.
pub(in crate::device) fn memory(index: usize) -> Option<u64> {
    let mut command = std::process::Command::new("nvidia-smi");
    command.args(["--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id", &index.to_string()]);
    let said = String::from_utf8(command.output().ok()?.stdout).ok()?;
    said.trim().parse::<u64>().ok().map(|mebibytes| mebibytes << 20)
}
