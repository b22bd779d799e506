//! Which training images a model sees, and how many of each class.

use std::borrow::Cow;

use anyhow::{Context, Result};
use onebasin_datasets::{Split, Subset, subset};
use onebasin_repro::Stream;

/// The training images of a model: all, or the part that its subset takes. The first stream is that of all models of a replicate, the second
/// the model's own.
///
/// # Errors
/// When the images do not have what the subset asks for.
pub fn training_images<'a>(all: &'a Split, part: Option<&Subset>, streams: &[Stream; 2]) -> Result<Cow<'a, Split>> {
    let Some(part) = part else { return Ok(Cow::Borrowed(all)) };
    let [shared, own] = streams.each_ref().map(|stream| stream.child("subset"));
    Ok(Cow::Owned(subset(all, part, &own, &shared).context("cannot choose the subset")?))
}

/// How many of some labels are of each class.
pub fn class_counts(labels: &[u8], classes: usize) -> Vec<usize> {
    (0..classes).map(|class| labels.iter().filter(|&&label| usize::from(label) == class).count()).collect()
}
