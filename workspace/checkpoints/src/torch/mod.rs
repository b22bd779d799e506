//! PyTorch's files: a zip archive with a pickle and a file a storage, or a row of pickles with the storages behind.

mod archive;
mod find;
mod legacy;
mod storages;
mod write;

pub(crate) use archive::{from_zip, zip_with};
pub(crate) use legacy::{from_legacy, legacy_with};
pub use write::to_pytorch;
