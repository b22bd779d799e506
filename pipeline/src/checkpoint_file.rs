//! The file of a stage that goes on where an earlier run was cut short.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use onebasin_repro::Fingerprint;

/// Letters of the digest at the end of each file.
const DIGEST: usize = 64;

/// The place of one stage's checkpoint, for as long as the stage is claimed.
#[derive(Clone, Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    beside: PathBuf,
}

impl CheckpointFile {
    /// The file at a path.
    pub fn at(path: PathBuf) -> CheckpointFile {
        CheckpointFile { beside: path.with_extension("partial"), path }
    }

    /// The bytes that were kept last; `None` where there are none. They are whole: each file ends in its digest.
    ///
    /// # Errors
    /// When a file is there that cannot be read, or is damaged.
    pub fn read(&self) -> Result<Option<Vec<u8>>> {
        match fs::symlink_metadata(&self.path) {
            Err(_) => return Ok(None),
            // A pipe would be read for ever.
            Ok(found) if !found.is_file() => bail!("`{}` is not a regular file", self.path.display()),
            Ok(_) => {}
        }
        let mut bytes = fs::read(&self.path).with_context(|| format!("cannot read `{}`", self.path.display()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, CheckpointFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = CheckpointFile::at(folder.path().join("of-a-stage"));
        (folder, file)
    }

    #[test]
    fn the_last_bytes_kept_are_read_back() {
        let (_folder, file) = place();
        assert_eq!(file.read().unwrap(), None);
        for bytes in [&b"one"[..], b"", b"three"] {
            file.write(bytes).unwrap();
            assert_eq!(file.read().unwrap().unwrap(), bytes);
        }
        file.remove();
        assert_eq!(file.read().unwrap(), None);
    }

    #[test]
    fn damage_is_told() {
        let (_folder, file) = place();
        file.write(b"some bytes").unwrap();
        let whole = fs::read(&file.path).unwrap();
        for damaged in [&whole[..5], &whole[..whole.len() - 1], &[b"other", &whole[5..]].concat(), b""] {
            fs::write(&file.path, damaged).unwrap();
            assert!(file.read().unwrap_err().to_string().contains("is damaged"));
        }
    }
}
