use std::fs::{File, FileType};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use lzma_rust2::XzReader;
use sha2::{Digest as _, Sha256};

use crate::error::{DatasetError, FETCH_AGAIN};
use crate::kind;

/// The compression that a file's name announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Xz,
}

/// Suffixes of a file's name, the preferred one first.
pub(crate) const ENDINGS: [&str; 3] = ["", ".gz", ".xz"];

/// An xz stream that asks for more memory than this is refused: its header may lie.
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

/// The file of this name, or the compressed one if only that exists. MNIST's files may also have a dot before `idx`.
pub(crate) fn present(folder: &Path, file: &str) -> Option<PathBuf> {
    let names = std::iter::once(file.to_owned()).chain(dotted(file));
    names.flat_map(|name| ENDINGS.map(|ending| folder.join(format!("{name}{ending}")))).find(|path| path.is_file())
}

/// `train-images.idx3-ubyte`, as some archives call `train-images-idx3-ubyte`.
fn dotted(file: &str) -> Option<String> {
    let (start, end) = file.rsplit_once("-idx")?;
    end.ends_with("-ubyte").then(|| format!("{start}.idx{end}"))
}

/// Opens a regular file. Nothing else is opened: a pipe would wait for its writer, and a device may never end.
pub(crate) fn open_file(path: &Path) -> Result<File, DatasetError> {
    let kind = path.metadata().map_err(DatasetError::io("open", path))?.file_type();
    if !kind.is_file() {
        return Err(DatasetError::Format {
            path: path.to_owned(),
            what: "kind of entry".into(),
            expected: "a regular file".into(),
            got: entry_kind(kind).into(),
            hint: "replace or remove it".into(),
        });
    }
    File::open(path).map_err(DatasetError::io("open", path))
}

/// What an entry of a folder is, in words.
pub(crate) fn entry_kind(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a link",
        () if kind.is_file() => "a file",
        () => "something else",
    }
}

/// A reader of the decompressed content.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn reader(path: &Path) -> Result<Box<dyn Read + Send>, DatasetError> {
    let file = BufReader::with_capacity(1 << 16, open_file(path)?);
    Ok(match Packing::of(path) {
        Packing::Plain => Box::new(file),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Packing::Xz => Box::new(XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB)),
    })
}

/// Turns an error of a [`reader`] into one that names the file.
pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> DatasetError {
    let path = path.to_owned();
    move |source| {
        let damaged = |expected: &str, magic: &str, hint: String| DatasetError::Format {
            path: path.clone(),
            what: "compressed content".into(),
            expected: expected.into(),
            got: match kind::of_file(&path) {
                Some(kind) if kind != magic => kind.to_owned(),
                _ => source.to_string(),
            },
            hint,
        };
        let again = || format!("the file is truncated or damaged; {FETCH_AGAIN}");
        match (Packing::of(&path), source.kind()) {
            (Packing::Gzip, io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                damaged("one complete gzip stream", "a gzip stream", again())
            }
            (Packing::Xz, io::ErrorKind::Unsupported | io::ErrorKind::OutOfMemory) => {
                let hint = "compress the file again with `xz -6`, or decompress it";
                damaged("an xz stream of usual filters that needs at most 1 GiB", "an xz stream", hint.to_owned())
            }
            // Errors that are not the system's come from the decoder.
            (Packing::Xz, _) if source.raw_os_error().is_none() => damaged("one complete xz stream", "an xz stream", again()),
            _ => DatasetError::Io { action: "read", path, source },
        }
    }
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
