use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use lzma_rust2::XzReader;
use sha2::{Digest as _, Sha256};

use crate::error::DatasetError;

/// How a file's name says it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Xz,
}

/// Endings under which a file may lie, the preferred one first.
pub(crate) const ENDINGS: [&str; 3] = ["", ".gz", ".xz"];

/// An xz stream that asks for more memory than this is refused: its header is not to be trusted.
const XZ_MEMORY_KIB: u32 = 1 << 20;

impl Packing {
    pub fn of(path: &Path) -> Packing {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Packing::Gzip,
            Some("xz") => Packing::Xz,
            _ => Packing::Plain,
        }
    }
}

/// The file of this name, plain or the compressed one where only that exists.
pub(crate) fn present(folder: &Path, file: &str) -> Option<PathBuf> {
    ENDINGS.iter().map(|ending| folder.join(format!("{file}{ending}"))).find(|path| path.is_file())
}

/// A reader of the decompressed content.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn reader(path: &Path) -> Result<Box<dyn Read + Send>, DatasetError> {
    let file = File::open(path).map_err(DatasetError::io("open", path))?;
    let file = BufReader::with_capacity(1 << 16, file);
    Ok(match Packing::of(path) {
        Packing::Plain => Box::new(file),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Packing::Xz => Box::new(XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB)),
    })
}

/// What an error while reading from [`reader`] means.
pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> DatasetError {
    let path = path.to_owned();
    move |source| {
        let damaged = |expected: &str, hint: &str| DatasetError::Format {
            path: path.clone(),
            what: "compressed content".into(),
            expected: expected.into(),
            got: source.to_string(),
            hint: hint.into(),
        };
        match (Packing::of(&path), source.kind()) {
            (Packing::Gzip, io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                damaged("one complete gzip stream", "the file is truncated or damaged; fetch it again")
            }
            (Packing::Xz, io::ErrorKind::Unsupported | io::ErrorKind::OutOfMemory) => {
                damaged("an xz stream of usual filters that needs at most 1 GiB", "compress the file again with `xz -6`, or decompress it")
            }
            // Whatever the system did not say, the decoder did.
            (Packing::Xz, _) if source.raw_os_error().is_none() => {
                damaged("one complete xz stream", "the file is truncated or damaged; fetch it again")
            }
            _ => DatasetError::Io { action: "read", path, source },
        }
    }
}

/// Everything that a reader of this file yields.
pub(crate) fn contents(path: &Path, mut reader: impl Read) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(unreadable(path))?;
    Ok(bytes)
}

/// SHA-256 of everything `reader` yields, as 64 hexadecimal digits.
pub(crate) fn sha256(mut reader: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(digits(hasher))
}

/// A finished SHA-256 as 64 hexadecimal digits.
pub(crate) fn digits(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
