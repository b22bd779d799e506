use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cifar::Cifar;
use crate::content::{Packing, reader};
use crate::idx::Idx;
use crate::kind;
use crate::search_paths::SearchPaths;
use crate::source::Source;

/// How many images each split has, without reading any: from the keys, the files' headers and lengths, or what is known of the set.
///
/// `None` where only files can say and they are not here, are compressed, or are not what they should be: [`digest`](crate::digest) and
/// [`open`](crate::open) tell why.
pub fn counts(source: &Source, search_paths: &SearchPaths) -> Option<Counts> {
    let offline = SearchPaths { fetch: false, ..search_paths.clone() };
    let known = || source.known().map(|known| Counts { train: known.train, test: known.test });
    match source {
        Source::Glyphs(glyphs) => Some(Counts { train: glyphs.train, test: glyphs.test }),
        Source::Idx(idx) => of_idx(idx, &offline).or_else(known),
        Source::Cifar(cifar) => of_cifar(cifar, &offline).or_else(|| known().filter(|_| cifar.train.is_empty() && cifar.test.is_empty())),
        Source::Folder(folder) => {
            let classes = folder.classes(&offline).ok()?;
            let sum = |of: fn(&crate::Class) -> usize| classes.iter().map(of).sum();
            Some(Counts { train: sum(|class| class.train), test: sum(|class| class.test) })
        }
    }
}

/// As [`counts`], else as many images as the files would have if they were not packed: at most those that there are, and good enough to reckon how
/// long they take.
pub fn rough_counts(source: &Source, search_paths: &SearchPaths) -> Option<Counts> {
    let offline = SearchPaths { fetch: false, ..search_paths.clone() };
    let by_length = || match source {
        Source::Cifar(cifar) => of_cifar_files(cifar, &offline, |path| Some(fs::metadata(path).ok()?.len())),
        _ => None,
    };
    counts(source, search_paths).or_else(by_length)
}

/// Numbers of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Of the training split.
    pub train: usize,
    /// Of the test split.
    pub test: usize,
}

fn of_idx(idx: &Idx, search_paths: &SearchPaths) -> Option<Counts> {
    let located = idx.locate(search_paths).ok()?;
    let count = |path: &PathBuf| {
        let mut start = Vec::with_capacity(kind::START);
        reader(path).ok()?.take(kind::START as u64).read_to_end(&mut start).ok()?;
        idx.images(path, &start).ok()
    };
    Some(Counts { train: count(&located[0])?, test: count(&located[2])? })
}

fn of_cifar(cifar: &Cifar, search_paths: &SearchPaths) -> Option<Counts> {
    of_cifar_files(cifar, search_paths, |path| {
        (Packing::of(path) == Packing::Plain).then(|| fs::metadata(path).ok().map(|file| file.len())).flatten()
    })
}

/// By the lengths of the files.
fn of_cifar_files(cifar: &Cifar, search_paths: &SearchPaths, length: impl Fn(&Path) -> Option<u64>) -> Option<Counts> {
    let (located, train) = cifar.locate(search_paths).ok()?;
    let images = |paths: &[PathBuf]| {
        let bytes: u64 = paths.iter().map(|path| length(path)).sum::<Option<u64>>()?;
        usize::try_from(bytes).ok().map(|bytes| bytes / cifar.record())
    };
    Some(Counts { train: images(&located[..train])?, test: images(&located[train..])? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_counted_by_keys_by_headers_by_lengths_and_by_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let places = SearchPaths::offline([folder.path().to_owned()], folder.path().join("cache"));
        let source = |text: &str| serde_json::from_str::<Source>(text).unwrap();
        let train_and_test = |source: &Source| counts(source, &places).map(|counts| (counts.train, counts.test));
        assert_eq!(train_and_test(&source(r#"{ "format": "glyphs", "train": 7, "test": 3 }"#)), Some((7, 3)));
        assert_eq!(train_and_test(&Source::named("mnist").unwrap()), Some((60_000, 10_000)));
        let idx = source(r#"{ "format": "idx", "directory": "own" }"#);
        assert_eq!(train_and_test(&idx), None);
        let own = folder.path().join("own");
        fs::create_dir(&own).unwrap();
        for (split, count) in [("train", 5_u8), ("t10k", 2)] {
            let header = [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 1, 0, 0, 0, 1];
            fs::write(own.join(format!("{split}-images-idx3-ubyte")), header.into_iter().chain(vec![9; count.into()]).collect::<Vec<_>>())
                .unwrap();
            fs::write(own.join(format!("{split}-labels-idx1-ubyte")), [0, 0, 8, 1, 0, 0, 0, count]).unwrap();
        }
        assert_eq!(train_and_test(&idx), Some((5, 2)));
        let cifar = source(r#"{ "format": "cifar", "directory": "own", "train": ["a.bin", "b.bin"], "test": ["c.bin"] }"#);
        for (file, images) in [("a.bin", 3), ("b.bin", 4), ("c.bin", 1)] {
            fs::write(own.join(file), vec![0; images * 3073]).unwrap();
        }
        assert_eq!(train_and_test(&cifar), Some((7, 1)));
        // Packed, they are at least as many as the packed bytes would hold.
        fs::rename(own.join("b.bin"), own.join("b.bin.xz")).unwrap();
        assert_eq!(train_and_test(&cifar), None);
        assert_eq!(rough_counts(&cifar, &places), Some(Counts { train: 7, test: 1 }));
    }
}
