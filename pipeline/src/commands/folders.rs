//! Where a command keeps artifacts, tables and pictures.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Failure;
use crate::cli::Shared;
use crate::spec::Experiment;
use crate::whole_file::make_folder;

/// The name of the store's folder.
const STORE: &str = ".store";

/// The folders of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The store.
    pub store: PathBuf,
    results: Option<PathBuf>,
    plots: Option<PathBuf>,
    /// The folder of the project, as seen from here.
    root: PathBuf,
}

impl Folders {
    /// As the options say; else beside the store that is here, or in the nearest folder above. Without one, here.
    pub fn of(shared: &Shared) -> Folders {
        let root = root(&std::env::current_dir().unwrap_or_default());
        let store = shared.store.clone().unwrap_or_else(|| root.join(STORE));
        Folders { store, results: shared.results.clone(), plots: shared.plots.clone(), root }
    }

    /// The folder of an experiment's tables.
    pub fn results_of(&self, experiment: &Experiment) -> PathBuf {
        self.of_experiment(self.results.as_deref(), "results", experiment)
    }

    /// The folder of an experiment's pictures.
    pub fn plots_of(&self, experiment: &Experiment) -> PathBuf {
        self.of_experiment(self.plots.as_deref(), "plots", experiment)
    }

    /// The folders of tables and pictures of one setting of a sweep, or of its summary, which `sets` name: of their own, also in a chosen
    /// folder, unless the setting changes nothing.
    pub fn of_setting(&self, experiment: &Experiment, sets: &[String]) -> (PathBuf, PathBuf) {
        let label = experiment.origin.label_with(sets).map_or_else(String::new, |label| format!("@{label}"));
        let folder = |chosen: &Option<PathBuf>, usual: &str| {
            chosen.clone().unwrap_or_else(|| self.root.join(usual)).join(format!("{}{label}", experiment.name))
        };
        (folder(&self.results, "results"), folder(&self.plots, "plots"))
    }

    /// One-off settings have folders of their own, unless the command line chooses: they never go over the spec's results.
    fn of_experiment(&self, chosen: Option<&Path>, usual: &str, experiment: &Experiment) -> PathBuf {
        let name = &experiment.name;
        match (chosen, experiment.origin.label()) {
            (Some(folder), _) => folder.join(name),
            (None, None) => self.root.join(usual).join(name),
            (None, Some(label)) => self.root.join(usual).join(format!("{name}@{label}")),
        }
    }
}

/// Finds out whether files can be written into a folder, which `--{option}` chooses. It is made for that, and is gone again where it was not there: a
/// run that fails leaves no empty folder.
///
/// # Errors
/// When they cannot.
pub fn writable(folder: &Path, option: &str) -> Result<(), Failure> {
    let made: Vec<&Path> = folder.ancestors().take_while(|above| fs::symlink_metadata(above).is_err()).collect();
    let tried = make_folder(folder).and_then(|()| tempfile::tempfile_in(folder).map(drop));
    for folder in made.into_iter().filter(|folder| !folder.as_os_str().is_empty()) {
        // Another run may have written into it since: then it stays.
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    tried
        .with_context(|| format!("cannot write into `{}`\nhint: choose another folder with `--{option} DIR`", folder.display()))
        .map_err(Failure::Input)
}

/// The store that commands without a spec use.
pub fn store(chosen: Option<&Path>) -> PathBuf {
    chosen.map_or_else(|| root(&std::env::current_dir().unwrap_or_default()).join(STORE), Path::to_owned)
}

/// The store at or above a folder, or the one that commands use here where there is none.
pub fn store_above(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_default();
    let found = whole.ancestors().find(|above| has_store(above));
    found.map_or_else(|| store(None), |above| above.join(STORE))
}

/// The way from a folder to the nearest one at or above it that has a store: `""`, `..`, `../..`.
fn root(here: &Path) -> PathBuf {
    let depth = here.ancestors().position(has_store);
    (0..depth.unwrap_or(0)).map(|_| "..").collect()
}

/// Whether the store is in a folder: one that commands have filled, or an empty folder, which someone made for it. Another program's folder of this name
/// has no locks in it.
fn has_store(folder: &Path) -> bool {
    let store = folder.join(STORE);
    store.join("locks").is_dir() || fs::read_dir(store).is_ok_and(|mut files| files.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_store_above_is_found_and_another_programs_folder_of_that_name_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(below.join(STORE).join("of-another-program")).unwrap();
        assert_eq!(root(&below), Path::new(""));
        std::fs::create_dir_all(folder.path().join(STORE).join("locks")).unwrap();
        assert_eq!(root(&below), Path::new("../.."));
        std::fs::create_dir_all(below.join(STORE).join("locks")).unwrap();
        assert_eq!(root(&below), Path::new(""));
        let empty = folder.path().join("a/c");
        std::fs::create_dir_all(empty.join(STORE)).unwrap();
        assert_eq!(root(&empty), Path::new(""), "someone made it for artifacts");
    }

    #[test]
    fn whether_a_folder_can_be_written_to_is_found_out_without_leaving_one() {
        let folder = tempfile::tempdir().unwrap();
        writable(&folder.path().join("results/small"), "results").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "made and removed");
        fs::create_dir_all(folder.path().join("own")).unwrap();
        writable(&folder.path().join("own"), "results").unwrap();
        assert!(folder.path().join("own").is_dir(), "it was there");
        fs::write(folder.path().join("file"), "").unwrap();
        let Err(Failure::Input(error)) = writable(&folder.path().join("file/small"), "plots") else { panic!("a file is no folder") };
        assert!(error.to_string().contains("hint: choose another folder with `--plots DIR`"), "{error}");
    }
}
