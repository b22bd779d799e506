//! What is kept of the jobs of a run, so that a head that ended finds them again.
//!
//! ```text
//! .store/jobs/<run>/0003.json        the stages of each part of a batch
//! .store/jobs/<run>/0003.sh          its script
//! .store/jobs/<run>/0003.job         the number of its job
//! .store/jobs/<run>/0003-4.log       what part 4 printed
//! .store/jobs/<run>/0003-4.code      how its program ended
//! .store/jobs/<run>/0003.done        the stages, once nobody waits for it
//! .store/jobs/<run>/failed/<stage>   why a stage failed, by its fingerprint
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use onebasin_repro::Fingerprint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::stage::StageId;
use crate::whole_file;

/// The folder of a run's jobs.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    name: String,
}

/// What is submitted at once: a job, or an array of jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The number of the batch.
    pub number: usize,
    /// What its jobs are called; no two batches of a store are called the same.
    pub name: String,
    /// The kind of stage whose settings it has; empty for all others.
    pub kind: String,
    /// Whether it has more memory than the settings say.
    pub raised: bool,
    /// The stages of each part.
    pub parts: Vec<Vec<BatchStage>>,
    /// How long each part is estimated to take.
    pub seconds: Vec<f64>,
}

/// A stage of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchStage {
    /// Which.
    pub stage: StageId,
    /// Its artifact.
    pub fingerprint: Fingerprint,
}

/// Why a stage failed in a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which.
    pub stage: StageId,
    /// The error with its causes and hints.
    pub cause: String,
    /// Whether a file of a data set is to blame.
    pub is_input: bool,
    /// The job.
    pub job: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.cause.strip_prefix("error: ").unwrap_or(&self.cause))
    }
}

impl std::error::Error for Failure {}

impl RunFolder {
    /// That of a run in a store.
    pub fn new(store: &Path, experiment: &str, plan: &str) -> RunFolder {
        let name = format!("{experiment}-{plan}");
        RunFolder { path: store.join("jobs").join(&name), name }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the jobs of a batch are called.
    pub fn job_name(&self, number: usize) -> String {
        format!("onebasin-{}-{number:04}", self.name)
    }

    /// Makes it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn create(&self) -> Result<()> {
        let failed = self.path.join("failed");
        fs::create_dir_all(&failed).with_context(|| format!("cannot make the folder `{}`", failed.display()))
    }

    /// The file of a batch.
    pub fn batch_file(&self, number: usize) -> PathBuf {
        self.path.join(format!("{number:04}.json"))
    }

    /// Its script.
    pub fn script(&self, number: usize) -> PathBuf {
        self.path.join(format!("{number:04}.sh"))
    }

    /// What a part prints.
    pub fn log(&self, number: usize, part: usize) -> PathBuf {
        self.path.join(format!("{number:04}-{part}.log"))
    }

    fn job_file(&self, number: usize) -> PathBuf {
        self.path.join(format!("{number:04}.job"))
    }

    /// Keeps a batch before it is submitted: should the head end in between, its name finds the job.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, batch: &Batch) -> Result<()> {
        write(&self.batch_file(batch.number), &serde_json::to_vec(batch)?)
    }

    /// Keeps the number of a batch's job.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_job(&self, batch: usize, job: u64) -> Result<()> {
        write(&self.job_file(batch), job.to_string().as_bytes())
    }

    /// The batches that somebody waits for, each with its job where it is known, in their order.
    pub fn batches(&self) -> Vec<(Batch, Option<u64>)> {
        self.read("json")
    }

    /// All batches that ever were, the last one last.
    pub fn every_batch(&self) -> Vec<(Batch, Option<u64>)> {
        let mut all = self.read("done");
        all.extend(self.read("json"));
        all.sort_by_key(|(batch, _)| batch.number);
        all
    }

    fn read(&self, extension: &str) -> Vec<(Batch, Option<u64>)> {
        let names = self.names().into_iter().filter_map(|name| name.strip_suffix(&format!(".{extension}"))?.parse::<usize>().ok());
        let mut batches: Vec<(Batch, Option<u64>)> = names
            .filter_map(|number| {
                let batch: Batch = read_json(&self.path.join(format!("{number:04}.{extension}")))?;
                let job = fs::read_to_string(self.job_file(number)).ok().and_then(|text| text.trim().parse().ok());
                Some((batch, job))
            })
            .collect();
        batches.sort_by_key(|(batch, _)| batch.number);
        batches
    }

    /// A number that no batch has had.
    pub fn next_number(&self) -> usize {
        let numbers = self.names().into_iter().filter_map(|name| name.split(['.', '-']).next()?.parse::<usize>().ok());
        numbers.max().map_or(1, |last| last + 1)
    }

    /// Nobody waits for a batch any more.
    pub fn close(&self, number: usize) {
        let _ = fs::rename(self.batch_file(number), self.path.join(format!("{number:04}.done")));
    }

    /// How the program of a part ended, where its script tells.
    pub fn code(&self, number: usize, part: usize) -> Option<i32> {
        fs::read_to_string(self.path.join(format!("{number:04}-{part}.code"))).ok()?.trim().parse().ok()
    }

    /// Every failure that is kept, by the fingerprint of the stage, but for those that are known.
    pub fn failures(&self, known: impl Fn(&Fingerprint) -> bool) -> BTreeMap<Fingerprint, Failure> {
        let files = fs::read_dir(self.path.join("failed")).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().to_str()?.parse::<Fingerprint>().ok());
        names.filter(|name| !known(name)).filter_map(|name| Some((name, read_json(&self.failure_file(&name))?))).collect()
    }

    /// Keeps why a stage failed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_failure(&self, fingerprint: &Fingerprint, failure: &Failure) -> Result<()> {
        write(&self.failure_file(fingerprint), &serde_json::to_vec(failure)?)
    }

    /// Forgets failures: the stages may run again.
    pub fn forget_failures(&self) {
        self.failures(|_| false).keys().for_each(|name| drop(fs::remove_file(self.failure_file(name))));
    }

    fn failure_file(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.path.join("failed").join(fingerprint.to_string())
    }

    /// The names of its files. Reading the folder is also what shows files that other machines wrote.
    fn names(&self) -> Vec<String> {
        fs::read_dir(&self.path).into_iter().flatten().flatten().filter_map(|file| file.file_name().into_string().ok()).collect()
    }
}

/// The folder that a batch's file lies in.
///
/// # Errors
/// When the file is no batch.
pub fn open(file: &Path) -> Result<(RunFolder, Batch)> {
    let batch: Batch = read_json(file).with_context(|| format!("`{}` is no batch of a run", file.display()))?;
    let path = file.parent().unwrap_or(Path::new("")).to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((RunFolder { path, name }, batch))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    whole_file::write(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again() {
        let store = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(store.path(), "smoke", "abcd");
        folder.create().unwrap();
        assert_eq!(folder.next_number(), 1);
        let fingerprint = Fingerprint::of_bytes(b"a");
        let parts = vec![vec![BatchStage { stage: StageId::new("train/a"), fingerprint }]];
        let batch = Batch { number: 1, name: folder.job_name(1), kind: String::new(), raised: false, parts, seconds: vec![1.5] };
        folder.keep(&batch).unwrap();
        assert_eq!(folder.batches(), [(batch.clone(), None)]);
        folder.keep_job(1, 77).unwrap();
        let (again, found) = open(&folder.batch_file(1)).unwrap();
        assert_eq!((again.path(), found), (folder.path(), batch.clone()));
        let failure =
            Failure { stage: StageId::new("train/a"), cause: "error: no\nhint: yes".to_owned(), is_input: true, job: "77".to_owned() };
        folder.keep_failure(&fingerprint, &failure).unwrap();
        assert_eq!(folder.failures(|_| false), [(fingerprint, failure)].into());
        assert!(folder.failures(|_| true).is_empty());
        folder.forget_failures();
        assert!(folder.failures(|_| false).is_empty());
        folder.close(1);
        assert!(folder.batches().is_empty());
        assert_eq!(folder.every_batch(), [(batch, Some(77))]);
        assert_eq!(folder.next_number(), 2);
    }
}
