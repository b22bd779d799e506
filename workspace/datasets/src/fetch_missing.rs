use std::ops::ControlFlow;

use crate::error::DatasetError;
use crate::fetch::{Fetching, Transfer, fetch};
use crate::known::known;
use crate::search_paths::SearchPaths;
use crate::source::Source;

/// Fetches the files of a known set if `search_paths` allow it and no folder has them all.
///
/// [`open`](crate::open) and [`digest`](crate::digest()) call this too; a program that shows progress calls it before them.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_missing(
    source: &Source,
    search_paths: &SearchPaths,
    progress: &mut dyn FnMut(&Transfer<'_>) -> ControlFlow<()>,
) -> Result<(), DatasetError> {
    if !search_paths.fetch {
        return Ok(());
    }
    let (directory, names) = match source {
        Source::Idx(idx) => (&idx.directory, idx.names().to_vec()),
        Source::Cifar(cifar) => (&cifar.directory, <[_; 2]>::from(cifar.names()).concat()),
        Source::Folder(_) | Source::Glyphs(_) => return Ok(()),
    };
    // Files of other names would not be there afterwards either.
    let Some(known) = known(directory).filter(|known| names.iter().all(|name| known.files.iter().any(|file| file.name == *name))) else {
        return Ok(());
    };
    let located = match source {
        Source::Idx(idx) => idx.locate(search_paths).map(drop),
        Source::Cifar(cifar) => cifar.locate(search_paths).map(drop),
        Source::Folder(_) | Source::Glyphs(_) => Ok(()),
    };
    if let Err(DatasetError::Missing { .. }) = located {
        fetch(known, search_paths, &Fetching::standard(known), progress)?;
    }
    Ok(())
}
