//! Decompressed copies of `.xz` files in the cache: decompressing CIFAR takes seconds of every run, reading a copy hundredths.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use onebasin_repro::Fingerprint;
use rayon::prelude::*;
use tempfile::NamedTempFile;

use crate::content::{self, Packing, unreadable};
use crate::digest::of_files;
use crate::error::DatasetError;
use crate::places::Places;

/// Copies are named by their content, so that none is ever stale.
fn copy_of(content: &Fingerprint, places: &Places) -> PathBuf {
    folder(places).join(content.to_string())
}

fn folder(places: &Places) -> PathBuf {
    places.cache.join("unpacked")
}

/// The digest of the decompressed content; a file that is slow to decompress leaves a copy where the cache can be written.
pub(crate) fn digest(path: &Path, places: &Places) -> Result<Fingerprint, DatasetError> {
    let source = content::reader(path)?;
    let copy = match Packing::of(path) {
        Packing::Xz => std::fs::create_dir_all(folder(places)).and_then(|()| NamedTempFile::new_in(folder(places))).ok(),
        Packing::Plain | Packing::Gzip => None,
    };
    let mut copying = Copying { source, copy };
    let content = Fingerprint::of_reader(&mut copying).map_err(unreadable(path))?;
    if let Some(copy) = copying.copy {
        // A help for speed only.
        let _ = copy.persist(copy_of(&content, places));
    }
    Ok(content)
}

/// The decompressed contents and their digests. Copies are read where there are some.
///
/// # Errors
/// When a file cannot be read, or is damaged.
pub(crate) fn contents(located: &[PathBuf], places: &Places) -> Result<Vec<(Vec<u8>, Fingerprint)>, DatasetError> {
    let packed: Vec<PathBuf> = located.iter().filter(|path| Packing::of(path) == Packing::Xz).cloned().collect();
    // Without a folder for copies nothing is gained by reading the files for their digests first.
    let copies = !packed.is_empty() && std::fs::create_dir_all(folder(places)).is_ok();
    let mut expected = if copies { of_files(&packed, places)? } else { Vec::new() }.into_iter();
    let expected: Vec<Option<Fingerprint>> =
        located.iter().map(|path| if Packing::of(path) == Packing::Xz { expected.next() } else { None }).collect();
    let read = |(path, expected): (&PathBuf, Option<Fingerprint>)| {
        // A copy that is gone or damaged is made again.
        let again = |content: &Fingerprint| digest(path, places).ok().and_then(|_| copied(content, places));
        if let Some(content) = expected
            && let Some(bytes) = copied(&content, places).or_else(|| again(&content))
        {
            return Ok((bytes, content));
        }
        let bytes = content::contents(path, content::reader(path)?)?;
        let content = Fingerprint::of_bytes(&bytes);
        Ok((bytes, content))
    };
    located.par_iter().zip(expected).map(read).collect()
}

/// What the copy of this content holds, if it is there and holds what its name says.
fn copied(content: &Fingerprint, places: &Places) -> Option<Vec<u8>> {
    let bytes = std::fs::read(copy_of(content, places)).ok()?;
    (Fingerprint::of_bytes(&bytes) == *content).then_some(bytes)
}

/// Writes down what is read; a copy that cannot be written is given up.
struct Copying {
    source: Box<dyn Read + Send>,
    copy: Option<NamedTempFile>,
}

impl Read for Copying {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        if self.copy.as_mut().is_some_and(|copy| copy.write_all(&buffer[..length]).is_err()) {
            self.copy = None;
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(paths: &[PathBuf], places: &Places) -> Vec<Vec<u8>> {
        let contents = contents(paths, places).unwrap();
        assert!(contents.iter().all(|(bytes, digest)| *digest == Fingerprint::of_bytes(bytes)));
        contents.into_iter().map(|(bytes, _)| bytes).collect()
    }

    #[test]
    fn a_copy_is_made_once_read_instead_and_not_trusted_when_damaged() {
        let house = tempfile::tempdir().unwrap();
        let places = Places::offline([], house.path().join("cache"));
        let (plain, xz) = (house.path().join("a"), house.path().join("b.xz"));
        std::fs::write(&plain, b"one").unwrap();
        std::fs::write(&xz, packed(b"two")).unwrap();
        let paths = [xz.clone(), plain, xz];
        let expected = [&b"two"[..], b"one", b"two"];
        assert_eq!(read(&paths, &places), expected);
        let copies: Vec<PathBuf> = folder(&places).read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(copies, [copy_of(&Fingerprint::of_bytes(b"two"), &places)]);
        assert_eq!(std::fs::read(&copies[0]).unwrap(), b"two");
        std::fs::write(&copies[0], b"tow").unwrap();
        assert_eq!(read(&paths, &places), expected);
        assert_eq!(std::fs::read(&copies[0]).unwrap(), b"two");
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let house = tempfile::tempdir().unwrap();
        let in_the_way = house.path().join("file");
        std::fs::write(&in_the_way, b"").unwrap();
        let xz = house.path().join("b.xz");
        std::fs::write(&xz, packed(b"two")).unwrap();
        assert_eq!(read(&[xz], &Places::offline([], in_the_way)), [b"two"]);
    }
}
