//! From an empty folder to an entry of the store.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use onebasin_repro::Fingerprint;
use onebasin_training::Device;
use serde::Serialize;

use super::{Claim, Entry, FileRecord, Lookup, Machine, RECEIPT, RECIPE, Receipt, Store};
use crate::stage::Artifact;
use crate::version::{self, Build};

/// A folder to fill; removed with everything in it unless it is committed.
#[derive(Debug)]
pub struct Workdir {
    path: PathBuf,
    claim: Claim,
}

/// What a stage took.
#[derive(Clone, Debug)]
pub struct StageCost {
    /// How long it ran.
    pub seconds: f64,
    /// How long what the stage is for took of it, where it tells.
    pub work: Option<f64>,
    /// On how many threads at most: a stage has more once others have ended.
    pub threads: usize,
    /// On which device.
    pub device: Device,
}

impl Workdir {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        // Gone already after a commit; otherwise the next run's cleaning takes what cannot be removed now.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Store {
    /// An empty folder for the artifact that was claimed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(&self, claim: Claim) -> Result<Workdir> {
        let path = self.fresh(&claim, "");
        fs::create_dir(&path).with_context(|| format!("cannot make the folder `{}`", path.display()))?;
        Ok(Workdir { path, claim })
    }

    /// Makes a filled folder the artifact: writes recipe and receipt, brings all to the disk, renames.
    ///
    /// An entry that is there already stays if it is whole and has the same contents, and is replaced otherwise. Also returns the contents.
    ///
    /// # Errors
    /// When the folder holds something other than files and folders, a file of a reserved name, or cannot be written.
    pub fn commit(&self, workdir: Workdir, entry: &Entry, cost: StageCost) -> Result<(Artifact, Fingerprint)> {
        let folder = workdir.path();
        for name in [RECIPE, RECEIPT] {
            if folder.join(name).exists() {
                bail!("a stage wrote `{name}`, which is the store's own");
            }
        }
        write_json(&folder.join(RECIPE), entry)?;
        let mut files = BTreeMap::new();
        record(folder, "", &mut files)?;
        let StageCost { seconds, work, threads, device } = cost;
        let read = entry.inputs.iter().map(|input| input.fingerprint);
        let inputs = read.filter_map(|input| Some((input, self.receipt(&input).ok()?.contents()))).collect();
        let program = format!("onebasin {}", version::SHORT);
        let made = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let (build, made, machine) =
            (Some(Build::this()), Some(made), Machine { accelerator: device.description().map(str::to_owned), ..Machine::here().clone() });
        let device = device.name();
        let receipt = Receipt { files, inputs, seconds, work, threads, device, program, build, made, machine };
        write_json(&folder.join(RECEIPT), &receipt)?;
        seal(&folder.join(RECEIPT))?;
        synchronise(folder)?;
        let contents = receipt.contents();
        Ok((self.finish(&workdir, &contents)?, contents))
    }

    /// Renames a folder that is whole to the place of its artifact.
    fn finish(&self, workdir: &Workdir, contents: &Fingerprint) -> Result<Artifact> {
        let fingerprint = *workdir.claim.fingerprint();
        let directory = self.directory(&fingerprint);
        if fs::symlink_metadata(&directory).is_ok() {
            if let Lookup::Hit(artifact) = self.verify(&fingerprint)
                && self.receipt(&fingerprint).is_ok_and(|there| there.contents() == *contents)
            {
                return Ok(artifact);
            }
            self.discard(&workdir.claim)?;
        }
        fs::rename(workdir.path(), &directory)
            .with_context(|| format!("cannot move `{}` to `{}`", workdir.path().display(), directory.display()))?;
        synchronise(self.root())?;
        Ok(Artifact { fingerprint, directory })
    }

    /// Removes the entry that was claimed, whatever is in its place. It disappears by a rename, as it appeared.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub(super) fn discard(&self, claim: &Claim) -> Result<()> {
        let directory = self.directory(claim.fingerprint());
        let aside = self.fresh(claim, ".discarded");
        fs::rename(&directory, &aside).with_context(|| format!("cannot move `{}` aside", directory.display()))?;
        let is_folder = fs::symlink_metadata(&aside).is_ok_and(|found| found.is_dir());
        let removed = if is_folder { fs::remove_dir_all(&aside) } else { fs::remove_file(&aside) };
        if let Err(error) = removed {
            tracing::debug!(folder = %aside.display(), %error, "a discarded entry stays aside");
        }
        Ok(())
    }

    /// A path nobody uses yet.
    fn fresh(&self, claim: &Claim, ending: &str) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.temporary().join(format!("{}.{}.{count}{ending}", claim.fingerprint(), claim.owner()))
    }
}

/// Records every file below a folder, by its path from the top.
fn record(folder: &Path, prefix: &str, files: &mut BTreeMap<String, FileRecord>) -> Result<()> {
    let failure = || format!("cannot record `{}`", folder.display());
    for item in fs::read_dir(folder).with_context(failure)? {
        let item = item.with_context(failure)?;
        let path = item.path();
        let Ok(name) = item.file_name().into_string() else { bail!("a stage wrote `{}`, whose name is not UTF-8", path.display()) };
        let name = format!("{prefix}{name}");
        let kind = item.file_type().with_context(failure)?;
        if kind.is_dir() {
            record(&path, &format!("{name}/"), files)?;
            synchronise(&path)?;
        } else if kind.is_file() {
            seal(&path)?;
            files.insert(name, FileRecord::of(&path).with_context(|| format!("cannot read `{}`", path.display()))?);
        } else {
            bail!("a stage wrote `{}`, which is neither a file nor a folder", path.display());
        }
    }
    Ok(())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    text.push('\n');
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Brings a file's content to the disk and takes away the right to write it: artifacts do not change.
fn seal(path: &Path) -> Result<()> {
    let failure = || format!("cannot sync `{}`", path.display());
    let file = File::options().write(true).open(path).with_context(failure)?;
    file.sync_all().with_context(failure)?;
    let mut permissions = file.metadata().with_context(failure)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions).with_context(failure)
}

/// Brings the names in a folder to the disk, where the system can.
fn synchronise(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot sync `{}`", folder.display()))?;
    }
    Ok(())
}
