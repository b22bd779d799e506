use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cifar::Cifar;
use crate::error::DatasetError;
use crate::fetch_missing::fetch_missing;
use crate::folder::{Class, Folder};
use crate::glyphs::Glyphs;
use crate::idx::Idx;
use crate::known::{self, Known};
use crate::search_paths::SearchPaths;
use crate::split::Dataset;

/// Where images come from: the `[datasets.NAME]` table of a spec, or a known data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "format", rename_all = "kebab-case")]
pub enum Source {
    /// Four files of MNIST's format.
    Idx(Idx),
    /// Generated characters.
    Glyphs(Glyphs),
    /// The binary version of CIFAR-10 and CIFAR-100.
    Cifar(Cifar),
    /// A folder of pictures for each class.
    Folder(Folder),
}

/// What a network needs to know about the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Channels, height, width.
    pub shape: (usize, usize, usize),
    /// Number of outputs.
    pub classes: usize,
}

impl Source {
    /// The source a known name stands for.
    ///
    /// # Errors
    /// When the name is not known; the error lists the known names and suggests the nearest.
    pub fn named(name: &str) -> Result<Source, DatasetError> {
        known::require(name).map(Known::source)
    }

    /// The known set whose folder this is.
    pub(crate) fn known(&self) -> Option<&'static Known> {
        match self {
            Source::Idx(idx) => known::known(&idx.directory),
            Source::Cifar(cifar) => known::known(&cifar.directory),
            Source::Glyphs(_) | Source::Folder(_) => None,
        }
    }

    /// The format as a spec writes it.
    pub fn format(&self) -> &'static str {
        match self {
            Source::Idx(_) => "idx",
            Source::Glyphs(_) => "glyphs",
            Source::Cifar(_) => "cifar",
            Source::Folder(_) => "folder",
        }
    }
}

impl Known {
    /// The source of this data set, as a spec's table would declare it.
    pub fn source(&self) -> Source {
        match self.format {
            "idx" => Source::Idx(Idx::known(self)),
            "glyphs" => Source::Glyphs(Glyphs::default()),
            _ => Source::Cifar(Cifar::known(self)),
        }
    }
}

/// Shape and number of classes, without reading pixels: from the keys, from one file's header, or from the
/// names of folders.
///
/// # Errors
/// When a header has to be read and is not there or wrong; settings out of range.
pub fn geometry(source: &Source, search_paths: &SearchPaths) -> Result<Geometry, DatasetError> {
    match source {
        Source::Idx(idx) => idx.geometry(search_paths),
        Source::Glyphs(glyphs) => glyphs.geometry(),
        Source::Cifar(cifar) => cifar.geometry(),
        Source::Folder(folder) => folder.geometry(search_paths),
    }
    .map_err(|error| error.of_set(source.known()))
}

/// The class folders of a folder of pictures, in the order of their labels. Empty for formats whose labels have no folders.
///
/// # Errors
/// When the folder is not there or has no classes.
pub fn classes(source: &Source, search_paths: &SearchPaths) -> Result<Vec<Class>, DatasetError> {
    match source {
        Source::Folder(folder) => folder.classes(search_paths),
        Source::Idx(_) | Source::Glyphs(_) | Source::Cifar(_) => Ok(Vec::new()),
    }
}

/// The files that [`open`] reads; of a folder of pictures, that folder; none of a generated set.
///
/// # Errors
/// When they are not all in one place.
pub fn files(source: &Source, search_paths: &SearchPaths) -> Result<Vec<PathBuf>, DatasetError> {
    match source {
        Source::Idx(idx) => idx.locate(search_paths),
        Source::Glyphs(_) => Ok(Vec::new()),
        Source::Cifar(cifar) => Ok(cifar.locate(search_paths)?.0),
        Source::Folder(folder) => Ok(vec![folder.locate(search_paths)?]),
    }
    .map_err(|error| error.of_set(source.known()))
}

/// Reads or generates both splits.
///
/// # Errors
/// Files that are missing (with every folder searched), damaged or inconsistent; settings out of range.
pub fn open(source: &Source, search_paths: &SearchPaths) -> Result<Dataset, DatasetError> {
    fetch_missing(source, search_paths, &mut |_| ControlFlow::Continue(()))?;
    match source {
        Source::Idx(idx) => idx.open(search_paths),
        Source::Glyphs(glyphs) => glyphs.open(),
        Source::Cifar(cifar) => cifar.open(search_paths),
        Source::Folder(folder) => folder.open(search_paths),
    }
    .map_err(|error| error.of_set(source.known()))
}
