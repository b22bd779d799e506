//! Files that appear whole or not at all, and sets of files that appear together.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::{NamedTempFile, TempDir};

/// How the name of a file being written starts.
pub const PARTIAL: &str = ".partial-";

/// After this long nobody is still writing one. Clocks of machines that share the folder may be minutes apart.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A file that is written but not yet at its place. Dropping it removes it.
pub struct WholeFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Writes and syncs the bytes beside the place they are for, and makes its folder. A link is followed.
    ///
    /// # Errors
    /// When the folder cannot be made or written to; when a device, a pipe or a link to nothing is in the place.
    pub fn stage(path: &Path, bytes: &[u8]) -> io::Result<WholeFile> {
        let path = &place(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        make_folder(folder)?;
        let mut builder = tempfile::Builder::new();
        // Private by default, but results are for everyone whom the folder is for.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let mut file = builder.prefix(PARTIAL).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(WholeFile { file, path: path.to_owned() })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it to its place by a rename, over what is there.
    ///
    /// # Errors
    /// When the rename fails, for example because a folder is in its place.
    pub fn publish(self) -> io::Result<()> {
        self.file.persist(&self.path)?;
        Ok(())
    }
}

/// Where a file goes: what a link leads to. A rename would put a file in the place of a link, and of a device.
fn place(path: &Path) -> io::Result<PathBuf> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(path.to_owned()) };
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}")));
    let path = match fs::canonicalize(path) {
        Ok(path) if found.is_symlink() => path,
        Err(_) if found.is_symlink() => return wrong("a link to nothing"),
        _ => path.to_owned(),
    };
    let is_folder_or_file = fs::metadata(&path).is_ok_and(|found| found.is_file() || found.is_dir());
    // What is in the place of a file and is a folder, the rename says.
    if is_folder_or_file { Ok(path) } else { wrong("a pipe or a device, a regular file is expected") }
}

/// Writes a file whole: a reader sees the old bytes or the new ones.
///
/// # Errors
/// As [`WholeFile::stage`] and [`WholeFile::publish`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    WholeFile::stage(path, bytes)?.publish()
}

/// Makes a folder, and those above it.
///
/// # Errors
/// When it cannot be made; what is in the way is named.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let Err(error) = fs::create_dir_all(folder) else { return Ok(()) };
    let in_the_way = folder.ancestors().find(|place| fs::symlink_metadata(place).is_ok() && !place.is_dir());
    let Some(place) = in_the_way else { return Err(error) };
    let what = if place.exists() { "is a file" } else { "is a link to nothing" };
    Err(io::Error::new(error.kind(), format!("`{}` {what}", place.display())))
}

/// A folder that is removed when dropped. The system's own folder for such things comes last: nobody chose it.
pub fn temporary(places: &[&Path]) -> Result<TempDir> {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PARTIAL);
        builder
    };
    if let Some(folder) = places.iter().find_map(|place| builder().tempdir_in(place).ok()) {
        return Ok(folder);
    }
    builder().tempdir().with_context(|| {
        let places: Vec<String> = places.iter().map(|place| format!("`{}`", place.display())).collect();
        format!("cannot make a temporary folder in {} or `{}`", places.join(", "), std::env::temp_dir().display())
    })
}

/// Whether a file is one that this module has not moved to its place yet. One that a killed process left is removed.
pub fn is_partial(path: &Path) -> bool {
    if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PARTIAL)) {
        return false;
    }
    let age = fs::symlink_metadata(path).and_then(|data| data.modified()).ok().and_then(|modified| modified.elapsed().ok());
    if age.is_some_and(|age| age > PATIENCE) {
        let _ = fs::remove_file(path);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_of_a_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        make_folder(&folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = make_folder(&folder.path().join("file/b")).unwrap_err().to_string();
        assert!(error.ends_with("/file` is a file"), "{error}");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
            let error = make_folder(&folder.path().join("link")).unwrap_err().to_string();
            assert!(error.ends_with("/link` is a link to nothing"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_device_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let [target, link, lost, pipe] = ["target", "link", "lost", "pipe"].map(|name| folder.path().join(name));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        std::os::unix::fs::symlink("nowhere", &lost).unwrap();
        assert!(write(&lost, b"new").unwrap_err().to_string().contains("a link to nothing"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(write(&pipe, b"new").unwrap_err().to_string().contains("a regular file is expected"));
        assert!(!fs::symlink_metadata(&pipe).unwrap().is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left behind");
    }

    #[test]
    fn a_file_is_at_its_place_once_published_and_leaves_nothing_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        let staged = WholeFile::stage(&path, b"text").unwrap();
        assert!(!path.exists());
        assert!(is_partial(staged.file.path()) && !is_partial(&path));
        drop(staged);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
        write(&path, b"text").unwrap();
        write(&path, b"other").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"other");
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }
}
