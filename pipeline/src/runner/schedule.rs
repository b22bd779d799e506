//! Which stage runs when: a queue of those whose inputs are there, and workers that take from it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::graph::Graph;
use super::job::{Job, Made};
use super::{Outcome, RunOptions, Status};
use crate::cores::{Cores, Threads};
use crate::events::{Event, Reporter};
use crate::stage::{Artifact, StageId};
use crate::store::Store;

/// How often workers without work look for interrupts and for artifacts that other runs are making.
const PAUSE: Duration = Duration::from_millis(50);

/// A run in progress.
pub(super) struct Schedule<'a> {
    graph: &'a Graph<'a>,
    store: &'a Store,
    options: &'a RunOptions,
    reporter: &'a dyn Reporter,
    cores: Cores,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    nodes: Vec<Fate>,
    /// Inputs that a node still waits for.
    pending: Vec<usize>,
    /// Nodes that could run, the next one first: longest chain behind it, then order of the plan.
    ready: BTreeSet<(Reverse<usize>, usize)>,
    running: usize,
    workers: usize,
    /// How often a node was found claimed by another run.
    refused: BTreeMap<usize, usize>,
    /// Whether nothing new starts.
    stopping: bool,
    interrupted: bool,
}

/// What became of a node.
enum Fate {
    Unneeded,
    Hit(Artifact),
    Open,
    Ran(Artifact, Option<bool>),
    Failed,
    Skipped,
}

impl Fate {
    fn artifact(&self) -> Option<&Artifact> {
        match self {
            Fate::Hit(artifact) | Fate::Ran(artifact, _) => Some(artifact),
            Fate::Unneeded | Fate::Open | Fate::Failed | Fate::Skipped => None,
        }
    }
}

impl<'a> Schedule<'a> {
    pub fn new(
        graph: &'a Graph<'a>,
        statuses: Vec<Status>,
        store: &'a Store,
        options: &'a RunOptions,
        reporter: &'a dyn Reporter,
    ) -> Schedule<'a> {
        let nodes: Vec<Fate> = statuses
            .into_iter()
            .map(|status| match status {
                Status::Hit(artifact) => Fate::Hit(artifact),
                Status::Run(_) => Fate::Open,
                Status::Unneeded => Fate::Unneeded,
            })
            .collect();
        let open = |node: &usize| matches!(nodes[*node], Fate::Open);
        let distinct = |inputs: &[usize]| inputs.iter().copied().filter(open).collect::<BTreeSet<_>>().len();
        let pending: Vec<usize> = graph.nodes.iter().map(|node| distinct(&node.inputs)).collect();
        let ready = (0..nodes.len()).filter(open).filter(|&node| pending[node] == 0).map(|node| rank(graph, node)).collect();
        let state = State { nodes, pending, ready, running: 0, workers: 0, refused: BTreeMap::new(), stopping: false, interrupted: false };
        let cores = Cores::new(options.cores, options.jobs);
        Schedule { graph, store, options, reporter, cores, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Runs workers until nothing is left that they could do, and watches for the request to end.
    pub fn work(&self, to_run: usize) -> Result<()> {
        std::thread::scope(|scope| {
            for worker in 0..self.options.jobs.clamp(1, to_run) {
                let builder = std::thread::Builder::new().name(format!("worker-{worker}"));
                self.lock().workers += 1;
                let spawned = builder.spawn_scoped(scope, move || self.serve(worker));
                if let Err(error) = spawned {
                    let mut state = self.lock();
                    state.workers -= 1;
                    state.stopping = true;
                    return Err(error).context("cannot start a thread");
                }
            }
            let mut state = self.lock();
            while state.workers > 0 {
                self.notice(&mut state);
                state = self.pause(state);
            }
            Ok(())
        })
    }

    /// Notices the request to end, whoever sees it first: a stage that stops at once may be sooner than the watcher.
    fn notice(&self, state: &mut State) {
        if !state.interrupted && self.options.interrupted.load(Ordering::Relaxed) {
            (state.interrupted, state.stopping) = (true, true);
            self.reporter.event(&Event::Stopping);
            self.changed.notify_all();
        }
    }

    /// What became of everything.
    pub fn conclude(self) -> Outcome {
        let asked = self.graph.asked();
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut outcome = Outcome { interrupted: state.interrupted, ..Outcome::default() };
        for (planned, &node) in self.graph.plan.stages.iter().zip(&self.graph.node_of_stage) {
            let id = planned.stage.id();
            match &state.nodes[node] {
                Fate::Unneeded | Fate::Hit(_) if !asked[node] => outcome.not_asked += 1,
                Fate::Unneeded | Fate::Hit(_) => outcome.cached += 1,
                Fate::Ran(_, same) if id == self.graph.id(node) => {
                    outcome.ran += 1;
                    outcome.different.extend((*same == Some(false)).then(|| id.clone()));
                }
                Fate::Ran(..) => outcome.shared += 1,
                Fate::Open => outcome.left += 1,
                Fate::Failed if id == self.graph.id(node) => outcome.failed.push(id.clone()),
                Fate::Failed | Fate::Skipped => outcome.skipped.push(id.clone()),
            }
        }
        outcome
    }

    fn serve(&self, number: usize) {
        let threads = Threads::new(&self.cores, number);
        while let Some((node, job)) = self.next() {
            let begun = Instant::now();
            let made = job.and_then(|job| job.perform(&threads));
            self.finish(node, begun.elapsed().as_secs_f64(), made);
        }
        self.lock().workers -= 1;
        self.changed.notify_all();
    }

    /// The next node to run and its job, as soon as there is one; `None` when there will be none.
    fn next(&self) -> Option<(usize, Result<Job<'a>>)> {
        let mut state = self.lock();
        loop {
            if state.ready.is_empty() && state.running == 0 {
                return None;
            }
            self.notice(&mut state);
            if state.stopping {
                return None;
            }
            if let Some(next) = self.take(&mut state) {
                state.running += 1;
                self.cores.share_among(state.running + state.ready.len());
                return Some(next);
            }
            state = self.pause(state);
        }
    }

    /// The first ready node that no other run is working on.
    fn take(&self, state: &mut State) -> Option<(usize, Result<Job<'a>>)> {
        let ready: Vec<(Reverse<usize>, usize)> = state.ready.iter().copied().collect();
        for place in ready {
            let node = place.1;
            let claim = self.store.claim(&self.graph.nodes[node].fingerprint).transpose();
            if let Some(claim) = claim {
                state.ready.remove(&place);
                let inputs = self.graph.nodes[node].inputs.iter();
                let inputs = inputs.map(|&input| state.nodes[input].artifact().expect("ready means that all inputs are there").clone());
                let (inputs, planned) = (inputs.collect(), self.graph.planned(node));
                let (store, options, reporter) = (self.store, self.options, self.reporter);
                let forced = self.graph.forced.contains(&node);
                return Some((node, claim.map(|claim| Job { planned, claim, inputs, store, options, reporter, forced })));
            }
            let refused = state.refused.entry(node).or_insert(0);
            *refused += 1;
            // Once may be a run that only looks for what was left behind.
            if *refused == 2 {
                let holder = self.store.holder(&self.graph.nodes[node].fingerprint);
                self.reporter.event(&Event::Waiting { stage: self.graph.id(node), holder });
            }
        }
        None
    }

    /// Notes how a node ended and what follows from it.
    fn finish(&self, node: usize, seconds: f64, made: Result<Made>) {
        let stage = self.graph.id(node);
        let mut state = self.lock();
        state.running -= 1;
        let fate = match made {
            Ok(Made { artifact, ran: true, same }) => {
                self.reporter.event(&Event::Finished { stage, words: self.graph.planned(node).stage.words(), seconds });
                if let Some(message) = self.graph.planned(node).stage.warning(&|| Some(artifact.clone())) {
                    self.reporter.event(&Event::Warned { stage, message: &message });
                }
                if let Some(same) = same {
                    self.reporter.event(&Event::Compared { stage, same });
                }
                Fate::Ran(artifact, same)
            }
            Ok(Made { artifact, ran: false, .. }) => {
                self.reporter.event(&Event::Cached { stage });
                Fate::Hit(artifact)
            }
            Err(_) if self.options.interrupted.load(Ordering::Relaxed) => {
                self.notice(&mut state);
                self.reporter.event(&Event::Stopped { stage, seconds });
                Fate::Open
            }
            Err(error) => {
                self.reporter.event(&Event::Failed { stage, seconds, error: &error });
                Fate::Failed
            }
        };
        if fate.artifact().is_some() {
            for &dependent in &self.graph.nodes[node].dependents {
                state.pending[dependent] -= 1;
                if state.pending[dependent] == 0 && matches!(state.nodes[dependent], Fate::Open) {
                    state.ready.insert(rank(self.graph, dependent));
                }
            }
        } else if matches!(fate, Fate::Failed) {
            state.stopping |= !self.options.keep_going;
            self.skip(&mut state, node);
        }
        state.nodes[node] = fate;
        self.cores.share_among(state.running + state.ready.len());
        drop(state);
        self.changed.notify_all();
    }

    /// Gives up everything that needs a node that failed.
    fn skip(&self, state: &mut State, failed: usize) {
        let mut lost = BTreeSet::from([failed]);
        // Inputs come first, so one pass finds all.
        for node in failed + 1..self.graph.nodes.len() {
            if matches!(state.nodes[node], Fate::Open) && self.graph.nodes[node].inputs.iter().any(|input| lost.contains(input)) {
                lost.insert(node);
                state.nodes[node] = Fate::Skipped;
            }
        }
        // Counted as everywhere: by stages, also where several are the same work.
        let because = self.graph.id(failed);
        let stages = self.graph.plan.stages.iter().map(|planned| planned.stage.id()).zip(&self.graph.node_of_stage);
        let skipped: Vec<&StageId> = stages.filter(|(id, node)| lost.contains(node) && *id != because).map(|(id, _)| id).collect();
        if !skipped.is_empty() {
            self.reporter.event(&Event::Skipped { stages: &skipped, because, work: lost.len() - 1 });
        }
    }

    fn pause<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rank(graph: &Graph<'_>, node: usize) -> (Reverse<usize>, usize) {
    (Reverse(graph.nodes[node].height), node)
}
