//! A process that works on a store, as others see it: a file whose last line changes for as long as the process lives.
//!
//! Clocks of machines may differ, so nobody compares times: an owner is dead once its file has not changed for [`PATIENCE`] of the observer's
//! own clock. On the machine itself a lock of the system tells at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use onebasin_repro::Fingerprint;
use serde::{Deserialize, Serialize};

use super::process::{born, host, kernel, numbering};

/// How often an owner's file changes.
const BEAT: Duration = Duration::from_secs(5);
/// After so long without a change an owner on another machine is dead.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Letters of the count in the last line.
const DIGITS: usize = 20;

/// Who holds something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Names the process among all that ever worked on the store.
    pub(super) token: String,
    /// The machine, as it calls itself.
    pub host: String,
    /// The running system: differs between machines, and after each start of one.
    kernel: String,
    /// The process on that machine.
    pub process: u32,
    /// Which numbering of processes that is, and when the process began in it; empty where the system does not tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    born: String,
    /// The job of a cluster that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Whether the system locks the file for as long as the process lives.
    locked: bool,
}

impl Holder {
    /// Reads the first line of an owner's file, or of a claim.
    pub(super) fn parse(bytes: &[u8]) -> Option<Holder> {
        serde_json::from_slice(bytes.split(|&byte| byte == b'\n').next()?).ok()
    }

    /// Whether it runs, or ran, on this machine.
    pub fn is_here(&self) -> bool {
        self.host == host()
    }

    /// For a line: `process 12`, `process 12 on n3 (job 77)`.
    pub fn text(&self) -> String {
        let host = if self.host == host() { String::new() } else { format!(" on {}", self.host) };
        let job = self.job.as_ref().map_or(String::new(), |job| format!(" (job {job})"));
        format!("process {}{host}{job}", self.process)
    }
}

/// This process on one store, from its first claim or share to its last.
#[derive(Debug)]
pub(super) struct Owner {
    pub holder: Holder,
    path: PathBuf,
    /// Names that this process holds, or tries to.
    pub held: Mutex<BTreeSet<String>>,
    /// How many parts of the process use the store.
    sharers: AtomicUsize,
    heart: Option<(Arc<Heart>, JoinHandle<()>)>,
}

#[derive(Debug, Default)]
struct Heart {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Owner {
    /// That of the store with these locks; the folder `alive` is in there.
    pub fn of(locks: &Path) -> Result<Arc<Owner>> {
        static OWNERS: Mutex<BTreeMap<PathBuf, Weak<Owner>>> = Mutex::new(BTreeMap::new());
        let failure = || format!("cannot write into `{}`", locks.display());
        let place = locks.canonicalize().with_context(failure)?;
        let mut owners = lock(&OWNERS);
        if let Some(owner) = owners.get(&place).and_then(Weak::upgrade) {
            return Ok(owner);
        }
        owners.retain(|_, owner| owner.strong_count() > 0);
        let owner = Arc::new(Owner::begin(&place).with_context(failure)?);
        owners.insert(place, Arc::downgrade(&owner));
        Ok(owner)
    }

    fn begin(locks: &Path) -> io::Result<Owner> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let name = format!("{} {} {process} {now} {count}", host(), kernel());
        let token = Fingerprint::of_bytes(name.as_bytes()).to_string()[..20].to_owned();
        let folder = locks.join("alive");
        fs::create_dir_all(&folder)?;
        // Nobody may see the file before it is locked.
        let hidden = folder.join(format!(".{token}"));
        let mut file = File::options().read(true).write(true).create_new(true).open(&hidden)?;
        let locked = file.try_lock().is_ok();
        let job = std::env::var("SLURM_JOB_ID").ok().filter(|job| !job.is_empty());
        let holder = Holder {
            token: token.clone(),
            host: host().to_owned(),
            kernel: kernel().to_owned(),
            process,
            born: born(process),
            job,
            locked,
        };
        let text = serde_json::to_string(&holder).map_err(io::Error::other)?;
        write!(file, "{text}\n{:0DIGITS$}\n", 0)?;
        file.sync_all()?;
        let path = folder.join(&token);
        fs::rename(&hidden, &path)?;
        let heart = Arc::new(Heart::default());
        let beats = {
            let (heart, place) = (heart.clone(), text.len() as u64 + 1);
            std::thread::Builder::new().name("heartbeat".to_owned()).spawn(move || heart.beat(file, place))?
        };
        Ok(Owner { holder, path, held: Mutex::default(), sharers: AtomicUsize::new(0), heart: Some((heart, beats)) })
    }

    /// Makes a file appear that names this process, unless there is one: a link to the owner's own, so that one heartbeat is that of all.
    pub fn mark(&self, path: &Path) -> io::Result<bool> {
        match fs::hard_link(&self.path, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // Not every file system has links, and each has a most of them.
            Err(error) => match File::options().write(true).create_new(true).open(path) {
                Ok(mut file) => {
                    let text = serde_json::to_string(&self.holder).map_err(io::Error::other)?;
                    writeln!(file, "{text}").and_then(|()| file.sync_all()).map(|()| true)
                }
                Err(second) if second.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(_) => Err(error),
            },
        }
    }

    /// How many parts of this process use the store; one more while the guard lives.
    pub fn enter(self: &Arc<Owner>) -> Sharer {
        self.sharers.fetch_add(1, Ordering::SeqCst);
        Sharer(self.clone())
    }

    /// Whether a part of this process uses the store.
    pub fn is_shared(&self) -> bool {
        self.sharers.load(Ordering::SeqCst) > 0
    }

    /// Whether another owner's process has ended, as far as this one can tell by now.
    pub fn is_dead(&self, holder: &Holder) -> bool {
        holder.token != self.holder.token && self.standing(holder) == Standing::Dead
    }

    /// What is known of an owner.
    pub fn standing(&self, holder: &Holder) -> Standing {
        let path = self.path.with_file_name(&holder.token);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Removed by itself, when it ended, or by whoever found it dead.
            Err(error) if error.kind() == ErrorKind::NotFound => return Standing::Dead,
            Err(_) => return Standing::Unknown,
        };
        if holder.kernel == kernel() && !holder.kernel.is_empty() {
            if holder.locked && !can_lock(&path) {
                return Standing::Alive;
            }
            // Locks do not reach from one mount of a network file system to another, nor always into a container; processes of one numbering see
            // each other.
            if !holder.born.is_empty() && numbering(&holder.born) == numbering(&born(std::process::id())) {
                return if born(holder.process) == holder.born { Standing::Alive } else { Standing::Dead };
            }
            if holder.locked && holder.born.is_empty() {
                return Standing::Dead;
            }
        }
        let standing = seen(&path, &bytes, Instant::now());
        if standing == Standing::Dead {
            // Claims that name it are as dead without it.
            let _ = fs::remove_file(&path);
        }
        standing
    }

    /// Every other process that works on the store.
    pub fn others(&self) -> Vec<Holder> {
        let Ok(files) = fs::read_dir(self.path.parent().unwrap_or(Path::new(""))) else { return Vec::new() };
        let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
        let others = names.filter(|name| !name.starts_with('.') && *name != self.holder.token);
        others.filter_map(|name| Holder::parse(&fs::read(self.path.with_file_name(name)).ok()?)).collect()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        if let Some((heart, beats)) = self.heart.take() {
            *lock(&heart.ended) = true;
            heart.changed.notify_all();
            let _ = beats.join();
        }
    }
}

/// A part of this process that uses a store.
#[derive(Debug)]
pub(super) struct Sharer(Arc<Owner>);

impl Drop for Sharer {
    fn drop(&mut self) {
        self.0.sharers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What an observer knows of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It changed since it was seen first, or its lock is held.
    Alive,
    /// Its lock is free, its file is gone, or it has not changed for long.
    Dead,
    /// It was not seen for long enough.
    Unknown,
}

impl Heart {
    /// Counts up in the last line of the file until the owner ends. The file stays open: its lock ends with the process.
    fn beat(&self, mut file: File, place: u64) {
        let mut ended = lock(&self.ended);
        for count in 1_u64.. {
            while !*ended {
                let (guard, waited) = self.changed.wait_timeout(ended, BEAT).unwrap_or_else(PoisonError::into_inner);
                ended = guard;
                if waited.timed_out() {
                    break;
                }
            }
            if *ended {
                return;
            }
            // On a network file system only what is synchronised is seen by others.
            let written = file.seek(SeekFrom::Start(place)).and_then(|_| write!(file, "{count:0DIGITS$}")).and_then(|()| file.sync_data());
            if let Err(error) = written {
                tracing::debug!(%error, "a heartbeat is not written");
            }
        }
    }
}

/// What follows from seeing an owner's file with these bytes.
fn seen(path: &Path, bytes: &[u8], now: Instant) -> Standing {
    static SEEN: Mutex<BTreeMap<PathBuf, Sight>> = Mutex::new(BTreeMap::new());
    let mut all = lock(&SEEN);
    let digest = Fingerprint::of_bytes(bytes);
    match all.get_mut(path) {
        None => {
            all.insert(path.to_owned(), Sight { digest, since: now, moved: false });
            Standing::Unknown
        }
        Some(sight) if sight.digest != digest => {
            *sight = Sight { digest, since: now, moved: true };
            Standing::Alive
        }
        Some(sight) if now.saturating_duration_since(sight.since) >= PATIENCE => Standing::Dead,
        Some(sight) if sight.moved => Standing::Alive,
        Some(_) => Standing::Unknown,
    }
}

/// When an owner's file was seen to change last.
struct Sight {
    digest: Fingerprint,
    since: Instant,
    moved: bool,
}

/// Whether nobody holds the lock of a file. Whoever looks at the same moment may keep another from seeing it, who looks again.
fn can_lock(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_that_does_not_change_is_dead_by_the_observers_clock_alone() {
        let path = Path::new("of no store/a");
        let begun = Instant::now();
        let at = |seconds: u64, bytes: &[u8]| seen(path, bytes, begun + Duration::from_secs(seconds));
        assert_eq!(at(0, b"1"), Standing::Unknown);
        assert_eq!(at(59, b"1"), Standing::Unknown);
        assert_eq!(at(59, b"2"), Standing::Alive);
        assert_eq!(at(118, b"2"), Standing::Alive);
        assert_eq!(at(119, b"2"), Standing::Dead);
    }

    #[test]
    fn a_process_of_this_machine_is_known_to_live_by_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = [(); 2].map(|()| Owner::begin(folder.path()).unwrap());
        assert_eq!(two.standing(&one.holder), Standing::Alive);
        assert_eq!(two.others(), std::slice::from_ref(&one.holder));
        let holder = one.holder.clone();
        let path = one.path.clone();
        let bytes = fs::read(&path).unwrap();
        drop(one);
        assert!(two.is_dead(&holder), "its file is gone");
        fs::write(&path, &bytes).unwrap();
        let ended = |born: &str| Holder { process: u32::MAX, born: born.to_owned(), ..holder.clone() };
        assert!(two.is_dead(&ended("")), "its file is there, and nobody locks it");
        assert!(two.is_dead(&ended(&holder.born)), "no process has its number");
        assert!(
            two.is_dead(&Holder { born: format!("{} 1", numbering(&holder.born)), ..holder.clone() }),
            "another process has its number"
        );
        assert!(!two.is_dead(&two.holder));
    }

    /// As on two mounts of one network file system.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_whose_lock_is_not_seen_lives_as_long_as_the_process_does() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = [(); 2].map(|()| Owner::begin(folder.path()).unwrap());
        let bytes = fs::read(&one.path).unwrap();
        fs::remove_file(&one.path).unwrap();
        fs::write(&one.path, bytes).unwrap();
        assert_eq!(two.standing(&one.holder), Standing::Alive);
        // Of another numbering of processes only the heartbeat tells.
        let elsewhere = Holder { born: "pid:[1] 5".to_owned(), ..one.holder.clone() };
        assert_eq!(two.standing(&elsewhere), Standing::Unknown);
    }

    #[test]
    fn one_heartbeat_is_that_of_every_mark() {
        let folder = tempfile::tempdir().unwrap();
        let owner = Owner::begin(folder.path()).unwrap();
        let mark = folder.path().join("a");
        assert!(owner.mark(&mark).unwrap());
        assert!(!owner.mark(&mark).unwrap());
        assert_eq!(Holder::parse(&fs::read(&mark).unwrap()), Some(owner.holder.clone()));
        assert_eq!(fs::read(&mark).unwrap(), fs::read(&owner.path).unwrap());
    }
}
