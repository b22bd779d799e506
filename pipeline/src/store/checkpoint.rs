//! Where stages that are cut short keep what a later run goes on from.

use std::fs;
use std::path::PathBuf;

use onebasin_repro::Fingerprint;

use super::{Claim, Lookup, Store};
use crate::checkpoint_file::CheckpointFile;

impl Store {
    /// Where the stage that is claimed keeps its checkpoint.
    pub fn checkpoint(&self, claim: &Claim) -> CheckpointFile {
        self.checkpoint_of(claim.fingerprint())
    }

    fn checkpoint_of(&self, fingerprint: &Fingerprint) -> CheckpointFile {
        CheckpointFile::at(self.checkpoints().join(fingerprint.to_string()))
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

    #[test]
    fn a_checkpoint_stays_while_it_is_needed_or_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("store"));
        drop(store.prepare().unwrap());
        let claim = store.claim(&Fingerprint::of_bytes(b"a stage")).unwrap().unwrap();
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
