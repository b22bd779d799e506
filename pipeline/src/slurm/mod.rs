//! Runs the stages of a plan as jobs of a Slurm cluster.
//!
//! The store is on a file system that all nodes share. Stages are packed into jobs ([`packing`]), each of which calls `onebasin stages`: it
//! reads spec and store anew, claims what it makes, and commits. All jobs are submitted at once, with dependencies, so that they go on without
//! the process that submitted them (`watcher.rs`); it may be ended and started again, and finds its jobs by what is kept in the store
//! ([`record`]). Slurm is asked by its commands alone ([`queue`]). Whether a stage is done, the store says, never Slurm.

pub mod packing;
pub mod queue;
pub mod record;
pub mod script;
pub mod state;
mod watcher;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use crate::runner::{Due, Executor, Outcome};
use crate::spec;
use crate::stage::StageId;

use packing::{Class, Piece, arrays, pack};
use record::{Batch, BatchStage, RunFolder};
use script::Launch;
use watcher::Watcher;

/// The executor of a cluster.
#[derive(Clone)]
pub struct Slurm {
    /// What jobs ask for.
    pub settings: spec::Slurm,
    /// How they call this program.
    pub launch: Launch,
    /// Where they are kept.
    pub folder: RunFolder,
    /// How long each stage takes on one core, and what kind it is.
    pub costs: Arc<BTreeMap<StageId, (String, f64)>>,
    /// Asked after Ctrl-C: whether so many jobs shall go on.
    pub shall_go_on: fn(jobs: usize) -> bool,
}

impl Executor for Slurm {
    fn execute(&self, due: Due<'_>) -> Result<Outcome> {
        Watcher::new(self, &due)?.watch()
    }
}

impl Slurm {
    /// The class of a stage and how many seconds it takes in a job of it.
    fn class(&self, stage: &StageId, raised: bool) -> (Class, f64) {
        let (kind, seconds) = self.costs.get(stage).map_or(("", 1.0), |(kind, seconds)| (kind.as_str(), *seconds));
        let cpus = self.settings.resources(kind).cpus.unwrap_or(1);
        let kind = if self.settings.kinds.contains_key(kind) { kind.to_owned() } else { String::new() };
        (Class { kind, raised }, seconds / cpus as f64)
    }

    /// The batches of some stages, numbered from `first`; and for each part of each, the parts that it waits for, as places among all batches.
    ///
    /// `inputs` are places among the stages, each earlier than its own.
    pub(crate) fn batches(&self, stages: &[(BatchStage, bool)], inputs: &[Vec<usize>], first: usize) -> Vec<(Batch, Vec<(usize, usize)>)> {
        let pieces: Vec<Piece> = stages
            .iter()
            .zip(inputs)
            .map(|((stage, raised), inputs)| {
                let (class, seconds) = self.class(&stage.stage, *raised);
                Piece { class, seconds, inputs: inputs.clone() }
            })
            .collect();
        let parts = pack(&pieces, self.settings.target().as_secs_f64());
        let arrays = arrays(&parts, self.settings.array.unwrap_or(spec::Slurm::ARRAY));
        let mut place_of = vec![(0, 0); parts.len()];
        for (batch, array) in arrays.iter().enumerate() {
            array.iter().enumerate().for_each(|(place, &part)| place_of[part] = (batch, place));
        }
        let batch = |(index, array): (usize, &Vec<usize>)| {
            let number = first + index;
            let class = &parts[array[0]].class;
            let stages_of = |&part: &usize| parts[part].pieces.iter().map(|&piece| stages[piece].0.clone()).collect();
            let mut after: Vec<(usize, usize)> = array.iter().flat_map(|&part| &parts[part].after).map(|&part| place_of[part]).collect();
            after.sort_unstable();
            after.dedup();
            let (name, kind, raised) = (self.folder.job_name(number), class.kind.clone(), class.raised);
            let seconds = array.iter().map(|&part| parts[part].seconds).collect();
            (Batch { number, name, kind, raised, parts: array.iter().map(stages_of).collect(), seconds }, after)
        };
        arrays.iter().enumerate().map(batch).collect()
    }

    /// The script of a batch.
    pub fn script(&self, batch: &Batch, after: &[String]) -> String {
        script::script(&self.launch, &self.folder, batch, &self.settings.resources(&batch.kind), after)
    }
}
