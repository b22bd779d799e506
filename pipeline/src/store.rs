//! The store: finished artifacts by fingerprint, complete or absent.
//!
//! ```text
//! .store/<fingerprint>/            outputs, recipe.json, receipt.json
//! .store/tmp/<fingerprint>.P.N/    being written by process P; renamed when done
//! .store/checkpoints/<fingerprint> where a stage that was interrupted goes on
//! .store/locks/<fingerprint>       held by whoever makes that artifact, and named after others by whoever runs or removes
//! .store/locks/alive/<owner>       a process that works on the store
//! .store/jobs/<run>/               jobs of a cluster, and what they leave behind
//! ```
//!
//! An entry appears by a rename, so whatever ends a process, an entry is never half there. What the receipt says and the files
//! disagree on is damage: a warning and a miss. Reading needs no rights to write.

mod checkpoint;
mod claim;
mod entry;
mod garbage;
mod owner;
mod process;
mod receipt;
mod workdir;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use onebasin_repro::Fingerprint;

use crate::stage::Artifact;
use crate::whole_file::make_folder;

use receipt::read_file;

pub use claim::{Claim, InUse, Mark};
pub use entry::{Entry, Input, fingerprint};
pub use garbage::{Holding, Removed};
pub use owner::Holder;
pub use receipt::{FileRecord, Machine, Receipt};
pub use workdir::{StageCost, Workdir};

/// Says what an artifact is made of.
pub const RECIPE: &str = "recipe.json";
/// Says which bytes belong to an artifact and what they cost.
pub const RECEIPT: &str = "receipt.json";

/// Enters every fingerprint; raised when entries are laid out in another way.
pub const STORE_FORMAT: u32 = 1;

/// What the store has under a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A complete artifact.
    Hit(Artifact),
    /// Nothing.
    Miss,
    /// Something that cannot be used, and why.
    Damaged(String),
}

/// A folder of artifacts. It is made when something is written, not before.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store in a folder, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the artifact is there with all its files, each of the right size. Content is not read: see [`Store::verify`].
    pub fn lookup(&self, fingerprint: &Fingerprint) -> Lookup {
        self.inspect(fingerprint, |directory, receipt| check_files(directory, receipt, FileRecord::check_size))
    }

    /// As [`Store::lookup`], but every byte is read and checked against the receipt, the recipe must be that of the fingerprint, and the
    /// artifacts that were read must have the bytes they had then, where they are still here.
    pub fn verify(&self, fingerprint: &Fingerprint) -> Lookup {
        self.inspect(fingerprint, |directory, receipt| {
            check_files(directory, receipt, FileRecord::check_content)?;
            check_recipe(directory, fingerprint)?;
            self.check_inputs(receipt)
        })
    }

    fn inspect(&self, fingerprint: &Fingerprint, check: impl Fn(&Path, &Receipt) -> std::result::Result<(), String>) -> Lookup {
        let directory = self.directory(fingerprint);
        match fs::symlink_metadata(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory => return Lookup::Miss,
            Err(error) => return Lookup::Damaged(format!("`{}`: {error}", directory.display())),
            Ok(_) => {}
        }
        match Receipt::read(&directory.join(RECEIPT)).and_then(|receipt| check(&directory, &receipt)) {
            Ok(()) => Lookup::Hit(Artifact { fingerprint: *fingerprint, directory }),
            Err(problem) => Lookup::Damaged(problem),
        }
    }

    fn check_inputs(&self, receipt: &Receipt) -> std::result::Result<(), String> {
        for (input, contents) in &receipt.inputs {
            if Receipt::read(&self.directory(input).join(RECEIPT)).is_ok_and(|now| now.contents() != *contents) {
                return Err(format!("was made of other bytes of `{}` than are there now", input.short()));
            }
        }
        Ok(())
    }

    /// The fingerprints of all entries, whole or not, by one look at the folder. On a network file system this is also what shows a process
    /// entries that other machines have made since it looked.
    pub fn listing(&self) -> HashSet<Fingerprint> {
        let folders = fs::read_dir(&self.root).into_iter().flatten().flatten();
        folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok()).collect()
    }

    /// What making an artifact took.
    ///
    /// # Errors
    /// When there is no readable receipt.
    pub fn receipt(&self, fingerprint: &Fingerprint) -> Result<Receipt> {
        let path = self.directory(fingerprint).join(RECEIPT);
        Receipt::read(&path).map_err(|problem| anyhow::anyhow!("{problem}")).with_context(|| format!("artifact `{}`", fingerprint.short()))
    }

    /// What an entry was made of, if that can be read.
    pub fn entry(&self, fingerprint: &Fingerprint) -> Option<Entry> {
        Entry::read(*fingerprint, &self.directory(fingerprint).join(RECIPE))
    }

    /// What every readable entry was made of, by fingerprint. Entries that cannot be read are left out.
    pub fn entries(&self) -> Vec<Entry> {
        let Ok(folders) = fs::read_dir(&self.root) else { return Vec::new() };
        let mut entries: Vec<Entry> = folders
            .filter_map(|folder| {
                let folder = folder.ok()?;
                let fingerprint: Fingerprint = folder.file_name().to_str()?.parse().ok()?;
                Entry::read(fingerprint, &folder.path().join(RECIPE))
            })
            .collect();
        entries.sort_by_key(|entry| entry.fingerprint);
        entries
    }

    /// Makes the folders that writing needs, and removes what processes that have ended left in the middle of their work.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn prepare(&self) -> Result<InUse> {
        let failure = || format!("cannot write into the store `{}`\nhint: choose another folder with `--store DIR`", self.root.display());
        for folder in [self.temporary(), self.locks().join("alive"), self.checkpoints()] {
            make_folder(&folder).with_context(failure)?;
        }
        tempfile::tempfile_in(self.temporary()).with_context(failure)?;
        let in_use = self.share()?;
        self.clean_locks();
        self.clean();
        self.clean_checkpoints(|_| true);
        Ok(in_use)
    }

    /// Removes temporary folders that nobody works on: those of fingerprints that can be claimed.
    fn clean(&self) {
        let Ok(folders) = fs::read_dir(self.temporary()) else { return };
        for folder in folders.flatten() {
            let name = folder.file_name();
            let fingerprint = name.to_str().and_then(|name| name.split('.').next()).and_then(|text| text.parse().ok());
            let Some(fingerprint) = fingerprint else { continue };
            if let Ok(Some(_claim)) = self.claim(&fingerprint)
                && let Err(error) = fs::remove_dir_all(folder.path())
            {
                tracing::debug!(folder = %folder.path().display(), %error, "a folder left behind stays");
            }
        }
    }

    fn directory(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.root.join(fingerprint.to_string())
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }
}

fn check_files(
    directory: &Path,
    receipt: &Receipt,
    check: impl Fn(&FileRecord, &Path) -> std::result::Result<(), String>,
) -> std::result::Result<(), String> {
    receipt
        .files
        .iter()
        .try_for_each(|(name, record)| check(record, &directory.join(name)).map_err(|problem| format!("`{name}` {problem}")))
}

/// Whether the entry is of this fingerprint: a copy of another one is whole in itself.
fn check_recipe(directory: &Path, fingerprint: &Fingerprint) -> std::result::Result<(), String> {
    let bytes = read_file(&directory.join(RECIPE)).map_err(|error| format!("`{RECIPE}` cannot be read: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("`{RECIPE}` is not UTF-8"))?;
    match entry::fingerprint_of_text(text) {
        Ok(found) if found == *fingerprint => Ok(()),
        Ok(found) => Err(format!("`{RECIPE}` is that of `{}`", found.short())),
        Err(problem) => Err(format!("`{RECIPE}` is an invalid recipe: {problem}")),
    }
}
