//! `onebasin logs`: what the job of a stage printed.

use anyhow::{Context, anyhow};

use super::cluster::folder_of;
use super::folders::Folders;
use super::session::Session;
use super::stage_name::find;
use super::{Failure, Verdict};
use crate::cli;
use crate::console;

/// Prints the log of the last job that had the stage.
pub fn logs(arguments: &cli::Logs) -> Result<Verdict, Failure> {
    let shared = &arguments.shared;
    let mut session = Session::read(&arguments.spec, shared, false)?;
    let digests = session.digests();
    let plan = session.plan(&digests, shared)?;
    let planned = find(&plan, &arguments.stage)?;
    let folder = folder_of(&session, &plan, &Folders::of(shared).store);
    let batches = folder.every_batch();
    let part = batches.iter().rev().find_map(|(batch, _)| {
        let has = |part: &Vec<crate::slurm::record::BatchStage>| part.iter().any(|stage| stage.fingerprint == planned.fingerprint);
        Some((batch.number, batch.parts.iter().position(has)?))
    });
    let Some((batch, part)) = part else {
        let what = format!("no job of this run had the stage `{}`", planned.stage.id());
        return Err(Failure::Input(anyhow!("{what}\nhint: stages run as jobs with `onebasin run SPEC --executor slurm`")));
    };
    let log = folder.log(batch, part);
    console::note(&format!("`{}`", log.display()));
    let bytes = std::fs::read(&log).with_context(|| format!("cannot read `{}`: the job may not have begun", log.display()));
    console::data(&String::from_utf8_lossy(&bytes.map_err(Failure::Running)?))?;
    Ok(Verdict::Fine)
}
