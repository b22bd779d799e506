use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::DatasetError;

/// Whether the name says that the file is compressed in a way this version reads.
pub(crate) fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// A reader of the decompressed content.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn reader(path: &Path) -> Result<Box<dyn Read + Send>, DatasetError> {
    let file = File::open(path).map_err(DatasetError::io("open", path))?;
    let file = BufReader::with_capacity(1 << 16, file);
    Ok(if is_gzip(path) { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// What an error while reading from [`reader`] means.
pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> DatasetError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if is_gzip(&path) => DatasetError::Format {
            path,
            what: "compressed content".into(),
            expected: "one complete gzip stream".into(),
            got: source.to_string(),
            hint: "the file is truncated or damaged; fetch it again".into(),
        },
        _ => DatasetError::Io { action: "read", path, source },
    }
}

/// The decompressed content.
pub(crate) fn contents(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = Vec::new();
    reader(path)?.read_to_end(&mut bytes).map_err(unreadable(path))?;
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
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
