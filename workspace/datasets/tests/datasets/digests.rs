//! Names of content: they never change, and what is read has the name that was asked for.

use std::path::{Path, PathBuf};

use onebasin_datasets::{Cifar, CifarLabels, Folder, Glyphs, Idx, SearchPaths, Source, digest, open};

use crate::house::{House, xz};

/// Files that were there before this test was built, so that their times have settled.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/datasets/fixtures")
}

fn idx() -> Source {
    Source::Idx(Idx { classes: Some(3), ..Idx::in_directory("idx") })
}

fn folder() -> Source {
    Source::Folder(Folder::in_directory("folder"))
}

#[test]
fn digests_stay_what_stored_results_say() {
    let cache = tempfile::tempdir().unwrap();
    let search_paths = SearchPaths::offline([fixtures()], cache.path());
    for (source, expected) in [
        (Source::named("glyphs").unwrap(), "78b79ca1dc5cde7cf97cfee6f7728f05c5b2a5aee41096750e180708aef0ac58"),
        (idx(), "57df8af60365e5de31e3e7b5a8d563c145f76e643e5fb647b5555a7ed29bb219"),
        (folder(), "795660d24810eb8be75f8005abd944c28beda413c7ddcd661d738773d7ad25f2"),
    ] {
        assert_eq!(digest(&source, &search_paths).unwrap().to_string(), expected, "{source:?}");
    }
}

#[test]
fn what_is_read_has_the_digest_that_is_told_without_reading() {
    let house = House::new();
    let record = |label: u8| [vec![label], vec![label + 1; 3072]].concat();
    house.write("cifar/train.bin", &record(3));
    house.write("cifar/test.bin.xz", &xz(&record(7), false));
    let cifar =
        Cifar { train: vec!["train.bin".into()], test: vec!["test.bin".into()], ..Cifar::in_directory("cifar", CifarLabels::Single) };
    let search_paths = SearchPaths::offline([fixtures(), house.root.path().to_owned()], house.cache.path());
    let glyphs = Glyphs { train: 20, test: 10, size: Some(12), ..Glyphs::default() };
    for source in [idx(), folder(), Source::Cifar(cifar), Source::Glyphs(glyphs)] {
        let name = digest(&source, &search_paths).unwrap();
        // A second time from what the cache remembers.
        for _ in 0..2 {
            assert_eq!(open(&source, &search_paths).unwrap().digest, name, "{source:?}");
            assert_eq!(digest(&source, &search_paths).unwrap(), name, "{source:?}");
        }
    }
}

#[test]
fn files_that_changed_after_their_digest_was_told_are_read_under_another() {
    let house = House::new();
    for file in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        house.write(&format!("idx/{file}"), &std::fs::read(fixtures().join("idx").join(file)).unwrap());
    }
    let before = digest(&idx(), &house.search_paths()).unwrap();
    house.write("idx/train-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 0]);
    let read = open(&idx(), &house.search_paths()).unwrap();
    assert_eq!(read.train.labels, [1, 2, 0]);
    assert_ne!(read.digest, before);
    assert_eq!(read.digest, digest(&idx(), &house.search_paths()).unwrap());
}

/// Every remembered digest with other digits, each line of the file that is only or last such.
fn falsified(text: &str) -> String {
    text.lines()
        .map(|line| match line.trim_end_matches(['"', ',']).len() {
            length if length >= 64 && line[length - 64..length].bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                format!("{}{}{}\n", &line[..length - 64], "0".repeat(64), &line[length..])
            }
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn the_digest_of_files_is_remembered_and_a_damaged_cache_is_none() {
    let cache = tempfile::tempdir().unwrap();
    let search_paths = SearchPaths::offline([fixtures()], cache.path());
    let name = digest(&idx(), &search_paths).unwrap();
    let cached = cache.path().join("digests.json");
    let text = std::fs::read_to_string(&cached).unwrap();
    assert!(["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"].iter().all(|file| text.contains(file)), "{text}");
    // A false entry for an unchanged file shows that the cache is asked.
    std::fs::write(&cached, falsified(&text)).unwrap();
    assert_ne!(digest(&idx(), &search_paths).unwrap(), name);
    assert_eq!(open(&idx(), &search_paths).unwrap().digest, name);
    std::fs::write(&cached, "not JSON").unwrap();
    assert_eq!(digest(&idx(), &search_paths).unwrap(), name);
}

#[test]
fn the_digest_of_a_folder_is_remembered() {
    let cache = tempfile::tempdir().unwrap();
    let search_paths = SearchPaths::offline([fixtures()], cache.path());
    let name = digest(&folder(), &search_paths).unwrap();
    let cached = cache.path().join("folders.json");
    let text = std::fs::read_to_string(&cached).unwrap();
    // The second digest of the pair is the content's.
    let content = text.lines().rfind(|line| line.trim().len() > 60).unwrap().trim().trim_matches('"');
    std::fs::write(&cached, text.replace(content, &"0".repeat(64))).unwrap();
    assert_ne!(digest(&folder(), &search_paths).unwrap(), name);
    assert_eq!(open(&folder(), &search_paths).unwrap().digest, name);
    std::fs::write(&cached, "not JSON").unwrap();
    assert_eq!(digest(&folder(), &search_paths).unwrap(), name);
}
