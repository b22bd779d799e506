use std::io::Read;
use std::path::{Path, PathBuf};

use onebasin_repro::Fingerprint;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::content::unreadable;
use crate::digest::of_files;
use crate::error::DatasetError;
use crate::fetch;
use crate::known::{self, Known};
use crate::places::{Places, Wanted};
use crate::source::Geometry;
use crate::split::{Dataset, Normalisation, Split};
use crate::unpacked;

const SHAPE: (usize, usize, usize) = (3, 32, 32);
const IMAGE: usize = 3 * 32 * 32;

/// Files in the binary version of CIFAR-10 and CIFAR-100, each plain or compressed with gzip or xz.
///
/// A file is nothing but records: one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 1024 bytes each of red, green
/// and blue, row after row. Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and the data's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cifar {
    /// The folder below a root, or an absolute path.
    pub directory: String,
    /// Which label bytes a record has, and which one counts; `single` unless said.
    #[serde(default)]
    pub labels: CifarLabels,
    /// Names of the training files, in this order; none: the official ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<String>,
    /// Names of the test files, in this order; none: the official one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Labels are below it; 10 for `single`, 100 for `fine`, 20 for `coarse` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// The training images' own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
}

/// The label bytes before an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CifarLabels {
    /// One byte, as in CIFAR-10.
    #[default]
    Single,
    /// Two bytes, as in CIFAR-100; the second one, of 100 classes, counts.
    Fine,
    /// Two bytes, as in CIFAR-100; the first one, of 20 classes, counts.
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
    pub(crate) fn locate(&self, places: &Places) -> Result<(Vec<PathBuf>, usize), DatasetError> {
        let (train, test) = self.names();
        let hint = match known::known(&self.directory) {
            Some(known) => fetch::hint(known),
            None => "`--data DIR` names the folder above it; keys `train`, `test` name other files".to_owned(),
        };
        let files: Vec<&str> = train.iter().chain(&test).copied().collect();
        let wanted = Wanted { name: self.name(), directory: &self.directory, nested: self.labels.official().0, files: &files, hint };
        Ok((places.locate(&wanted, |_| Ok(None))?, train.len()))
    }

    /// Names the content of the files, which of them are for training, and every setting.
    pub(crate) fn digest(&self, places: &Places) -> Result<Fingerprint, DatasetError> {
        self.check()?;
        let (located, train) = self.locate(places)?;
        let contents = of_files(&located, places)?;
        Ok(Fingerprint::of_json(&json!({
            "format": "cifar",
            "train": contents[..train],
            "test": contents[train..],
            "labels": self.labels,
            "classes": self.classes(),
            "normalisation": self.normalisation,
        })))
    }

    pub(crate) fn open(&self, places: &Places) -> Result<Dataset, DatasetError> {
        self.check()?;
        let (located, train) = self.locate(places)?;
        let mut parts: Vec<(Vec<u8>, Vec<u8>)> = {
            let readers = unpacked::readers(&located, places)?;
            located.par_iter().zip(readers).map(|(path, reader)| self.read(path, reader)).collect::<Result<_, _>>()?
        };
        let test = self.split(parts.split_off(train));
        let train = self.split(parts);
        let normalisation = self.normalisation.clone().unwrap_or_else(|| Normalisation::of(&train));
        Ok(Dataset { name: self.name().to_owned(), train, test, normalisation })
    }

    /// One split of the parts of its files.
    fn split(&self, parts: Vec<(Vec<u8>, Vec<u8>)>) -> Split {
        let count: usize = parts.iter().map(|(_, labels)| labels.len()).sum();
        let (mut pixels, mut labels) = (Vec::with_capacity(count * IMAGE), Vec::with_capacity(count));
        // Each part is freed before the next one is copied.
        for (part_pixels, part_labels) in parts {
            pixels.extend_from_slice(&part_pixels);
            labels.extend_from_slice(&part_labels);
        }
        Split { shape: SHAPE, classes: self.classes(), pixels, labels }
    }

    /// Pixels and labels of a file.
    fn read(&self, path: &Path, mut reader: impl Read) -> Result<(Vec<u8>, Vec<u8>), DatasetError> {
        let format = |what: String, expected: String, got: String, hint: String| {
            Err(DatasetError::Format { path: path.to_owned(), what, expected, got, hint })
        };
        let official = self.official(path);
        let size = self.labels.record();
        let count = official.map_or(0, |bytes| bytes as usize / size);
        let (mut pixels, mut labels) = (Vec::with_capacity(count * IMAGE), Vec::with_capacity(count));
        let mut record = Vec::with_capacity(size);
        loop {
            record.clear();
            let length = reader.by_ref().take(size as u64).read_to_end(&mut record).map_err(unreadable(path))?;
            if length < size {
                let bytes = labels.len() as u64 * size as u64 + length as u64;
                let other = if size == IMAGE + 1 { IMAGE + 2 } else { IMAGE + 1 };
                if let Some(expected) = official.filter(|&expected| expected != bytes) {
                    let what = if bytes < expected { "truncated file" } else { "trailing bytes" };
                    let hint = format!("the official file has {} images; name a set of your own otherwise", expected / size as u64);
                    return format(what.into(), format!("{expected} bytes"), format!("{bytes} bytes"), hint);
                }
                if bytes == 0 {
                    return format("content".into(), "at least one image".into(), "an empty file".into(), "fetch it again".into());
                }
                if length > 0 {
                    let hint = match bytes.is_multiple_of(other as u64) {
                        true if size == IMAGE + 1 => "its length fits CIFAR-100: set key `labels` to `fine` or `coarse`".to_owned(),
                        true => "its length fits CIFAR-10: set key `labels` to `single`".to_owned(),
                        false => "the file was cut off, or is not in the binary version of CIFAR; fetch it again".to_owned(),
                    };
                    let got = format!("{bytes} bytes, which is {} records and {length} bytes", labels.len());
                    return format("truncated file".into(), format!("whole records of {size} bytes"), got, hint);
                }
                return Ok((pixels, labels));
            }
            let (label_bytes, image) = record.split_at(self.labels.bytes());
            let label = label_bytes[usize::from(self.labels == CifarLabels::Fine)];
            if usize::from(label) >= self.classes() {
                let hint = "the file is damaged, or keys `labels` and `classes` are not what it holds".to_owned();
                return format(format!("label {}", labels.len()), format!("a label below {}", self.classes()), label.to_string(), hint);
            }
            labels.push(label);
            pixels.extend_from_slice(image);
        }
    }

    /// Bytes the decompressed file must have, where the folder's and the file's names are official.
    fn official(&self, path: &Path) -> Option<u64> {
        let name = path.file_name()?.to_str()?;
        let name = name.trim_end_matches(".gz").trim_end_matches(".xz");
        known::known(&self.directory)?.files.iter().find(|file| file.name == name).map(|file| file.bytes)
    }
}

fn pick<'a>(said: &'a [String], official: &[&'static str]) -> Vec<&'a str> {
    if said.is_empty() { official.to_vec() } else { said.iter().map(String::as_str).collect() }
}
