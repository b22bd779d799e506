//! Submits what is due and follows it to its end.
//!
//! One rule does all: what is due, has no job that lives and is not given up, is packed and submitted. So a head that starts again, a node that
//! fails and a job that somebody else's run made needless are no cases of their own.

mod ending;
mod following;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};

use super::Slurm;
use super::queue::{self, Answer, JobPart, Submitted};
use super::record::{Batch, BatchStage};
use super::state::State;
use crate::events::Event;
use crate::runner::fate::{Fate, conclude, give_up, stages_of};
use crate::runner::{Due, Outcome};
use crate::stage::StageId;
use crate::store::Lookup;
use crate::whole_file;

/// How often the request to end is looked for.
const PAUSE: Duration = Duration::from_millis(50);
/// Dependencies on single jobs of an array, beyond which one waits for the whole array.
const MOST_PARTS: usize = 16;

/// A batch that is followed.
struct Followed {
    batch: Batch,
    /// `None` where it is not known whether it was submitted.
    job: Option<u64>,
    parts: Vec<PartState>,
}

/// What is known of a part.
struct PartState {
    /// Its nodes.
    nodes: Vec<usize>,
    lives: bool,
    state: State,
    /// How often in a row it was not found, or was found ended.
    strange: usize,
}

pub(super) struct Watcher<'a> {
    slurm: &'a Slurm,
    due: &'a Due<'a>,
    fates: Vec<Fate>,
    followed: Vec<Followed>,
    /// How many jobs each node has had.
    jobs: BTreeMap<usize, usize>,
    /// Nodes that get more memory.
    raised: BTreeSet<usize>,
    next_number: usize,
    /// Since when the queue does not answer, and whether that was told.
    silent: Option<(Instant, bool)>,
    told: String,
    /// Reasons to wait that were told.
    reasons: BTreeSet<String>,
    refused: Option<String>,
    has_accounting: bool,
}

impl<'a> Watcher<'a> {
    /// Finds the jobs of an earlier head.
    pub fn new(slurm: &'a Slurm, due: &'a Due<'a>) -> Result<Watcher<'a>> {
        let fates: Vec<Fate> = due.statuses.iter().map(|status| Fate::first(status.clone(), true)).collect();
        let (next_number, has_accounting) = (slurm.folder.next_number(), true);
        let (followed, jobs, raised) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        let (silent, told, reasons, refused) = (None, String::new(), BTreeSet::new(), None);
        let mut watcher =
            Watcher { slurm, due, fates, followed, jobs, raised, next_number, silent, told, reasons, refused, has_accounting };
        if due.to_run > 0 {
            watcher.find()?;
        }
        Ok(watcher)
    }

    /// Takes up the batches that are kept and whose jobs live.
    fn find(&mut self) -> Result<()> {
        self.slurm.folder.create()?;
        let kept = self.slurm.folder.batches();
        let answer = match kept.is_empty() {
            true => Answer::default(),
            false => self.answer_at_last()?,
        };
        let by_name: BTreeMap<&StageId, usize> = (0..self.due.graph.nodes.len()).map(|node| (self.due.graph.id(node), node)).collect();
        let mut jobs = 0;
        for (batch, job) in kept {
            let job = job.or_else(|| answer.names.get(&batch.name).copied());
            let nodes = |part: &Vec<BatchStage>| part.iter().filter_map(|stage| by_name.get(&stage.stage).copied()).collect::<Vec<usize>>();
            let parts: Vec<PartState> = batch
                .parts
                .iter()
                .enumerate()
                .map(|(part, stages)| {
                    let known = job.and_then(|job| answer.states.get(&Self::name_of(&batch, job, part)));
                    let lives = matches!(known, Some(State::Waiting | State::Running | State::Unknown));
                    PartState { nodes: nodes(stages), lives, state: known.copied().unwrap_or(State::Unknown), strange: 0 }
                })
                .collect();
            let living = parts.iter().filter(|part| part.lives).count();
            if living == 0 {
                self.slurm.folder.close(batch.number);
                continue;
            }
            if let Some(job) = job {
                self.slurm.folder.keep_job(batch.number, job)?;
            }
            jobs += living;
            self.raised.extend(parts.iter().filter(|_| batch.raised).flat_map(|part| part.nodes.iter().copied()));
            for node in parts.iter().flat_map(|part| &part.nodes) {
                *self.jobs.entry(*node).or_default() += 1;
            }
            self.followed.push(Followed { batch, job, parts });
        }
        if jobs > 0 {
            self.tell("FOUND", &format!("{} of an earlier start", count(jobs, "job")));
        } else {
            // Whoever starts a run again wants its failed stages to run again.
            self.slurm.folder.forget_failures();
        }
        Ok(())
    }

    /// Asks the queue until it answers, or the run should end.
    fn answer_at_last(&mut self) -> Result<Answer> {
        loop {
            if let Some(answer) = self.ask()? {
                return Ok(answer);
            }
            if !self.pause() {
                bail!("stopped before the queue answered");
            }
        }
    }

    /// Follows everything to its end.
    pub fn watch(mut self) -> Result<Outcome> {
        let mut stopping = false;
        while self.due.to_run > 0 {
            self.collect()?;
            self.follow()?;
            let failed = self.fates.iter().any(|fate| matches!(fate, Fate::Failed));
            if failed && !self.due.options.keep_going {
                self.cancel_all("after a failed stage");
                break;
            }
            self.submit()?;
            if !self.fates.iter().any(|fate| matches!(fate, Fate::Open)) {
                break;
            }
            self.progress();
            if !self.pause() {
                stopping = true;
                self.stop();
                break;
            }
        }
        for followed in &self.followed {
            if !stopping {
                self.slurm.folder.close(followed.batch.number);
            }
        }
        let outcome = conclude(self.due.graph, &self.fates, stopping);
        Ok(outcome)
    }

    /// Notes which artifacts are there, and which stages failed.
    fn collect(&mut self) -> Result<()> {
        let listing = self.due.store.listing();
        let found: Vec<usize> = (0..self.fates.len())
            .filter(|&node| matches!(self.fates[node], Fate::Open) && listing.contains(&self.due.graph.nodes[node].fingerprint))
            .collect();
        for node in found {
            let fingerprint = &self.due.graph.nodes[node].fingerprint;
            // A damaged one stays until a job replaces it.
            let Lookup::Hit(artifact) = self.due.store.lookup(fingerprint) else { continue };
            if matches!(self.due.statuses[node], crate::runner::Status::Run(crate::runner::Reason::Damaged(_)))
                && !matches!(self.due.store.verify(fingerprint), Lookup::Hit(_))
            {
                continue;
            }
            let planned = self.due.graph.planned(node);
            let seconds = self.due.store.receipt(fingerprint).map_or(0.0, |receipt| receipt.seconds);
            let (stage, words) = (planned.stage.id(), planned.stage.words());
            self.due.reporter.event(&Event::Finished { stage, words, seconds });
            if let Some(message) = planned.stage.warning(&|| Some(artifact.clone())) {
                self.due.reporter.event(&Event::Warned { stage, message: &message });
            }
            self.fates[node] = Fate::Ran(artifact, None);
        }
        let by_fingerprint: BTreeMap<_, usize> = (0..self.fates.len())
            .filter(|&node| matches!(self.fates[node], Fate::Open))
            .map(|node| (self.due.graph.nodes[node].fingerprint, node))
            .collect();
        for (fingerprint, failure) in self.slurm.folder.failures(|known| !by_fingerprint.contains_key(known)) {
            self.fail(by_fingerprint[&fingerprint], anyhow!(failure));
        }
        Ok(())
    }

    fn fail(&mut self, node: usize, error: Error) {
        if !matches!(self.fates[node], Fate::Open) {
            return;
        }
        let graph = self.due.graph;
        let stage = graph.id(node);
        self.due.reporter.event(&Event::Failed { stage, seconds: 0.0, error: &error });
        self.fates[node] = Fate::Failed;
        let lost = give_up(graph, &mut self.fates, node);
        let skipped = stages_of(graph, &lost, stage);
        if !skipped.is_empty() {
            self.due.reporter.event(&Event::Skipped { stages: &skipped, because: stage, work: lost.len() - 1 });
        }
    }

    fn name_of(batch: &Batch, job: u64, part: usize) -> JobPart {
        (job, (batch.parts.len() > 1).then_some(part))
    }

    /// Submits what is due and has no job.
    fn submit(&mut self) -> Result<()> {
        let graph = self.due.graph;
        let mut covered: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for (index, followed) in self.followed.iter().enumerate() {
            for (place, part) in followed.parts.iter().enumerate().filter(|(_, part)| part.lives) {
                covered.extend(part.nodes.iter().map(|&node| (node, (index, place))));
            }
        }
        let nodes: Vec<usize> =
            (0..self.fates.len()).filter(|node| matches!(self.fates[*node], Fate::Open) && !covered.contains_key(node)).collect();
        if nodes.is_empty() {
            return Ok(());
        }
        let place_of: BTreeMap<usize, usize> = nodes.iter().enumerate().map(|(place, &node)| (node, place)).collect();
        let stage = |&node: &usize| {
            let stage = BatchStage { stage: graph.id(node).clone(), fingerprint: graph.nodes[node].fingerprint };
            (stage, self.raised.contains(&node))
        };
        let stages: Vec<(BatchStage, bool)> = nodes.iter().map(stage).collect();
        let inputs = |&node: &usize| {
            let inputs: BTreeSet<usize> = graph.nodes[node].inputs.iter().filter_map(|input| place_of.get(input).copied()).collect();
            inputs.into_iter().collect::<Vec<usize>>()
        };
        let inputs: Vec<Vec<usize>> = nodes.iter().map(inputs).collect();
        let batches = self.slurm.batches(&stages, &inputs, self.next_number);
        let node_of: BTreeMap<&StageId, usize> = nodes.iter().map(|&node| (graph.id(node), node)).collect();
        // Where each batch is among those followed; one that waits for a batch without a job is left for the next look.
        let mut place_of_batch: Vec<Option<usize>> = Vec::with_capacity(batches.len());
        let (mut jobs, mut submitted) = (0, 0);
        for (batch, after) in batches {
            let parts: Vec<PartState> = batch
                .parts
                .iter()
                .map(|part| {
                    let nodes = part.iter().filter_map(|stage| node_of.get(&stage.stage).copied()).collect();
                    PartState { nodes, lives: true, state: State::Waiting, strange: 0 }
                })
                .collect();
            let own: Option<BTreeSet<(usize, usize)>> =
                after.into_iter().map(|(index, part)| Some((place_of_batch[index]?, part))).collect();
            let read = parts.iter().flat_map(|part| &part.nodes).flat_map(|&node| &graph.nodes[node].inputs);
            let waits = own.map(|own| own.into_iter().chain(read.filter_map(|input| covered.get(input).copied())).collect::<BTreeSet<_>>());
            let Some(waits) = waits.filter(|waits| waits.iter().all(|(index, _)| self.followed[*index].job.is_some())) else {
                place_of_batch.push(None);
                continue;
            };
            let after = self.dependencies(&waits);
            match self.submit_batch(&batch, &after)? {
                Submitted::Job(job) => {
                    self.slurm.folder.keep_job(batch.number, job)?;
                    self.next_number = batch.number + 1;
                    jobs += parts.len();
                    submitted += parts.iter().map(|part| part.nodes.len()).sum::<usize>();
                    for node in parts.iter().flat_map(|part| &part.nodes) {
                        *self.jobs.entry(*node).or_default() += 1;
                    }
                    place_of_batch.push(Some(self.followed.len()));
                    self.followed.push(Followed { batch, job: Some(job), parts });
                    self.refused = None;
                }
                Submitted::Later(error) => {
                    // It may have been taken all the same: the next look at the queue finds it by its name.
                    if self.refused.as_ref() != Some(&error) {
                        self.tell("LATER", &format!("Slurm takes no more jobs now: {error}"));
                        self.refused = Some(error);
                    }
                    self.next_number = batch.number + 1;
                    self.followed.push(Followed { batch, job: None, parts });
                    break;
                }
            }
        }
        if jobs > 0 {
            self.tell("SUBMITTED", &format!("{} of {}; `onebasin status` shows them", count(jobs, "job"), count(submitted, "stage")));
        }
        Ok(())
    }

    fn submit_batch(&self, batch: &Batch, after: &[String]) -> Result<Submitted> {
        let script = self.slurm.folder.script(batch.number);
        self.slurm.folder.keep(batch)?;
        whole_file::write(&script, self.slurm.script(batch, after).as_bytes())
            .with_context(|| format!("cannot write `{}`", script.display()))?;
        queue::submit(&script).inspect_err(|_| self.slurm.folder.close(batch.number))
    }

    /// What jobs wait for, as an option says it.
    fn dependencies(&self, waits: &BTreeSet<(usize, usize)>) -> Vec<String> {
        let mut by_batch: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        waits.iter().for_each(|&(index, part)| by_batch.entry(index).or_default().push(part));
        let mut after = Vec::new();
        for (index, parts) in by_batch {
            let Some(Followed { batch, job: Some(job), parts: all }) = self.followed.get(index) else { continue };
            let living: Vec<usize> = parts.into_iter().filter(|&part| all[part].lives).collect();
            if living.len() == all.len() || living.len() > MOST_PARTS {
                after.push(job.to_string());
            } else {
                after.extend(living.into_iter().map(|part| queue::name(Self::name_of(batch, *job, part))));
            }
        }
        after
    }

    /// Tells how far it is, when that has changed.
    fn progress(&mut self) {
        let states = self.followed.iter().flat_map(|followed| &followed.parts).filter(|part| part.lives);
        let (mut running, mut waiting) = (0, 0);
        states.for_each(|part| if part.state == State::Running { running += 1 } else { waiting += 1 });
        let open = self.fates.iter().filter(|fate| matches!(fate, Fate::Open)).count();
        let text = format!("{running} running, {waiting} waiting; {} to go", count(open, "stage"));
        if text != self.told {
            self.due.reporter.event(&Event::Cluster { word: "JOBS", text: &text });
            self.told = text;
        }
    }

    /// Waits for the next look; `false` where the run should end.
    fn pause(&self) -> bool {
        let begun = Instant::now();
        let poll = self.slurm.settings.poll();
        loop {
            if self.due.options.interrupted.load(Ordering::Relaxed) {
                return false;
            }
            let left = poll.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(PAUSE));
        }
    }

    fn tell(&self, word: &'static str, text: &str) {
        self.due.reporter.event(&Event::Cluster { word, text });
    }
}

/// `1 job`, `2 jobs`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
