//! One stage, from its claim to its artifact.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::Result;
use onebasin_training::Device;

use super::{RunOptions, panicked};
use crate::cores::Threads;
use crate::events::{Event, Reporter};
use crate::plan::Planned;
use crate::stage::{Artifact, Context, Progress};
use crate::store::{Claim, Entry, Input, Lookup, StageCost, Store};

/// Everything that one stage needs to run.
pub(super) struct Job<'a> {
    pub planned: &'a Planned,
    /// The right to make the artifact.
    pub claim: Claim,
    /// The artifacts that the stage reads, in the order of its inputs.
    pub inputs: Vec<Artifact>,
    /// Where its networks run.
    pub device: Device,
    pub store: &'a Store,
    pub options: &'a RunOptions,
    pub reporter: &'a dyn Reporter,
    /// Whether an artifact that is at hand is made anew.
    pub forced: bool,
}

/// The artifact of a job.
pub(super) struct Made {
    pub artifact: Artifact,
    /// Whether the stage ran. It does not where another run made the artifact in the meantime.
    pub ran: bool,
    /// Whether the bytes are those of the artifact that was there before, where that is compared.
    pub same: Option<bool>,
}

impl Job<'_> {
    /// Runs the stage and commits its artifact.
    ///
    /// # Errors
    /// When the stage fails, panics or is interrupted, or the store cannot be written.
    pub fn perform(self, threads: &Threads<'_>) -> Result<Made> {
        // Only a whole entry saves the work: a damaged one is replaced, unless another run did so before.
        let earlier = match self.store.verify(self.claim.fingerprint()) {
            Lookup::Hit(artifact) if !self.forced => return Ok(Made { artifact, ran: false, same: None }),
            Lookup::Hit(artifact) => Some(self.store.receipt(&artifact.fingerprint)?.contents()),
            Lookup::Miss | Lookup::Damaged(_) => None,
        };
        let Job { planned, claim, inputs, device, store, options, reporter, .. } = self;
        let stage = &*planned.stage;
        reporter.event(&Event::Started { stage: stage.id(), words: stage.words() });
        let begun = Instant::now();
        let checkpoint = store.checkpoint(&claim);
        let workdir = store.begin(claim)?;
        tracing::debug!(stage = %stage.id(), fingerprint = %planned.fingerprint, folder = %workdir.path().display(), "stage begins");
        let progress = |progress: Progress| reporter.event(&Event::Advanced { stage: stage.id(), progress: &progress });
        let work = OnceLock::new();
        let context = Context {
            inputs: &inputs,
            out: workdir.path(),
            progress: &progress,
            checkpoint: &checkpoint,
            interrupted: options.interrupted,
            device: &device,
            datasets: &options.datasets,
            threads,
            work: &work,
        };
        // A panicking stage leaves only its folder behind, which is removed.
        match catch_unwind(AssertUnwindSafe(|| threads.begin(|| stage.run(&context)))) {
            Ok(ran) => ran??,
            Err(payload) => return Err(panicked::error(&*payload, &device)),
        }
        let read = stage.inputs().iter().zip(&inputs);
        let read = read.map(|(id, artifact)| Input { stage: id.clone(), fingerprint: artifact.fingerprint });
        let entry = Entry::new(planned.fingerprint, stage.id(), stage.recipe(), read.collect());
        let cost = StageCost { seconds: begun.elapsed().as_secs_f64(), work: work.get().copied(), threads: threads.most(), device };
        let (artifact, contents) = store.commit(workdir, &entry, cost)?;
        checkpoint.remove();
        Ok(Made { artifact, ran: true, same: earlier.map(|earlier| earlier == contents) })
    }
}
