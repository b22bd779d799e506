//! NumPy's arrays: `.npy`, one array behind a header; `.npz`, a zip archive of them.

use std::io::Read;
use std::path::Path;

use crate::error::Fault;
use crate::read;
use crate::tensor::{gather, volume};
use crate::{CheckpointError, Dtype, Format, StateDict, Tensor, zip_archive};

/// How much larger than the file compressed arrays may be.
const LARGEST_EXPANSION: u64 = 64;

/// Bytes that the arrays of any file may take.
const SMALL: u64 = 1 << 24;

/// Reads one array: an `.npy` file, or the only array of an `.npz`, or that of a name.
///
/// # Errors
/// When the file cannot be read, is damaged, or holds several arrays and `name` is none of them.
pub fn array(path: &Path, name: &str) -> Result<Tensor, CheckpointError> {
    let mut arrays = arrays(path)?;
    let place = if arrays.len() == 1 { Some(0) } else { arrays.iter().position(|(other, _)| other == name) };
    match place {
        Some(place) => Ok(arrays.swap_remove(place).1),
        None => {
            let names: Vec<String> = arrays.iter().map(|(name, _)| format!("`{name}`")).collect();
            let problem = format!("holds {}, one array or `{name}` is expected", names.join(", "));
            Err(Fault::new(problem, "save it alone with `numpy.save`").at(path))
        }
    }
}

/// Reads the arrays of an `.npy` or `.npz` file with their names; that of an `.npy` is empty.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub fn arrays(path: &Path) -> Result<Vec<(String, Tensor)>, CheckpointError> {
    let bytes = read::regular(path, "name an `.npy` or `.npz` file")?;
    let read = if bytes.starts_with(MAGIC) {
        npy(&bytes).map(|tensor| vec![(String::new(), tensor)])
    } else if bytes.starts_with(b"PK") {
        state_dict(&bytes).map(|dict| dict.tensors)
    } else {
        Err(Fault::new("is no NumPy file, expected `.npy` or `.npz`", "save it with `numpy.save` or `numpy.savez`"))
    };
    read.map_err(|fault| fault.at(path))
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// Whether a zip archive is one of arrays alone.
pub(crate) fn is_npz(bytes: &[u8]) -> bool {
    zip_archive::open(bytes)
        .is_ok_and(|archive| !archive.is_empty() && archive.file_names().all(|name| name.is_ok_and(|name| name.ends_with(".npy"))))
}

pub(crate) fn state_dict(bytes: &[u8]) -> Result<StateDict, Fault> {
    let broken = |error: &dyn std::fmt::Display| Fault::damaged(format!("is no whole zip archive: {error}"));
    let mut archive = zip_archive::open(bytes).map_err(|error| broken(&error))?;
    let mut budget = (bytes.len() as u64).saturating_mul(LARGEST_EXPANSION).max(SMALL);
    let mut dict = StateDict::new(Vec::new());
    dict.format = Format::Npz;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| broken(&error))?;
        let name = file.name().map_err(|error| broken(&error))?.trim_end_matches(".npy").to_owned();
        let wrong = |problem: String| Fault::damaged(format!("array `{name}` {problem}"));
        let too_large = || wrong(format!("is larger than {LARGEST_EXPANSION} times of the file"));
        budget = budget.checked_sub(file.size()).ok_or_else(too_large)?;
        let mut content = Vec::new();
        // What the archive says of a file's size may be false.
        file.take(budget + 1).read_to_end(&mut content).map_err(|error| wrong(format!("cannot be unpacked: {error}")))?;
        if content.len() as u64 > budget + 1 {
            return Err(too_large());
        }
        let tensor = npy(&content).map_err(|fault| Fault { problem: format!("array `{name}` {}", fault.problem), hint: fault.hint })?;
        if dict.get(&name).is_some() {
            return Err(wrong("stands there twice".to_owned()));
        }
        dict.tensors.push((name, tensor));
    }
    Ok(dict)
}

/// One array: magic, version, the length of a header that is a Python dictionary, then the numbers.
fn npy(bytes: &[u8]) -> Result<Tensor, Fault> {
    let cut = || Fault::damaged("is cut short in its header");
    if !bytes.starts_with(MAGIC) {
        return Err(Fault::damaged("is no NumPy array"));
    }
    let wide = *bytes.get(6).ok_or_else(cut)? >= 2;
    let (length, start) = if wide {
        (u32::from_le_bytes(bytes.get(8..12).ok_or_else(cut)?.try_into().expect("four bytes")) as usize, 12)
    } else {
        (usize::from(u16::from_le_bytes(bytes.get(8..10).ok_or_else(cut)?.try_into().expect("two bytes"))), 10)
    };
    let end = start + length;
    let header = String::from_utf8_lossy(bytes.get(start..end).ok_or_else(cut)?);
    let value = |key: &str| {
        let rest = header.split_once(&format!("'{key}':"))?.1.trim_start();
        Some(rest)
    };
    let damaged = |what: &str| Fault::damaged(format!("has no {what} in its header"));
    let descr = value("descr").and_then(|rest| rest.strip_prefix('\'')).and_then(|rest| rest.split_once('\'')).map(|(descr, _)| descr);
    let descr = descr.ok_or_else(|| damaged("type of numbers"))?;
    let is_fortran = value("fortran_order").ok_or_else(|| damaged("order"))?.starts_with("True");
    let shape = value("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')')).map(|(shape, _)| shape);
    let shape = shape.ok_or_else(|| damaged("shape"))?;
    let shape: Option<Vec<usize>> = shape
        .split(',')
        .map(str::trim)
        .filter(|extent| !extent.is_empty())
        .map(|extent| extent.trim_end_matches('L').parse().ok())
        .collect();
    let shape = shape.ok_or_else(|| damaged("shape"))?;
    let (order, kind) = descr.split_at(descr.find(|letter: char| letter.is_ascii_alphabetic() || letter == '?').unwrap_or(0));
    let dtype = match kind {
        "f8" => Dtype::F64,
        "f4" => Dtype::F32,
        "f2" => Dtype::F16,
        "i8" => Dtype::I64,
        "i4" => Dtype::I32,
        "i2" => Dtype::I16,
        "i1" => Dtype::I8,
        "u8" => Dtype::U64,
        "u4" => Dtype::U32,
        "u2" => Dtype::U16,
        "u1" => Dtype::U8,
        "b1" | "?" => Dtype::Bool,
        kind => {
            let problem = format!("is of type `{kind}`, expected numbers");
            return Err(Fault::new(problem, "arrays of objects hold a pickle and are not read; save each array of numbers by its name"));
        }
    };
    let size = dtype.size();
    let needed = volume(&shape).and_then(|count| count.checked_mul(size));
    let data = &bytes[end..];
    if needed != Some(data.len()) {
        return Err(Fault::damaged(format!("has {} bytes of numbers, which its shape {shape:?} does not take", data.len())));
    }
    let mut values = if is_fortran {
        let strides = (0..shape.len()).map(|axis| shape[..axis].iter().product()).collect::<Vec<usize>>();
        gather(data, size, 0, &shape, &strides)
    } else {
        data.to_vec()
    };
    if order == ">" && size > 1 {
        values.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    Ok(Tensor::new(dtype, shape, values))
}
