//! What happens in a run, as the runner tells it. The runner prints nothing; see [`crate::console`].

use anyhow::Error;

use crate::stage::{Progress, StageId, Words};
use crate::store::Holder;

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The plan was compared with the store.
    Surveyed {
        /// Stages of the plan that are asked for, or that those need.
        stages: usize,
        /// Artifacts at hand, or not needed because everything made of them is.
        cached: usize,
        /// Stages to run.
        to_run: usize,
        /// Stages that are the same work as one of those.
        shared: usize,
        /// Stages of the plan besides.
        not_asked: usize,
    },
    /// An artifact was at hand.
    Cached {
        /// Whose.
        stage: &'a StageId,
    },
    /// A stage equals another one in everything, so their artifact is one.
    Shared {
        /// Which.
        stage: &'a StageId,
        /// The one that stands for both.
        with: &'a StageId,
    },
    /// An artifact is in the store but cannot be used; the stage runs again.
    Damaged {
        /// Whose.
        stage: &'a StageId,
        /// What is wrong with it.
        problem: &'a str,
    },
    /// Another run is making the artifact.
    Waiting {
        /// Whose.
        stage: &'a StageId,
        /// The process of that run, where known.
        holder: Option<&'a Holder>,
    },
    /// A stage began.
    Started {
        /// Which.
        stage: &'a StageId,
        /// What lines call its work.
        words: Words,
    },
    /// A stage came further.
    Advanced {
        /// Which.
        stage: &'a StageId,
        /// How far.
        progress: &'a Progress,
    },
    /// A stage ended and its artifact is in the store.
    Finished {
        /// Which.
        stage: &'a StageId,
        /// What lines call its work.
        words: Words,
        /// How long it ran.
        seconds: f64,
    },
    /// Whoever uses what a stage made should know something.
    Warned {
        /// Which.
        stage: &'a StageId,
        /// What.
        message: &'a str,
    },
    /// A stage found no memory on its device beside others, and will run again.
    Crowded {
        /// Which.
        stage: &'a StageId,
        /// The device, as `--device` names it.
        device: &'a str,
        /// How many stages run on it side by side from now on.
        most: usize,
    },
    /// A stage that was run anew has an artifact to compare with.
    Compared {
        /// Which.
        stage: &'a StageId,
        /// Whether both have the same bytes.
        same: bool,
    },
    /// A stage ended without an artifact.
    Failed {
        /// Which.
        stage: &'a StageId,
        /// How long it ran.
        seconds: f64,
        /// Why.
        error: &'a Error,
    },
    /// Stages cannot run because one that they need failed.
    Skipped {
        /// Which, in the order of the plan.
        stages: &'a [&'a StageId],
        /// The one that failed.
        because: &'a StageId,
        /// How many of them would have run; the others are the same work.
        work: usize,
    },
    /// Something about the jobs of a cluster.
    Cluster {
        /// The word of the line.
        word: &'static str,
        /// What is told.
        text: &'a str,
    },
    /// The run was asked to end; each running stage stops after its current step.
    Stopping,
    /// A stage stopped because the run was asked to end.
    Stopped {
        /// Which.
        stage: &'a StageId,
        /// How long it ran.
        seconds: f64,
    },
}

/// Hears of everything that happens, from several threads at once.
pub trait Reporter: Sync {
    /// Called with each event, in the order in which they happen to one stage.
    fn event(&self, event: &Event<'_>);
}
