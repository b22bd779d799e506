//! What the queue says of jobs, and what follows for their stages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::{Followed, Watcher, count};
use crate::runner::Due;
use crate::runner::fate::Fate;
use crate::slurm::queue::{self, Answer, JobPart};
use crate::slurm::state::{End, State};

/// How often a stage gets another job after one that ended through no fault of its own.
const MOST_JOBS: usize = 6;
/// So many times in a row nobody may know a job, or know its end, before that is believed: it may just be put back into the queue.
const PATIENCE: usize = 3;
/// The same of a job in a state that this program does not know.
const LONG_PATIENCE: usize = 20;
/// After so long it is told that the queue does not answer.
const SILENCE: Duration = Duration::from_secs(60);
/// Letters of a log that are told.
const TAIL: usize = 1500;

impl Watcher<'_> {
    /// Asks the queue; `None` where it does not answer.
    pub(super) fn ask(&mut self) -> Result<Option<Answer>> {
        match queue::ask()? {
            Ok(answer) => {
                if let Some((since, true)) = self.silent.take() {
                    self.tell("QUEUE", &format!("answers again after {} s", since.elapsed().as_secs()));
                }
                Ok(Some(answer))
            }
            Err(error) => {
                let (since, told) = self.silent.unwrap_or_else(|| (Instant::now(), false));
                let tells = !told && since.elapsed() >= SILENCE;
                if tells {
                    self.tell("QUEUE", &format!("does not answer, which harms nothing: {error}"));
                }
                self.silent = Some((since, told || tells));
                Ok(None)
            }
        }
    }

    /// Learns where the jobs stand, and what follows for their stages.
    pub(super) fn follow(&mut self) -> Result<()> {
        if !self.followed.iter().any(|followed| followed.parts.iter().any(|part| part.lives)) {
            return Ok(());
        }
        let Some(answer) = self.ask()? else { return Ok(()) };
        let accounted = self.account(&answer);
        self.tell_reasons(&answer);
        let mut ended = Vec::new();
        for (index, followed) in self.followed.iter_mut().enumerate() {
            if followed.job.is_none() {
                followed.job = answer.names.get(&followed.batch.name).copied();
            }
            for (place, part) in followed.parts.iter_mut().enumerate().filter(|(_, part)| part.lives) {
                let name = followed.job.map(|job| Self::name_of(&followed.batch, job, place));
                let told = name.and_then(|name| answer.states.get(&name).or_else(|| accounted.get(&name)).copied());
                let told = told.or_else(|| self.slurm.folder.code(followed.batch.number, place).map(State::of_code));
                part.state = told.unwrap_or(State::Unknown);
                let open = part.nodes.iter().filter(|&&node| matches!(self.fates[node], Fate::Open)).count();
                let end = match told {
                    Some(State::Waiting | State::Running) => {
                        part.strange = 0;
                        continue;
                    }
                    Some(State::Ended(end)) => end,
                    // Whatever the queue says or forgets: a stage that somebody makes is being made.
                    Some(State::Unknown) | None if part.nodes.iter().any(|&node| is_held(self.due, node)) => {
                        part.strange = 0;
                        continue;
                    }
                    Some(State::Unknown) | None => End::Lost,
                };
                part.strange += 1;
                let patience = if told == Some(State::Unknown) { LONG_PATIENCE } else { PATIENCE };
                // All is done; or what it left is on the way through the file system; or the job is about to be put back into the queue.
                if open == 0 || part.strange >= patience {
                    part.lives = false;
                    ended.push((index, place, end));
                }
            }
        }
        // What the last of them wrote is there before it is judged.
        self.collect()?;
        for (index, place, end) in ended {
            self.judge(index, place, end);
        }
        Ok(())
    }

    /// Says once why jobs wait that wait for ever.
    fn tell_reasons(&mut self, answer: &Answer) {
        let own: BTreeSet<u64> = self.followed.iter().filter_map(|followed| followed.job).collect();
        for (job, reason) in answer.reasons.iter().filter(|(job, reason)| own.contains(&job.0) && queue::lasts(reason)) {
            if self.reasons.insert(reason.clone()) {
                let hint = "hint: `onebasin status SPEC --cancel` takes the jobs back; a start with other settings then submits them anew";
                self.tell("STUCK", &format!("job {} cannot start as it is: {reason}\n{hint}", queue::name(*job)));
            }
        }
    }

    /// What the accounting knows of jobs that have left the queue.
    fn account(&mut self, answer: &Answer) -> BTreeMap<JobPart, State> {
        let gone = |followed: &&Followed| {
            let job = followed.job?;
            let lives = followed.parts.iter().enumerate().filter(|(_, part)| part.lives);
            lives.map(|(place, _)| Self::name_of(&followed.batch, job, place)).any(|name| !answer.states.contains_key(&name)).then_some(job)
        };
        let gone: Vec<u64> = self.followed.iter().filter_map(|followed| gone(&followed)).collect();
        if gone.is_empty() || !self.has_accounting {
            return BTreeMap::new();
        }
        let accounted = queue::accounted(&gone);
        self.has_accounting = accounted.is_some();
        accounted.unwrap_or_default()
    }

    /// Decides what becomes of the stages of a job that ended without them.
    fn judge(&mut self, index: usize, place: usize, end: End) {
        let (batch, job, nodes) = {
            let followed = &self.followed[index];
            (followed.batch.number, followed.job, followed.parts[place].nodes.clone())
        };
        let open: Vec<usize> = nodes.into_iter().filter(|&node| matches!(self.fates[node], Fate::Open)).collect();
        // A batch that Slurm did not take has no fault to tell.
        if open.is_empty() || job.is_none() {
            return;
        }
        let name = job.map_or("?".to_owned(), |job| queue::name(Self::name_of(&self.followed[index].batch, job, place)));
        let log = self.slurm.folder.log(batch, place);
        let error = |what: String| anyhow!("{what}\nhint: `{}` is what it printed", log.display());
        if end == End::OutOfMemory {
            let (again, over): (Vec<usize>, Vec<usize>) = open.into_iter().partition(|node| !self.raised.contains(node));
            if !again.is_empty() {
                self.tell("MEMORY", &format!("job {name} ran out of memory; {} run again with twice as much", count(again.len(), "stage")));
                self.raised.extend(again);
            }
            over.into_iter().for_each(|node| self.fail(node, error(format!("job {name} ran out of memory, also with twice as much"))));
            return;
        }
        // A job that ended by itself, and told why its stages failed, leaves those that it could not begin.
        let told = matches!(end, End::Failed) && matches!(self.slurm.folder.code(batch, place), Some(1 | 2)) && self.has_run(batch, place);
        if end.may_go_on() || told {
            let (over, again): (Vec<usize>, Vec<usize>) =
                open.into_iter().partition(|node| self.jobs.get(node).copied().unwrap_or(0) >= MOST_JOBS);
            if !again.is_empty() && end != End::Completed && !told {
                self.tell(
                    "AGAIN",
                    &format!("job {name} {}; {} run again, each from where it was", end.text(), count(again.len(), "stage")),
                );
            }
            over.into_iter().for_each(|node| self.fail(node, error(format!("job {name} {}, the last of {MOST_JOBS}", end.text()))));
            return;
        }
        let tail = match end {
            End::Failed => tail(&log).map_or(String::new(), |tail| format!(":\n{tail}")),
            _ => String::new(),
        };
        let what = format!("job {name} {}{tail}", end.text());
        open.into_iter().for_each(|node| self.fail(node, error(what.clone())));
    }

    /// Whether a part came as far as running stages, by what it left.
    fn has_run(&self, batch: usize, part: usize) -> bool {
        self.slurm.folder.path().join(format!("{batch:04}-{part}.ended")).exists()
    }
}

/// Whether a process makes the artifact of a node.
fn is_held(due: &Due<'_>, node: usize) -> bool {
    due.store.is_held(&due.graph.nodes[node].fingerprint)
}

/// The end of a log.
fn tail(log: &std::path::Path) -> Option<String> {
    let text = String::from_utf8_lossy(&std::fs::read(log).ok()?).trim().to_owned();
    let start = text.char_indices().rev().nth(TAIL).map_or(0, |(place, _)| place);
    Some(text[start..].to_owned()).filter(|text| !text.is_empty())
}
