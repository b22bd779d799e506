use std::fs;
use std::path::Path;

use crate::error::Fault;
use crate::{CheckpointError, StateDict, numpy, safetensors, torch};

/// Reads the tensors of a file of any known format; its content says which, its name does not.
///
/// `key` says under which key of a PyTorch file the tensors stand (`model`, `state.net`), or what the names of those begin with that are meant;
/// needed where there are several.
///
/// # Errors
/// When the file cannot be read, is of no known format, is damaged, would have to execute something, or holds several networks and
/// `key` does not say which.
pub fn read(path: &Path, key: Option<&str>) -> Result<StateDict, CheckpointError> {
    from_bytes(&regular(path, "name a file of weights")?, path, key)
}

/// The bytes of a regular file. A folder gives an error that says less, a pipe or a device may be read for ever.
pub(crate) fn regular(path: &Path, hint: &str) -> Result<Vec<u8>, CheckpointError> {
    let file = |source| CheckpointError::File { path: path.to_owned(), action: "read", source };
    if !fs::metadata(path).map_err(file)?.is_file() {
        return Err(Fault::new("is no regular file", hint).at(path));
    }
    fs::read(path).map_err(file)
}

fn is_web_page(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    head.starts_with("<!doctype html") || head.starts_with("<html")
}

/// As [`read`], of bytes that are at hand. `path` is for messages.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path, key: Option<&str>) -> Result<StateDict, CheckpointError> {
    parse(bytes, key).map_err(|fault| fault.at(path))
}

/// The bytes of a PyTorch file with the numbers of `dict` in place of its tensors', and all else as it was: other keys, types, tied tensors.
///
/// `dict` is what [`from_bytes`] gives of these bytes and this key, with other numbers.
///
/// # Errors
/// As [`from_bytes`]; when the file is none of PyTorch, its tensors are other ones, or tensors that share numbers are no longer equal.
pub fn with_tensors(bytes: &[u8], path: &Path, key: Option<&str>, dict: &StateDict) -> Result<Vec<u8>, CheckpointError> {
    let changed = match bytes {
        [b'P', b'K', ..] if !numpy::is_npz(bytes) => torch::zip_with(bytes, key, dict),
        [0x80, 1..=5, ..] => torch::legacy_with(bytes, key, dict),
        _ => Err(Fault::new("is no file of PyTorch, which alone holds other keys", "write the tensors alone")),
    };
    changed.map_err(|fault| fault.at(path))
}

fn parse(bytes: &[u8], key: Option<&str>) -> Result<StateDict, Fault> {
    let known = "expected safetensors, PyTorch (.pt, .pth, .ckpt) or NumPy (.npz)";
    let other = |what: &str, hint: &str| Err(Fault::new(format!("is {what}, {known}"), hint));
    match bytes {
        [] => other("an empty file", "copy or save it again"),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => {
            if numpy::is_npz(bytes) {
                below(numpy::state_dict(bytes)?, key)
            } else {
                torch::from_zip(bytes, key)
            }
        }
        // A header of 384 bytes begins as a pickle does.
        _ if bytes.get(8) == Some(&b'{') && safetensors::could_be(bytes) => below(safetensors::state_dict(bytes)?, key),
        [0x80, 1..=5, ..] => torch::from_legacy(bytes, key),
        [0x89, b'H', b'D', b'F', ..] => other("an HDF5 file", "save the weights as safetensors or .npz"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => other("one NumPy array", "save named arrays with `numpy.savez`"),
        _ if bytes.get(257..262) == Some(b"ustar") => {
            other("a tar archive", "PyTorch before 0.2 wrote such files; load it there and save it again")
        }
        [0x1f, 0x8b, ..] => other("compressed with gzip", "decompress it first"),
        _ if bytes.len() >= 8 && (bytes.get(8) == Some(&b'{') || safetensors::could_be(bytes)) => {
            below(safetensors::state_dict(bytes)?, key)
        }
        _ if bytes.starts_with(b"version https://git-lfs") => {
            other("a pointer of Git LFS, not the file itself", "`git lfs pull` fetches it")
        }
        _ if is_web_page(bytes) => other("a web page", "what answered was no file: look at the page, and fetch the file again"),
        _ => other("of no known format", "`torch.save(model.state_dict(), \"net.pt\")` makes one"),
    }
}

/// The tensors alone whose names begin with a key.
fn below(mut dict: StateDict, key: Option<&str>) -> Result<StateDict, Fault> {
    if let Some(key) = key {
        let is_below = |name: &str| name.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '/']));
        dict.tensors.retain(|(name, _)| is_below(name));
        if dict.tensors.is_empty() {
            return Err(Fault::new(format!("has no names that begin with `{key}`"), "`describe` without a key lists them"));
        }
    }
    Ok(dict)
}
