//! What lies in the store, and the removal of what nobody needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use onebasin_repro::Fingerprint;

use super::{Entry, RECIPE, Store};
use crate::stage::StageId;

/// An entry of the store as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Its name.
    pub fingerprint: Fingerprint,
    /// The stage that made it and the kind of work; `None` where the recipe cannot be read.
    pub made_by: Option<(StageId, String)>,
    /// The size of its files.
    pub bytes: u64,
    /// When it was made, as the file system tells it.
    pub modified: Option<SystemTime>,
}

/// What a removal did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Entries that are gone.
    pub entries: Vec<Fingerprint>,
    /// Entries that a process claims, which stay.
    pub claimed: Vec<Fingerprint>,
}

impl Store {
    /// Every entry, whole or not, by fingerprint.
    ///
    /// # Errors
    /// When the store is there but cannot be read.
    pub fn holdings(&self) -> Result<Vec<Holding>> {
        let failure = || format!("cannot read the store `{}`", self.root().display());
        let folders = match fs::read_dir(self.root()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            folders => folders.with_context(failure)?,
        };
        let mut holdings = Vec::new();
        for folder in folders {
            let folder = folder.with_context(failure)?;
            let Some(fingerprint) = folder.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let path = folder.path();
            let made_by = Entry::read(fingerprint, &path.join(RECIPE)).map(|entry| (entry.stage, entry.kind));
            let modified = fs::symlink_metadata(&path).and_then(|found| found.modified()).ok();
            holdings.push(Holding { fingerprint, made_by, bytes: size(&path), modified });
        }
        holdings.sort_by_key(|holding| holding.fingerprint);
        Ok(holdings)
    }

    /// Removes entries, each as a whole, but none that another process claims; and checkpoints of stages that are not `needed`.
    ///
    /// # Errors
    /// When another process runs stages on this store, which may read any of them, or when an entry cannot be moved.
    pub fn remove(&self, entries: &BTreeSet<Fingerprint>, needed: impl Fn(&Fingerprint) -> bool) -> Result<Removed> {
        // Makes the folders and removes leftovers; its share in the store ends here.
        drop(self.prepare()?);
        let Some(_alone) = self.alone()? else {
            bail!("a run is using the store `{}`\nhint: wait for it to end, then try again", self.root().display());
        };
        let mut removed = Removed::default();
        for fingerprint in entries {
            match self.claim(fingerprint)? {
                None => removed.claimed.push(*fingerprint),
                Some(claim) => {
                    self.discard(&claim)?;
                    removed.entries.push(*fingerprint);
                }
            }
        }
        self.clean_checkpoints(needed);
        Ok(removed)
    }
}

/// The size of a file, or of all files below a folder. What cannot be read counts nothing; links are not followed.
fn size(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else { return 0 };
    if !found.is_dir() {
        return found.len();
    }
    fs::read_dir(path).map_or(0, |items| items.flatten().map(|item| size(&item.path())).sum())
}
