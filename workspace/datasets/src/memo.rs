use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use onebasin_repro::Fingerprint;
use serde::{Deserialize, Serialize};

/// Digests of files that have not changed since they were read.
///
/// A help for speed only: a memo that is absent, damaged or cannot be written costs reading the files again, never an error.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    file: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
}

/// What a file was like when it was read, and what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    bytes: u64,
    seconds: u64,
    nanoseconds: u32,
    inode: u64,
    content: Fingerprint,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    files: BTreeMap<PathBuf, Entry>,
}

const VERSION: u32 = 1;

/// A file changed within this time may change again without its time telling: file systems count in steps.
const SETTLED: Duration = Duration::from_secs(2);

impl Memo {
    /// The memo kept in this folder.
    pub fn load(cache: &Path) -> Memo {
        let file = cache.join("digests.json");
        let form = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Form>(&bytes).ok());
        let entries = form.filter(|form| form.version == VERSION).map(|form| form.files).unwrap_or_default();
        Memo { file, entries }
    }

    /// The content's digest, where the file is as it was.
    pub fn recall(&self, path: &Path) -> Option<Fingerprint> {
        let entry = self.entries.get(&std::path::absolute(path).ok()?)?;
        let now = Entry::new(&path.metadata().ok()?, entry.content)?;
        (*entry == now).then_some(entry.content)
    }

    /// Adds files, each with the state it had *before* it was read, and writes the memo whole or not at all.
    pub fn remember(self, read: impl IntoIterator<Item = (PathBuf, Metadata, Fingerprint)>) {
        let Some(folder) = self.file.parent() else { return };
        // What another process has written meanwhile is kept; files that are gone are forgotten.
        let mut files = Memo::load(folder).entries;
        files.retain(|path, _| path.exists());
        for (path, before, content) in read {
            if let (true, Ok(path), Some(entry)) = (is_settled(&before), std::path::absolute(path), Entry::new(&before, content)) {
                files.insert(path, entry);
            }
        }
        let Ok(text) = serde_json::to_vec_pretty(&Form { version: VERSION, files }) else { return };
        replace(folder, &self.file, &text);
    }
}

impl Entry {
    fn new(metadata: &Metadata, content: Fingerprint) -> Option<Entry> {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        let time = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Entry { bytes: metadata.len(), seconds: time.as_secs(), nanoseconds: time.subsec_nanos(), inode, content })
    }
}

/// The content of a folder of pictures as a whole, while none of its files changes.
pub(crate) struct FolderMemo {
    file: PathBuf,
    folder: PathBuf,
    /// Names the state of every file and what is made of them.
    state: Option<Fingerprint>,
    settled: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderForm {
    version: u32,
    /// By folder: its state and its content.
    folders: BTreeMap<PathBuf, (Fingerprint, Fingerprint)>,
}

impl FolderMemo {
    /// Looks at the files, before they are read; `settings` tells other readings of the same folder apart.
    pub fn new<'a>(cache: &Path, folder: &Path, settings: &Fingerprint, files: impl Iterator<Item = &'a Path>) -> FolderMemo {
        let mut hasher = blake3::Hasher::new();
        hasher.update(settings.to_string().as_bytes());
        let (mut settled, mut whole) = (true, true);
        for file in files {
            let Some((metadata, entry)) =
                file.metadata().ok().and_then(|metadata| Entry::new(&metadata, *settings).map(|entry| (metadata, entry)))
            else {
                whole = false;
                break;
            };
            settled &= is_settled(&metadata);
            let name = file.as_os_str().as_encoded_bytes();
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
            for number in [entry.bytes, entry.seconds, u64::from(entry.nanoseconds), entry.inode] {
                hasher.update(&number.to_le_bytes());
            }
        }
        let state = whole.then(|| Fingerprint::of_bytes(hasher.finalize().as_bytes()));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        FolderMemo { file: cache.join("folders.json"), folder, state, settled }
    }

    fn load(&self) -> FolderForm {
        let form = std::fs::read(&self.file).ok().and_then(|bytes| serde_json::from_slice::<FolderForm>(&bytes).ok());
        form.filter(|form| form.version == VERSION).unwrap_or_default()
    }

    /// The content's digest, where all files are as they were.
    pub fn recall(&self) -> Option<Fingerprint> {
        let (state, content) = *self.load().folders.get(&self.folder)?;
        (Some(state) == self.state).then_some(content)
    }

    /// Keeps the content's digest, whole or not at all.
    pub fn remember(self, content: Fingerprint) {
        let (Some(folder), Some(state), true) = (self.file.parent(), self.state, self.settled) else { return };
        let mut folders = self.load().folders;
        folders.retain(|path, _| path.exists());
        folders.insert(self.folder.clone(), (state, content));
        let Ok(text) = serde_json::to_vec_pretty(&FolderForm { version: VERSION, folders }) else { return };
        replace(folder, &self.file, &text);
    }
}

/// Writes a help for speed; nothing is lost when this fails.
fn replace(folder: &Path, file: &Path, text: &[u8]) {
    if std::fs::create_dir_all(folder).is_err() {
        return;
    }
    let Ok(mut temporary) = tempfile::NamedTempFile::new_in(folder) else { return };
    if temporary.write_all(text).is_ok() {
        let _ = temporary.persist(file);
    }
}

fn is_settled(metadata: &Metadata) -> bool {
    metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok()).is_some_and(|age| age > SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(path: &Path, content: &[u8]) -> Metadata {
        std::fs::write(path, content).unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        path.metadata().unwrap()
    }

    #[test]
    fn a_file_is_recalled_until_its_size_time_or_inode_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, digest) = (folder.path().join("a"), Fingerprint::of_bytes(b"one"));
        let before = old(&path, b"one");
        Memo::load(folder.path()).remember([(path.clone(), before.clone(), digest)]);
        assert_eq!(Memo::load(folder.path()).recall(&path), Some(digest));

        // Same length, other time.
        std::fs::write(&path, b"two").unwrap();
        assert_eq!(Memo::load(folder.path()).recall(&path), None);

        // Same length and time, other file.
        let other = folder.path().join("b");
        std::fs::write(&other, b"two").unwrap();
        std::fs::File::options().write(true).open(&other).unwrap().set_modified(before.modified().unwrap()).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(path.metadata().unwrap().modified().unwrap(), before.modified().unwrap());
        assert_eq!(Memo::load(folder.path()).recall(&path), None);
    }

    #[test]
    fn a_file_written_just_now_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"one").unwrap();
        Memo::load(folder.path()).remember([(path.clone(), path.metadata().unwrap(), Fingerprint::of_bytes(b"one"))]);
        assert_eq!(Memo::load(folder.path()).recall(&path), None);
    }

    #[test]
    fn a_damaged_memo_counts_as_none_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, digest) = (folder.path().join("a"), Fingerprint::of_bytes(b"one"));
        let before = old(&path, b"one");
        std::fs::write(folder.path().join("digests.json"), b"{\"version\": 1, \"files\": {").unwrap();
        let memo = Memo::load(folder.path());
        assert_eq!(memo.recall(&path), None);
        memo.remember([(path.clone(), before, digest)]);
        assert_eq!(Memo::load(folder.path()).recall(&path), Some(digest));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let (path, in_the_way) = (folder.path().join("a"), folder.path().join("file"));
        let before = old(&path, b"one");
        std::fs::write(&in_the_way, b"").unwrap();
        Memo::load(&in_the_way).remember([(path, before, Fingerprint::of_bytes(b"one"))]);
        assert_eq!(std::fs::read(&in_the_way).unwrap(), b"");
    }
}
