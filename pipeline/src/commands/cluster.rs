//! A run on a cluster: its settings, its jobs' folder, how they call this program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::Failure;
use super::session::Session;
use crate::cli::{ExecutorOptions, Shared};
use crate::console;
use crate::cost::Bill;
use crate::plan::Plan;
use crate::slurm::Slurm;
use crate::slurm::record::{BatchStage, RunFolder};
use crate::slurm::script::Launch;
use crate::spec::Executor;
use crate::store::{Mark, Store};

/// Variables that are passed on as options, or say nothing of a stage.
const NOT_EXPORTED: [&str; 9] = [
    "ONEBASIN_PROFILE",
    "ONEBASIN_JOBS",
    "ONEBASIN_DEVICE",
    "ONEBASIN_STORE",
    "ONEBASIN_RESULTS",
    "ONEBASIN_PLOTS",
    "ONEBASIN_EXECUTOR",
    "ONEBASIN_EXECUTOR_FILE",
    "ONEBASIN_BLESS",
];
/// How long it takes at most to tell whether a process on another machine still follows a run.
const PATIENCE: Duration = Duration::from_secs(90);

/// The folder of the jobs of a plan.
pub fn folder_of(session: &Session, plan: &Plan, store: &Path) -> RunFolder {
    let name = plan.find("tabulate").map(|planned| planned.fingerprint.short()).unwrap_or_default();
    RunFolder::new(&absolute(store), &session.experiment.name, &name)
}

/// The executor of a run.
pub fn slurm(
    session: &Session,
    shared: &Shared,
    options: &ExecutorOptions,
    plan: &Plan,
    bill: &Bill,
    store: &Path,
) -> Result<Slurm, Failure> {
    let site = site(options).map_err(Failure::Input)?;
    let settings = session.experiment.executor.slurm.clone().or(site.slurm);
    let program = std::env::current_exe().context("cannot tell where this program is").map_err(Failure::Running)?;
    let mut arguments: Vec<OsString> = vec![absolute(&session.path).into()];
    let mut option = |name: &str, value: &Path| arguments.extend([OsString::from(name), value.as_os_str().to_owned()]);
    shared.sets.iter().for_each(|set| option("--set", Path::new(set)));
    if let Some(profile) = &shared.profile {
        option("--profile", Path::new(profile));
    }
    option("--device", Path::new(&shared.device));
    option("--store", &absolute(store));
    if let Some(data) = &shared.data {
        option("--data", &absolute(data));
    }
    if shared.keep_going {
        arguments.push("--keep-going".into());
    }
    let variables = std::env::vars()
        .filter(|(name, value)| name.starts_with("ONEBASIN_") && !value.is_empty() && !NOT_EXPORTED.contains(&name.as_str()));
    let launch = Launch {
        program,
        folder: std::env::current_dir().context("cannot tell the folder").map_err(Failure::Running)?,
        arguments,
        variables: variables.collect(),
    };
    let costs = bill.items.iter().map(|item| (item.stage.clone(), (item.kind.clone(), item.seconds.likely)));
    let costs: BTreeMap<_, _> = costs.collect();
    Ok(Slurm { settings, launch, folder: folder_of(session, plan, store), costs: Arc::new(costs), shall_go_on })
}

/// The settings of the site.
fn site(options: &ExecutorOptions) -> anyhow::Result<Executor> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = || set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let usual = || folder().map(|folder| folder.join("onebasin/executor.toml")).filter(|file| file.exists());
    let Some(file) = options.executor_file.clone().or_else(usual) else { return Ok(Executor::default()) };
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Site {
        executor: Executor,
    }
    let hint = "hint: it has the table `[executor.slurm]`, as a spec may have it";
    let Site { executor } = toml::from_str(&text).with_context(|| format!("`{}` cannot be used\n{hint}", file.display()))?;
    match executor.slurm.fault() {
        Some((path, message, hint)) => Err(anyhow!("`{}`: `executor.slurm.{}`: {message}\nhint: {hint}", file.display(), path.join("."))),
        None => Ok(executor),
    }
}

/// The scripts of a run, as it would submit them: jobs that wait for others name these by the numbers of their batches.
pub fn scripts(slurm: &Slurm, plan: &Plan, bill: &Bill) -> String {
    let fingerprints: BTreeMap<_, _> = plan.stages.iter().map(|planned| (planned.stage.id(), planned.fingerprint)).collect();
    let stages: Vec<(BatchStage, bool)> =
        bill.items.iter().map(|item| (BatchStage { stage: item.stage.clone(), fingerprint: fingerprints[&item.stage] }, false)).collect();
    let inputs: Vec<Vec<usize>> = bill.items.iter().map(|item| item.inputs.clone()).collect();
    let first = slurm.folder.next_number();
    let mut text = String::new();
    let batches = slurm.batches(&stages, &inputs, first);
    let of_array = |batch: usize| batches[batch].0.parts.len() > 1;
    for (batch, after) in &batches {
        let named = |&(other, part): &(usize, usize)| {
            let name = format!("<{:04}>", first + other);
            if of_array(other) { format!("{name}_{part}") } else { name }
        };
        let after: Vec<String> = after.iter().map(named).collect();
        text.push_str(&format!("# {}\n{}\n", slurm.folder.script(batch.number).display(), slurm.script(batch, &after)));
        for (part, stages) in batch.parts.iter().enumerate() {
            let names: Vec<&str> = stages.iter().map(|stage| stage.stage.as_str()).collect();
            text.push_str(&format!("# part {part}, about {}: {}\n", crate::cost::duration(batch.seconds[part]), names.join(" ")));
        }
        text.push('\n');
    }
    text
}

/// The right to follow the jobs of a run: one process at a time.
pub fn follow(slurm: &Slurm, store: &Store) -> Result<Mark, Failure> {
    let name = format!("head-{}", slurm.folder.path().file_name().unwrap_or_default().to_string_lossy());
    let begun = Instant::now();
    let mut told = false;
    loop {
        if let Some(mark) = store.mark(&name).map_err(Failure::Running)? {
            return Ok(mark);
        }
        let holder = store.holder_of(&name);
        let is_here = holder.as_ref().is_none_or(crate::store::Holder::is_here);
        let who = holder.map_or("another process".to_owned(), |holder| holder.text());
        if is_here && told || begun.elapsed() > PATIENCE {
            let hint = "hint: `onebasin status SPEC` shows them";
            return Err(Failure::Running(anyhow!("{who} follows the jobs of this run\n{hint}")));
        }
        if !told && !is_here {
            console::note(&format!("waiting to see whether {who} still follows the jobs of this run"));
        }
        told = true;
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Asks on a terminal; elsewhere they go on.
fn shall_go_on(jobs: usize) -> bool {
    console::confirm(&format!("{jobs} jobs wait or run. Shall they go on? [Y/n] ")).unwrap_or(true)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
