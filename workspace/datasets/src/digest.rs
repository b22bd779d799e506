use std::ops::ControlFlow;
use std::path::PathBuf;

use onebasin_repro::Fingerprint;
use rayon::prelude::*;

use crate::bounded::DataFile;
use crate::content::Packing;
use crate::digest_cache::DigestCache;
use crate::error::DatasetError;
use crate::fetch_missing::fetch_missing;
use crate::search_paths::SearchPaths;
use crate::source::{Source, files};
use crate::unpacked;

/// The hash of a data set's content.
pub type Digest = Fingerprint;

/// Hashes everything that decides what [`open`](crate::open) returns: the decompressed content of the files and the settings of the
/// reader, or the options of the generator. Paths, times and compression do not matter.
///
/// Files are read once. Later calls look into `digests.json` in the cache and compare path, size, inode and times (mtime and ctime).
/// Files may still change before they are opened: [`Dataset::digest`](crate::Dataset) tells what was read.
///
/// # Errors
/// As [`open`](crate::open), but of a file only its header and its length are checked.
pub fn digest(source: &Source, search_paths: &SearchPaths) -> Result<Digest, DatasetError> {
    fetch_missing(source, search_paths, &mut |_| ControlFlow::Continue(()))?;
    match source {
        Source::Idx(idx) => idx.digest(search_paths),
        Source::Glyphs(glyphs) => glyphs.digest(),
        Source::Cifar(cifar) => cifar.digest(search_paths),
        Source::Folder(folder) => folder.digest(search_paths),
    }
    .map_err(|error| error.of_set(source.known()))
}

/// Whether a source that bears the name of a known set has that set's official content, by its digest.
///
/// `None` where nothing can be said: of sets of one's own, of generated ones, and of known ones whose official digest is not at hand.
pub fn is_official(source: &Source, digest: &Digest) -> Option<bool> {
    let known = source.known().filter(|known| known.source() == *source)?;
    known.digest.map(|official| official == digest.to_string())
}

/// The files that [`digest`] would have to decompress, which takes seconds: those of slow formats that no call has read before.
pub fn to_unpack(source: &Source, search_paths: &SearchPaths) -> Vec<PathBuf> {
    let packed = files(source, search_paths).unwrap_or_default().into_iter().filter(|path| Packing::of(path) == Packing::Xz);
    let packed: Vec<PathBuf> = packed.collect();
    if packed.is_empty() {
        return packed;
    }
    let cache = DigestCache::load(&search_paths.cache);
    packed.into_iter().filter(|path| cache.lookup(path).is_none()).collect()
}

/// The digest of each file's decompressed content, from the cache where the file has not changed.
pub(crate) fn of_files(files: &[&DataFile<'_>], search_paths: &SearchPaths) -> Result<Vec<Fingerprint>, DatasetError> {
    let cache = DigestCache::load(&search_paths.cache);
    let cached: Vec<Option<Fingerprint>> = files.iter().map(|file| cache.lookup(file.path)).collect();
    let read: Vec<Result<_, DatasetError>> = files
        .par_iter()
        .zip(&cached)
        .filter(|(_, cached)| cached.is_none())
        .map(|(file, _)| {
            let before = file.path.metadata().map_err(DatasetError::io("read", file.path))?;
            let content = unpacked::digest(file, search_paths)?;
            Ok((file.path.to_owned(), before, content))
        })
        .collect();
    // The first file's error, whatever the order of reading.
    let read: Vec<_> = read.into_iter().collect::<Result<_, _>>()?;
    let mut fresh = read.iter().map(|(_, _, content)| *content);
    // The files that were not in the cache are exactly those read, in the same order.
    let contents = cached.into_iter().filter_map(|cached| cached.or_else(|| fresh.next())).collect();
    if !read.is_empty() {
        cache.store(read);
    }
    Ok(contents)
}
