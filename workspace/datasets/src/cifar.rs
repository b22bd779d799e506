use std::path::{Path, PathBuf};

use onebasin_repro::Fingerprint;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bounded::DataFile;
use crate::digest::of_files;
use crate::error::{DatasetError, FETCH_AGAIN};
use crate::kind;
use crate::known::{self, Known};
use crate::search_paths::{SearchPaths, Wanted};
use crate::source::Geometry;
use crate::split::{Dataset, Normalisation, Split};
use crate::unpacked;

const SHAPE: (usize, usize, usize) = (3, 32, 32);
const IMAGE: usize = 3 * 32 * 32;

/// Files in the binary version of CIFAR-10 and CIFAR-100, each plain or compressed with gzip or xz.
///
/// A file is a sequence of records: one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 1024 bytes each of red, green
/// and blue in row-major order. Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and the data's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cifar {
    /// The folder below a root or beside the spec, or an absolute path.
    pub directory: String,
    /// Which label bytes a record has, and which one is used. Default: `single`.
    #[serde(default)]
    pub labels: CifarLabels,
    /// Names of the training files, in this order. Default: the official ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<String>,
    /// Names of the test files, in this order. Default: the official one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// The number of classes; labels are below it. Default: 10 for `single`, 100 for `fine`, 20 for `coarse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Default: computed from the training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
}

/// The label bytes before an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CifarLabels {
    /// One byte, as in CIFAR-10.
    #[default]
    Single,
    /// Two bytes, as in CIFAR-100; the second one, of 100 classes, is used.
    Fine,
    /// Two bytes, as in CIFAR-100; the first one, of 20 classes, is used.
    Coarse,
}

impl CifarLabels {
    fn bytes(self) -> usize {
        if self == CifarLabels::Single { 1 } else { 2 }
    }

    fn record(self) -> usize {
        self.bytes() + IMAGE
    }

    fn classes(self) -> usize {
        match self {
            CifarLabels::Single => 10,
            CifarLabels::Fine => 100,
            CifarLabels::Coarse => 20,
        }
    }

    /// The folder in the official archive, and the official names.
    fn official(self) -> (&'static [&'static str], &'static [&'static str], &'static [&'static str]) {
        match self {
            CifarLabels::Single => (
                &["cifar-10-batches-bin"],
                &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
                &["test_batch.bin"],
            ),
            CifarLabels::Fine | CifarLabels::Coarse => (&["cifar-100-binary"], &["train.bin"], &["test.bin"]),
        }
    }
}

impl Cifar {
    /// Files of the official names in `directory`.
    pub fn in_directory(directory: impl Into<String>, labels: CifarLabels) -> Cifar {
        Cifar { directory: directory.into(), labels, train: Vec::new(), test: Vec::new(), classes: None, normalisation: None }
    }

    pub(crate) fn known(known: &Known) -> Cifar {
        let labels = if known.classes == 100 { CifarLabels::Fine } else { CifarLabels::Single };
        Cifar { normalisation: Some(known.normalisation()), ..Cifar::in_directory(known.name, labels) }
    }

    fn name(&self) -> &str {
        Path::new(&self.directory).file_name().and_then(|name| name.to_str()).unwrap_or(&self.directory)
    }

    /// Bytes of a record.
    pub(crate) fn record(&self) -> usize {
        self.labels.record()
    }

    fn classes(&self) -> usize {
        self.classes.unwrap_or(self.labels.classes())
    }

    /// Names of the training files, and of the test files.
    pub(crate) fn names(&self) -> (Vec<&str>, Vec<&str>) {
        let (_, train, test) = self.labels.official();
        (pick(&self.train, train), pick(&self.test, test))
    }

    pub(crate) fn check(&self) -> Result<(), DatasetError> {
        if !(2..=256).contains(&self.classes()) {
            let (expected, got) = ("a whole number from 2 to 256".into(), self.classes().to_string());
            return Err(DatasetError::Setting { key: "classes", expected, got, hint: "labels are bytes".into() });
        }
        self.normalisation.as_ref().map_or(Ok(()), |normalisation| normalisation.check(SHAPE.0))
    }

    pub(crate) fn geometry(&self) -> Result<Geometry, DatasetError> {
        self.check()?;
        Ok(Geometry { shape: SHAPE, classes: self.classes() })
    }

    /// The training files, then the test files, and how many of them are for training.
    pub(crate) fn locate(&self, search_paths: &SearchPaths) -> Result<(Vec<PathBuf>, usize), DatasetError> {
        let (train, test) = self.names();
        let hint = match known::known(&self.directory) {
            Some(known) => known.how_to_get(),
            None => "`--data DIR` names the folder above it; keys `train`, `test` name other files".to_owned(),
        };
        let files: Vec<&str> = train.iter().chain(&test).copied().collect();
        let wanted = Wanted { name: self.name(), directory: &self.directory, nested: self.labels.official().0, files: &files, hint };
        Ok((search_paths.locate(&wanted, |_| Ok(None))?, train.len()))
    }

    /// Hashes the content of the files, which of them are for training, and every setting.
    pub(crate) fn digest(&self, search_paths: &SearchPaths) -> Result<Fingerprint, DatasetError> {
        self.check()?;
        let (located, train) = self.locate(search_paths)?;
        let files = self.files(&located);
        Ok(self.digest_of(&of_files(&files.iter().collect::<Vec<_>>(), search_paths)?, train))
    }

    fn digest_of(&self, files: &[Fingerprint], train: usize) -> Fingerprint {
        Fingerprint::of_json(&json!({
            "format": "cifar",
            "train": files[..train],
            "test": files[train..],
            "labels": self.labels,
            "classes": self.classes(),
            "normalisation": self.normalisation,
        }))
    }

    pub(crate) fn open(&self, search_paths: &SearchPaths) -> Result<Dataset, DatasetError> {
        self.check()?;
        let (located, train) = self.locate(search_paths)?;
        let (contents, files): (Vec<Vec<u8>>, Vec<Fingerprint>) =
            unpacked::contents(&self.files(&located), search_paths)?.into_iter().unzip();
        let digest = self.digest_of(&files, train);
        let mut parts: Vec<(Vec<u8>, Vec<u8>)> =
            located.par_iter().zip(contents).map(|(path, bytes)| self.records(path, bytes)).collect::<Result<_, _>>()?;
        let test = self.split(parts.split_off(train));
        let train = self.split(parts);
        let normalisation = self.normalisation.clone().unwrap_or_else(|| Normalisation::of(&train));
        Ok(Dataset { name: self.name().to_owned(), train, test, normalisation, digest })
    }

    /// The files, with the length that those of a known set have.
    fn files<'a>(&'a self, located: &'a [PathBuf]) -> Vec<DataFile<'a>> {
        let file = |path: &'a PathBuf| {
            let official = self.official(path);
            let images = official.unwrap_or(0) / self.labels.record() as u64;
            let hint = format!("the official file has {images} images; declare a data set of your own for other files, or {FETCH_AGAIN}");
            DataFile { path, length: Box::new(move |_| Ok(official.map(u128::from))), hint }
        };
        located.iter().map(file).collect()
    }

    /// Joins the files of a split.
    fn split(&self, parts: Vec<(Vec<u8>, Vec<u8>)>) -> Split {
        let count: usize = parts.iter().map(|(_, labels)| labels.len()).sum();
        let (mut pixels, mut labels) = (Vec::with_capacity(count * IMAGE), Vec::with_capacity(count));
        // Free each part before copying the next one.
        for (part_pixels, part_labels) in parts {
            pixels.extend_from_slice(&part_pixels);
            labels.extend_from_slice(&part_labels);
        }
        Split { shape: SHAPE, classes: self.classes(), pixels, labels }
    }

    /// Pixels and labels of a file.
    fn records(&self, path: &Path, mut bytes: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>), DatasetError> {
        let format = |what: String, expected: String, got: String, hint: String| {
            Err(DatasetError::Format { path: path.to_owned(), what, expected, got, hint })
        };
        let size = self.labels.record();
        let (count, rest) = (bytes.len() / size, bytes.len() % size);
        if bytes.is_empty() {
            return format("content".into(), "at least one image".into(), "an empty file".into(), FETCH_AGAIN.into());
        }
        if let Some(kind) = kind::of_bytes(&bytes[..bytes.len().min(kind::START)]).filter(|_| rest > 0) {
            let (expected, hint) = ("records of the binary version of CIFAR".into(), format!("this is another file; {FETCH_AGAIN}"));
            return format("content".into(), expected, kind.into(), hint);
        }
        if rest > 0 {
            let other = if size == IMAGE + 1 { IMAGE + 2 } else { IMAGE + 1 };
            let hint = match bytes.len().is_multiple_of(other) {
                true if size == IMAGE + 1 => "its length fits CIFAR-100: set key `labels` to `fine` or `coarse`".to_owned(),
                true => "its length fits CIFAR-10: set key `labels` to `single`".to_owned(),
                false => format!("the file was cut off, or is not in the binary version of CIFAR; {FETCH_AGAIN}"),
            };
            let got = format!("{} bytes, which is {count} records and {rest} bytes", bytes.len());
            return format("truncated file".into(), format!("whole records of {size} bytes"), got, hint);
        }
        let labels: Vec<u8> = bytes.chunks_exact(size).map(|record| record[usize::from(self.labels == CifarLabels::Fine)]).collect();
        if let Some(index) = labels.iter().position(|&label| usize::from(label) >= self.classes()) {
            let hint = "the file is damaged, or keys `labels` and `classes` are not what it holds".to_owned();
            let (expected, got) = (format!("a label below {}", self.classes()), labels[index].to_string());
            return format(format!("label {index}"), expected, got, hint);
        }
        // In place: no second copy of the images.
        for index in 0..count {
            let image = index * size + self.labels.bytes();
            bytes.copy_within(image..image + IMAGE, index * IMAGE);
        }
        bytes.truncate(count * IMAGE);
        Ok((bytes, labels))
    }

    /// The size of the decompressed file, if the names of folder and file are official.
    fn official(&self, path: &Path) -> Option<u64> {
        let name = path.file_name()?.to_str()?;
        let name = name.trim_end_matches(".gz").trim_end_matches(".xz");
        known::known(&self.directory)?.files.iter().find(|file| file.name == name).map(|file| file.bytes)
    }
}

fn pick<'a>(said: &'a [String], official: &[&'static str]) -> Vec<&'a str> {
    if said.is_empty() { official.to_vec() } else { said.iter().map(String::as_str).collect() }
}
