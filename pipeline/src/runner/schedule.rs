//! Which stage runs when: a queue of those whose inputs are there, and workers that take from it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::fate::{Fate, conclude, give_up, stages_of};
use super::graph::Graph;
use super::job::{Job, Made};
use super::placement::{Placement, is_out_of_memory};
use super::{Outcome, RunOptions, Status};
use crate::cores::{Cores, Threads};
use crate::events::{Event, Reporter};
use crate::store::Store;

/// How often workers without work look for interrupts.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest time between two looks for an artifact that another run is making: each asks the file system.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A run in progress.
pub(super) struct Schedule<'a> {
    graph: &'a Graph<'a>,
    store: &'a Store,
    options: &'a RunOptions,
    reporter: &'a dyn Reporter,
    cores: Cores,
    /// Of each node, the kind of device that it wants.
    kinds: Vec<Option<String>>,
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
    /// What those that run are estimated to use, in bytes.
    memory: u64,
    /// Which device each node that runs is on.
    placed: BTreeMap<usize, usize>,
    placement: Placement,
    workers: usize,
    /// How often a node was found claimed by another run, and when to look again.
    refused: BTreeMap<usize, (u32, Instant)>,
    /// Whether nothing new starts.
    stopping: bool,
    interrupted: bool,
}

impl<'a> Schedule<'a> {
    pub fn new(
        graph: &'a Graph<'a>,
        statuses: Vec<Status>,
        store: &'a Store,
        options: &'a RunOptions,
        reporter: &'a dyn Reporter,
    ) -> Schedule<'a> {
        let here = |node: usize| options.only.as_ref().is_none_or(|only| only.contains(graph.id(node)));
        let mut nodes: Vec<Fate> = statuses.into_iter().enumerate().map(|(node, status)| Fate::first(status, here(node))).collect();
        for node in 0..nodes.len() {
            if matches!(nodes[node], Fate::Elsewhere) {
                let lost = give_up(graph, &mut nodes, node);
                let (because, work) = (graph.id(node), lost.len() - 1);
                if work > 0 {
                    reporter.event(&Event::Skipped { stages: &stages_of(graph, &lost, because), because, work });
                }
            }
        }
        let open = |node: &usize| matches!(nodes[*node], Fate::Open);
        let distinct = |inputs: &[usize]| inputs.iter().copied().filter(open).collect::<BTreeSet<_>>().len();
        let pending: Vec<usize> = graph.nodes.iter().map(|node| distinct(&node.inputs)).collect();
        let ready = (0..nodes.len()).filter(open).filter(|&node| pending[node] == 0).map(|node| rank(graph, node)).collect();
        let state = State {
            nodes,
            pending,
            ready,
            running: 0,
            memory: 0,
            placed: BTreeMap::new(),
            placement: Placement::new(&options.devices),
            workers: 0,
            refused: BTreeMap::new(),
            stopping: false,
            interrupted: false,
        };
        let cores = Cores::new(options.cores, options.jobs);
        let kind = |node| graph.planned(node).stage.recipe().device();
        let kinds = (0..graph.nodes.len()).map(kind).collect();
        Schedule { graph, store, options, reporter, cores, kinds, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Runs workers until nothing is left that they could do, and watches for the request to end.
    pub fn work(&self, to_run: usize) -> Result<()> {
        self.know_all_kinds()?;
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

    /// Fails where a stage wants a kind of device that this run does not have: other bytes would come out of it.
    fn know_all_kinds(&self) -> Result<()> {
        let state = self.lock();
        for node in (0..state.nodes.len()).filter(|&node| matches!(state.nodes[node], Fate::Open)) {
            if let Some(kind) = self.kinds[node].as_deref().filter(|kind| !state.placement.knows(kind)) {
                bail!("stage `{}` is one of device `{kind}`, which this run does not have", self.graph.id(node));
            }
        }
        Ok(())
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
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        conclude(self.graph, &state.nodes, state.interrupted)
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
        for rank in ready {
            let node = rank.1;
            if state.refused.get(&node).is_some_and(|(_, next)| Instant::now() < *next) {
                continue;
            }
            let Some(place) = self.place(state, node) else { continue };
            let claim = self.store.claim(&self.graph.nodes[node].fingerprint).transpose();
            if let Some(claim) = claim {
                state.ready.remove(&rank);
                state.memory += self.memory(node);
                if self.kinds[node].is_some() {
                    state.placed.insert(node, place);
                    state.placement.begin(place, self.memory(node));
                }
                let device = state.placement.device(place).clone();
                let inputs = self.graph.nodes[node].inputs.iter();
                let inputs = inputs.map(|&input| state.nodes[input].artifact().expect("ready means that all inputs are there").clone());
                let (inputs, planned) = (inputs.collect(), self.graph.planned(node));
                let (store, options, reporter) = (self.store, self.options, self.reporter);
                let forced = self.graph.forced.contains(&node);
                return Some((node, claim.map(|claim| Job { planned, claim, inputs, device, store, options, reporter, forced })));
            }
            let (refused, next) = state.refused.entry(node).or_insert((0, Instant::now()));
            *refused += 1;
            *next = Instant::now() + LONGEST_WAIT.min(PAUSE * 2_u32.pow((*refused - 1).min(10)));
            // Once may be a run that only looks for what was left behind.
            if *refused == 2 {
                let holder = self.store.holder(&self.graph.nodes[node].fingerprint);
                self.reporter.event(&Event::Waiting { stage: self.graph.id(node), holder: holder.as_ref() });
            }
        }
        None
    }

    /// What a node is estimated to use, in bytes; nothing where no bound is kept.
    fn memory(&self, node: usize) -> u64 {
        let known = self.options.memory.as_ref().and_then(|limit| limit.stages.get(self.graph.id(node)));
        known.copied().unwrap_or(0)
    }

    /// The device for a node, where it may run beside those that do. One alone always may.
    fn place(&self, state: &State, node: usize) -> Option<usize> {
        let (memory, bound) = (self.memory(node), self.options.memory.as_ref().and_then(|limit| limit.bytes));
        let fits = state.running == 0 || bound.is_none_or(|bound| state.memory + memory <= bound);
        if fits { state.placement.free(self.kinds[node].as_deref(), memory) } else { None }
    }

    /// Notes how a node ended and what follows from it.
    fn finish(&self, node: usize, seconds: f64, made: Result<Made>) {
        let stage = self.graph.id(node);
        let mut state = self.lock();
        state.running -= 1;
        state.memory -= self.memory(node);
        let place = state.placed.remove(&node);
        if let Some(place) = place {
            state.placement.end(place, self.memory(node));
        }
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
            Err(error)
                if is_out_of_memory(&error)
                    && let Some((device, most)) = place.and_then(|place| state.placement.exhausted(place)) =>
            {
                self.reporter.event(&Event::Crowded { stage, device: &device, most });
                state.ready.insert(rank(self.graph, node));
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
        let lost = give_up(self.graph, &mut state.nodes, failed);
        let because = self.graph.id(failed);
        let skipped = stages_of(self.graph, &lost, because);
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
