use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use onebasin_repro::Fingerprint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::content::open_file;
use crate::whole_file::WholeFile;

/// Digests of files that have not changed since they were read.
///
/// It only saves time: when it is absent, damaged or cannot be written, files are read again.
#[derive(Debug, Default)]
pub(crate) struct DigestCache {
    file: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
}

/// What a file was like when it was read, and what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    state: State,
    content: Fingerprint,
}

/// What the file system says of a file. It differs whenever the content may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    bytes: u64,
    inode: u64,
    /// Seconds and nanoseconds of the last write. Copying tools put it back.
    modified: (i64, i64),
    /// Seconds and nanoseconds of the last change of any kind. No program can set it.
    changed: (i64, i64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    files: BTreeMap<PathBuf, Entry>,
}

const VERSION: u32 = 2;

/// A file changed within this time may change again without its times telling: file systems count in steps.
const COARSEST_STEP: Duration = Duration::from_secs(2);

impl DigestCache {
    /// The digests kept in this folder.
    pub fn load(cache: &Path) -> DigestCache {
        let file = cache.join("digests.json");
        let form: Option<Form> = read(&file);
        let entries = form.filter(|form| form.version == VERSION).map(|form| form.files).unwrap_or_default();
        DigestCache { file, entries }
    }

    /// The digest of the content, if the file is as it was.
    pub fn lookup(&self, path: &Path) -> Option<Fingerprint> {
        let entry = self.entries.get(&std::path::absolute(path).ok()?)?;
        let now = State::of(&path.metadata().ok()?)?;
        (entry.state == now).then_some(entry.content)
    }

    /// Adds files, each with the metadata it had *before* it was read, and writes the cache whole or not at all.
    pub fn store(self, read: impl IntoIterator<Item = (PathBuf, Metadata, Fingerprint)>) {
        self.store_at(SystemTime::now(), read);
    }

    fn store_at(self, now: SystemTime, read: impl IntoIterator<Item = (PathBuf, Metadata, Fingerprint)>) {
        let Some(folder) = self.file.parent() else { return };
        // Keep what another process has written meanwhile; forget files that are gone.
        let mut files = DigestCache::load(folder).entries;
        files.retain(|path, _| path.exists());
        for (path, before, content) in read {
            let state = State::of(&before).filter(|state| state.is_settled(now));
            if let (Some(state), Ok(path)) = (state, std::path::absolute(path)) {
                files.insert(path, Entry { state, content });
            }
        }
        let Ok(text) = serde_json::to_vec_pretty(&Form { version: VERSION, files }) else { return };
        replace(folder, &self.file, &text);
    }
}

impl State {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Option<State> {
        use std::os::unix::fs::MetadataExt;
        Some(State {
            bytes: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Option<State> {
        let time = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let modified = (i64::try_from(time.as_secs()).ok()?, i64::from(time.subsec_nanos()));
        Some(State { bytes: metadata.len(), inode: 0, modified, changed: modified })
    }

    /// Whether a later change would show.
    fn is_settled(&self, now: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else { return false };
        let changed = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        now.duration_since(changed).is_ok_and(|age| age > COARSEST_STEP)
    }
}

/// The content of a folder of pictures as a whole, while none of its files changes.
pub(crate) struct FolderDigestCache {
    file: PathBuf,
    folder: PathBuf,
    /// Names the settings, and the path and state of every file; `None` when a file cannot be looked at.
    state: Option<Fingerprint>,
    files: Vec<State>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderForm {
    version: u32,
    /// By folder: its state and its content.
    folders: BTreeMap<PathBuf, (Fingerprint, Fingerprint)>,
}

impl FolderDigestCache {
    /// Looks at the files, before they are read; `settings` tells other readings of the same folder apart.
    pub fn new<'a>(cache: &Path, folder: &Path, settings: &Fingerprint, files: impl Iterator<Item = &'a Path>) -> FolderDigestCache {
        let mut hasher = blake3::Hasher::new();
        hasher.update(settings.to_string().as_bytes());
        let states = files.map(|file| {
            let state = State::of(&file.metadata().ok()?)?;
            let name = file.as_os_str().as_encoded_bytes();
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
            hasher.update(&state.bytes.to_le_bytes()).update(&state.inode.to_le_bytes());
            for (seconds, nanoseconds) in [state.modified, state.changed] {
                hasher.update(&seconds.to_le_bytes()).update(&nanoseconds.to_le_bytes());
            }
            Some(state)
        });
        let states: Option<Vec<State>> = states.collect();
        let state = states.is_some().then(|| Fingerprint::of_bytes(hasher.finalize().as_bytes()));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        FolderDigestCache { file: cache.join("folders.json"), folder, state, files: states.unwrap_or_default() }
    }

    fn load(&self) -> FolderForm {
        let form = read::<FolderForm>(&self.file);
        form.filter(|form| form.version == VERSION).unwrap_or_default()
    }

    /// The digest of the content, if all files are as they were.
    pub fn lookup(&self) -> Option<Fingerprint> {
        let (state, content) = *self.load().folders.get(&self.folder)?;
        (Some(state) == self.state).then_some(content)
    }

    /// Keeps the digest of the content, whole or not at all.
    pub fn store(self, content: Fingerprint) {
        self.store_at(SystemTime::now(), content);
    }

    fn store_at(self, now: SystemTime, content: Fingerprint) {
        let (Some(folder), Some(state)) = (self.file.parent(), self.state) else { return };
        if !self.files.iter().all(|file| file.is_settled(now)) {
            return;
        }
        let mut folders = self.load().folders;
        folders.retain(|path, _| path.exists());
        folders.insert(self.folder.clone(), (state, content));
        let Ok(text) = serde_json::to_vec_pretty(&FolderForm { version: VERSION, folders }) else { return };
        replace(folder, &self.file, &text);
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let mut bytes = Vec::new();
    open_file(file).ok()?.read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Writes a file that only saves time: nothing is lost when this fails.
fn replace(folder: &Path, file: &Path, text: &[u8]) {
    let write = || -> io::Result<()> {
        let mut whole = WholeFile::begin(folder)?;
        whole.write_all(text)?;
        whole.commit(file)
    };
    let _ = write();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A moment at which files written now have settled.
    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }

    fn write(path: &Path, content: &[u8]) -> Metadata {
        std::fs::write(path, content).unwrap();
        path.metadata().unwrap()
    }

    /// Writes into the file, and puts its time back as copying tools do. Repeats until the clock of the file system has moved on.
    fn change_in_place(path: &Path, content: &[u8]) {
        let before = path.metadata().unwrap();
        loop {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            (&file).write_all(content).unwrap();
            file.set_modified(before.modified().unwrap()).unwrap();
            let after = path.metadata().unwrap();
            assert_eq!((after.len(), after.modified().unwrap()), (before.len(), before.modified().unwrap()));
            if State::of(&after) != State::of(&before) {
                return;
            }
        }
    }

    #[test]
    fn a_file_is_found_until_its_size_time_or_inode_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, digest) = (folder.path().join("a"), Fingerprint::of_bytes(b"one"));
        let before = write(&path, b"one");
        let store = |metadata: &Metadata| {
            DigestCache::load(folder.path()).store_at(later(), [(path.clone(), metadata.clone(), digest)]);
            assert_eq!(DigestCache::load(folder.path()).lookup(&path), Some(digest));
        };
        store(&before);
        write(&path, b"more");
        assert_eq!(DigestCache::load(folder.path()).lookup(&path), None);

        // Same length and time, other file.
        let before = write(&path, b"one");
        store(&before);
        let other = folder.path().join("b");
        write(&other, b"two");
        std::fs::File::options().write(true).open(&other).unwrap().set_modified(before.modified().unwrap()).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(path.metadata().unwrap().modified().unwrap(), before.modified().unwrap());
        assert_eq!(DigestCache::load(folder.path()).lookup(&path), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_changed_in_place_is_not_found_when_its_time_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, digest) = (folder.path().join("a"), Fingerprint::of_bytes(b"one"));
        let before = write(&path, b"one");
        DigestCache::load(folder.path()).store_at(later(), [(path.clone(), before, digest)]);
        assert_eq!(DigestCache::load(folder.path()).lookup(&path), Some(digest));
        change_in_place(&path, b"two");
        assert_eq!(DigestCache::load(folder.path()).lookup(&path), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_found_until_a_file_of_it_changes_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        for path in &paths {
            write(path, b"one");
        }
        let (settings, content) = (Fingerprint::of_bytes(b"settings"), Fingerprint::of_bytes(b"content"));
        let cache = folder.path().join("cache");
        let cached = || FolderDigestCache::new(&cache, folder.path(), &settings, paths.iter().map(PathBuf::as_path));
        // A file written a moment ago could change again unseen.
        cached().store(content);
        assert_eq!(cached().lookup(), None);
        cached().store_at(later(), content);
        assert_eq!(cached().lookup(), Some(content));
        change_in_place(&paths[1], b"two");
        assert_eq!(cached().lookup(), None);
    }

    #[test]
    fn a_file_written_just_now_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let before = write(&path, b"one");
        DigestCache::load(folder.path()).store([(path.clone(), before, Fingerprint::of_bytes(b"one"))]);
        assert_eq!(DigestCache::load(folder.path()).lookup(&path), None);
    }

    #[test]
    fn a_damaged_cache_counts_as_empty_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, digest) = (folder.path().join("a"), Fingerprint::of_bytes(b"one"));
        let before = write(&path, b"one");
        std::fs::write(folder.path().join("digests.json"), b"{\"version\": 2, \"files\": {").unwrap();
        let cached = DigestCache::load(folder.path());
        assert_eq!(cached.lookup(&path), None);
        cached.store_at(later(), [(path.clone(), before, digest)]);
        assert_eq!(DigestCache::load(folder.path()).lookup(&path), Some(digest));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let (path, in_the_way) = (folder.path().join("a"), folder.path().join("file"));
        let before = write(&path, b"one");
        std::fs::write(&in_the_way, b"").unwrap();
        DigestCache::load(&in_the_way).store_at(later(), [(path, before, Fingerprint::of_bytes(b"one"))]);
        assert_eq!(std::fs::read(&in_the_way).unwrap(), b"");
    }
}
