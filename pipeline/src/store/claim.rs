//! The right to make an artifact.
//!
//! ```text
//! .store/locks/alive/<owner>       a process that works on the store: who it is, and a count that goes up
//! .store/locks/<name>              a claim: the same file by another name
//! .store/locks/<name>.<owner>      the claim of whoever took over from an owner that is dead
//! ```
//!
//! Making a link is atomic on every file system, also over a network. One process alone can make the link that follows a dead owner, so two
//! never take over from the same one. Should an owner come back that was taken for dead, two do the same work, and the bytes are the same.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use onebasin_repro::Fingerprint;

use super::Store;
use super::owner::{Holder, Owner, PATIENCE, Sharer, Standing, lock};

/// How often whoever waits for another process looks again.
const PAUSE: Duration = Duration::from_millis(200);
/// The claim of whoever removes entries.
const REMOVING: &str = "removing";

/// Held by one process at a time while it makes an artifact. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Claim {
    mark: Mark,
    fingerprint: Fingerprint,
}

impl Claim {
    /// What may be made.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Names the process among all that ever worked on the store.
    pub(super) fn owner(&self) -> &str {
        &self.mark.owner.holder.token
    }
}

/// A name of the store that this process holds.
#[derive(Debug)]
pub struct Mark {
    owner: Arc<Owner>,
    name: String,
    /// Every file of the name, the own one last.
    files: Vec<PathBuf>,
}

impl Drop for Mark {
    fn drop(&mut self) {
        let own = self.files.last().cloned().unwrap_or_default();
        // Whoever took this process for dead holds the name now.
        let taken = follower(&self.files[0], &self.owner.holder.token);
        if fs::symlink_metadata(&taken).is_err() {
            self.files.iter().for_each(|file| drop(fs::remove_file(file)));
        } else {
            tracing::warn!(file = %own.display(), "another process took this one for dead");
        }
        lock(&self.owner.held).remove(&self.name);
    }
}

/// Held while a process works on the store: shared by those that run stages, alone by one that removes entries.
#[derive(Debug)]
pub struct InUse {
    _sharer: Option<Sharer>,
    _mark: Option<Mark>,
}

impl Store {
    /// Takes part in the use of the store; waits while another process removes entries.
    ///
    /// # Errors
    /// When the store is not there yet, or cannot be written to.
    pub fn share(&self) -> Result<InUse> {
        let owner = Owner::of(&self.locks())?;
        // First seen by others, then looking: whoever removes does it the other way around, so one of both sees the other.
        let sharer = owner.enter();
        while let Some(holder) = self.holder_of(REMOVING) {
            if owner.is_dead(&holder) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(InUse { _sharer: Some(sharer), _mark: None })
    }

    /// Holds the store alone, or returns `None` while another process works on it.
    pub(super) fn alone(&self) -> Result<Option<InUse>> {
        let Some(mark) = self.mark(REMOVING)? else { return Ok(None) };
        let owner = mark.owner.clone();
        let begun = Instant::now();
        // Of a process on another machine it takes a while to tell that it is dead.
        while begun.elapsed() < PATIENCE + PATIENCE {
            let standings: Vec<Standing> = owner.others().iter().map(|other| owner.standing(other)).collect();
            if owner.is_shared() || standings.contains(&Standing::Alive) {
                return Ok(None);
            }
            if !standings.contains(&Standing::Unknown) {
                return Ok(Some(InUse { _sharer: None, _mark: Some(mark) }));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(None)
    }

    /// Claims a fingerprint, or returns `None` when another run holds it.
    ///
    /// # Errors
    /// When the claim cannot be made.
    pub fn claim(&self, fingerprint: &Fingerprint) -> Result<Option<Claim>> {
        Ok(self.mark(&fingerprint.to_string())?.map(|mark| Claim { mark, fingerprint: *fingerprint }))
    }

    /// Holds a name, or returns `None` when another part of this process, or another process that lives, holds it.
    ///
    /// # Errors
    /// When the file system does not take it.
    pub fn mark(&self, name: &str) -> Result<Option<Mark>> {
        let owner = Owner::of(&self.locks())?;
        if !lock(&owner.held).insert(name.to_owned()) {
            return Ok(None);
        }
        let made = self.try_mark(&owner, name);
        match made {
            Ok(Some(files)) => Ok(Some(Mark { owner, name: name.to_owned(), files })),
            Ok(None) | Err(_) => {
                lock(&owner.held).remove(name);
                made.map(|_| None)
            }
        }
    }

    fn try_mark(&self, owner: &Owner, name: &str) -> Result<Option<Vec<PathBuf>>> {
        let first = self.locks().join(name);
        let mut files = vec![first.clone()];
        // Each turn lost means that another process began or ended in between.
        for _ in 0..100 {
            let file = files.last().cloned().unwrap_or_default();
            if owner.mark(&file).with_context(|| cannot_claim(&file))? {
                // What was followed may be gone meanwhile, and the name with it.
                if files.len() == 1 || files[..files.len() - 1].iter().all(|earlier| fs::symlink_metadata(earlier).is_ok()) {
                    return Ok(Some(files));
                }
                let _ = fs::remove_file(&file);
                files.truncate(1);
                continue;
            }
            match holder_at(&file) {
                None => files.truncate(1),
                // The answer to a link that was made may be lost on the way.
                Some(Some(holder)) if holder.token == owner.holder.token => return Ok(Some(files)),
                Some(Some(holder)) if owner.is_dead(&holder) => files.push(follower(&first, &holder.token)),
                Some(Some(_)) => return Ok(None),
                // Earlier versions locked a file of this name.
                Some(None) if is_unlocked(&file) => drop(fs::remove_file(&file)),
                Some(None) => return Ok(None),
            }
        }
        bail!("cannot claim `{}`: it is replaced over and over", first.display())
    }

    /// Who holds a fingerprint, as far as it can be known.
    pub fn holder(&self, fingerprint: &Fingerprint) -> Option<Holder> {
        self.holder_of(&fingerprint.to_string())
    }

    /// Whether a process that lives, as far as can be told by now, makes an artifact.
    pub fn is_held(&self, fingerprint: &Fingerprint) -> bool {
        let (Some(holder), Ok(owner)) = (self.holder(fingerprint), Owner::of(&self.locks())) else { return false };
        !owner.is_dead(&holder)
    }

    /// Who holds a name.
    pub fn holder_of(&self, name: &str) -> Option<Holder> {
        let first = self.locks().join(name);
        let mut found = holder_at(&first)??;
        while let Some(Some(next)) = holder_at(&follower(&first, &found.token)) {
            found = next;
        }
        Some(found)
    }

    /// Removes what dead processes of this machine left among the locks.
    pub(super) fn clean_locks(&self) {
        let Ok(owner) = Owner::of(&self.locks()) else { return };
        for other in owner.others() {
            if owner.is_dead(&other) {
                let _ = fs::remove_file(self.locks().join("alive").join(&other.token));
            }
        }
    }
}

/// The claim of whoever follows an owner.
fn follower(first: &Path, token: &str) -> PathBuf {
    let mut name = first.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(token);
    first.with_file_name(name)
}

/// Who holds a file: nobody, as it is not there; or somebody, as far as it can be read.
fn holder_at(file: &Path) -> Option<Option<Holder>> {
    match fs::read(file) {
        Ok(bytes) => Some(Holder::parse(&bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle) => None,
        Err(_) => Some(None),
    }
}

/// Whether no process of this machine locks a file.
fn is_unlocked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

fn cannot_claim(path: &Path) -> String {
    format!("cannot claim `{}`\nhint: choose another folder with `--store DIR`", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A claim as a process leaves it that is killed.
    fn abandoned(store: &Store, name: &str, process: u32) -> String {
        let owner = Owner::of(&store.locks()).unwrap();
        let token = format!("dead-{process}");
        let mut holder = serde_json::to_value(&owner.holder).unwrap();
        (holder["token"], holder["process"]) = (token.clone().into(), process.into());
        let text = format!("{holder}\n{:020}\n", 7);
        fs::write(store.locks().join("alive").join(&token), &text).unwrap();
        fs::write(store.locks().join(name), text).unwrap();
        token
    }

    fn store() -> (tempfile::TempDir, Store, InUse) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("store"));
        let in_use = store.prepare().unwrap();
        (folder, store, in_use)
    }

    #[test]
    fn a_claim_of_a_dead_process_is_taken_over_by_one_alone_and_leaves_nothing() {
        let (_folder, store, _in_use) = store();
        let token = abandoned(&store, "a", 1);
        let mark = store.mark("a").unwrap().unwrap();
        assert!(store.mark("a").unwrap().is_none());
        assert!(store.locks().join(format!("a.{token}")).exists());
        assert_eq!(store.holder_of("a").unwrap().process, std::process::id());
        drop(mark);
        assert!(!store.locks().join("a").exists() && !store.locks().join(format!("a.{token}")).exists());
        assert!(store.mark("a").unwrap().is_some());
    }

    #[test]
    fn who_took_over_and_died_is_followed_too() {
        let (_folder, store, _in_use) = store();
        let first = abandoned(&store, "a", 1);
        abandoned(&store, &format!("a.{first}"), 2);
        let mark = store.mark("a").unwrap().unwrap();
        assert_eq!(mark.files.len(), 3);
        drop(mark);
        let left: Vec<_> = fs::read_dir(store.locks()).unwrap().map(|item| item.unwrap().file_name()).collect();
        assert_eq!(left, ["alive"]);
    }

    #[test]
    fn who_was_taken_for_dead_and_comes_back_does_not_end_the_claim_of_another() {
        let (_folder, store, _in_use) = store();
        let mark = store.mark("a").unwrap().unwrap();
        let taken = follower(&store.locks().join("a"), &mark.owner.holder.token);
        fs::write(&taken, "{}").unwrap();
        drop(mark);
        assert!(store.locks().join("a").exists() && taken.exists());
    }

    #[test]
    fn a_process_on_another_machine_holds_its_claim_until_it_is_not_heard_of_for_long() {
        let (_folder, store, _in_use) = store();
        let token = abandoned(&store, "a", 1);
        for file in [store.locks().join("a"), store.locks().join("alive").join(token)] {
            let text = fs::read_to_string(&file).unwrap();
            let mut holder: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
            (holder["kernel"], holder["host"]) = ("another".into(), "n2".into());
            fs::write(&file, format!("{holder}\n{:020}\n", 7)).unwrap();
        }
        assert!(store.mark("a").unwrap().is_none());
        assert_eq!(store.holder_of("a").unwrap().text(), "process 1 on n2");
    }
}
