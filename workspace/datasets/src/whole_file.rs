use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// A file that appears under its name whole or not at all; dropped before [`commit`](WholeFile::commit), it leaves nothing.
pub(crate) struct WholeFile(NamedTempFile);

impl WholeFile {
    /// Begins a file of this folder, which is made where it is absent.
    pub fn begin(folder: &Path) -> io::Result<WholeFile> {
        std::fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        // Private by default, but a cache may be shared.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        builder.tempfile_in(folder).map(WholeFile)
    }

    /// Puts the file in place, where it replaces an earlier one.
    pub fn commit(self, path: &Path) -> io::Result<()> {
        self.0.persist(path)?;
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
