//! What a stage that was interrupted left for the run that goes on.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use onebasin_repro::Fingerprint;

use super::{Claim, Lookup, Store, receipt::read_file};

/// Letters of the digest at the end of each file.
const DIGEST: usize = 64;

/// The place of one stage's checkpoint, for as long as the stage is claimed.
#[derive(Clone, Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    beside: PathBuf,
}

impl CheckpointFile {
    /// The bytes that were kept last; `None` where there are none. They are whole: each file ends in its digest.
    ///
    /// # Errors
    /// When a file is there that cannot be read, or is damaged.
    pub fn read(&self) -> Result<Option<Vec<u8>>> {
        if fs::symlink_metadata(&self.path).is_err() {
            return Ok(None);
        }
        let mut bytes = read_file(&self.path).with_context(|| format!("cannot read `{}`", self.path.display()))?;
        let Some(content) = bytes.len().checked_sub(DIGEST) else { bail!("`{}` is damaged", self.path.display()) };
        if Fingerprint::of_bytes(&bytes[..content]).to_string().as_bytes() != &bytes[content..] {
            bail!("`{}` is damaged", self.path.display());
        }
        bytes.truncate(content);
        Ok(Some(bytes))
    }

    /// Keeps bytes in place of those before, which stay until all of the new ones are on the disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let written = File::create(&self.beside).and_then(|mut file| {
            file.write_all(bytes)?;
            file.write_all(Fingerprint::of_bytes(bytes).to_string().as_bytes())?;
            file.sync_all()
        });
        let outcome = written.and_then(|()| fs::rename(&self.beside, &self.path));
        outcome.with_context(|| {
            // The first error is the one to report.
            let _ = fs::remove_file(&self.beside);
            format!("cannot keep a checkpoint as `{}`", self.path.display())
        })
    }

    /// Removes what was kept.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.beside);
    }
}

impl Store {
    /// Where the stage that is claimed keeps its checkpoint.
    pub fn checkpoint(&self, claim: &Claim) -> CheckpointFile {
        self.checkpoint_of(claim.fingerprint())
    }

    fn checkpoint_of(&self, fingerprint: &Fingerprint) -> CheckpointFile {
        let path = self.checkpoints().join(fingerprint.to_string());
        CheckpointFile { beside: path.with_extension("partial"), path }
    }

    /// Removes the checkpoints of stages that are finished, and of those for which `needed` is false. Claimed ones stay.
    pub(super) fn clean_checkpoints(&self, needed: impl Fn(&Fingerprint) -> bool) {
        let Ok(files) = fs::read_dir(self.checkpoints()) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let fingerprint = name.to_str().and_then(|name| name.split('.').next()).and_then(|text| text.parse::<Fingerprint>().ok());
            let Some(fingerprint) = fingerprint else { continue };
            let useless = || !needed(&fingerprint) || matches!(self.lookup(&fingerprint), Lookup::Hit(_));
            if useless()
                && let Ok(Some(_claim)) = self.claim(&fingerprint)
            {
                self.checkpoint_of(&fingerprint).remove();
            }
        }
    }

    pub(super) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Store, Claim) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("store"));
        drop(store.prepare().unwrap());
        let claim = store.claim(&Fingerprint::of_bytes(b"a stage")).unwrap().unwrap();
        (folder, store, claim)
    }

    #[test]
    fn the_last_bytes_kept_are_read_back() {
        let (_folder, store, claim) = place();
        let file = store.checkpoint(&claim);
        assert_eq!(file.read().unwrap(), None);
        for bytes in [&b"one"[..], b"", b"three"] {
            file.write(bytes).unwrap();
            assert_eq!(store.checkpoint(&claim).read().unwrap().unwrap(), bytes);
        }
        file.remove();
        assert_eq!(file.read().unwrap(), None);
    }

    #[test]
    fn damage_is_told() {
        let (_folder, store, claim) = place();
        let file = store.checkpoint(&claim);
        file.write(b"some bytes").unwrap();
        let whole = fs::read(&file.path).unwrap();
        for damaged in [&whole[..5], &whole[..whole.len() - 1], &[b"other", &whole[5..]].concat(), b""] {
            fs::write(&file.path, damaged).unwrap();
            assert!(file.read().unwrap_err().to_string().contains("is damaged"));
        }
    }

    #[test]
    fn a_checkpoint_stays_while_it_is_needed_or_claimed() {
        let (_folder, store, claim) = place();
        let file = store.checkpoint(&claim);
        file.write(b"some bytes").unwrap();
        store.clean_checkpoints(|_| false);
        assert!(file.read().unwrap().is_some(), "it is claimed");
        drop(claim);
        drop(store.prepare().unwrap());
        assert!(file.read().unwrap().is_some(), "it is needed");
        store.clean_checkpoints(|_| false);
        assert!(file.read().unwrap().is_none());
    }
}
