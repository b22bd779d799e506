use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;

use zip::{CompressionMethod, ZipArchive};

use super::find::find;
use super::storages::{Content, bytes_of, load, scatter, tensors_of};
use super::write::write_archive;
use crate::error::Fault;
use crate::pickle::{self, Pickled};
use crate::{StateDict, zip_archive};

/// More files than any checkpoint has.
const MOST_FILES: usize = 1_000_000;

/// Bytes of the header before a file of an archive, without its name.
const LOCAL_HEADER: usize = 30;

/// Reads PyTorch's zip archive.
pub(crate) fn from_zip(bytes: &[u8], key: Option<&str>) -> Result<StateDict, Fault> {
    opened(bytes, key, |content| load(bytes, content))
}

/// The same archive with other numbers in the tensors of `dict`.
pub(crate) fn zip_with(bytes: &[u8], key: Option<&str>, dict: &StateDict) -> Result<Vec<u8>, Fault> {
    let changed = opened(bytes, key, |content| scatter(bytes, content, dict))?;
    let mut archive = zip_archive::open(bytes).map_err(|error| broken(&error))?;
    let entries = entries(bytes, &mut archive)?;
    let mut files: Vec<(&String, &Range<usize>)> = entries.iter().collect();
    files.sort_by_key(|(_, range)| range.start);
    Ok(write_archive(files.into_iter().map(|(name, range)| (name.clone(), &changed[range.clone()]))))
}

fn opened<R>(bytes: &[u8], key: Option<&str>, then: impl FnOnce(&Content<'_>) -> Result<R, Fault>) -> Result<R, Fault> {
    let mut archive = match zip_archive::open(bytes) {
        Ok(archive) => archive,
        Err(error) => return Err(cut(bytes, key).unwrap_or_else(|| broken(&error))),
    };
    if archive.file_names().any(|name| name.is_ok_and(|name| name.ends_with("/constants.pkl") || name.contains("/code/"))) {
        let hint = "save its state dict: `torch.save(torch.jit.load(..).state_dict(), \"net.pt\")`";
        return Err(Fault::new("is a TorchScript archive, which holds a program", hint));
    }
    let entries = entries(bytes, &mut archive)?;
    let Some(folder) = entries.keys().filter_map(|name| name.strip_suffix("data.pkl")).min_by_key(|folder| folder.len()) else {
        return Err(Fault::new("is a zip archive without `data.pkl` or arrays", "expected what `torch.save` or `numpy.savez` writes"));
    };
    let pickle = &bytes[entries[&format!("{folder}data.pkl")].clone()];
    let pickled = pickle::read(pickle)?;
    let found = find(&pickled, key)?;
    let big_endian = match entries.get(&format!("{folder}byteorder")).map(|range| &bytes[range.clone()]) {
        None | Some(b"little") => false,
        Some(b"big") => true,
        Some(_) => return Err(Fault::damaged("has a byte order that is none")),
    };
    let mut ranges = Vec::with_capacity(pickled.storages.len());
    for storage in &pickled.storages {
        let range = entries.get(&format!("{folder}data/{}", storage.key)).cloned();
        ranges.push((range, bytes_of(storage)));
    }
    let range = |id: usize| {
        let key = &pickled.storages[id].key;
        match &ranges[id] {
            (Some(range), Some(needed)) if range.len() == *needed => Ok(range.clone()),
            (range, needed) => {
                let whose = tensors_of(&found, &pickled, key);
                let came = range.as_ref().map_or("is missing".to_owned(), |range| format!("has {} bytes", range.len()));
                let needed = needed.map_or("a number beyond all memory".to_owned(), |needed| needed.to_string());
                Err(Fault::damaged(format!("{whose}: `{folder}data/{key}` {came}, expected {needed}")))
            }
        }
    };
    then(&Content { pickled: &pickled, found: &found, big_endian, range: &range })
}

fn broken(error: &dyn std::fmt::Display) -> Fault {
    Fault::damaged(format!("is no whole zip archive: {error}"))
}

/// Where in the archive the bytes of each file lie, checked against their checksums. Files are stored, never compressed.
fn entries(bytes: &[u8], archive: &mut ZipArchive<Cursor<&[u8]>>) -> Result<HashMap<String, Range<usize>>, Fault> {
    if archive.len() > MOST_FILES {
        return Err(Fault::damaged(format!("is a zip archive of {} files, expected at most {MOST_FILES}", archive.len())));
    }
    let mut entries = HashMap::with_capacity(archive.len());
    // Files that share bytes could be read again and again.
    let mut read = 0;
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|error| broken(&error))?;
        let name = file.name().map_err(|error| broken(&error))?.into_owned();
        let wrong = |problem: String| Fault::damaged(format!("`{name}` in the archive {problem}"));
        if file.compression() != CompressionMethod::Stored || file.encrypted() {
            return Err(Fault::new(format!("`{name}` in the archive is compressed"), "PyTorch never compresses; save it again"));
        }
        let place = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
        let start = place(file.data_start()).ok_or_else(|| wrong("has no place".to_owned()))?;
        let end = place(Some(file.size())).and_then(|size| start.checked_add(size)).filter(|&end| end <= bytes.len());
        let end = end.ok_or_else(|| wrong("is cut short".to_owned()))?;
        read += end - start;
        if read > bytes.len() {
            return Err(wrong("shares its bytes with others".to_owned()));
        }
        let expected = file.crc32();
        drop(file);
        // Some writers leave the checksum out.
        if expected != 0 && crc32(&bytes[start..end]) != expected {
            return Err(wrong("has another checksum than its bytes".to_owned()));
        }
        if entries.insert(name.clone(), start..end).is_some() {
            return Err(wrong("stands there twice".to_owned()));
        }
    }
    Ok(entries)
}

/// What an archive whose directory is lost was cut in, if its pickle is still there.
fn cut(bytes: &[u8], key: Option<&str>) -> Option<Fault> {
    let mut files: HashMap<String, usize> = HashMap::new();
    let mut at = 0;
    while let Some(found) = find_header(&bytes[at..]) {
        let header = at + found;
        let field = |place: usize| Some(usize::from(u16::from_le_bytes(bytes.get(header + place..header + place + 2)?.try_into().ok()?)));
        let (Some(name), Some(extra)) = (field(26), field(28)) else { break };
        let start = header + LOCAL_HEADER + name + extra;
        if let Some(name) = bytes.get(header + LOCAL_HEADER..header + LOCAL_HEADER + name).and_then(|name| std::str::from_utf8(name).ok()) {
            files.insert(name.to_owned(), start);
        }
        at = header + 4;
    }
    let folder = files.keys().find_map(|name| name.strip_suffix("data.pkl"))?.to_owned();
    let pickled: Pickled = match pickle::read(bytes.get(*files.get(&format!("{folder}data.pkl"))?..)?) {
        Ok(pickled) => pickled,
        Err(fault) => return Some(fault),
    };
    let found = match find(&pickled, key) {
        Ok(found) => found,
        Err(fault) => return Some(fault),
    };
    let missing = pickled.storages.iter().find_map(|storage| {
        let needed = bytes_of(storage)?;
        match files.get(&format!("{folder}data/{}", storage.key)) {
            Some(&start) if start.checked_add(needed)? <= bytes.len() => None,
            Some(&start) => Some((storage, needed, bytes.len().saturating_sub(start))),
            None => Some((storage, needed, 0)),
        }
    });
    Some(match missing {
        Some((storage, needed, there)) => Fault::damaged(format!(
            "is cut short in {}: `{folder}data/{}` needs {needed} bytes, the file has {there} of them",
            tensors_of(&found, &pickled, &storage.key),
            storage.key
        )),
        None => Fault::damaged("is cut short behind its tensors: the directory of the zip archive is missing"),
    })
}

fn find_header(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'P')?;
        if bytes[at..].starts_with(b"PK\x03\x04") {
            return Some(at);
        }
        at += 1;
    }
}

/// The checksum of zip archives.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
