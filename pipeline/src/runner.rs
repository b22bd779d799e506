//! Runs a plan: what is not in the store, as soon as its inputs are, several stages side by side.
//!
//! A run walks back from its targets ([`survey`]). A stage whose artifact is at hand is not run, and what only it needs is not looked
//! for. The bytes of an artifact are checked before anyone reads them: those of the targets, and of the inputs of a stage that runs.
//! Equal fingerprints run once, also across runs on one store: each stage is claimed, and whoever finds it claimed does something else
//! or waits. Of several stages that could run, the one with the longest chain behind it goes first; ties in the order of the plan.

mod executor;
pub(crate) mod fate;
pub(crate) mod graph;
mod job;
mod panicked;
mod placement;
mod schedule;
mod simulation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use onebasin_training::Device;

use crate::dataset_cache::DatasetCache;
use crate::events::{Event, Reporter};
use crate::plan::{Plan, Planned};
use crate::stage::{Artifact, StageId};
use crate::store::{Lookup, Store};

use graph::Graph;

pub use executor::{Due, Executor, Local};
pub use simulation::{Load, wall_clock};

/// How a plan is run.
#[derive(Clone)]
pub struct RunOptions {
    /// Stages side by side, at least 1.
    pub jobs: usize,
    /// Cores to share between those that run, at least one for each. No result depends on it.
    pub cores: usize,
    /// Whether what does not depend on a failed stage still runs.
    pub keep_going: bool,
    /// Whether the bytes of all artifacts of the plan are checked, also of those that nothing will read.
    pub verify: bool,
    /// Where networks run; not empty. A stage runs on one of the kind that its recipe says.
    pub devices: Vec<Device>,
    /// The data sets.
    pub datasets: Arc<DatasetCache>,
    /// Set from outside to end the run.
    pub interrupted: &'static AtomicBool,
    /// The stages whose artifacts are wanted; if there are none, those that no stage depends on.
    pub targets: Vec<StageId>,
    /// Stages that run anew even where their artifacts are at hand; the bytes of both are compared.
    pub force: Vec<StageId>,
    /// The only stages that may run; what they need and is not at hand keeps them from it. `None`: all.
    pub only: Option<BTreeSet<StageId>>,
    /// What stages that run side by side may use together, and what each uses. One alone always runs.
    pub memory: Option<MemoryLimit>,
    /// Where they run.
    pub executor: Arc<dyn Executor>,
}

/// What is known of the memory of stages that run side by side.
#[derive(Clone, Debug, Default)]
pub struct MemoryLimit {
    /// The bound in bytes, if there is one. Devices with a memory of their own bound what runs on them too.
    pub bytes: Option<u64>,
    /// What each stage is estimated to use, in bytes.
    pub stages: Arc<BTreeMap<StageId, u64>>,
}

impl RunOptions {
    /// As many jobs as cores; stops at the first failure; never interrupted.
    pub fn new(devices: Vec<Device>, datasets: Arc<DatasetCache>) -> RunOptions {
        static NEVER: AtomicBool = AtomicBool::new(false);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (keep_going, verify) = (false, false);
        let (targets, force, only, memory, executor) = (Vec::new(), Vec::new(), None, None, Arc::new(Local));
        RunOptions {
            jobs: cores,
            cores,
            keep_going,
            verify,
            devices,
            datasets,
            interrupted: &NEVER,
            targets,
            force,
            only,
            memory,
            executor,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Stages that ran to their end.
    pub ran: usize,
    /// Stages whose artifacts were at hand, or not needed because everything made of them is.
    pub cached: usize,
    /// Stages that no target needs.
    pub not_asked: usize,
    /// Stages that are the same work as one that ran.
    pub shared: usize,
    /// Stages that were run anew and came out with other bytes, which are kept.
    pub different: Vec<StageId>,
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
    /// It is at hand, and asked to be made anew.
    Forced,
}

/// What a run would do, for each stage of the plan in its order. Reads the store, writes and runs nothing.
///
/// `verify_contents` reads the bytes of every artifact of the plan; otherwise only those of the targets and of what a stage that runs
/// will read.
///
/// # Errors
/// A target that is no stage of the plan.
pub fn survey(plan: &Plan, store: &Store, targets: &[StageId], verify_contents: bool) -> Result<Vec<Status>> {
    let graph = Graph::new(plan, targets, &[])?;
    let statuses = graph.survey(store, verify_contents);
    Ok(graph.node_of_stage.iter().map(|&node| statuses[node].clone()).collect())
}

/// Runs what is needed for the targets.
///
/// A stage that fails, or panics, takes those that depend on it with it; without `keep_going` nothing else starts either. Whatever ends
/// the process, all but the running stages is kept. An artifact that was damaged is made anew. What was made of it stays if the bytes
/// are the same again, and is made anew otherwise.
///
/// # Errors
/// When nothing can run: a target that is no stage, a store that cannot be written. Failures of stages are in the outcome.
pub fn run(plan: &Plan, store: &Store, options: &RunOptions, reporter: &dyn Reporter) -> Result<Outcome> {
    let begun = Instant::now();
    let mut graph = Graph::new(plan, &options.targets, &options.force)?;
    // Nobody removes what the survey finds. A store that is not there yet, or cannot be written to, has nothing to remove.
    let _in_use = store.share().ok();
    let (mut ran, mut shared) = (0, 0);
    let mut different = Vec::new();
    let mut repaired: BTreeSet<usize> = BTreeSet::new();
    loop {
        let statuses = graph.survey(store, options.verify);
        let to_run = statuses.iter().filter(|status| matches!(status, Status::Run(_))).count();
        let damaged = (0..statuses.len()).filter(|&node| matches!(statuses[node], Status::Run(Reason::Damaged(_) | Reason::Forced)));
        let damaged: Vec<usize> = damaged.filter(|&node| repaired.insert(node)).collect();
        let _prepared = if to_run > 0 { Some(store.prepare()?) } else { None };
        // A second survey is told of only where it finds something.
        if ran == 0 || to_run > 0 {
            let asked = graph.asked();
            let runs = |node: usize| matches!(statuses[node], Status::Run(_));
            let cached = graph.count(|node| asked[node] && !runs(node));
            let not_asked = graph.count(|node| !asked[node] && !runs(node));
            let stages = plan.stages.len() - not_asked;
            reporter.event(&Event::Surveyed { stages, cached, to_run, shared: stages - cached - to_run, not_asked });
            announce(&graph, &statuses, &asked, reporter);
        }
        let outcome = options.executor.execute(Due { graph: &graph, statuses, to_run, store, options, reporter })?;
        ran += outcome.ran;
        shared += outcome.shared;
        different.extend(outcome.different.iter().cloned());
        graph.forced.clear();
        // Other bytes in the place of a damaged artifact make what was made of it stale, which the next survey finds.
        if damaged.is_empty() || !outcome.is_complete() {
            let cached = (outcome.cached + outcome.ran + outcome.shared).saturating_sub(ran + shared);
            return Ok(Outcome { ran, cached, shared, different, seconds: begun.elapsed().as_secs_f64(), ..outcome });
        }
    }
}

/// What whoever uses the artifacts of a plan should know, by stage, of those that are in the store.
pub fn warnings(plan: &Plan, store: &Store) -> Vec<(StageId, String)> {
    let of = |planned: &Planned| {
        let artifact = || match store.lookup(&planned.fingerprint) {
            Lookup::Hit(artifact) => Some(artifact),
            Lookup::Miss | Lookup::Damaged(_) => None,
        };
        Some((planned.stage.id().clone(), planned.stage.warning(&artifact)?))
    };
    plan.stages.iter().filter_map(of).collect()
}

/// Tells what the survey found.
fn announce(graph: &Graph<'_>, statuses: &[Status], asked: &[bool], reporter: &dyn Reporter) {
    for (index, &node) in graph.node_of_stage.iter().enumerate() {
        let stage = graph.plan.stages[index].stage.id();
        let first = graph.id(node);
        match &statuses[node] {
            // What is made of a stage that nothing needs is at hand.
            Status::Hit(_) | Status::Unneeded if !asked[node] => {}
            Status::Hit(_) | Status::Unneeded => reporter.event(&Event::Cached { stage }),
            Status::Run(_) if stage != first => reporter.event(&Event::Shared { stage, with: first }),
            Status::Run(Reason::Damaged(problem)) => reporter.event(&Event::Damaged { stage, problem }),
            Status::Run(Reason::Missing | Reason::Forced) => {}
        }
    }
}
