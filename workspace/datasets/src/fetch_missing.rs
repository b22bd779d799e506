use std::ops::ControlFlow;

use crate::error::DatasetError;
use crate::fetch::{Fetching, Transfer, fetch};
use crate::known::known;
use crate::places::Places;
use crate::source::Source;

/// Fetches the files of a known set where `places` allow it and no place has them all; otherwise does nothing.
///
/// [`open`](crate::open) and [`digest`](crate::digest()) call this too; a program that shows progress calls it before them.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_missing(
    source: &Source,
    places: &Places,
    progress: &mut dyn FnMut(&Transfer<'_>) -> ControlFlow<()>,
) -> Result<(), DatasetError> {
    if !places.fetch {
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
        Source::Idx(idx) => idx.locate(places).map(drop),
        Source::Cifar(cifar) => cifar.locate(places).map(drop),
        Source::Folder(_) | Source::Glyphs(_) => Ok(()),
    };
    if let Err(DatasetError::Missing { .. }) = located {
        fetch(known, places, &Fetching::standard(known), progress)?;
    }
    Ok(())
}
