//! `onebasin stages`: what a job of a cluster does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use serde_json::json;

use super::folders::Folders;
use super::session::Session;
use super::{Failure, Verdict};
use crate::cli;
use crate::console::{self, Console, Failed};
use crate::dataset_cache::DatasetCache;
use crate::devices;
use crate::interrupt;
use crate::runner::{self, RunOptions};
use crate::slurm::record::{self, Failure as Kept};
use crate::stage::StageId;
use crate::store::Store;

/// Runs the stages of one part of a batch, and nothing that they need: that is the work of other jobs, which are done.
pub fn stages(arguments: &cli::Stages) -> Result<Verdict, Failure> {
    let shared = &arguments.shared;
    let interrupted = interrupt::install_patiently();
    let (folder, batch) = record::open(&arguments.batch).map_err(Failure::Input)?;
    let part = batch
        .parts
        .get(arguments.part)
        .with_context(|| format!("`{}` has {} parts, there is no part {}", arguments.batch.display(), batch.parts.len(), arguments.part));
    let part = part.map_err(Failure::Input)?;
    if !shared.keep_going && !folder.failures(|_| false).is_empty() {
        console::note("a stage of this run has failed, so no other begins");
        return Ok(Verdict::No);
    }
    let mut session = Session::read(&arguments.spec, shared, false)?;
    let digests = session.complete()?;
    let plan = session.plan(&digests, shared)?;
    let known: BTreeMap<&StageId, _> = plan.stages.iter().map(|planned| (planned.stage.id(), planned.fingerprint)).collect();
    for asked in part {
        if known.get(&asked.stage) != Some(&asked.fingerprint) {
            let what = format!("stage `{}` is not what it was when its job was submitted", asked.stage);
            return Err(Failure::Input(anyhow!("{what}\nhint: the spec, its data or the program changed since; run it again")));
        }
    }
    let ids: Vec<StageId> = part.iter().map(|asked| asked.stage.clone()).collect();
    let of_part = |id: &StageId| plan.find(id.as_str()).and_then(|planned| planned.stage.recipe().device());
    let devices = devices::select_kinds(&shared.device, &ids.iter().filter_map(of_part).collect()).map_err(Failure::input)?;
    let store = Store::new(Folders::of(shared).store);
    // A look at the folder shows what other machines made.
    store.listing();
    let datasets = Arc::new(DatasetCache::new(session.places.clone()));
    let defaults = RunOptions::new(devices, datasets);
    let options = RunOptions {
        jobs: shared.jobs(),
        cores: shared.jobs().min(defaults.cores).max(1),
        keep_going: shared.keep_going,
        interrupted,
        targets: ids.clone(),
        only: Some(ids.iter().cloned().collect::<BTreeSet<_>>()),
        ..defaults
    };
    let console = Console::new();
    let outcome = runner::run(&plan, &store, &options, &console).map_err(Failure::Running)?;
    let failures = console.failures();
    let job = std::env::var("SLURM_JOB_ID").unwrap_or_default();
    for Failed { stage, cause, is_input } in failures.clone() {
        let fingerprint = known[&stage];
        let kept = Kept { stage, cause, is_input, job: job.clone() };
        folder.keep_failure(&fingerprint, &kept).map_err(Failure::Running)?;
    }
    let ended = json!({ "ran": outcome.ran, "cached": outcome.cached, "skipped": outcome.skipped, "interrupted": outcome.interrupted });
    let ended_file = folder.path().join(format!("{:04}-{}.ended", batch.number, arguments.part));
    if !outcome.interrupted {
        crate::whole_file::write(&ended_file, ended.to_string().as_bytes())
            .with_context(|| format!("cannot write `{}`", ended_file.display()))
            .map_err(Failure::Running)?;
    }
    let place = format!("artifacts in `{}`", store.root().display());
    console.conclude(&format!("part {} of {}", arguments.part, batch.name), &outcome, None, &place, &[]);
    Ok(match () {
        () if failures.iter().any(|failed| failed.is_input) => Verdict::BadInput,
        () if outcome.is_complete() => Verdict::Fine,
        () => Verdict::No,
    })
}
