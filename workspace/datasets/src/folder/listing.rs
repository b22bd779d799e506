//! What lies in a folder of pictures: classes, their pictures, and what should not be there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Class, Folder, fault};
use crate::content::entry_kind;
use crate::error::DatasetError;
use crate::picture;
use crate::search_paths::SearchPaths;

/// What lies in the folders.
pub(super) struct Listing {
    pub directory: PathBuf,
    pub classes: Vec<OsString>,
    pub train: Vec<(PathBuf, u8)>,
    pub test: Vec<(PathBuf, u8)>,
    /// What should not be there, or is missing.
    pub faults: Vec<DatasetError>,
}

/// Entries that systems and devices leave behind, in lower case.
const LEFT_BEHIND: [&str; 16] = [
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eadir",
    "@recycle",
    "@__thumb",
    "@tmp",
    "#recycle",
    "#snapshot",
    "lost+found",
    "found.000",
    "__macosx",
    "__pycache__",
    "icon\r",
    "$recycle.bin",
    "system volume information",
];

/// An entry of a folder.
enum Entry {
    Folder,
    /// A file with the name of a picture.
    Picture,
    OtherFile,
    /// Nothing that can be read, and why.
    Stranger(String),
}

impl Folder {
    pub(super) fn list(&self, search_paths: &SearchPaths) -> Result<Listing, DatasetError> {
        self.check()?;
        let directory = self.locate(search_paths)?;
        let (train_folder, test_folder) = (directory.join(&self.train), directory.join(&self.test));
        let mut faults = Vec::new();
        let classes = class_folders(&train_folder, &mut faults)?;
        if !(2..=256).contains(&classes.len()) {
            let hint = "each class is a folder of its own in this one; labels are bytes";
            faults.push(fault(&train_folder, "number of class folders", "from 2 to 256", classes.len().to_string(), hint));
            return Err(DatasetError::several(&directory, faults));
        }
        for class in class_folders(&test_folder, &mut faults)? {
            if classes.binary_search(&class).is_err() {
                let (expected, got) = (format!("one of the {} of training", classes.len()), format!("`{}`", class.display()));
                faults.push(fault(&test_folder.join(&class), "class", expected, got, "is its name misspelt?"));
            }
        }
        let mut split = |folder: &Path, each: bool| -> Result<Vec<(PathBuf, u8)>, DatasetError> {
            let mut files = Vec::new();
            for (label, class) in classes.iter().enumerate() {
                let folder = folder.join(class);
                // A class without test pictures may have an empty folder or none.
                let found = if each || folder.is_dir() { pictures(&folder, &mut faults)? } else { Vec::new() };
                if each && found.is_empty() {
                    let hint = "pictures are files in .png, .jpg or .jpeg";
                    faults.push(fault(&folder, "class folder", "at least one picture", "none".to_owned(), hint));
                }
                // At most 256 classes were let through.
                files.extend(found.into_iter().map(|path| (path, label as u8)));
            }
            Ok(files)
        };
        let (train, test) = (split(&train_folder, true)?, split(&test_folder, false)?);
        if test.is_empty() {
            let (expected, hint) = ("at least one class folder with pictures", "they have the names of those of training");
            faults.push(fault(&test_folder, "folder", expected, "none".to_owned(), hint));
        }
        Ok(Listing { directory, classes, train, test, faults })
    }
}

impl Listing {
    /// The classes in the order of their labels.
    pub fn classes(&self) -> Vec<Class> {
        let count = |files: &[(PathBuf, u8)], label| files.iter().filter(|(_, other)| *other == label).count();
        let class = |(label, folder): (u8, &OsString)| Class {
            label,
            folder: folder.to_string_lossy().into_owned(),
            train: count(&self.train, label),
            test: count(&self.test, label),
        };
        (0..=u8::MAX).zip(&self.classes).map(class).collect()
    }
}

/// The entries of a folder in byte order of their names, without hidden ones and those left behind.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, Entry)>, DatasetError> {
    let mut paths = Vec::new();
    for entry in folder.read_dir().map_err(DatasetError::io("list", folder))? {
        let entry = entry.map_err(DatasetError::io("list", folder))?;
        let name = entry.file_name();
        let left_behind = LEFT_BEHIND.contains(&name.to_string_lossy().to_lowercase().as_str());
        if !left_behind && !name.as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    let entry = |path: PathBuf| {
        let entry = match path.metadata().map(|metadata| metadata.file_type()) {
            Ok(kind) if kind.is_dir() => Entry::Folder,
            Ok(kind) if kind.is_file() && picture::is_picture(&path) => Entry::Picture,
            Ok(kind) if kind.is_file() => Entry::OtherFile,
            Ok(kind) => Entry::Stranger(entry_kind(kind).to_owned()),
            Err(error) if path.is_symlink() => Entry::Stranger(format!("a broken link ({error})")),
            Err(error) => Entry::Stranger(format!("something unreadable ({error})")),
        };
        (path, entry)
    };
    Ok(paths.into_iter().map(entry).collect())
}

/// Names of the class folders, sorted. Other files may lie beside them, but a picture there belongs to no class.
fn class_folders(folder: &Path, faults: &mut Vec<DatasetError>) -> Result<Vec<OsString>, DatasetError> {
    let mut names = Vec::new();
    for (path, entry) in entries(folder)? {
        match entry {
            Entry::Folder => names.extend(path.file_name().map(OsString::from)),
            Entry::OtherFile => {}
            Entry::Picture => {
                let hint = "move it into the folder of its class";
                faults.push(fault(&path, "place of the picture", "the folder of a class", "none".to_owned(), hint));
            }
            Entry::Stranger(got) => faults.push(fault(&path, "entry", "the folder of a class", got, "replace or remove it")),
        }
    }
    Ok(names)
}

/// The pictures of a class, sorted.
fn pictures(folder: &Path, faults: &mut Vec<DatasetError>) -> Result<Vec<PathBuf>, DatasetError> {
    let mut pictures = Vec::new();
    for (path, entry) in entries(folder)? {
        let got = match entry {
            Entry::Picture => {
                pictures.push(path);
                continue;
            }
            Entry::Folder => "a folder".to_owned(),
            Entry::OtherFile => "another file".to_owned(),
            Entry::Stranger(got) => got,
        };
        faults.push(fault(&path, "entry of a class folder", "a picture in .png, .jpg or .jpeg", got, "convert or remove it"));
    }
    Ok(pictures)
}
