use std::io::Write;
use std::path::PathBuf;

use lzma_rust2::filter::{FilterConfig, FilterType};
use onebasin_datasets::{Known, SearchPaths, Source, open};
use tempfile::TempDir;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An xz stream; with the two differences that suit pictures of 32 columns, where asked.
pub fn xz(bytes: &[u8], delta: bool) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    if delta {
        options.filters = [1, 32].map(|property| FilterConfig { filter_type: FilterType::Delta, property }).to_vec();
    }
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A set of two classes without files.
pub const NOTHING: Known = Known {
    name: "",
    title: "",
    format: "",
    licence: "",
    citation: "",
    shape: (1, 1, 1),
    classes: 2,
    train: 0,
    test: 0,
    mean: &[],
    deviation: &[],
    nested: &[],
    mirrors: &[],
    archive: None,
    files: &[],
    digest: None,
};

/// A root with files, and a cache.
pub struct House {
    pub root: TempDir,
    pub cache: TempDir,
}

impl House {
    pub fn new() -> House {
        House { root: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap() }
    }

    pub fn write(&self, file: &str, bytes: &[u8]) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.root.path().join(file)
    }

    pub fn search_paths(&self) -> SearchPaths {
        SearchPaths::offline([self.root.path().to_owned()], self.cache.path())
    }

    pub fn error(&self, source: &Source) -> String {
        open(source, &self.search_paths()).unwrap_err().to_string()
    }
}

/// Makes a pipe.
#[cfg(unix)]
pub fn pipe(path: &std::path::Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}
