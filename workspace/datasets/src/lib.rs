//! From bytes on disk, or from nothing but a seed, to labelled images, subsets and batches.
//!
//! A [`Source`] says where images come from, [`SearchPaths`] where files are looked for; [`open`] reads both splits, [`digest`] names their
//! content without depending on paths, times or compression. Pixels stay bytes; a network sees, per channel,
//! `x = (pixel / 255 - mean) / deviation` with the constants of [`Normalisation`].
//!
//! Training images may be transformed by an [`Augmentation`], each by random numbers of its own.
//!
//! This crate does not know tensors, does not resize whole data sets, and prints nothing.

mod archive;
mod augment;
mod batches;
mod bounded;
mod cifar;
mod content;
mod counts;
mod digest;
mod digest_cache;
mod download;
mod error;
mod fetch;
mod fetch_missing;
mod folder;
mod glyphs;
mod idx;
mod kind;
mod known;
mod near_miss;
mod picture;
mod search_paths;
mod source;
mod split;
mod subset;
mod unpacked;
mod verify;
mod whole_file;

pub use augment::{Augmentation, Crop, Flip, ResizedCrop, Rotate, Step, ZoomShiftRotate};
pub use batches::batches;
pub use cifar::{Cifar, CifarLabels};
pub use counts::{Counts, counts, rough_counts};
pub use digest::{Digest, digest, is_official, to_unpack};
pub use download::Patience;
pub use error::DatasetError;
pub use fetch::{Fetching, Transfer, fetch};
pub use fetch_missing::fetch_missing;
pub use folder::{Class, Folder};
pub use glyphs::Glyphs;
pub use idx::Idx;
pub use known::{Known, KnownFile, Remote, known, known_names};
pub use search_paths::SearchPaths;
pub use source::{Geometry, Source, classes, files, geometry, open};
pub use split::{Dataset, Normalisation, Split, held_out};
pub use subset::{Order, Subset, SubsetPart, subset};
pub use verify::{Finding, Verified, incomplete, verify, whereabouts};
