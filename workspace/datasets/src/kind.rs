//! What a file is, by its first bytes: for messages about files that are not what their names say.

use std::io::Read;
use std::path::Path;

use crate::content::open_file;

/// Enough bytes to tell every kind.
pub(crate) const START: usize = 64;

/// The kind in words, if it is one of those that often lie in the place of data.
pub(crate) fn of_bytes(start: &[u8]) -> Option<&'static str> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start().to_ascii_lowercase();
    if [&b"<!doctype"[..], b"<html", b"<head"].iter().any(|tag| text.starts_with(tag)) {
        return Some("a web page");
    }
    if text.starts_with(b"<?xml") {
        return Some("an XML page");
    }
    MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| *kind)
}

/// The same of a file as it lies on the disk, whatever its name says.
pub(crate) fn of_file(path: &Path) -> Option<&'static str> {
    let mut start = Vec::with_capacity(START);
    open_file(path).ok()?.take(START as u64).read_to_end(&mut start).ok()?;
    of_bytes(&start)
}

const MAGIC: [(&[u8], &str); 16] = [
    (b"\x1f\x8b", "a gzip stream"),
    (b"\xfd7zXZ\0", "an xz stream"),
    (b"BZh", "a bzip2 stream"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard stream"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x80\x02", "a pickle of Python"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a RIFF file, such as a WebP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_often_lies_in_the_place_of_data_is_named() {
        for (start, kind) in [
            (&b"<!DOCTYPE html><html>"[..], "a web page"),
            (b"\xef\xbb\xbf\r\n <HTML>", "a web page"),
            (b"\x1f\x8b\x08\0", "a gzip stream"),
            (b"PK\x03\x04..", "a zip archive"),
            (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, not the file itself"),
        ] {
            assert_eq!(of_bytes(start), Some(kind));
        }
        assert_eq!(of_bytes(b"\0\0\x08\x03\0\0\0\x01"), None);
        assert_eq!(of_bytes(b""), None);
    }
}
