//! Zip archives that begin where their file does.

use std::io::Cursor;

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipResult;

/// Opens an archive.
///
/// Its beginning is not looked for: PyTorch writes both forms of the end of a directory, and a search that goes by the older one takes a directory
/// whose first entry is as long as the newer form, 76 bytes, to begin one entry later.
pub(crate) fn open(bytes: &[u8]) -> ZipResult<ZipArchive<Cursor<&[u8]>>> {
    ZipArchive::with_config(Config { archive_offset: ArchiveOffset::Known(0) }, Cursor::new(bytes))
}
