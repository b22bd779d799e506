//! What a panic of a stage comes to: an error of the device, where it tells of one, else a bug.

use std::any::Any;

use anyhow::{Error, anyhow};
use onebasin_training::Device;

use crate::number::sizes;

/// How the runtime of GPUs says that no buffer is so large. It panics where a result is read, long after.
const TOO_LARGE: &str = "can't allocate buffer of size: ";

/// The error of a stage that panicked on a device.
pub(super) fn error(payload: &(dyn Any + Send), device: &Device) -> Error {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message");
    match too_large(text) {
        Some(bytes) => refused(bytes, device.largest_buffer(), &device.name()),
        None => anyhow!("the stage panicked: {text}\nhint: this is a bug, please report it"),
    }
}

/// The size of the buffer that a message says could not be had.
fn too_large(text: &str) -> Option<u64> {
    let (_, size) = text.split_once(TOO_LARGE)?;
    size.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
}

fn refused(bytes: u64, largest: Option<u64>, device: &str) -> Error {
    let hint = "hint: choose a smaller `batch` or network, or `--device cpu`";
    match largest {
        Some(largest) => {
            let [needed, most] = sizes([bytes, largest]);
            anyhow!(
                "the stage needs {needed} in one buffer ({bytes} bytes), expected at most {most}, the largest of device `{device}`\n{hint}"
            )
        }
        None => anyhow!("the stage needs {bytes} bytes in one buffer, more than the largest of device `{device}`\n{hint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_too_large_is_no_bug_and_told_with_the_limit() {
        let said = "An error happened\nCaused by:\n  can't allocate buffer of size: 156800000\nNo backtrace available".to_owned();
        assert_eq!(too_large(&said), Some(156_800_000));
        let message = refused(156_800_000, Some(128 << 20), "wgpu:0").to_string();
        let expected = "the stage needs 149.5 MiB in one buffer (156800000 bytes), expected at most 128.0 MiB, the largest of device `wgpu:0`\n\
                        hint: choose a smaller `batch` or network, or `--device cpu`";
        assert_eq!(message, expected);
        let message = error(&said, &Device::select("cpu").unwrap()).to_string();
        assert!(message.contains("156800000 bytes in one buffer") && !message.contains("bug"), "{message}");
    }

    #[test]
    fn any_other_panic_is_a_bug() {
        let device = Device::select("cpu").unwrap();
        for (payload, said) in [(&"lost" as &(dyn Any + Send), "lost"), (&7, "without a message")] {
            let message = error(payload, &device).to_string();
            assert!(message.starts_with(&format!("the stage panicked: {said}\nhint: this is a bug")), "{message}");
        }
    }
}
