//! The DAG of an experiment's stages, in order, each with its fingerprint, and what plans the stages of one pair. Nothing is read and
//! nothing runs.

mod alignments;
mod endpoint_statistics;
mod merge_set;
mod pair_planner;
mod record;
mod sequence;

use std::collections::BTreeMap;
use std::sync::Arc;

use onebasin_repro::Fingerprint;

use crate::stage::{Stage, StageId};
use crate::store;

pub use alignments::PlannedAlignment;
pub use merge_set::MergeSet;
pub use pair_planner::{PairPlanner, PlanBuilder};
pub use record::{Record, Recorded};

/// A stage and the name of its artifact.
#[derive(Clone)]
pub struct Planned {
    /// What would be done.
    pub stage: Arc<dyn Stage>,
    /// BLAKE3 of the store's format, the recipe and the fingerprints of the inputs.
    pub fingerprint: Fingerprint,
    /// Those of its inputs, in the order of [`Stage::inputs`].
    pub inputs: Vec<Fingerprint>,
}

/// The stages of an experiment, inputs before dependents.
#[derive(Clone, Default)]
pub struct Plan {
    /// In an order in which they could run one after the other.
    pub stages: Vec<Planned>,
}

impl Plan {
    /// Orders nothing: `stages` must come inputs first.
    ///
    /// # Errors
    /// A stage twice, or an input that no earlier stage is.
    pub fn of(stages: Vec<Arc<dyn Stage>>) -> anyhow::Result<Plan> {
        let mut fingerprints: BTreeMap<StageId, Fingerprint> = BTreeMap::new();
        let mut planned = Vec::with_capacity(stages.len());
        for stage in stages {
            let mut inputs = Vec::with_capacity(stage.inputs().len());
            for input in stage.inputs() {
                let known = fingerprints.get(input);
                inputs.push(*known.ok_or_else(|| anyhow::anyhow!("stage `{}` needs `{input}`, which no earlier stage is", stage.id()))?);
            }
            let fingerprint = store::fingerprint(&stage.recipe(), &inputs);
            if fingerprints.insert(stage.id().clone(), fingerprint).is_some() {
                anyhow::bail!("stage `{}` is planned twice", stage.id());
            }
            planned.push(Planned { stage, fingerprint, inputs });
        }
        Ok(Plan { stages: planned })
    }

    /// The stage of a name.
    pub fn find(&self, id: &str) -> Option<&Planned> {
        self.stages.iter().find(|planned| planned.stage.id().as_str() == id)
    }
}
