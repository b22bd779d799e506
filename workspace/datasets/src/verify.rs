use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::content::{Packing, open_file, present, reader, sha256, unreadable};
use crate::error::DatasetError;
use crate::known::{Known, KnownFile};
use crate::search_paths::SearchPaths;

/// The result of checking one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Its official name, decompressed.
    pub file: &'static str,
    /// Where it was found.
    pub path: Option<PathBuf>,
    /// What was found.
    pub finding: Finding,
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Finding {
    /// The official content. A compressed file may have been compressed again.
    Official,
    /// Another content.
    Different {
        /// SHA-256 of the official content.
        expected: &'static str,
        /// SHA-256 of the content found.
        found: String,
    },
    /// No trusted source states the digest of this file.
    Unstated {
        /// SHA-256 of the content found.
        found: String,
    },
    /// It cannot be read: damaged, or compressed in an unknown way.
    Unreadable {
        /// Why, in words.
        reason: String,
    },
    /// In none of the folders.
    Missing,
}

/// Reads the files of a known set again and compares their SHA-256 with the official ones, file by file in the official order.
///
/// It checks the copy that [`open`](crate::open) would read: in the first folder that holds all files; if none does, each file's first
/// occurrence. A generated set has no files.
pub fn verify(known: &'static Known, search_paths: &SearchPaths) -> Vec<Verified> {
    let mut folders: Vec<PathBuf> = search_paths.candidates(known.name, known.nested).into_iter().map(|candidate| candidate.path).collect();
    let complete = folders.iter().find(|folder| known.files.iter().all(|file| present(folder, file.name).is_some())).cloned();
    if let Some(folder) = complete {
        folders = vec![folder];
    }
    known
        .files
        .par_iter()
        .map(|file| {
            let path = folders.iter().find_map(|folder| present(folder, file.name));
            let finding = path.as_deref().map_or(Finding::Missing, |path| {
                check(file, path).unwrap_or_else(|error| Finding::Unreadable { reason: one_line(&error) })
            });
            Verified { file: file.name, path, finding }
        })
        .collect()
}

/// The folder in which all files of a known set lie, as [`open`](crate::open) would find it.
pub fn whereabouts(known: &Known, search_paths: &SearchPaths) -> Option<PathBuf> {
    if known.files.is_empty() {
        return None;
    }
    let candidates = search_paths.candidates(known.name, known.nested).into_iter();
    candidates.map(|candidate| candidate.path).find(|folder| known.files.iter().all(|file| present(folder, file.name).is_some()))
}

/// The folder that holds some, but not all, files of a known set, and how many; the one with the most.
pub fn incomplete(known: &Known, search_paths: &SearchPaths) -> Option<(PathBuf, usize)> {
    if whereabouts(known, search_paths).is_some() {
        return None;
    }
    let candidates = search_paths.candidates(known.name, known.nested).into_iter().map(|candidate| candidate.path);
    let counted = candidates.map(|folder| {
        let count = known.files.iter().filter(|file| present(&folder, file.name).is_some()).count();
        (folder, count)
    });
    // The first of several, as they are searched.
    counted.filter(|(_, count)| *count > 0).rev().max_by_key(|(_, count)| *count)
}

fn check(file: &KnownFile, path: &Path) -> Result<Finding, DatasetError> {
    if let (Packing::Gzip, Some(packed)) = (Packing::of(path), file.packed.and_then(|packed| packed.sha256)) {
        let found = sha256(open_file(path)?).map_err(DatasetError::io("read", path))?;
        if found == packed {
            return Ok(Finding::Official);
        }
    }
    let found = sha256(reader(path)?).map_err(unreadable(path))?;
    Ok(match file.sha256 {
        Some(expected) if expected == found => Finding::Official,
        Some(expected) => Finding::Different { expected, found },
        None => Finding::Unstated { found },
    })
}

/// The message and its causes without hints, for a table.
fn one_line(error: &DatasetError) -> String {
    let mut text = error.to_string().lines().next().unwrap_or_default().to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
