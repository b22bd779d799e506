//! Where the stages of a plan run: here, or on a cluster.

use anyhow::Result;

use super::graph::Graph;
use super::schedule::Schedule;
use super::{Outcome, RunOptions, Status};
use crate::events::Reporter;
use crate::store::Store;

/// Runs the stages of a plan that are due.
pub trait Executor: Send + Sync {
    /// Runs what is due, in an order that respects inputs, until nothing more can be done, and tells what became of every stage.
    ///
    /// # Errors
    /// When nothing can run. Failures of stages are in the outcome.
    fn execute(&self, due: Due<'_>) -> Result<Outcome>;
}

/// What an executor is given.
pub struct Due<'a> {
    pub(crate) graph: &'a Graph<'a>,
    /// Of each node.
    pub(crate) statuses: Vec<Status>,
    /// How many of them run.
    pub(crate) to_run: usize,
    pub(crate) store: &'a Store,
    pub(crate) options: &'a RunOptions,
    pub(crate) reporter: &'a dyn Reporter,
}

/// Runs stages in this process, several side by side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Executor for Local {
    fn execute(&self, due: Due<'_>) -> Result<Outcome> {
        let Due { graph, statuses, to_run, store, options, reporter } = due;
        let schedule = Schedule::new(graph, statuses, store, options, reporter);
        if to_run > 0 {
            schedule.work(to_run)?;
        }
        Ok(schedule.conclude())
    }
}
