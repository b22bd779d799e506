use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::content::sha256;
use crate::download::{Download, Patience, agent};
use crate::error::DatasetError;
use crate::known::{Known, Remote, known};
use crate::places::Places;
use crate::source::Source;

/// How far fetching has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// The file being fetched.
    pub file: &'a str,
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
    /// The usual way: `$ONEBASIN_MIRROR/NAME/` first where that variable is set, then the official places.
    pub fn standard(known: &Known) -> Fetching {
        let own = std::env::var("ONEBASIN_MIRROR").ok().filter(|mirror| !mirror.is_empty());
        let own = own.map(|mirror| format!("{}/{}/", mirror.trim_end_matches('/'), known.name));
        let mirrors = own.into_iter().chain(known.mirrors.iter().map(|&mirror| mirror.to_owned())).collect();
        Fetching { mirrors, patience: Patience::default() }
    }
}

/// Fetches the files of a known data set into its folder in the cache and returns their paths.
///
/// Files that are there with the right SHA-256 are kept. A broken transfer goes on where it ended, also in a later call; a file is put in
/// place only whole and with the right SHA-256. `progress` may stop it, keeping what has come. Two processes fetching the same set do not disturb each other: one waits.
///
/// # Errors
/// A set that is generated or comes in an archive; no mirror that gives a file, with the reason for each; a folder that cannot be written;
/// `progress` said to stop.
pub fn fetch(
    known: &Known,
    places: &Places,
    fetching: &Fetching,
    progress: &mut dyn FnMut(&Transfer<'_>) -> ControlFlow<()>,
) -> Result<Vec<PathBuf>, DatasetError> {
    let Some(remotes) = remotes(known) else {
        return Err(DatasetError::NotFetchable { name: known.name, hint: hint(known, places) });
    };
    fetch_files(known.name, &remotes, places, fetching, progress)
}

/// All files as a server has them, where it has each as a file of its own.
fn remotes(known: &Known) -> Option<Vec<Remote>> {
    let remotes: Option<Vec<Remote>> = known.files.iter().map(|file| file.packed).collect();
    remotes.filter(|remotes| !remotes.is_empty())
}

/// How a person gets the files of a known set.
pub(crate) fn hint(known: &Known, places: &Places) -> String {
    match known.archive {
        Some(archive) => format!(
            "unpack `{}{}` into `{}` by hand; `onebasin data verify {}` checks the files",
            known.mirrors.first().copied().unwrap_or_default(),
            archive.name,
            places.fetched(known.name).display(),
            known.name
        ),
        None => "its images are generated when they are needed".to_owned(),
    }
}

/// Fetches these files into the folder of this name in the cache.
pub(crate) fn fetch_files(
    name: &str,
    remotes: &[Remote],
    places: &Places,
    fetching: &Fetching,
    progress: &mut dyn FnMut(&Transfer<'_>) -> ControlFlow<()>,
) -> Result<Vec<PathBuf>, DatasetError> {
    let folder = places.fetched(name);
    std::fs::create_dir_all(&folder).map_err(DatasetError::io("create", &folder))?;
    // Held until the end of this function, or of the process.
    let _lock = lock(&folder)?;
    let agent = agent(&fetching.patience);
    let mut paths = Vec::with_capacity(remotes.len());
    for (index, remote) in remotes.iter().enumerate() {
        let target = folder.join(remote.name);
        let mut tell = |bytes| progress(&Transfer { file: remote.name, index, files: remotes.len(), bytes, total: remote.bytes });
        if is_right(&target, remote)? {
            if tell(remote.bytes).is_break() {
                return Err(DatasetError::Interrupted { file: remote.name.to_owned() });
            }
        } else {
            let addresses: Vec<String> =
                fetching.mirrors.iter().map(|mirror| format!("{}/{}", mirror.trim_end_matches('/'), remote.name)).collect();
            Download { agent: &agent, patience: &fetching.patience, addresses: &addresses, remote, target: &target }.run(&mut tell)?;
        }
        paths.push(target);
    }
    Ok(paths)
}

fn lock(folder: &Path) -> Result<File, DatasetError> {
    let path = folder.join(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(DatasetError::io("write", &path))?;
    file.lock().map_err(DatasetError::io("lock", &path))?;
    Ok(file)
}

fn is_right(path: &Path, remote: &Remote) -> Result<bool, DatasetError> {
    if path.metadata().map_or(true, |metadata| metadata.len() != remote.bytes) {
        return Ok(false);
    }
    let found = File::open(path).and_then(sha256).map_err(DatasetError::io("read", path))?;
    Ok(remote.sha256.is_none_or(|expected| expected == found))
}

/// Fetches the files of a known set where `places` allow it and no place has them all; otherwise does nothing.
///
/// [`open`](crate::open) and [`digest`](crate::digest()) call this too; a program that shows progress calls it before them.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_missing(
    source: &Source,
    places: &Places,
    progress: &mut dyn FnMut(&Transfer<'_>) -> ControlFlow<()>,
) -> Result<(), DatasetError> {
    if !places.fetch {
        return Ok(());
    }
    if let Source::Idx(idx) = source
        && let Some(known) = known(&idx.directory)
        && remotes(known).is_some()
        && let Err(DatasetError::Missing { .. }) = idx.locate(places)
    {
        fetch(known, places, &Fetching::standard(known), progress)?;
    }
    Ok(())
}
