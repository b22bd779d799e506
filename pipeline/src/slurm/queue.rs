//! Slurm by its commands: `sbatch`, `squeue`, `sacct`, `scancel`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use super::state::State;

/// A job, or one of an array.
pub type JobPart = (u64, Option<usize>);

/// What the queue knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The state of each job, or of each of an array.
    pub states: BTreeMap<JobPart, State>,
    /// The jobs by their names.
    pub names: BTreeMap<String, u64>,
    /// Why jobs wait, in Slurm's words.
    pub reasons: BTreeMap<JobPart, String>,
}

/// What became of asking for a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// It has this number.
    Job(u64),
    /// Not now: the controller is busy or restarting, or the user has too many jobs.
    Later(String),
}

/// Reasons to wait that do not pass by themselves: the site, or what was asked for, has to change.
const LASTING: [&str; 11] = [
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "PartitionConfig",
    "BadConstraints",
    "AccountNotAllowed",
    "QOSNotAllowed",
    "InvalidAccount",
    "InvalidQOS",
    "JobHeldUser",
    "JobHeldAdmin",
    "WallDurationPerJobLimit",
];

/// Whether a job that waits for this reason waits for ever, as long as nobody changes anything.
pub fn lasts(reason: &str) -> bool {
    LASTING.iter().any(|words| reason.contains(words))
}

/// Words of refusals that pass.
const PASSING: [&str; 16] = [
    "timed out",
    "timeout",
    "unable to contact",
    "temporarily",
    "connection refused",
    "connection reset",
    "submit limit",
    "submitlimit",
    "maxsubmit",
    "submission limit",
    "zero bytes",
    "transport endpoint",
    "communication",
    "job dependency problem",
    "controller not responding",
    "protocol authentication",
];

/// Words of refusals that last, and the setting that is to blame.
const KEYS: [(&str, &str); 8] = [
    ("partition", "partition"),
    ("account", "account"),
    ("qos", "qos"),
    ("time limit", "time"),
    ("memory", "memory"),
    ("feature", "constraint"),
    ("constraint", "constraint"),
    ("gres", "gpus"),
];

/// Asks for the job of a script.
///
/// # Errors
/// When Slurm refuses it for good, or there is no Slurm.
pub fn submit(script: &Path) -> Result<Submitted> {
    let mut command = Command::new("sbatch");
    command.arg("--parsable").arg(script);
    let ran = run(command)?;
    if ran.code != 0 {
        let lower = ran.error.to_lowercase();
        if PASSING.iter().any(|words| lower.contains(words)) {
            return Ok(Submitted::Later(ran.error));
        }
        let key = KEYS.iter().find(|(words, _)| lower.contains(words));
        let hint = key.map_or(String::new(), |(_, key)| format!("\nhint: `{key}` of `[executor.slurm]` says what jobs ask for"));
        return Err(anyhow!("{}{hint}", ran.error).context(format!("Slurm refuses `{}`", script.display())));
    }
    job_id(&ran.output).map(Submitted::Job).with_context(|| format!("`sbatch` tells no job: `{}`", ran.output.trim()))
}

/// The number of a job in what `sbatch --parsable` writes: `12`, `12;cluster`, after whatever a site says first.
pub fn job_id(output: &str) -> Option<u64> {
    let number = |text: &str| text.parse::<u64>().ok();
    output.lines().rev().find_map(|line| {
        let line = line.trim();
        number(line.split(';').next().unwrap_or_default()).or_else(|| number(line.strip_prefix("Submitted batch job ")?.split(' ').next()?))
    })
}

/// Asks for all jobs of this user. `None` where the controller does not answer, with what it says.
///
/// # Errors
/// When there is no Slurm.
pub fn ask() -> Result<std::result::Result<Answer, String>> {
    let mut command = Command::new("squeue");
    command.args(["--me", "--noheader", "--array", "--states=all", "--format=%i|%T|%j|%r"]);
    let ran = run(command)?;
    Ok(if ran.code == 0 { Ok(read_queue(&ran.output)) } else { Err(ran.error) })
}

/// `12|RUNNING|name|None`, `12_3|PENDING|name|Priority`, `12_[4-9%2]|PENDING|name|Resources`. Lines of another form are passed over.
fn read_queue(text: &str) -> Answer {
    let mut answer = Answer::default();
    for line in text.lines() {
        let mut cells = line.trim().splitn(4, '|');
        let (Some(id), Some(state), Some(name)) = (cells.next(), cells.next(), cells.next()) else { continue };
        let state = State::parse(state);
        let reason = cells.next().map(str::trim).filter(|reason| state == State::Waiting && !reason.is_empty() && *reason != "None");
        for part in parts(id) {
            answer.names.insert(name.trim().to_owned(), part.0);
            answer.states.insert(part, state);
            answer.reasons.extend(reason.map(|reason| (part, reason.to_owned())));
        }
    }
    answer
}

/// What the accounting knows of these jobs; `None` where there is none, or it does not answer.
pub fn accounted(jobs: &[u64]) -> Option<BTreeMap<JobPart, State>> {
    let mut states = BTreeMap::new();
    for some in jobs.chunks(200) {
        let mut command = Command::new("sacct");
        let ids: Vec<String> = some.iter().map(ToString::to_string).collect();
        command.args(["--noheader", "--parsable2", "--allocations", "--format=JobID,State"]).arg(format!("--jobs={}", ids.join(",")));
        let ran = run(command).ok().filter(|ran| ran.code == 0)?;
        for line in ran.output.lines() {
            if let Some((id, state)) = line.trim().split_once('|') {
                states.extend(parts(id).into_iter().map(|part| (part, State::parse(state))));
            }
        }
    }
    Some(states)
}

/// Cancels jobs, or single ones of arrays.
///
/// # Errors
/// When there is no Slurm, or it refuses.
pub fn cancel(jobs: &[JobPart]) -> Result<()> {
    for some in jobs.chunks(200) {
        let mut command = Command::new("scancel");
        command.args(some.iter().map(|&job| name(job)));
        let ran = run(command)?;
        // A job that ended in the meantime is as good as cancelled.
        if ran.code != 0 && !ran.error.to_lowercase().contains("invalid job id") {
            bail!("`scancel` fails: {}", ran.error);
        }
    }
    Ok(())
}

/// `12_3`.
pub fn name((job, part): JobPart) -> String {
    part.map_or_else(|| job.to_string(), |part| format!("{job}_{part}"))
}

/// The jobs that an id of a list means.
fn parts(id: &str) -> Vec<JobPart> {
    let Some((job, rest)) = id.split_once('_') else {
        return id.parse().ok().map(|job| (job, None)).into_iter().collect();
    };
    let Ok(job) = job.parse::<u64>() else { return Vec::new() };
    let list = rest.trim_start_matches('[').trim_end_matches(']').split('%').next().unwrap_or_default();
    let range = |text: &str| -> Option<std::ops::RangeInclusive<usize>> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().take(4_000_000).map(|part| (job, Some(part))).collect()
}

struct Ran {
    code: i32,
    output: String,
    error: String,
}

fn run(mut command: Command) -> Result<Ran> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("there is no `{program}` here\nhint: run on a machine of a Slurm cluster that takes jobs, or with `--executor local`")
        }
        output => output.with_context(|| format!("cannot run `{program}`"))?,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let error = text(&output.stderr).trim().to_owned();
    let error = if error.is_empty() { format!("`{program}` ends with {}", output.status) } else { error };
    Ok(Ran { code: output.status.code().unwrap_or(-1), output: text(&output.stdout), error })
}

#[cfg(test)]
mod tests {
    use super::super::state::End;
    use super::*;

    #[test]
    fn the_number_of_a_job_is_found_behind_a_banner() {
        for (text, id) in [
            ("12\n", Some(12)),
            ("12;cluster\n", Some(12)),
            ("Welcome to 3 nodes!\n\n  12\n", Some(12)),
            ("Submitted batch job 12\n", Some(12)),
            ("sbatch: lua: hello\n12;a\nbye\n", Some(12)),
            ("no number\n", None),
            ("", None),
        ] {
            assert_eq!(job_id(text), id, "{text:?}");
        }
    }

    #[test]
    fn arrays_are_told_one_by_one_whatever_the_form() {
        let answer = read_queue("7|RUNNING|a|None\n8_0|COMPLETED|b\n8_[2-3,5%1]|PENDING|b|PartitionTimeLimit\nbanner\n9_[x]|PENDING|c\n");
        let expected = [
            ((7, None), State::Running),
            ((8, Some(0)), State::Ended(End::Completed)),
            ((8, Some(2)), State::Waiting),
            ((8, Some(3)), State::Waiting),
            ((8, Some(5)), State::Waiting),
        ];
        assert_eq!(answer.states, expected.into());
        assert_eq!(answer.names, [("a".to_owned(), 7), ("b".to_owned(), 8)].into());
        let waits = [2, 3, 5].map(|part| ((8, Some(part)), "PartitionTimeLimit".to_owned()));
        assert_eq!(answer.reasons, waits.into());
        assert_eq!(parts("x"), []);
        assert_eq!([name((8, None)), name((8, Some(2)))], ["8", "8_2"]);
    }
}
