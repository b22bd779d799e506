//! How an artifact becomes rows of tables.

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use crate::stage::{Artifact, StageId};
use crate::table::Tables;

/// Turns the artifact of one stage into rows. Its fields say what the rows are about; they enter the recipe of tabulating.
pub trait Record: Serialize + Send + Sync + 'static {
    /// The measurement that reads the artifact.
    const OF: &'static str;

    /// Adds the rows. `stage` is the first characters of the artifact's fingerprint.
    ///
    /// # Errors
    /// When a file of the artifact is absent or malformed.
    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()>;
}

/// A record of any measurement, and the stage whose artifact it reads.
pub struct Recorded {
    /// The stage.
    pub stage: StageId,
    record: Box<dyn AnyRecord>,
}

trait AnyRecord: Send + Sync {
    fn recipe(&self) -> Value;
    fn collect(&self, artifact: &Artifact, tables: &mut Tables) -> Result<()>;
}

impl<R: Record> AnyRecord for R {
    fn recipe(&self) -> Value {
        json!({ R::OF: self })
    }

    fn collect(&self, artifact: &Artifact, tables: &mut Tables) -> Result<()> {
        Record::collect(self, artifact, &artifact.fingerprint.short(), tables)
    }
}

impl Recorded {
    /// The artifact of `stage` becomes the rows of `record`.
    pub fn new(stage: StageId, record: impl Record) -> Recorded {
        Recorded { stage, record: Box::new(record) }
    }

    /// What the rows are about, as a recipe says it.
    pub fn recipe(&self) -> Value {
        self.record.recipe()
    }

    /// Adds the rows of the artifact.
    ///
    /// # Errors
    /// When a file of the artifact is absent or malformed.
    pub fn collect(&self, artifact: &Artifact, tables: &mut Tables) -> Result<()> {
        self.record.collect(artifact, tables)
    }
}
