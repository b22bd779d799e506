use std::ffi::OsString;
use std::path::{Path, PathBuf};

use onebasin_repro::Fingerprint;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::DatasetError;
use crate::memo::FolderMemo;
use crate::picture::{self, Picture};
use crate::places::Places;
use crate::source::Geometry;
use crate::split::{Dataset, Normalisation, Split};

/// Raised when the same files would give other pixels.
const VERSION: u32 = 1;

/// Pictures, PNG or JPEG, in a folder for each class: `DIRECTORY/train/CLASS/FILE.png` and `DIRECTORY/test/CLASS/FILE.png`.
///
/// Class `i` is the `i`-th name of the folders of `train` in byte order; images come class after class, files in byte order of their
/// names. All pictures have one size; nothing is resized, and orientation marks of cameras are not looked at. A picture that is opaque
/// throughout may have an alpha channel. Names that begin with a dot are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Folder {
    /// The folder below a root, or an absolute path.
    pub directory: String,
    /// The folder below it with the training images; `train` unless said.
    #[serde(default = "Folder::default_train")]
    pub train: String,
    /// The folder below it with the test images; `test` unless said.
    #[serde(default = "Folder::default_test")]
    pub test: String,
    /// 1 or 3; the first training picture's unless said. With 3, grey pictures get three equal channels; with 1, a picture whose three
    /// channels are equal everywhere gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// Height and width; the first training picture's unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(usize, usize)>,
    /// The training images' own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
}

/// What lies in the folders.
struct Listing {
    directory: PathBuf,
    classes: Vec<OsString>,
    train: Vec<(PathBuf, u8)>,
    test: Vec<(PathBuf, u8)>,
}

impl Folder {
    fn default_train() -> String {
        "train".to_owned()
    }

    fn default_test() -> String {
        "test".to_owned()
    }

    /// Folders `train` and `test` in `directory`.
    pub fn in_directory(directory: impl Into<String>) -> Folder {
        Folder {
            directory: directory.into(),
            train: Folder::default_train(),
            test: Folder::default_test(),
            channels: None,
            size: None,
            normalisation: None,
        }
    }

    fn name(&self) -> &str {
        Path::new(&self.directory).file_name().and_then(|name| name.to_str()).unwrap_or(&self.directory)
    }

    fn check(&self) -> Result<(), DatasetError> {
        if let Some(channels) = self.channels.filter(|channels| ![1, 3].contains(channels)) {
            let hint = "1 for grey pictures, 3 for coloured ones".into();
            return Err(DatasetError::Setting { key: "channels", expected: "1 or 3".into(), got: channels.to_string(), hint });
        }
        match (&self.normalisation, self.channels) {
            (Some(normalisation), Some(channels)) => normalisation.check(channels),
            _ => Ok(()),
        }
    }

    /// The first folder below a root that has both splits.
    fn locate(&self, places: &Places) -> Result<PathBuf, DatasetError> {
        let mut looked = String::new();
        for candidate in places.candidates(&self.directory, &[]).into_iter().filter(|candidate| !candidate.loose) {
            let missing: Vec<String> = [&self.train, &self.test]
                .into_iter()
                .filter(|split| !candidate.path.join(split).is_dir())
                .map(|split| format!("`{split}`"))
                .collect();
            match missing.is_empty() {
                true => return Ok(candidate.path),
                false if candidate.path.is_dir() => {
                    looked.push_str(&format!("  `{}`: no folder {}\n", candidate.path.display(), missing.join(", ")));
                }
                false => looked.push_str(&format!("  `{}`: no such folder\n", candidate.path.display())),
            }
        }
        let hint =
            "`--data DIR` names the folder above it; below it lie `train/CLASS/` and `test/CLASS/` with pictures, keys `train`, `test` \
                    give them other names"
                .to_owned();
        Err(DatasetError::Missing { name: self.name().to_owned(), looked, hint })
    }

    fn list(&self, places: &Places) -> Result<Listing, DatasetError> {
        self.check()?;
        let directory = self.locate(places)?;
        let (train_folder, test_folder) = (directory.join(&self.train), directory.join(&self.test));
        let classes = folders(&train_folder)?;
        if !(2..=256).contains(&classes.len()) {
            let hint = "each class is a folder of its own in this one; labels are bytes";
            return Err(fault(&train_folder, "number of class folders", "from 2 to 256", classes.len().to_string(), hint));
        }
        for class in folders(&test_folder)? {
            if classes.binary_search(&class).is_err() {
                let got = format!("`{}`, which is none of them", class.display());
                return Err(fault(
                    &test_folder.join(&class),
                    "class",
                    format!("one of the {} of training", classes.len()),
                    got,
                    "is its name misspelt?",
                ));
            }
        }
        let split = |folder: &Path, needed: bool| {
            let mut files = Vec::new();
            for (label, class) in classes.iter().enumerate() {
                let folder = folder.join(class);
                if !needed && !folder.is_dir() {
                    continue;
                }
                let found = pictures(&folder)?;
                if found.is_empty() {
                    return Err(fault(
                        &folder,
                        "class folder",
                        "at least one picture",
                        "none".to_owned(),
                        "pictures are files in .png, .jpg or .jpeg",
                    ));
                }
                // At most 256 classes were let through.
                files.extend(found.into_iter().map(|path| (path, label as u8)));
            }
            Ok(files)
        };
        let (train, test) = (split(&train_folder, true)?, split(&test_folder, false)?);
        if test.is_empty() {
            return Err(fault(
                &test_folder,
                "folder",
                "at least one class folder with pictures",
                "none".to_owned(),
                "they have the names of those of training",
            ));
        }
        Ok(Listing { directory, classes, train, test })
    }

    /// Channels, height and width: what the keys say, the rest from the first training picture.
    fn shape(&self, listing: &Listing) -> Result<(usize, usize, usize), DatasetError> {
        if let (Some(channels), Some((height, width))) = (self.channels, self.size) {
            return Ok((channels, height, width));
        }
        let (channels, height, width) = picture::shape(&listing.train[0].0)?;
        let (height, width) = self.size.unwrap_or((height, width));
        Ok((self.channels.unwrap_or(channels), height, width))
    }

    pub(crate) fn geometry(&self, places: &Places) -> Result<Geometry, DatasetError> {
        let listing = self.list(places)?;
        Ok(Geometry { shape: self.shape(&listing)?, classes: listing.classes.len() })
    }

    pub(crate) fn open(&self, places: &Places) -> Result<Dataset, DatasetError> {
        self.read(&self.list(places)?)
    }

    fn read(&self, listing: &Listing) -> Result<Dataset, DatasetError> {
        let shape = self.shape(listing)?;
        if let Some(normalisation) = &self.normalisation {
            normalisation.check(shape.0)?;
        }
        let split = |files: &[(PathBuf, u8)]| -> Result<Split, DatasetError> {
            let length = shape.0 * shape.1 * shape.2;
            let mut pixels = vec![0; files.len() * length];
            let read: Vec<Result<(), DatasetError>> = pixels
                .par_chunks_exact_mut(length.max(1))
                .zip(files)
                .map(|(image, (path, _))| fill(image, path, &picture::read(path)?, shape, &listing.train[0].0))
                .collect();
            // The first file's error, whatever the order of reading.
            read.into_iter().collect::<Result<(), _>>()?;
            Ok(Split { shape, classes: listing.classes.len(), pixels, labels: files.iter().map(|(_, label)| *label).collect() })
        };
        let (train, test) = (split(&listing.train)?, split(&listing.test)?);
        let normalisation = self.normalisation.clone().unwrap_or_else(|| Normalisation::of(&train));
        let digest = self.digest_of(&content(&train, &test));
        Ok(Dataset { name: self.name().to_owned(), train, test, normalisation, digest })
    }

    /// Names the decoded pixels, the labels and the settings; pictures are decoded only where a file changed since the last time.
    pub(crate) fn digest(&self, places: &Places) -> Result<Fingerprint, DatasetError> {
        let listing = self.list(places)?;
        let files = || listing.train.iter().chain(&listing.test).map(|(path, _)| path.as_path());
        let settings = json!({ "version": VERSION, "folder": self, "train": listing.train.len(), "classes": listing.classes.len() });
        let memo = FolderMemo::new(&places.cache, &listing.directory, &Fingerprint::of_json(&settings), files());
        let content = match memo.recall() {
            Some(content) => content,
            None => {
                let Dataset { train, test, .. } = self.read(&listing)?;
                let content = content(&train, &test);
                memo.remember(content);
                content
            }
        };
        Ok(self.digest_of(&content))
    }

    fn digest_of(&self, content: &Fingerprint) -> Fingerprint {
        Fingerprint::of_json(&json!({ "format": "folder", "content": content, "normalisation": self.normalisation }))
    }
}

/// Names the decoded pixels and the labels.
fn content(train: &Split, test: &Split) -> Fingerprint {
    let of = |split: &Split| [Fingerprint::of_bytes(&split.pixels), Fingerprint::of_bytes(&split.labels)];
    Fingerprint::of_json(&json!({ "shape": train.shape, "classes": train.classes, "train": of(train), "test": of(test) }))
}

fn fault(path: &Path, what: &str, expected: impl Into<String>, got: String, hint: &str) -> DatasetError {
    DatasetError::Format { path: path.to_owned(), what: what.into(), expected: expected.into(), got, hint: hint.into() }
}

/// Copies a picture into an image of channels one after the other.
fn fill(image: &mut [u8], path: &Path, picture: &Picture, shape: (usize, usize, usize), first: &Path) -> Result<(), DatasetError> {
    let (channels, height, width) = picture.shape;
    if (height, width) != (shape.1, shape.2) {
        let expected = format!("{}x{}, as in `{}` or in key `size`", shape.1, shape.2, first.display());
        return Err(fault(
            path,
            "size of the picture",
            expected,
            format!("{height}x{width}"),
            "scale or crop all pictures to one size beforehand",
        ));
    }
    let plane = height * width;
    match (channels, shape.0) {
        (from, to) if from == to => {
            for (index, pixel) in picture.interleaved.chunks_exact(channels).enumerate() {
                pixel.iter().enumerate().for_each(|(channel, &value)| image[channel * plane + index] = value);
            }
        }
        (1, _) => {
            image.chunks_exact_mut(plane).for_each(|channel| channel.copy_from_slice(&picture.interleaved));
        }
        _ => {
            for (value, pixel) in image.iter_mut().zip(picture.interleaved.chunks_exact(3)) {
                if pixel[0] != pixel[1] || pixel[1] != pixel[2] {
                    let expected = format!("grey, as in `{}` or in key `channels`", first.display());
                    return Err(fault(
                        path,
                        "colours",
                        expected,
                        "coloured".to_owned(),
                        "set key `channels = 3` to give grey pictures three channels",
                    ));
                }
                *value = pixel[0];
            }
        }
    }
    Ok(())
}

/// The entries of a folder in byte order of their names, without hidden ones.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut entries = Vec::new();
    for entry in folder.read_dir().map_err(DatasetError::io("list", folder))? {
        let entry = entry.map_err(DatasetError::io("list", folder))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.push(entry.path());
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

/// Names of the class folders, sorted; a picture beside them belongs to no class.
fn folders(folder: &Path) -> Result<Vec<OsString>, DatasetError> {
    let mut names = Vec::new();
    for entry in entries(folder)? {
        if entry.is_dir() {
            names.extend(entry.file_name().map(OsString::from));
        } else if picture::is_picture(&entry) {
            let hint = "move it into the folder of its class";
            return Err(fault(&entry, "place of the picture", "the folder of a class", "none".to_owned(), hint));
        }
    }
    Ok(names)
}

/// The pictures of a class, sorted.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let entries = entries(folder)?;
    match entries.iter().find(|entry| entry.is_dir() || !picture::is_picture(entry)) {
        None => Ok(entries),
        Some(stranger) => {
            let got = if stranger.is_dir() { "a folder" } else { "another file" };
            Err(fault(stranger, "entry of a class folder", "a picture in .png, .jpg or .jpeg", got.to_owned(), "convert or remove it"))
        }
    }
}
