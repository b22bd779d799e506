//! The stage that takes a model from a file of another program.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_repro::Fingerprint;
use serde_json::json;

use super::files;
use crate::spec::Checkpoint;
use crate::stage::{Context, Recipe, Stage, StageId, Words};
use crate::task::Task;
use crate::weight_file;

/// A file of weights that is to blame for a stage that failed.
#[derive(Debug)]
pub struct UnusableFile(PathBuf);

impl fmt::Display for UnusableFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot take a model from `{}`", self.0.display())
    }
}

/// Reads a file of weights and saves them under the names of the architecture, as `weights.safetensors`.
pub struct Import {
    id: StageId,
    task: Arc<Task>,
    checkpoint: Checkpoint,
}

impl Import {
    /// The model of a file, which is of the task's network.
    pub fn new(id: StageId, task: Arc<Task>, checkpoint: Checkpoint) -> Import {
        Import { id, task, checkpoint }
    }
}

impl Stage for Import {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "importing", past: "IMPORTED" }
    }

    fn inputs(&self) -> &[StageId] {
        &[]
    }

    fn recipe(&self) -> Recipe {
        // The file's content, wherever it lies.
        let Checkpoint { digest, key, .. } = &self.checkpoint;
        let settings = json!({ "digest": digest, "key": key, "architecture": self.task.graph.architecture });
        Recipe { kind: "import", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let Checkpoint { path, key, digest } = &self.checkpoint;
        let unusable = || UnusableFile(path.clone());
        let bytes = weight_file::bytes(path).with_context(unusable)?;
        if Fingerprint::of_bytes(&bytes).to_string() != *digest {
            bail!("`{}` has changed since the run was planned\nhint: run again", path.display());
        }
        let weights = weight_file::weights_of(&bytes, path, key.as_deref(), &self.task.graph).with_context(unusable)?;
        files::save(context.out, &self.task.graph.architecture, weights)
    }
}
