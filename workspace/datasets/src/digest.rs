use std::path::Path;

use onebasin_repro::Fingerprint;
use rayon::prelude::*;
use serde_json::json;

use crate::error::DatasetError;
use crate::idx::{Idx, reader};
use crate::places::Places;
use crate::source::Source;

/// The name of a data set's content.
pub type Digest = Fingerprint;

/// Names everything that decides what [`open`](crate::open) returns: the decompressed content of the files and the settings of the
/// reader, or the options of the generator. Paths, times and compression do not count.
///
/// # Errors
/// As [`open`](crate::open), but files are not checked beyond being readable.
pub fn digest(source: &Source, places: &Places) -> Result<Digest, DatasetError> {
    match source {
        Source::Idx(idx) => of_idx(idx, places),
        Source::Glyphs(glyphs) => glyphs.digest(),
        Source::Cifar(_) | Source::Emnist(_) | Source::Folder(_) => Err(DatasetError::NoReader { format: source.format() }),
    }
}

fn of_idx(idx: &Idx, places: &Places) -> Result<Digest, DatasetError> {
    let located = idx.locate(places)?;
    let contents: Vec<Fingerprint> = located.files.par_iter().map(|path| content(path)).collect::<Result<_, _>>()?;
    Ok(Fingerprint::of_json(&json!({
        "format": "idx",
        "files": contents,
        "classes": idx.classes,
        "normalisation": idx.normalisation,
    })))
}

fn content(path: &Path) -> Result<Fingerprint, DatasetError> {
    Fingerprint::of_reader(reader(path)?).map_err(DatasetError::io("read", path))
}
