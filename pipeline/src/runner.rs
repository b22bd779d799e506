//! Runs a plan: what is not in the store, as soon as its inputs are, several stages side by side.
//!
//! A run walks back from its targets ([`survey`]). A stage whose artifact is at hand is not run, and what only it needs is not looked
//! for. Where an artifact will be read by a stage that runs, its bytes are checked first. Equal fingerprints run once, also across
//! runs on one store: each stage is claimed, and whoever finds it claimed does something else or waits. Of several stages that could
//! run, the one with the longest chain behind it goes first; ties in the order of the plan.

mod graph;
mod perform;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use onebasin_training::Device;

use crate::dataset_cache::DatasetCache;
use crate::events::{Event, Reporter};
use crate::plan::Plan;
use crate::stage::{Artifact, StageId};
use crate::store::Store;

use graph::{Graph, Need};
use schedule::Schedule;

/// How a plan is run.
#[derive(Clone)]
pub struct RunOptions {
    /// Stages side by side, at least 1.
    pub jobs: usize,
    /// Cores to share between them: each gets `cores / jobs` threads, at least one. No result depends on it.
    pub cores: usize,
    /// Whether what does not depend on a failed stage still runs.
    pub keep_going: bool,
    /// Whether the bytes of all artifacts are checked, also of those that nothing will read.
    pub verify: bool,
    /// Where networks run.
    pub device: Device,
    /// The data sets.
    pub datasets: Arc<DatasetCache>,
    /// Set from outside to end the run.
    pub interrupted: &'static AtomicBool,
    /// The stages whose artifacts are wanted; if there are none, those that no stage depends on.
    pub targets: Vec<StageId>,
}

impl RunOptions {
    /// As many jobs as cores; stops at the first failure; never interrupted.
    pub fn new(device: Device, datasets: Arc<DatasetCache>) -> RunOptions {
        static NEVER: AtomicBool = AtomicBool::new(false);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (keep_going, verify) = (false, false);
        RunOptions { jobs: cores, cores, keep_going, verify, device, datasets, interrupted: &NEVER, targets: Vec::new() }
    }

    /// Threads of each stage.
    pub(crate) fn threads(&self) -> usize {
        (self.cores / self.jobs.max(1)).max(1)
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Stages that ran to their end.
    pub ran: usize,
    /// Stages whose artifacts were at hand, or not needed.
    pub cached: usize,
    /// Stages that ran and failed, in the order of the plan.
    pub failed: Vec<StageId>,
    /// Stages that could not run because of those.
    pub skipped: Vec<StageId>,
    /// Stages that were not started, or not finished, because the run ended early.
    pub left: usize,
    /// Whether the run was asked to end.
    pub interrupted: bool,
    /// How long all took.
    pub seconds: f64,
}

impl Outcome {
    /// Whether every target has its artifact.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.left == 0
    }
}

/// What a run would do with a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing: the artifact is at hand.
    Hit(Artifact),
    /// Run it.
    Run(Reason),
    /// Nothing: whatever is made of it is at hand. Its own artifact may be there or not.
    Unneeded,
}

/// Why a stage would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no artifact.
    Missing,
    /// The artifact cannot be used, and why.
    Damaged(String),
}

/// What a run would do, for each stage of the plan in its order. Reads the store, writes and runs nothing.
///
/// `deep` reads the bytes of every artifact at hand; otherwise only of those that a stage which runs will read.
///
/// # Errors
/// A target that is no stage of the plan.
pub fn survey(plan: &Plan, store: &Store, targets: &[StageId], deep: bool) -> Result<Vec<Status>> {
    let graph = Graph::new(plan, targets)?;
    let needs = graph.survey(store, deep);
    Ok(graph.node_of_stage.iter().map(|&node| needs[node].status()).collect())
}

/// Runs what is needed for the targets.
///
/// A stage that fails, or panics, takes those that depend on it with it, by name; without `keep_going` nothing else starts either.
/// Whatever ends the process, all but the running stages is kept.
///
/// # Errors
/// When nothing can run: a target that is no stage, a store that cannot be written. Failures of stages are in the outcome.
pub fn run(plan: &Plan, store: &Store, options: &RunOptions, reporter: &dyn Reporter) -> Result<Outcome> {
    let begun = Instant::now();
    let graph = Graph::new(plan, &options.targets)?;
    let needs = graph.survey(store, options.verify);
    let to_run = needs.iter().filter(|need| matches!(need, Need::Run(_))).count();
    if to_run > 0 {
        store.prepare()?;
    }
    let stages = plan.stages.len();
    reporter.event(&Event::Surveyed { stages, cached: graph.count(|node| !matches!(needs[node], Need::Run(_))), to_run });
    announce(&graph, &needs, reporter);
    let schedule = Schedule::new(&graph, needs, store, options, reporter);
    if to_run > 0 {
        schedule.work(to_run)?;
    }
    Ok(Outcome { seconds: begun.elapsed().as_secs_f64(), ..schedule.conclude() })
}

/// Tells what the survey found.
fn announce(graph: &Graph<'_>, needs: &[Need], reporter: &dyn Reporter) {
    for (index, &node) in graph.node_of_stage.iter().enumerate() {
        let stage = graph.plan.stages[index].stage.id();
        let first = graph.id(node);
        match &needs[node] {
            Need::Hit(_) => reporter.event(&Event::Cached { stage }),
            Need::Run(_) if stage != first => reporter.event(&Event::Shared { stage, with: first }),
            Need::Run(Reason::Damaged(problem)) => reporter.event(&Event::Damaged { stage, problem }),
            Need::Run(Reason::Missing) | Need::None => {}
        }
    }
}
