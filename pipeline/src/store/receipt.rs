//! What an artifact consists of and what it took to make.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use onebasin_repro::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::version::Build;

/// `receipt.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Every file of the artifact but the receipt itself, by its path below the artifact's folder (`/` between folders).
    pub files: BTreeMap<String, FileRecord>,
    /// The [`contents`](Receipt::contents) of each artifact that was read, by its fingerprint. Receipts of earlier versions lack it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<Fingerprint, Fingerprint>,
    /// How long the stage ran.
    pub seconds: f64,
    /// How long what the stage is for took of it, without loading and checks, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<f64>,
    /// On how many threads at most: a stage has more once others have ended.
    pub threads: usize,
    /// On which device, as `--device` names it.
    pub device: String,
    /// Name and version of the program.
    pub program: String,
    /// What the program was built from. Receipts of earlier versions lack it, and the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// When the stage ended: `2026-11-28T11:24:51Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
    /// Where.
    pub machine: Machine,
}

/// Size and digest of one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of its content.
    pub digest: Fingerprint,
}

/// A kind of machine; nothing that names a particular one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Machine {
    /// `linux`, ...
    pub system: String,
    /// `x86_64`, ...
    pub architecture: String,
    /// The processor's name as the system tells it; empty where it does not.
    pub processor: String,
    /// The widest vector instructions that products use: `avx512`, `avx2`, `sse2`, `neon`. Bytes depend on it. Empty where it is not known.
    #[serde(default)]
    pub vectors: String,
    /// Cores that a process may use.
    pub cores: usize,
    /// What networks ran on where that is not the processor: its name, its driver, and how it rounds products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
}

impl Receipt {
    /// Reads a receipt; the error is a phrase for a person.
    pub(super) fn read(path: &Path) -> Result<Receipt, String> {
        let bytes = read_file(path).map_err(|error| format!("`{}` cannot be read: {error}", super::RECEIPT))?;
        let invalid = |what: String| format!("`{}` is an invalid receipt: {what}", super::RECEIPT);
        let receipt: Receipt = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        match receipt.files.keys().find(|name| !stays_inside(name)) {
            Some(name) => Err(invalid(format!("`{name}` is not a path inside the entry"))),
            None => Ok(receipt),
        }
    }

    /// One digest of all files of the artifact. The recipe is left out: it names the stage that came first, and others may share the artifact.
    pub fn contents(&self) -> Fingerprint {
        let outputs: BTreeMap<&String, &FileRecord> = self.files.iter().filter(|(name, _)| *name != super::RECIPE).collect();
        Fingerprint::of_json(&outputs)
    }
}

/// Whether a name of a receipt leads to a file below the entry's folder.
fn stays_inside(name: &str) -> bool {
    !name.contains(['\\', '\0', ':']) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The content of a regular file. Anything else, such as a pipe, could keep a reader waiting for ever.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let read = || {
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        fs::read(path)
    };
    match read() {
        // Another machine replaced it in between.
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => read(),
        read => read,
    }
}

impl FileRecord {
    /// The record of a file as it is.
    pub(super) fn of(path: &Path) -> io::Result<FileRecord> {
        let file = File::open(path)?;
        Ok(FileRecord { bytes: file.metadata()?.len(), digest: Fingerprint::of_reader(file)? })
    }

    /// Whether a file has the recorded size.
    pub(super) fn check_size(&self, path: &Path) -> Result<(), String> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err("is missing".to_owned()),
            Err(error) => Err(format!("cannot be read: {error}")),
            Ok(found) if !found.is_file() => Err("is not a file".to_owned()),
            Ok(found) if found.len() != self.bytes => Err(format!("has {} bytes, its receipt says {}", found.len(), self.bytes)),
            Ok(_) => Ok(()),
        }
    }

    /// Whether a file has the recorded content.
    pub(super) fn check_content(&self, path: &Path) -> Result<(), String> {
        self.check_size(path)?;
        match File::open(path).and_then(Fingerprint::of_reader) {
            Err(error) => Err(format!("cannot be read: {error}")),
            Ok(digest) if digest != self.digest => Err("does not have the content of its receipt".to_owned()),
            Ok(_) => Ok(()),
        }
    }
}

impl Machine {
    /// This machine.
    pub fn here() -> &'static Machine {
        static HERE: OnceLock<Machine> = OnceLock::new();
        HERE.get_or_init(|| Machine {
            system: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            processor: processor().unwrap_or_default(),
            vectors: vectors().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            accelerator: None,
        })
    }
}

/// The level by which the kernels choose their instructions.
fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    return match () {
        () if std::is_x86_feature_detected!("avx512f") => "avx512",
        () if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") => "avx2",
        () => "sse2",
    };
    #[cfg(target_arch = "aarch64")]
    return "neon";
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    ""
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
