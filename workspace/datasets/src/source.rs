use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::fetch::fetch_missing;
use crate::glyphs::Glyphs;
use crate::idx::Idx;
use crate::known::{self, Known};
use crate::places::Places;
use crate::split::Dataset;

/// Where images come from: what a spec's `[datasets.NAME]` table says, or what a known name stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "kebab-case")]
pub enum Source {
    /// Four files of MNIST's format.
    Idx(Idx),
    /// Characters drawn on the spot.
    Glyphs(Glyphs),
    /// The binary version of CIFAR-10 and CIFAR-100; no reader yet.
    Cifar(Later),
    /// EMNIST's transposed IDX files; no reader yet.
    Emnist(Later),
    /// A folder of pictures for each class; no reader yet.
    Folder(Later),
}

/// A source whose reader is not part of this version; its keys are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Later {
    /// The known name, where the source is known by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What a network needs to know of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Channels, height, width.
    pub shape: (usize, usize, usize),
    /// Number of outputs.
    pub classes: usize,
}

impl Later {
    pub(crate) fn new(name: &str) -> Later {
        Later { name: Some(name.to_owned()) }
    }

    fn known(&self) -> Option<&'static Known> {
        self.name.as_deref().and_then(known::known)
    }
}

impl Source {
    /// The source a known name stands for.
    ///
    /// # Errors
    /// When the name is not known; the error lists those that are, and the nearest.
    pub fn named(name: &str) -> Result<Source, DatasetError> {
        known::require(name).map(Known::source)
    }

    /// The format as a spec writes it.
    pub fn format(&self) -> &'static str {
        match self {
            Source::Idx(_) => "idx",
            Source::Glyphs(_) => "glyphs",
            Source::Cifar(_) => "cifar",
            Source::Emnist(_) => "emnist",
            Source::Folder(_) => "folder",
        }
    }
}

/// Shape and number of classes, without reading pixels: from the known name, from the keys, or from one file's header.
///
/// # Errors
/// When a header has to be read and is not there or wrong; when the format has no reader and the name is not known.
pub fn geometry(source: &Source, places: &Places) -> Result<Geometry, DatasetError> {
    match source {
        Source::Idx(idx) => idx.geometry(places),
        Source::Glyphs(glyphs) => glyphs.geometry(),
        Source::Cifar(later) | Source::Emnist(later) | Source::Folder(later) => match later.known() {
            Some(known) => Ok(Geometry { shape: known.shape, classes: known.classes }),
            None => Err(DatasetError::NoReader { format: source.format() }),
        },
    }
}

/// Reads, or draws, both splits.
///
/// # Errors
/// Files that are missing (with every place looked at), truncated or inconsistent; settings out of range; a format without a reader.
pub fn open(source: &Source, places: &Places) -> Result<Dataset, DatasetError> {
    match source {
        Source::Idx(idx) => {
            fetch_missing(source, places, &mut |_| ControlFlow::Continue(()))?;
            idx.open(places)
        }
        Source::Glyphs(glyphs) => glyphs.open(),
        Source::Cifar(_) | Source::Emnist(_) | Source::Folder(_) => Err(DatasetError::NoReader { format: source.format() }),
    }
}
