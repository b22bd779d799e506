//! `onebasin run`: does what a plan says and publishes the results.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use onebasin_training::Device;
use serde_json::{Value, json};

use super::session::{Digests, Session};
use super::{Failure, Verdict};
use crate::cli::{self, Shared};
use crate::console::{self, Console, Failed};
use crate::dataset_cache::DatasetCache;
use crate::interrupt;
use crate::plan::Plan;
use crate::publish::{self, publish};
use crate::runner::{self, RunOptions, Status};
use crate::store::Store;

/// Runs every spec, one after the other; all are checked before the first starts.
pub fn run(arguments: &cli::Run) -> Result<Verdict, Failure> {
    let shared = &arguments.shared;
    let device = Device::select(&shared.device).map_err(Failure::input)?;
    let mut planned = Vec::with_capacity(arguments.specs.len());
    for path in &arguments.specs {
        let session = Session::read(path, shared, !arguments.offline)?;
        let digests = session.complete()?;
        let plan = session.plan(&digests, shared)?;
        planned.push((session, digests, plan));
    }
    let Some((first, ..)) = planned.first() else { return Ok(Verdict::Fine) };
    let options = RunOptions {
        jobs: shared.jobs(),
        keep_going: shared.keep_going,
        verify: arguments.verify,
        interrupted: interrupt::install(),
        targets: publish::targets(),
        ..RunOptions::new(device, Arc::new(DatasetCache::new(first.places.clone())))
    };
    let mut done = Vec::with_capacity(planned.len());
    let mut verdict = Verdict::Fine;
    for (session, digests, plan) in &planned {
        // Each spec has its own folder, beside which its data may lie.
        let options = RunOptions { datasets: Arc::new(DatasetCache::new(session.places.clone())), ..options.clone() };
        let (report, complete) = one(session, digests, plan, shared, &options)?;
        done.push(report);
        if !complete {
            verdict = Verdict::No;
            if !shared.keep_going {
                for (waiting, ..) in &planned[done.len()..] {
                    console::note(&format!(
                        "`{}` is not run, because `{}` is not finished",
                        waiting.experiment.name, session.experiment.name
                    ));
                }
                break;
            }
        }
    }
    if arguments.json {
        console::data(&format!("{:#}", Value::from(done)))?;
    }
    Ok(verdict)
}

/// Runs one plan; says what was done and whether all of it was.
fn one(session: &Session, digests: &Digests, plan: &Plan, shared: &Shared, options: &RunOptions) -> Result<(Value, bool), Failure> {
    let name = &session.experiment.name;
    let (results, plots) = (shared.results.join(name), shared.plots.join(name));
    let store = Store::new(&shared.store);
    // A first look, to see whether anything runs; the run itself verifies.
    let statuses = runner::survey(plan, &store, &options.targets, false).map_err(Failure::Running)?;
    if statuses.iter().any(|status| matches!(status, Status::Run(_))) {
        // Better found now than after the night.
        writable(&results, "results")?;
        writable(&plots, "plots")?;
    }
    let console = Console::new();
    console::notices(&session.experiment.notices);
    console.deviations(&session.experiment.comparison);
    for warning in session.experiment.warnings() {
        console::note(&format!("warning: {warning}"));
    }
    let outcome = runner::run(plan, &store, options, &console).map_err(Failure::Running)?;
    let published = if outcome.is_complete() {
        Some(publish(plan, &store, &results, &plots).map_err(Failure::Running)?)
    } else {
        match session.without(&outcome.failed).filter(|_| shared.keep_going && !outcome.interrupted && outcome.left == 0) {
            // The other pairs are whole: their tables say what is missing.
            Some(rest) => {
                let plan = rest.plan(digests, shared)?;
                let rest = runner::run(&plan, &store, options, &console).map_err(Failure::Running)?;
                if rest.is_complete() { Some(publish(&plan, &store, &results, &plots).map_err(Failure::Running)?) } else { None }
            }
            None => None,
        }
    };
    console.conclude(name, &outcome, published.as_ref(), &results, &plots);
    // A path that is not UTF-8 has no place in JSON; this is as near as it gets.
    let text = |path: &Path| path.display().to_string();
    let report = json!({
        "name": name,
        "stages": plan.stages.len(),
        "ran": outcome.ran,
        "cached": outcome.cached,
        "failed": outcome.failed,
        "causes": console.failures().into_iter().map(|Failed { stage, cause }| (stage.to_string(), cause)).collect::<BTreeMap<_, _>>(),
        "skipped": outcome.skipped,
        "left": outcome.left,
        "interrupted": outcome.interrupted,
        "seconds": outcome.seconds,
        "results": text(&results),
        "plots": text(&plots),
        "written": published.as_ref().map(|published| published.written.iter().map(|path| text(path)).collect::<Vec<_>>()),
    });
    Ok((report, outcome.is_complete()))
}

fn writable(folder: &Path, option: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .and_then(|()| tempfile::tempfile_in(folder).map(drop))
        .with_context(|| format!("cannot write into `{}`\nhint: choose another folder with `--{option} DIR`", folder.display()))
        .map_err(Failure::Input)
}
