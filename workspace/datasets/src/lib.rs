//! From bytes on disk, or from nothing but a seed, to labelled images, subsets and batches.
//!
//! A [`Source`] says where images come from, [`Places`] where files are looked for; [`open`] reads both splits, [`digest`] names their
//! content without depending on paths, times or compression. Pixels stay bytes; a network sees, per channel,
//! `x = (pixel / 255 - mean) / deviation` with the constants of [`Normalisation`].
//!
//! This crate does not augment images, does not know tensors, and prints nothing. The readers of CIFAR, EMNIST and image folders are not
//! part of this version: their names are listed and their files can be verified, opening them is an error that says so.

mod batches;
mod content;
mod digest;
mod download;
mod error;
mod fetch;
mod glyphs;
mod idx;
mod known;
mod memo;
mod places;
mod source;
mod split;
mod subset;
mod verify;

pub use batches::batches;
pub use digest::{Digest, digest};
pub use download::Patience;
pub use error::DatasetError;
pub use fetch::{Fetching, Transfer, fetch, fetch_missing};
pub use glyphs::Glyphs;
pub use idx::Idx;
pub use known::{Known, KnownFile, Remote, known, known_names};
pub use places::Places;
pub use source::{Geometry, Later, Source, geometry, open};
pub use split::{Dataset, Normalisation, Split};
pub use subset::{Subset, subset};
pub use verify::{Finding, Verified, verify, whereabouts};
