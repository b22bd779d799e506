//! The right to make an artifact.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use onebasin_repro::Fingerprint;

use super::Store;

/// Held by one process at a time while it makes an artifact. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Claim {
    /// Locked by the system for as long as it is open.
    _file: File,
    path: PathBuf,
    fingerprint: Fingerprint,
}

impl Claim {
    /// What may be made.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Removed while still locked; whoever waits for the removed file sees that it is no longer the one at this path.
        let _ = fs::remove_file(&self.path);
    }
}

/// Held while a process works on the store: shared by those that run stages, alone by one that removes entries.
#[derive(Debug)]
pub struct InUse {
    /// Locked by the system for as long as it is open.
    _file: File,
}

impl Store {
    /// Takes part in the use of the store; waits while another process removes entries.
    ///
    /// # Errors
    /// When the store is not there yet, or cannot be written to or locked.
    pub fn share(&self) -> Result<InUse> {
        let (file, path) = self.in_use()?;
        file.lock_shared().with_context(|| cannot_lock(&path))?;
        Ok(InUse { _file: file })
    }

    /// Holds the store alone, or returns `None` while another process works on it.
    pub(super) fn alone(&self) -> Result<Option<InUse>> {
        let (file, path) = self.in_use()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(InUse { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| cannot_lock(&path)),
        }
    }

    fn in_use(&self) -> Result<(File, PathBuf)> {
        let path = self.locks().join("in-use");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        Ok((file.with_context(|| cannot_lock(&path))?, path))
    }

    /// Claims a fingerprint, or returns `None` when another run holds it.
    ///
    /// # Errors
    /// When the lock file cannot be made or the file system has no locks.
    pub fn claim(&self, fingerprint: &Fingerprint) -> Result<Option<Claim>> {
        let path = self.locks().join(fingerprint.to_string());
        let failure = || cannot_lock(&path);
        // Each turn lost means that another process finished in between.
        for _ in 0..100 {
            let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).with_context(failure)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error).with_context(failure),
            }
            if is_still(&file, &path) {
                // Only for people who wonder what a run waits for.
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                return Ok(Some(Claim { _file: file, path, fingerprint: *fingerprint }));
            }
        }
        bail!("cannot lock `{}`: it is replaced over and over", path.display())
    }

    /// The process that holds a fingerprint, as far as it can be known.
    pub fn holder(&self, fingerprint: &Fingerprint) -> Option<u32> {
        let mut text = String::new();
        File::open(self.locks().join(fingerprint.to_string())).ok()?.take(16).read_to_string(&mut text).ok()?;
        text.parse().ok()
    }
}

fn cannot_lock(path: &Path) -> String {
    format!("cannot lock `{}`\nhint: choose a store on a local disk with `--store DIR`", path.display())
}

/// Whether the path still leads to this file.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Elsewhere an open file cannot be removed.
#[cfg(not(unix))]
fn is_still(_file: &File, path: &Path) -> bool {
    path.exists()
}
