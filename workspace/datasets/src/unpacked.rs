//! Decompressed copies of `.xz` files in the cache: decompressing CIFAR takes seconds, reading a copy hundredths of one.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use onebasin_repro::Fingerprint;
use rayon::prelude::*;

use crate::bounded::{Bounded, DataFile};
use crate::content::{self, Packing, unreadable};
use crate::digest::of_files;
use crate::error::DatasetError;
use crate::search_paths::SearchPaths;
use crate::whole_file::WholeFile;

/// A copy is named after its content, so it is never stale.
fn copy_of(content: &Fingerprint, search_paths: &SearchPaths) -> PathBuf {
    folder(search_paths).join(content.to_string())
}

fn folder(search_paths: &SearchPaths) -> PathBuf {
    search_paths.cache.join("unpacked")
}

/// The digest of the decompressed content; a file that is slow to decompress leaves a copy where the cache can be written.
pub(crate) fn digest(file: &DataFile<'_>, search_paths: &SearchPaths) -> Result<Fingerprint, DatasetError> {
    let source = Bounded::new(file, content::reader(file.path)?)?;
    let copy = match Packing::of(file.path) {
        Packing::Xz => WholeFile::begin(&folder(search_paths)).ok(),
        Packing::Plain | Packing::Gzip => None,
    };
    let mut copying = Copying { source, copy, bytes: 0 };
    let content = Fingerprint::of_reader(&mut copying).map_err(unreadable(file.path))?;
    copying.source.check(file, copying.bytes)?;
    if let Some(copy) = copying.copy {
        // A copy only saves time.
        let _ = copy.commit(&copy_of(&content, search_paths));
    }
    Ok(content)
}

/// The decompressed contents and their digests. Copies are read where there are some.
///
/// # Errors
/// When a file cannot be read, is damaged, or has not the length it should have.
pub(crate) fn contents(files: &[DataFile<'_>], search_paths: &SearchPaths) -> Result<Vec<(Vec<u8>, Fingerprint)>, DatasetError> {
    let packed: Vec<&DataFile<'_>> = files.iter().filter(|file| Packing::of(file.path) == Packing::Xz).collect();
    // The digests are only needed to find copies.
    let copies = !packed.is_empty() && std::fs::create_dir_all(folder(search_paths)).is_ok();
    let mut expected = if copies { of_files(&packed, search_paths)? } else { Vec::new() }.into_iter();
    let expected: Vec<Option<Fingerprint>> =
        files.iter().map(|file| if Packing::of(file.path) == Packing::Xz { expected.next() } else { None }).collect();
    let read = |(file, expected): (&DataFile<'_>, Option<Fingerprint>)| {
        // A copy that is gone or damaged is made again.
        let again = |content: &Fingerprint| digest(file, search_paths).ok().and_then(|_| copied(content, search_paths));
        if let Some(content) = expected
            && let Some(bytes) = copied(&content, search_paths).or_else(|| again(&content))
        {
            return Ok((bytes, content));
        }
        let bytes = Bounded::new(file, content::reader(file.path)?)?.contents(file)?;
        let content = Fingerprint::of_bytes(&bytes);
        Ok((bytes, content))
    };
    let read: Vec<Result<(Vec<u8>, Fingerprint), DatasetError>> = files.par_iter().zip(expected).map(read).collect();
    // The first file's error, whatever the order of reading.
    read.into_iter().collect()
}

/// The bytes of the copy, if it exists and its content is what its name says.
fn copied(content: &Fingerprint, search_paths: &SearchPaths) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    content::open_file(&copy_of(content, search_paths)).ok()?.read_to_end(&mut bytes).ok()?;
    (Fingerprint::of_bytes(&bytes) == *content).then_some(bytes)
}

/// Writes a copy of what is read, and gives the copy up if it cannot be written.
struct Copying {
    source: Bounded,
    copy: Option<WholeFile>,
    bytes: u64,
}

impl Read for Copying {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.bytes += length as u64;
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

    fn read(paths: &[PathBuf], search_paths: &SearchPaths) -> Vec<Vec<u8>> {
        let files: Vec<DataFile<'_>> =
            paths.iter().map(|path| DataFile { path, length: Box::new(|_| Ok(None)), hint: String::new() }).collect();
        let contents = contents(&files, search_paths).unwrap();
        assert!(contents.iter().all(|(bytes, digest)| *digest == Fingerprint::of_bytes(bytes)));
        contents.into_iter().map(|(bytes, _)| bytes).collect()
    }

    #[test]
    fn a_copy_is_made_once_read_instead_and_not_trusted_when_damaged() {
        let house = tempfile::tempdir().unwrap();
        let search_paths = SearchPaths::offline([], house.path().join("cache"));
        let (plain, xz) = (house.path().join("a"), house.path().join("b.xz"));
        std::fs::write(&plain, b"one").unwrap();
        std::fs::write(&xz, packed(b"two")).unwrap();
        let paths = [xz.clone(), plain, xz];
        let expected = [&b"two"[..], b"one", b"two"];
        assert_eq!(read(&paths, &search_paths), expected);
        let copies: Vec<PathBuf> = folder(&search_paths).read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(copies, [copy_of(&Fingerprint::of_bytes(b"two"), &search_paths)]);
        assert_eq!(std::fs::read(&copies[0]).unwrap(), b"two");
        std::fs::write(&copies[0], b"tow").unwrap();
        assert_eq!(read(&paths, &search_paths), expected);
        assert_eq!(std::fs::read(&copies[0]).unwrap(), b"two");
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let house = tempfile::tempdir().unwrap();
        let in_the_way = house.path().join("file");
        std::fs::write(&in_the_way, b"").unwrap();
        let xz = house.path().join("b.xz");
        std::fs::write(&xz, packed(b"two")).unwrap();
        assert_eq!(read(&[xz], &SearchPaths::offline([], in_the_way)), [b"two"]);
    }
}
