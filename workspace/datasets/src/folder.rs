mod listing;

use std::path::{Path, PathBuf};

use onebasin_repro::Fingerprint;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::digest_cache::FolderDigestCache;
use crate::error::DatasetError;
use crate::near_miss::{self, Search};
use crate::picture::{self, MOST_SIDE, Picture};
use crate::search_paths::SearchPaths;
use crate::source::Geometry;
use crate::split::{Dataset, Normalisation, Split};
use listing::Listing;

/// Raised when the same files would give other pixels.
const VERSION: u32 = 1;

/// Pictures, PNG or JPEG, in a folder for each class: `DIRECTORY/train/CLASS/FILE.png` and `DIRECTORY/test/CLASS/FILE.png`.
///
/// Class `i` is the `i`-th name of the folders of `train` in byte order; images come class after class, files in byte order of their
/// names. All pictures have one size; nothing is resized, and orientation marks of cameras are not looked at. A picture that is opaque
/// throughout may have an alpha channel. A file is read by what it holds: a PNG may be called `.jpg`.
///
/// Hidden entries and what systems leave behind (`Thumbs.db`, `desktop.ini`, `@eaDir`, `lost+found`, `__MACOSX` and the like) are ignored.
/// Everything else that cannot be used is an error, all of it in one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Folder {
    /// The folder below a root, or an absolute path.
    pub directory: String,
    /// The folder below it with the training images. Default: `train`.
    #[serde(default = "Folder::default_train")]
    pub train: String,
    /// The folder below it with the test images. Default: `test`.
    #[serde(default = "Folder::default_test")]
    pub test: String,
    /// 1 or 3. Default: as the first training picture. With 3, grey pictures get three equal channels; with 1, a picture whose three
    /// channels are equal everywhere gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// Height and width. Default: as the first training picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(usize, usize)>,
    /// Default: computed from the training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
}

/// A class of a folder of pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Class {
    /// The label that networks learn.
    pub label: u8,
    /// The name of its folder; a name that is not UTF-8 with replacement characters.
    pub folder: String,
    /// Number of training pictures.
    pub train: usize,
    /// Number of test pictures. 0 is allowed: no figure about the test split then says anything about this class.
    pub test: usize,
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
        if let Some((height, width)) = self.size
            && !((1..=MOST_SIDE).contains(&height) && (1..=MOST_SIDE).contains(&width))
        {
            let (expected, got) = (format!("from [1, 1] to [{MOST_SIDE}, {MOST_SIDE}]"), format!("[{height}, {width}]"));
            return Err(DatasetError::Setting { key: "size", expected, got, hint: "write height, then width, in pixels".into() });
        }
        match (&self.normalisation, self.channels) {
            (Some(normalisation), Some(channels)) => normalisation.check(channels),
            _ => Ok(()),
        }
    }

    /// The first folder below a root that has both splits.
    pub(crate) fn locate(&self, search_paths: &SearchPaths) -> Result<PathBuf, DatasetError> {
        let mut search = Search::default();
        for candidate in search_paths.candidates(&self.directory, &[]).into_iter().filter(|candidate| !candidate.loose) {
            let missing: Vec<String> = [&self.train, &self.test]
                .into_iter()
                .filter(|split| !candidate.path.join(split).is_dir())
                .map(|split| format!("`{split}`"))
                .collect();
            match missing.is_empty() {
                true => return Ok(candidate.path),
                false if candidate.path.is_dir() => {
                    search.note(&candidate.path, format!("no folder {}{}", missing.join(", "), near_miss::others(&candidate.path)));
                }
                false => search.absent(&candidate.path),
            }
        }
        let hint =
            "`--data DIR` names the folder above it; below it lie `train/CLASS/` and `test/CLASS/` with pictures, keys `train`, `test` \
                    give them other names"
                .to_owned();
        Err(DatasetError::Missing { name: self.name().to_owned(), looked: search.told(), hint })
    }

    /// Channels, height and width: what the keys say, the rest from the first training picture that has a header.
    fn shape(&self, train: &[(PathBuf, u8)]) -> Result<(usize, usize, usize), Vec<DatasetError>> {
        if let (Some(channels), Some((height, width))) = (self.channels, self.size) {
            return Ok((channels, height, width));
        }
        let mut faults = Vec::new();
        for (path, _) in train {
            match picture::shape(path) {
                Ok((channels, height, width)) => {
                    let (height, width) = self.size.unwrap_or((height, width));
                    return Ok((self.channels.unwrap_or(channels), height, width));
                }
                Err(error) => faults.push(error),
            }
        }
        Err(faults)
    }

    pub(crate) fn geometry(&self, search_paths: &SearchPaths) -> Result<Geometry, DatasetError> {
        let listing = self.list(search_paths)?;
        match self.shape(&listing.train) {
            Ok(shape) if listing.faults.is_empty() => {
                self.normalisation.iter().try_for_each(|normalisation| normalisation.check(shape.0))?;
                Ok(Geometry { shape, classes: listing.classes.len() })
            }
            // Something is wrong: one message with all that is.
            _ => self.read(listing).map(|dataset| Geometry { shape: dataset.train.shape, classes: dataset.train.classes }),
        }
    }

    pub(crate) fn classes(&self, search_paths: &SearchPaths) -> Result<Vec<Class>, DatasetError> {
        Ok(self.list(search_paths)?.classes())
    }

    pub(crate) fn open(&self, search_paths: &SearchPaths) -> Result<Dataset, DatasetError> {
        self.read(self.list(search_paths)?)
    }

    fn read(&self, listing: Listing) -> Result<Dataset, DatasetError> {
        let Listing { directory, classes, train, test, mut faults } = listing;
        if train.is_empty() {
            return Err(DatasetError::several(&directory, faults));
        }
        let shape = match self.shape(&train) {
            Ok(shape) => shape,
            Err(unreadable) => {
                faults.extend(unreadable);
                return Err(DatasetError::several(&directory, faults));
            }
        };
        if let Some(normalisation) = &self.normalisation {
            normalisation.check(shape.0)?;
        }
        let first = &train[0].0;
        let mut split = |files: &[(PathBuf, u8)]| -> Result<Split, DatasetError> {
            let length = shape.0 * shape.1 * shape.2;
            let mut pixels = zeros(&directory, files.len(), length)?;
            let read: Vec<Result<(), DatasetError>> = pixels
                .par_chunks_exact_mut(length)
                .zip(files)
                .map(|(image, (path, _))| {
                    let picture = picture::read(path, |found| check_size(path, found, shape, first))?;
                    fill(image, path, &picture, shape, first)
                })
                .collect();
            // In the order of the files, whatever the order of reading.
            faults.extend(read.into_iter().filter_map(Result::err));
            Ok(Split { shape, classes: classes.len(), pixels, labels: files.iter().map(|(_, label)| *label).collect() })
        };
        let (train, test) = (split(&train)?, split(&test)?);
        if !faults.is_empty() {
            return Err(DatasetError::several(&directory, faults));
        }
        let normalisation = self.normalisation.clone().unwrap_or_else(|| Normalisation::of(&train));
        let digest = self.digest_of(&content(&train, &test));
        Ok(Dataset { name: self.name().to_owned(), train, test, normalisation, digest })
    }

    /// Names the decoded pixels, the labels and the settings; pictures are decoded only where a file changed since the last time.
    pub(crate) fn digest(&self, search_paths: &SearchPaths) -> Result<Fingerprint, DatasetError> {
        let listing = self.list(search_paths)?;
        let files = || listing.train.iter().chain(&listing.test).map(|(path, _)| path.as_path());
        let settings = json!({ "version": VERSION, "folder": self, "train": listing.train.len(), "classes": listing.classes.len() });
        let cached = FolderDigestCache::new(&search_paths.cache, &listing.directory, &Fingerprint::of_json(&settings), files());
        let content = match cached.lookup() {
            Some(content) => content,
            None => {
                let Dataset { train, test, .. } = self.read(listing)?;
                let content = content(&train, &test);
                cached.store(content);
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

/// Room for so many images; an error where there is none, not the end of the process.
fn zeros(directory: &Path, images: usize, length: usize) -> Result<Vec<u8>, DatasetError> {
    let bytes = images.checked_mul(length).filter(|&bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    let Some(bytes) = bytes else {
        let got = format!("{images} of {length} bytes");
        return Err(fault(directory, "pictures", "as many as there is memory for", got, "scale the pictures"));
    };
    Ok(vec![0; bytes])
}

fn check_size(path: &Path, found: (usize, usize, usize), shape: (usize, usize, usize), first: &Path) -> Result<(), DatasetError> {
    if (found.1, found.2) == (shape.1, shape.2) {
        return Ok(());
    }
    let expected = format!("{}x{}, as in `{}` or in key `size`", shape.1, shape.2, first.display());
    let (got, hint) = (format!("{}x{}", found.1, found.2), "scale or crop all pictures to one size beforehand");
    Err(fault(path, "size of the picture", expected, got, hint))
}

/// Copies a picture of the right size into an image of channels one after the other.
fn fill(image: &mut [u8], path: &Path, picture: &Picture, shape: (usize, usize, usize), first: &Path) -> Result<(), DatasetError> {
    let (channels, height, width) = picture.shape;
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
