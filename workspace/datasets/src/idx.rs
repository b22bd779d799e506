mod header;

use std::io::Read;
use std::path::{Path, PathBuf};

use onebasin_repro::Fingerprint;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bounded::DataFile;
use crate::content::{reader, sha256, unreadable};
use crate::digest::of_files;
use crate::error::{DatasetError, FETCH_AGAIN};
use crate::kind;
use crate::known::{self, Known};
use crate::picture::MOST_SIDE;
use crate::search_paths::{SearchPaths, Wanted};
use crate::source::Geometry;
use crate::split::{Dataset, Normalisation, Split};
use crate::unpacked;
use header::{Images, Part, wrong};

/// Four files in MNIST's format, each plain or compressed with gzip or xz.
///
/// Files are big-endian: magic `00 00 08 03`, count, rows and columns (u32 each), then one byte per pixel; for labels magic `00 00 08 01`,
/// count, then one byte per label. Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Idx {
    /// The folder below a root or beside the spec, or an absolute path.
    pub directory: String,
    /// Official name: `train-images-idx3-ubyte`.
    #[serde(default = "Idx::default_train_images")]
    pub train_images: String,
    /// Official name: `train-labels-idx1-ubyte`.
    #[serde(default = "Idx::default_train_labels")]
    pub train_labels: String,
    /// Official name: `t10k-images-idx3-ubyte`.
    #[serde(default = "Idx::default_test_images")]
    pub test_images: String,
    /// Official name: `t10k-labels-idx1-ubyte`.
    #[serde(default = "Idx::default_test_labels")]
    pub test_labels: String,
    /// The number of classes; labels are below it. Default: that of the known set with this `directory`, otherwise one more than the
    /// highest training label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Height and width as a network sees them. Default: read from the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(usize, usize)>,
    /// Default: computed from the training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// Whether images are stored transposed, as EMNIST's are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub transposed: bool,
    /// The lowest label; 1 for EMNIST's letters, whose networks have an output 0 that is never right. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_label: u8,
}

// Taken by reference, as serde calls them.
fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u8) -> bool {
    *value == 0
}

impl Idx {
    fn default_train_images() -> String {
        "train-images-idx3-ubyte".to_owned()
    }

    fn default_train_labels() -> String {
        "train-labels-idx1-ubyte".to_owned()
    }

    fn default_test_images() -> String {
        "t10k-images-idx3-ubyte".to_owned()
    }

    fn default_test_labels() -> String {
        "t10k-labels-idx1-ubyte".to_owned()
    }

    /// Files of the official names in `directory`.
    pub fn in_directory(directory: impl Into<String>) -> Idx {
        Idx {
            directory: directory.into(),
            train_images: Idx::default_train_images(),
            train_labels: Idx::default_train_labels(),
            test_images: Idx::default_test_images(),
            test_labels: Idx::default_test_labels(),
            classes: None,
            size: None,
            normalisation: None,
            transposed: false,
            first_label: 0,
        }
    }

    pub(crate) fn known(known: &Known) -> Idx {
        let file = |index: usize| known.files[index].name.to_owned();
        Idx {
            directory: known.name.to_owned(),
            train_images: file(0),
            train_labels: file(1),
            test_images: file(2),
            test_labels: file(3),
            classes: Some(known.classes),
            size: Some((known.shape.1, known.shape.2)),
            normalisation: Some(known.normalisation()),
            transposed: known.name == "emnist-letters",
            first_label: u8::from(known.name == "emnist-letters"),
        }
    }

    /// The folder's name in messages.
    fn name(&self) -> &str {
        Path::new(&self.directory).file_name().and_then(|name| name.to_str()).unwrap_or(&self.directory)
    }

    /// The files' names, in the official order.
    pub(crate) fn names(&self) -> [&str; 4] {
        [&self.train_images, &self.train_labels, &self.test_images, &self.test_labels]
    }

    /// The four files, in the order train images, train labels, test images, test labels.
    pub(crate) fn locate(&self, search_paths: &SearchPaths) -> Result<Vec<PathBuf>, DatasetError> {
        let known = known::known(&self.directory);
        let hint = match known {
            Some(known) => known.how_to_get(),
            None => {
                "`--data DIR` names the folder above it; keys `train-images`, `train-labels`, `test-images`, `test-labels` name other files"
                    .to_owned()
            }
        };
        let files = self.names();
        let nested = known.map_or(&[][..], |known| known.nested);
        search_paths.locate(&Wanted { name: self.name(), directory: &self.directory, nested, files: &files, hint }, |paths| match known {
            Some(known) => namesake(known, &paths[1]),
            None => Ok(None),
        })
    }

    pub(crate) fn geometry(&self, search_paths: &SearchPaths) -> Result<Geometry, DatasetError> {
        self.check()?;
        let header = |path: &PathBuf| {
            let mut start = Vec::with_capacity(kind::START);
            reader(path)?.take(kind::START as u64).read_to_end(&mut start).map_err(unreadable(path))?;
            // With a key `size` that the header does not have, it is the key that is wrong, or the file.
            self.length(path, Part::Images, &start)?;
            let images = Images::read(path, &start)?;
            Ok::<_, DatasetError>(self.upright(images.rows, images.columns))
        };
        let (height, width) = match (self.size, self.locate(search_paths)) {
            (Some(size), _) if known::known(&self.directory).is_some() => size,
            (Some(size), Err(_)) => size,
            (_, located) => header(&located?[0])?,
        };
        let classes = match self.said_classes() {
            Some(classes) => classes,
            None => self.counted_classes(&self.locate(search_paths)?, search_paths)?,
        };
        Ok(Geometry { shape: (1, height, width), classes })
    }

    /// The number of classes, if it is known without reading a file.
    fn said_classes(&self) -> Option<usize> {
        let known = known::known(&self.directory).filter(|known| known.format == "idx");
        self.classes.or(known.map(|known| known.classes))
    }

    /// The number of classes in the training labels.
    fn counted_classes(&self, located: &[PathBuf], search_paths: &SearchPaths) -> Result<usize, DatasetError> {
        let contents = unpacked::contents(&self.files(located)[1..2], search_paths)?;
        contents.iter().map(|(labels, _)| count_classes(&located[1], &labels[Part::Labels.header()..])).sum()
    }

    /// Height and width after transposing.
    fn upright(&self, rows: usize, columns: usize) -> (usize, usize) {
        if self.transposed { (columns, rows) } else { (rows, columns) }
    }

    pub(crate) fn check(&self) -> Result<(), DatasetError> {
        let wrong = |key, expected: &str, got: String, hint: &str| {
            Err(DatasetError::Setting { key, expected: expected.into(), got, hint: hint.into() })
        };
        if let Some(classes) = self.classes.filter(|classes| !(2..=256).contains(classes)) {
            return wrong("classes", "a whole number from 2 to 256", classes.to_string(), "labels are bytes");
        }
        if let Some(classes) = self.said_classes().filter(|&classes| usize::from(self.first_label) >= classes) {
            let expected = format!("a whole number below `classes`, {classes}");
            return wrong("first-label", &expected, self.first_label.to_string(), "0 is usual, 1 for EMNIST's letters");
        }
        if let Some((height, width)) = self.size
            && !((1..=MOST_SIDE).contains(&height) && (1..=MOST_SIDE).contains(&width))
        {
            let expected = format!("from [1, 1] to [{MOST_SIDE}, {MOST_SIDE}]");
            return wrong("size", &expected, format!("[{height}, {width}]"), "write height, then width, in pixels; or leave it out");
        }
        self.normalisation.as_ref().map_or(Ok(()), |normalisation| normalisation.check(1))
    }

    /// Hashes the content of the four files and every setting.
    pub(crate) fn digest(&self, search_paths: &SearchPaths) -> Result<Fingerprint, DatasetError> {
        self.check()?;
        let located = self.locate(search_paths)?;
        let files = self.files(&located);
        let contents = of_files(&files.iter().collect::<Vec<_>>(), search_paths)?;
        let classes = match self.said_classes() {
            Some(classes) => classes,
            None => self.counted_classes(&located, search_paths)?,
        };
        Ok(self.digest_of(&contents, classes))
    }

    /// The four files, with the length that the header of each announces.
    fn files<'a>(&'a self, located: &'a [PathBuf]) -> Vec<DataFile<'a>> {
        let file = |(index, path): (usize, &'a PathBuf)| DataFile {
            path,
            length: Box::new(move |start| self.length(path, Part::at(index), start).map(Some)),
            hint: format!("the header announces another length: the file is cut off, or another one; {FETCH_AGAIN}"),
        };
        located.iter().enumerate().map(file).collect()
    }

    fn digest_of(&self, files: &[Fingerprint], classes: usize) -> Fingerprint {
        let mut recipe = json!({
            "format": "idx",
            "files": files,
            "classes": classes,
            "normalisation": self.normalisation,
        });
        // Only if set, so that the digests of other sets do not change.
        if self.transposed {
            recipe["transposed"] = true.into();
        }
        if self.first_label > 0 {
            recipe["first-label"] = self.first_label.into();
        }
        Fingerprint::of_json(&recipe)
    }

    pub(crate) fn open(&self, search_paths: &SearchPaths) -> Result<Dataset, DatasetError> {
        self.check()?;
        let located = self.locate(search_paths)?;
        let (contents, files): (Vec<Vec<u8>>, Vec<Fingerprint>) =
            unpacked::contents(&self.files(&located), search_paths)?.into_iter().unzip();
        let [train_images, train_labels, test_images, test_labels]: [Vec<u8>; 4] = contents.try_into().expect("four files were located");
        let classes = match self.said_classes() {
            Some(classes) => classes,
            None => count_classes(&located[1], &train_labels[Part::Labels.header()..])?,
        };
        let digest = self.digest_of(&files, classes);
        let train = self.split(&located[..2], train_images, train_labels, classes)?;
        let test = self.split(&located[2..], test_images, test_labels, classes)?;
        if train.shape != test.shape {
            return Err(DatasetError::Format {
                path: located[2].clone(),
                what: "size of the images".into(),
                expected: format!("{}x{}, as in `{}`", train.shape.1, train.shape.2, located[0].display()),
                got: format!("{}x{}", test.shape.1, test.shape.2),
                hint: "the files belong to different data sets".into(),
            });
        }
        let normalisation = self.normalisation.clone().unwrap_or_else(|| Normalisation::of(&train));
        Ok(Dataset { name: self.name().to_owned(), train, test, normalisation, digest })
    }

    fn split(&self, paths: &[PathBuf], mut pixels: Vec<u8>, mut labels: Vec<u8>, classes: usize) -> Result<Split, DatasetError> {
        let [images_path, labels_path] = paths else { unreachable!("a split has two files") };
        let images = Images::read(images_path, &pixels)?;
        if labels.len() - Part::Labels.header() != images.count {
            let expected = format!("{}, as many as images in `{}`", images.count, images_path.display());
            let got = (labels.len() - Part::Labels.header()).to_string();
            return Err(wrong(labels_path, "number of labels", expected, got, "the files belong to different data sets"));
        }
        pixels.drain(..Part::Images.header());
        labels.drain(..Part::Labels.header());
        if let Some(index) = labels.iter().position(|&label| usize::from(label) >= classes) {
            let (expected, got) = (format!("a label below {classes}"), labels[index].to_string());
            let hint = format!("set key `classes` to at least {}", most(&labels) + 1);
            return Err(wrong(labels_path, &format!("label {index}"), expected, got, hint));
        }
        if let Some(index) = labels.iter().position(|&label| label < self.first_label) {
            let (expected, got) = (format!("a label of at least {}", self.first_label), labels[index].to_string());
            let hint = format!("change key `first-label`, or {FETCH_AGAIN}");
            return Err(wrong(labels_path, &format!("label {index}"), expected, got, hint));
        }
        let Images { rows, columns, .. } = images;
        let (height, width) = self.upright(rows, columns);
        if self.transposed {
            pixels.par_chunks_exact_mut(rows * columns).for_each_init(Vec::new, |upright, image| {
                upright.clear();
                upright.extend(
                    (0..height)
                        .flat_map(|row| (0..width).map(move |column| (row, column)))
                        .map(|(row, column)| image[column * columns + row]),
                );
                image.copy_from_slice(upright);
            });
        }
        Ok(Split { shape: (1, height, width), classes, pixels, labels })
    }
}

/// One more than the highest of the training labels.
fn count_classes(path: &Path, labels: &[u8]) -> Result<usize, DatasetError> {
    match most(labels) {
        0 => Err(wrong(path, "labels", "at least two classes", "no label but 0".to_owned(), "set key `classes`")),
        most => Ok(most + 1),
    }
}

/// The highest label.
fn most(labels: &[u8]) -> usize {
    usize::from(labels.iter().copied().max().unwrap_or(0))
}

/// Names the other known set that this file of labels belongs to: several sets use MNIST's file names.
fn namesake(expected: &Known, labels: &Path) -> Result<Option<String>, DatasetError> {
    let sha256 = sha256(reader(labels)?).map_err(unreadable(labels))?;
    let other = known::known_names()
        .filter_map(known::known)
        .find(|other| other.name != expected.name && other.files.iter().any(|file| file.sha256 == Some(&sha256)));
    Ok(other.map(|other| format!("holds `{}`, whose files have the same names", other.name)))
}
