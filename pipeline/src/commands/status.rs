//! `onebasin status`: the jobs of a run, from any terminal.

use serde_json::{Value, json};

use super::cluster::folder_of;
use super::folders::Folders;
use super::session::Session;
use super::{Failure, Verdict};
use crate::cli;
use crate::console::{self, columns};
use crate::publish;
use crate::runner::{self, Status as Standing};
use crate::slurm::queue::{self, JobPart};
use crate::slurm::state::State;
use crate::store::{Lookup, Store};

/// A job that somebody waits for.
struct Row {
    job: String,
    state: String,
    stages: usize,
    done: usize,
    /// What it makes now.
    running: Vec<String>,
    log: String,
    cancels: Option<JobPart>,
}

/// Prints what is done and where the jobs stand.
pub fn status(arguments: &cli::Status) -> Result<Verdict, Failure> {
    let shared = &arguments.shared;
    let mut session = Session::read(&arguments.spec, shared, false)?;
    let digests = session.digests();
    let plan = session.plan(&digests, shared)?;
    let store = Store::new(Folders::of(shared).store);
    let folder = folder_of(&session, &plan, store.root());
    let statuses = runner::survey(&plan, &store, &publish::targets(), false).map_err(Failure::Running)?;
    let to_run = statuses.iter().filter(|status| matches!(status, Standing::Run(_))).count();
    let batches = folder.batches();
    let answer = match batches.is_empty() {
        true => None,
        false => queue::ask()
            .map_err(Failure::Running)?
            .map_err(|error| console::note(&format!("warning: the queue does not answer: {error}")))
            .ok(),
    };
    let mut rows = Vec::new();
    for (batch, job) in &batches {
        let job = job.or_else(|| answer.as_ref()?.names.get(&batch.name).copied());
        for (place, part) in batch.parts.iter().enumerate() {
            let name = job.map(|job| (job, (batch.parts.len() > 1).then_some(place)));
            let state = name.and_then(|name| answer.as_ref()?.states.get(&name).copied());
            let done = part.iter().filter(|stage| matches!(store.lookup(&stage.fingerprint), Lookup::Hit(_))).count();
            let running = part.iter().filter(|stage| store.is_held(&stage.fingerprint)).map(|stage| stage.stage.to_string()).collect();
            let lives = matches!(state, Some(State::Waiting | State::Running | State::Unknown));
            rows.push(Row {
                job: name.map_or("?".to_owned(), queue::name),
                state: match state {
                    Some(State::Waiting) => {
                        let reason = name.and_then(|name| answer.as_ref()?.reasons.get(&name));
                        reason.map_or("waiting".to_owned(), |reason| format!("waiting: {reason}"))
                    }
                    Some(State::Running) => "running".to_owned(),
                    Some(State::Ended(end)) => end.text().to_owned(),
                    Some(State::Unknown) | None => "unknown".to_owned(),
                },
                stages: part.len(),
                done,
                running,
                log: folder.log(batch.number, place).display().to_string(),
                cancels: name.filter(|_| lives),
            });
        }
    }
    let failures: Vec<_> = folder.failures(|_| false).into_values().collect();
    if arguments.cancel {
        let jobs: Vec<JobPart> = rows.iter().filter_map(|row| row.cancels).collect();
        queue::cancel(&jobs).map_err(Failure::Running)?;
        console::note(&format!("{} jobs are cancelled", jobs.len()));
    }
    let done = statuses.len() - to_run;
    if arguments.json {
        let job = |row: &Row| json!({ "job": row.job, "state": row.state, "stages": row.stages, "done": row.done, "running": row.running, "log": row.log });
        let failed: Vec<Value> =
            failures.iter().map(|failed| json!({ "stage": failed.stage, "cause": failed.cause, "job": failed.job })).collect();
        let jobs: Vec<Value> = rows.iter().map(job).collect();
        console::data(&format!("{:#}", json!({ "stages": statuses.len(), "done": done, "jobs": jobs, "failed": failed })))?;
    } else {
        let mut lines = Vec::new();
        if !rows.is_empty() {
            let head = ["job", "state", "stages", "done", "now"].map(str::to_owned);
            let cells =
                |row: &Row| [row.job.clone(), row.state.clone(), row.stages.to_string(), row.done.to_string(), row.running.join(" ")];
            lines.extend(columns(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>()));
        }
        lines.extend(failures.iter().map(|failed| format!("failed: {}: {failed}", failed.stage)));
        lines.push(format!("{done} of {} stages are at hand, {} jobs are kept", statuses.len(), rows.len()));
        console::data(&lines.join("\n"))?;
    }
    Ok(Verdict::Fine)
}
