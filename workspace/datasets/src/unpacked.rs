//! Decompressed copies of `.xz` files in the cache: decompressing CIFAR takes seconds of every run, reading a copy hundredths.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use onebasin_repro::Fingerprint;
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

/// Readers of the decompressed contents, of copies where there are some.
///
/// # Errors
/// When a file cannot be opened, or when one to be copied is damaged.
pub(crate) fn readers(located: &[PathBuf], places: &Places) -> Result<Vec<Box<dyn Read + Send>>, DatasetError> {
    let packed: Vec<PathBuf> = located.iter().filter(|path| Packing::of(path) == Packing::Xz).cloned().collect();
    // Without a folder for copies nothing is gained by reading the files for their digests first.
    let copies = !packed.is_empty() && std::fs::create_dir_all(folder(places)).is_ok();
    let mut contents = if copies { of_files(&packed, places)? } else { Vec::new() }.into_iter();
    let reader = |path: &PathBuf| {
        let content = if Packing::of(path) == Packing::Xz { contents.next() } else { None };
        // A copy that is gone or damaged is made again.
        let again = |content: &Fingerprint| digest(path, places).ok().and_then(|_| intact(content, places));
        match content.and_then(|content| intact(&content, places).or_else(|| again(&content))) {
            Some(copy) => Ok(Box::new(io::BufReader::with_capacity(1 << 16, copy)) as Box<dyn Read + Send>),
            None => content::reader(path),
        }
    };
    located.iter().map(reader).collect()
}

/// The copy, if it is there and holds what its name says.
fn intact(content: &Fingerprint, places: &Places) -> Option<File> {
    let path = copy_of(content, places);
    let found = Fingerprint::of_reader(File::open(&path).ok()?).ok()?;
    if found == *content { File::open(&path).ok() } else { None }
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
        let read = |mut reader: Box<dyn Read + Send>| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes
        };
        readers(paths, places).unwrap().into_iter().map(read).collect()
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
