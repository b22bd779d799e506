//! A results folder as it was at a revision of git: `results/smoke@HEAD~3`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A results folder: where its files are, and what it is called.
pub struct ResultsFolder {
    /// Where the files are.
    pub path: PathBuf,
    /// As it was named.
    pub name: String,
    /// Files of a revision lie here for as long as they are needed.
    _files: Option<TempDir>,
}

/// The folder of a name. A folder that is there goes before a revision of its name.
///
/// # Errors
/// When git does not know the revision, or the folder at it.
pub fn results_folder(name: &Path) -> Result<ResultsFolder> {
    let shown = name.display().to_string();
    let here = || ResultsFolder { path: name.to_owned(), name: shown.clone(), _files: None };
    if name.is_dir() {
        return Ok(here());
    }
    let Some((folder, revision)) = shown.rsplit_once('@').filter(|(folder, revision)| !folder.is_empty() && !revision.is_empty()) else {
        return Ok(here());
    };
    let folder = Path::new(folder);
    let (parent, last) = (folder.parent().filter(|parent| !parent.as_os_str().is_empty()), folder.file_name());
    let (parent, last) = (parent.unwrap_or(Path::new(".")), last.and_then(OsStr::to_str));
    let last = last.with_context(|| format!("`{shown}` names no folder"))?;
    let listed = git(parent, &["ls-tree", "--full-tree", "--name-only", &format!("{revision}:./{last}")])
        .with_context(|| format!("`{shown}` is no folder, and no folder of a revision of git\nhint: write `results/NAME@REVISION`"))?;
    let files = tempfile::tempdir().context("cannot make a folder for the files of a revision")?;
    for file in String::from_utf8_lossy(&listed).lines().filter(|file| file.ends_with(".csv") || file.ends_with(".json")) {
        let bytes = git(parent, &["show", &format!("{revision}:./{last}/{file}")])?;
        std::fs::write(files.path().join(file), bytes).with_context(|| format!("cannot keep `{file}` of `{shown}`"))?;
    }
    Ok(ResultsFolder { path: files.path().to_owned(), name: shown, _files: Some(files) })
}

fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).output().context("cannot run `git`")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}
