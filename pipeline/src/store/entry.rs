//! What an artifact was made of, for people and for `explain`.

use std::fs;
use std::path::Path;

use onebasin_repro::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::stage::{Recipe, StageId};

/// `recipe.json`: everything the fingerprint was computed from, and the name of the stage that first made the artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The name of the artifact; the folder's name says it.
    #[serde(skip, default = "unknown")]
    pub fingerprint: Fingerprint,
    /// The stage that made it; another with the same recipe and inputs may use it.
    pub stage: StageId,
    /// The kind of work.
    pub kind: String,
    /// The version of the stage.
    pub version: u32,
    /// Every setting.
    pub settings: Value,
    /// What it read, in order.
    pub inputs: Vec<Input>,
}

/// An artifact that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The stage that made it.
    pub stage: StageId,
    /// Its name in the store.
    pub fingerprint: Fingerprint,
}

fn unknown() -> Fingerprint {
    Fingerprint::of_bytes(&[])
}

impl Entry {
    /// What a stage with these inputs leaves in the store.
    pub fn new(fingerprint: Fingerprint, stage: &StageId, recipe: Recipe, inputs: Vec<Input>) -> Entry {
        let Recipe { kind, version, settings } = recipe;
        Entry { fingerprint, stage: stage.clone(), kind: kind.to_owned(), version, settings, inputs }
    }

    pub(super) fn read(fingerprint: Fingerprint, path: &Path) -> Option<Entry> {
        let entry: Entry = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        Some(Entry { fingerprint, ..entry })
    }
}
