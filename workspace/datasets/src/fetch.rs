use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ureq::Agent;

use crate::archive::Unpacking;
use crate::content;
use crate::download::{Download, Patience, agent};
use crate::error::DatasetError;
use crate::known::{Known, KnownFile, Remote};
use crate::search_paths::SearchPaths;

/// How far fetching has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// The file being fetched, or taken out of an archive.
    pub file: &'a str,
    /// Whether it is taken out of an archive that was fetched before.
    pub unpacking: bool,
    /// Its place among the files, from 0.
    pub index: usize,
    /// How many files there are.
    pub files: usize,
    /// Bytes of this file that are there; falls back to 0 when a server cannot continue.
    pub bytes: u64,
    /// Bytes of this file.
    pub total: u64,
}

/// Where files are fetched from, and how persistently.
#[derive(Clone, Debug, Default)]
pub struct Fetching {
    /// Addresses of folders that serve a set's files; none: the official ones.
    pub mirrors: Vec<String>,
    /// When to give up.
    pub patience: Patience,
}

impl Fetching {
    /// The usual way: `$ONEBASIN_MIRROR/NAME/` first where that variable is set, then the official servers.
    pub fn standard(known: &Known) -> Fetching {
        let own = std::env::var("ONEBASIN_MIRROR").ok().filter(|mirror| !mirror.is_empty());
        let own = own.map(|mirror| format!("{}/{}/", mirror.trim_end_matches('/'), known.name));
        let mirrors = own.into_iter().chain(known.mirrors.iter().map(|&mirror| mirror.to_owned())).collect();
        Fetching { mirrors, patience: Patience::default() }
    }
}

/// Fetches the files of a known data set into its folder in the cache and returns their paths.
///
/// Files with the right SHA-256 are kept. A broken download resumes where it stopped, also in a later call. A file is moved into place
/// only when it is complete and has the right SHA-256. Of an archive only the files needed are extracted, and moved into place after the
/// last one was checked; then the archive is removed. `progress` may stop the download; what has come is kept. Of two processes that fetch
/// the same set one waits for the other.
///
/// # Errors
/// A set that is generated; no mirror that gives a file, with the reason for each; an archive that does not hold the files; a folder that
/// cannot be written; `progress` said to stop.
pub fn fetch(
    known: &Known,
    search_paths: &SearchPaths,
    fetching: &Fetching,
    progress: &mut dyn FnMut(&Transfer<'_>) -> ControlFlow<()>,
) -> Result<Vec<PathBuf>, DatasetError> {
    match (remotes(known), known.archive) {
        (Some(remotes), _) => fetch_files(known.name, &remotes, search_paths, fetching, progress),
        (None, Some(archive)) => fetch_archive(known, &archive, search_paths, fetching, progress),
        (None, None) => Err(DatasetError::NotFetchable { name: known.name, hint: known.how_to_get() }),
    }
}

/// All files as a server has them, where it has each as a file of its own.
fn remotes(known: &Known) -> Option<Vec<Remote>> {
    let remotes: Option<Vec<Remote>> = known.files.iter().map(|file| file.packed).collect();
    remotes.filter(|remotes| !remotes.is_empty())
}

/// Fetches these files into the folder of this name in the cache.
pub(crate) fn fetch_files(
    name: &str,
    remotes: &[Remote],
    search_paths: &SearchPaths,
    fetching: &Fetching,
    progress: &mut dyn FnMut(&Transfer<'_>) -> ControlFlow<()>,
) -> Result<Vec<PathBuf>, DatasetError> {
    let folder = search_paths.fetched(name);
    let _lock = lock(&folder)?;
    let agent = agent(&fetching.patience);
    let mut paths = Vec::with_capacity(remotes.len());
    for (index, remote) in remotes.iter().enumerate() {
        let target = folder.join(remote.name);
        let mut tell =
            |bytes| progress(&Transfer { file: remote.name, unpacking: false, index, files: remotes.len(), bytes, total: remote.bytes });
        bring(remote, &target, &agent, fetching, &mut tell)?;
        paths.push(target);
    }
    Ok(paths)
}

/// Fetches the archive of this set into its folder in the cache, and takes the files out that are not there.
fn fetch_archive(
    known: &Known,
    archive: &Remote,
    search_paths: &SearchPaths,
    fetching: &Fetching,
    progress: &mut dyn FnMut(&Transfer<'_>) -> ControlFlow<()>,
) -> Result<Vec<PathBuf>, DatasetError> {
    let folder = search_paths.fetched(known.name);
    let _lock = lock(&folder)?;
    let paths: Vec<PathBuf> = known.files.iter().map(|file| folder.join(file.name)).collect();
    let mut missing: Vec<&KnownFile> = Vec::new();
    for (file, path) in known.files.iter().zip(&paths) {
        if !is_right(path, file.bytes, file.sha256)? {
            missing.push(file);
        }
    }
    if missing.is_empty() {
        return Ok(paths);
    }
    let target = folder.join(archive.name);
    let files = missing.len() + 1;
    let mut tell = |bytes| progress(&Transfer { file: archive.name, unpacking: false, index: 0, files, bytes, total: archive.bytes });
    bring(archive, &target, &agent(&fetching.patience), fetching, &mut tell)?;
    let mut tell = |index: usize, bytes| {
        let file = missing[index];
        progress(&Transfer { file: file.name, unpacking: true, index: index + 1, files, bytes, total: file.bytes })
    };
    Unpacking { archive: &target, nested: known.nested, files: &missing, folder: &folder }.run(&mut tell)?;
    Ok(paths)
}

/// Fetches a file unless it is there and right.
fn bring(
    remote: &Remote,
    target: &Path,
    agent: &Agent,
    fetching: &Fetching,
    tell: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), DatasetError> {
    if is_right(target, remote.bytes, remote.sha256)? {
        return match tell(remote.bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(DatasetError::Interrupted { file: remote.name.to_owned() }),
        };
    }
    let addresses: Vec<String> =
        fetching.mirrors.iter().map(|mirror| format!("{}/{}", mirror.trim_end_matches('/'), remote.name)).collect();
    Download { agent, patience: &fetching.patience, addresses: &addresses, remote, target }.run(tell)
}

/// Makes the folder and holds it until the file returned is dropped, or the process ends.
fn lock(folder: &Path) -> Result<File, DatasetError> {
    std::fs::create_dir_all(folder).map_err(DatasetError::io("create", folder))?;
    let path = folder.join(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(DatasetError::io("write", &path))?;
    file.lock().map_err(DatasetError::io("lock", &path))?;
    Ok(file)
}

fn is_right(path: &Path, bytes: u64, sha256: Option<&str>) -> Result<bool, DatasetError> {
    if path.metadata().map_or(true, |metadata| metadata.len() != bytes) {
        return Ok(false);
    }
    let Some(expected) = sha256 else { return Ok(true) };
    let found = content::sha256(content::open_file(path)?).map_err(DatasetError::io("read", path))?;
    Ok(expected == found)
}
