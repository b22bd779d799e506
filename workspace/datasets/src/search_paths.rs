use std::path::{Path, PathBuf};

use crate::content::present;
use crate::error::DatasetError;
use crate::near_miss::{self, Search};

/// The folders in which data files are searched, and the cache that downloads go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPaths {
    /// Folders searched in this order.
    pub roots: Vec<PathBuf>,
    /// Searched last. It holds downloads, known digests and decompressed copies of `.xz` files.
    pub cache: PathBuf,
    /// Whether missing files of known sets may be downloaded.
    pub fetch: bool,
    /// The folder of the spec: a data set's `directory` may be relative to it. Looked into after the roots.
    pub spec_folder: Option<PathBuf>,
}

impl SearchPaths {
    /// The usual folders: `data` (an option of the command line), then `$ONEBASIN_DATA`, then the cache
    /// (`$ONEBASIN_CACHE`, else `$XDG_CACHE_HOME/onebasin`, else `~/.cache/onebasin`, else a folder of the system's temporary one).
    pub fn standard(data: Option<&Path>, fetch: bool) -> SearchPaths {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let roots = data.map(Path::to_owned).into_iter().chain(variable("ONEBASIN_DATA")).collect();
        let cache = variable("ONEBASIN_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|base| base.join("onebasin")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache").join("onebasin")))
            .unwrap_or_else(|| std::env::temp_dir().join("onebasin-cache"));
        SearchPaths { roots, cache, fetch, spec_folder: None }
    }

    /// Only these roots and this cache, no network: for tests and tools.
    pub fn offline(roots: impl IntoIterator<Item = PathBuf>, cache: impl Into<PathBuf>) -> SearchPaths {
        SearchPaths { roots: roots.into_iter().collect(), cache: cache.into(), fetch: false, spec_folder: None }
    }

    /// The same, and folders beside a spec.
    pub fn with_spec_folder(self, folder: impl Into<PathBuf>) -> SearchPaths {
        SearchPaths { spec_folder: Some(folder.into()), ..self }
    }

    /// The folder that downloads of a data set go to.
    pub fn fetched(&self, name: &str) -> PathBuf {
        self.cache.join(name)
    }

    /// The folders that may hold the files of `directory`, best first.
    ///
    /// Below each root, and beside the spec: `root/directory` and its official nested folders. Then the roots themselves and their nested
    /// folders, for a root that is the data set's own folder.
    pub(crate) fn candidates(&self, directory: &str, nested: &[&str]) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut add = |path: PathBuf, loose: bool| {
            if candidates.iter().all(|candidate| candidate.path != path) {
                candidates.push(Candidate { path, loose });
            }
        };
        for root in self.roots.iter().chain(&self.spec_folder).chain(std::iter::once(&self.cache)) {
            let own = root.join(directory);
            add(own.clone(), false);
            nested.iter().for_each(|folder| add(own.join(folder), false));
        }
        for root in self.roots.iter().chain(std::iter::once(&self.cache)) {
            nested.iter().for_each(|folder| add(root.join(folder), true));
            add(root.clone(), true);
        }
        candidates
    }

    /// The first folder that holds all `files`, each plain or compressed.
    ///
    /// `refuse` may reject the files of a folder whose path does not contain the name of the set, with a reason.
    pub(crate) fn locate(
        &self,
        wanted: &Wanted<'_>,
        refuse: impl Fn(&[PathBuf]) -> Result<Option<String>, DatasetError>,
    ) -> Result<Vec<PathBuf>, DatasetError> {
        let files = wanted.files;
        let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let mut search = Search::default();
        search.wanted(format!("{}, each plain, .gz or .xz", quoted(files)));
        for Candidate { path: folder, loose } in self.candidates(wanted.directory, wanted.nested) {
            let found: Vec<Option<PathBuf>> = files.iter().map(|file| present(&folder, file)).collect();
            if found.iter().all(Option::is_some) {
                let paths: Vec<PathBuf> = found.into_iter().flatten().collect();
                match if loose { refuse(&paths)? } else { None } {
                    None => return Ok(paths),
                    Some(reason) => search.note(&folder, reason),
                }
                continue;
            }
            if !folder.is_dir() {
                search.absent(&folder);
                near_miss::folder(&folder).into_iter().for_each(|line| search.hint(line));
                continue;
            }
            let missing: Vec<&str> = files.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(file, _)| *file).collect();
            let near = near_miss::files(&folder, &missing, loose.then_some(wanted.directory));
            match missing.len() == files.len() {
                true if near.is_empty() && !loose => search.note(&folder, format!("none of the files{}", near_miss::others(&folder))),
                true => search.note(&folder, "none of the files".to_owned()),
                false => search.note(&folder, format!("no {}", quoted(&missing))),
            }
            near.into_iter().for_each(|line| search.hint(line));
        }
        Err(DatasetError::Missing { name: wanted.name.to_owned(), looked: search.told(), hint: wanted.hint.clone() })
    }
}

/// A folder to look into.
pub(crate) struct Candidate {
    pub path: PathBuf,
    /// Whether its path lacks the name of the data set, so that it may hold another set's files of the same names.
    pub loose: bool,
}

/// Files to look for.
pub(crate) struct Wanted<'a> {
    /// The set's name in messages.
    pub name: &'a str,
    /// Its folder below a root.
    pub directory: &'a str,
    /// Folders below that one, or below a root, which tools unpack the files into.
    pub nested: &'a [&'a str],
    /// Names of the files, decompressed.
    pub files: &'a [&'a str],
    /// How to get them.
    pub hint: String,
}
