//! One stage, from its claim to its artifact.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, Error, Result, anyhow};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::schedule::Schedule;
use crate::events::Event;
use crate::stage::{Artifact, Context, Progress};
use crate::store::{Claim, Entry, Input, Labour, Lookup};

/// How work on a stage ended.
pub(super) enum Ending {
    Made {
        artifact: Artifact,
        seconds: f64,
    },
    /// Another run had made it in the meantime.
    Found(Artifact),
    /// The run was asked to end.
    Stopped {
        seconds: f64,
    },
    Failed {
        seconds: f64,
        error: Error,
    },
}

/// Runs a stage in the worker's pool of threads, which is made at its first stage.
pub(super) fn perform(
    schedule: &Schedule<'_>,
    pool: &mut Option<ThreadPool>,
    worker: usize,
    node: usize,
    claim: Claim,
    inputs: &[Artifact],
) -> Ending {
    // Whole entries only: what the survey found damaged is replaced, unless another run did so before.
    if let Lookup::Hit(artifact) = schedule.store.verify(claim.fingerprint()) {
        return Ending::Found(artifact);
    }
    let stage = schedule.graph.id(node);
    schedule.reporter.event(&Event::Started { stage, words: schedule.graph.stage(node).words() });
    let begun = Instant::now();
    let made = make(schedule, pool, worker, node, claim, inputs, begun);
    let seconds = begun.elapsed().as_secs_f64();
    match made {
        Ok(artifact) => Ending::Made { artifact, seconds },
        Err(_) if schedule.options.interrupted.load(Ordering::Relaxed) => Ending::Stopped { seconds },
        Err(error) => Ending::Failed { seconds, error },
    }
}

fn make(
    schedule: &Schedule<'_>,
    pool: &mut Option<ThreadPool>,
    worker: usize,
    node: usize,
    claim: Claim,
    inputs: &[Artifact],
    begun: Instant,
) -> Result<Artifact> {
    let options = schedule.options;
    let stage = schedule.graph.stage(node);
    let threads = options.threads();
    let pool = match pool {
        Some(pool) => pool,
        None => {
            let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(move |index| format!("worker-{worker}-{index}"));
            pool.insert(builder.build().context("cannot start threads")?)
        }
    };
    let workdir = schedule.store.begin(claim)?;
    let progress = |progress: Progress| schedule.reporter.event(&Event::Advanced { stage: stage.id(), progress: &progress });
    let work = OnceLock::new();
    let context = Context {
        inputs,
        out: workdir.path(),
        progress: &progress,
        interrupted: options.interrupted,
        device: &options.device,
        datasets: &options.datasets,
        work: &work,
    };
    // What a panicking stage leaves behind is its folder, which is removed.
    match catch_unwind(AssertUnwindSafe(|| pool.install(|| stage.run(&context)))) {
        Ok(ran) => ran?,
        Err(payload) => return Err(anyhow!("the stage panicked: {}\nhint: this is a bug, please report it", message(&*payload))),
    }
    let names = stage.inputs().iter().zip(inputs).map(|(id, artifact)| Input { stage: id.clone(), fingerprint: artifact.fingerprint });
    let entry = Entry::new(schedule.graph.nodes[node].fingerprint, stage.id(), stage.recipe(), names.collect());
    let labour = Labour { seconds: begun.elapsed().as_secs_f64(), work: work.get().copied(), threads, device: options.device.name() };
    schedule.store.commit(workdir, &entry, labour)
}

/// What a panic says.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
