//! Files that a person names, read whole: a pipe would wait for its writer, and a device may never end.

use std::fs;
use std::io;
use std::path::Path;

/// The bytes of a regular file.
///
/// # Errors
/// When it is a pipe, a socket or a device, or cannot be read.
pub fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    regular(path)?;
    fs::read(path)
}

/// The text of a regular file.
///
/// # Errors
/// As [`bytes`]; when it is not UTF-8.
pub fn text(path: &Path) -> io::Result<String> {
    regular(path)?;
    fs::read_to_string(path)
}

/// Refuses what has no end of its own.
///
/// # Errors
/// When it is a pipe, a socket or a device, or nothing is there.
pub fn regular(path: &Path) -> io::Result<()> {
    let kind = fs::metadata(path)?.file_type();
    // What reads a folder says that it is one.
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe or a device, a regular file is expected"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for error in [bytes(&pipe).unwrap_err(), text(Path::new("/dev/zero")).unwrap_err()] {
            assert!(error.to_string().contains("a regular file is expected"), "{error}");
        }
        fs::write(folder.path().join("file"), "text").unwrap();
        assert_eq!(text(&folder.path().join("file")).unwrap(), "text");
        assert_eq!(bytes(&folder.path().join("absent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
