//! The steps of a training, with progress, checkpoints and interruptions.

use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use onebasin_training::{Progress, Snapshot, TrainingError, TrainingRun};

use crate::stage::{self, Context};

/// What drives a training of a stage.
pub struct TrainingLoop<'a, 'c> {
    /// The stage, as its checkpoints name it.
    pub name: &'a str,
    /// Where it runs.
    pub context: &'a Context<'c>,
    /// A run that is cut short loses at most about so much work; 0 keeps no checkpoints.
    pub checkpoint_seconds: usize,
}

impl TrainingLoop<'_, '_> {
    /// Does the steps up to `end`, out of `steps`, from where an earlier run was cut short.
    ///
    /// # Errors
    /// When the loss stops being a number, a checkpoint cannot be written, or the run should end.
    pub fn run(&self, run: &mut TrainingRun<'_>, end: usize, steps: usize) -> Result<()> {
        self.resume(run);
        let context = self.context;
        let first = run.step();
        let mut kept = Instant::now();
        while run.step() < end {
            let Progress { step, loss, rate, .. } = context.compute(|| run.advance())?;
            (context.progress)(stage::Progress::Training { step, first, steps: end, loss, rate });
            let interrupted = context.interrupted.load(Ordering::Relaxed) && step < end;
            let keeps = self.checkpoint_seconds > 0;
            if keeps && (interrupted || kept.elapsed().as_secs() >= self.checkpoint_seconds as u64) {
                context.checkpoint.write(&run.snapshot().to_bytes(self.name)?)?;
                kept = Instant::now();
            }
            if interrupted {
                return Err(TrainingError::Interrupted { step, steps }.into());
            }
        }
        Ok(())
    }

    /// Goes on where an earlier run was cut short. A checkpoint that cannot be used costs time and no more.
    fn resume(&self, run: &mut TrainingRun<'_>) {
        let restored = self.context.checkpoint.read().and_then(|bytes| {
            let Some(bytes) = bytes else { return Ok(None) };
            let snapshot = Snapshot::from_bytes(&bytes, self.name)?;
            let step = snapshot.step();
            run.restore(snapshot)?;
            Ok(Some(step))
        });
        match restored {
            Ok(None) => {}
            Ok(Some(step)) => tracing::info!(stage = %self.name, step, "a training goes on from its checkpoint"),
            Err(error) => {
                let problem = format!("{error:#}");
                tracing::warn!(stage = %self.name, problem, "a checkpoint cannot be used; the training starts anew");
                self.context.checkpoint.remove();
            }
        }
    }
}
