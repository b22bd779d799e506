//! `onebasin run`: does what a plan says and publishes the results.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::budget::{cores, refuse};
use super::cluster;
use super::folders::{Folders, writable};
use super::run_settings::{self, RunSetting};
use super::session::{Digests, Session};
use super::stage_name::{find, of_kind};
use super::{Failure, Verdict, unwritable};
use crate::cli::{self, ExecutorKind, ExecutorOptions, Shared};
use crate::console::{self, Console, Failed};
use crate::cost::{Bill, Costs};
use crate::dataset_cache::DatasetCache;
use crate::devices;
use crate::interrupt;
use crate::number::sizes;
use crate::plan::Plan;
use crate::publish::{self, Published, publish};
use crate::run_record::RunRecord;
use crate::runner::{self, Local, MemoryLimit, Outcome, RunOptions, Status};
use crate::stage::StageId;
use crate::store::{Lookup, Store};

/// One spec, ready to run.
struct Job {
    session: Session,
    /// The options that it was read with.
    shared: Shared,
    digests: Digests,
    plan: Plan,
    /// What is run, and published.
    aim: Aim,
    /// What was to do before the first spec ran.
    statuses: Vec<Status>,
    /// What that takes.
    bill: Bill,
    results: PathBuf,
    plots: PathBuf,
}

/// What a run is for.
struct Aim {
    /// The stages whose artifacts are wanted.
    targets: Vec<StageId>,
    /// Those that run anew.
    force: Vec<StageId>,
    /// Whether tables and pictures are among them.
    publishes: bool,
}

/// Runs every spec, one after the other; all are checked before the first starts.
pub fn run(arguments: &cli::Run) -> Result<Verdict, Failure> {
    let shared = &arguments.shared;
    devices::known(&shared.device).map_err(Failure::Input)?;
    if arguments.specs.is_empty() {
        return Err(Failure::Input(anyhow!(
            "expected a spec and stages of it, got one of the two\nhint: `onebasin run SPEC.toml --only STAGE...`"
        )));
    }
    if arguments.executor.dry_run && arguments.executor.executor != ExecutorKind::Slurm {
        let hint = "it goes with `--executor slurm`; `onebasin plan SPEC` says what a run on this machine would do";
        return Err(Failure::Input(anyhow!("`--dry-run` prints the scripts of jobs\nhint: {hint}")));
    }
    let folders = Folders::of(shared);
    let mut jobs: Vec<Job> = Vec::with_capacity(arguments.specs.len());
    let (settings, sweeps) = run_settings::of(arguments, &folders)?;
    let store = Store::new(&folders.store);
    // Read once, and only where something runs.
    let mut costs: Option<Costs> = None;
    for RunSetting { mut session, shared, results, plots } in settings {
        let digests = session.complete()?;
        let plan = session.plan(&digests, &shared)?;
        let aim = aim(arguments, &plan)?;
        // A first look, to see whether anything runs; the run itself verifies.
        let statuses = runner::survey(&plan, &store, &aim.targets, false).map_err(Failure::Running)?;
        let bill = match statuses.iter().any(|status| matches!(status, Status::Run(_))) {
            true => {
                let places = &session.places;
                let known = costs.get_or_insert_with(|| Costs::of(&store, places.clone()));
                known.at(places.clone()).bill(&plan, &statuses)
            }
            false => Bill::default(),
        };
        if let Some(other) = jobs.iter().find(|other| other.aim.publishes && aim.publishes && other.results == results) {
            let (one, two) = (&other.session.path, &session.path);
            let both = format!("`{}` and `{}` would both write `{}`", one.display(), two.display(), results.display());
            return Err(Failure::Input(anyhow!("{both}\nhint: give one another `name`, or run them apart, each with its `--results DIR`")));
        }
        jobs.push(Job { session, shared, digests, plan, aim, statuses, bill, results, plots });
    }
    let Some(first) = jobs.first() else { return Ok(Verdict::Fine) };
    if arguments.executor.dry_run {
        return dry_run(arguments, &jobs, &store);
    }
    if let Some(budget) = arguments.budget {
        let mut left = budget;
        for job in &jobs {
            let forecast = job.bill.forecast(shared.jobs(), cores());
            refuse(left, &forecast, &job.bill, &job.session, &job.shared)?;
            left = left.saturating_sub(Duration::from_secs_f64(forecast.wall[1]));
        }
    }
    // Where nothing runs, or all of it elsewhere, a device need not be here. What runs here then are tables.
    let here = arguments.executor.executor == ExecutorKind::Local && (arguments.verify || jobs.iter().any(Job::runs));
    let devices = if here { &shared.device } else { "cpu" };
    let devices = devices::select(devices).map_err(Failure::Input)?;
    let options = RunOptions {
        jobs: shared.jobs(),
        keep_going: shared.keep_going,
        verify: arguments.verify,
        interrupted: interrupt::install(),
        ..RunOptions::new(devices, Arc::new(DatasetCache::new(first.session.places.clone())))
    };
    let mut done = Vec::with_capacity(jobs.len());
    let mut verdict = Verdict::Fine;
    // Folders of results that this run made, or found as it would have made them.
    let mut fresh: BTreeSet<PathBuf> = BTreeSet::new();
    for job in &jobs {
        // Each spec has its own folder, beside which its data may lie.
        let datasets = Arc::new(DatasetCache::new(job.session.places.clone()));
        let (targets, force) = (job.aim.targets.clone(), job.aim.force.clone());
        let bounded = arguments.memory.is_some() || options.devices.iter().any(|device| device.memory().is_some());
        let memory = bounded.then(|| job.memory_limit(arguments.memory));
        let options = RunOptions { datasets, targets, force, memory, ..options.clone() };
        let known = if job.bill.items.is_empty() { None } else { costs.take() };
        let Ran { report, ended, published } = match job.run(&arguments.executor, &store, &options, known) {
            Ok(ran) => ran,
            // One setting's folder may be in the way, and the others are asked for all the same.
            Err(failure) if shared.keep_going && jobs.len() > 1 => {
                let (ended, text) = failure.told();
                console::error(&text);
                Ran { report: json!({ "name": job.session.experiment.name, "error": text }), ended, published: false }
            }
            Err(failure) => {
                sweeps.iter().for_each(|table| table.leave(&fresh));
                return Err(failure);
            }
        };
        if published {
            fresh.insert(job.results.clone());
        }
        done.push(report);
        verdict = verdict.max(ended);
        if ended != Verdict::Fine && !shared.keep_going {
            for waiting in &jobs[done.len()..] {
                // Settings of a sweep have one name, and a folder each.
                let (waiting, failed) = (waiting.results.display(), job.results.display());
                console::note(&format!("`{waiting}` is not made, because `{failed}` is not finished"));
            }
            break;
        }
    }
    if jobs.iter().all(|job| job.aim.publishes) {
        for table in &sweeps {
            // As of one experiment: what is there of an unfinished one is published where that is asked for.
            if table.is_whole(&fresh) || (shared.keep_going && !options.interrupted.load(Ordering::Relaxed)) {
                table.publish(&fresh).map_err(unwritable)?;
            } else {
                table.leave(&fresh);
            }
        }
    }
    if arguments.json {
        console::data(&format!("{:#}", Value::from(done)))?;
    }
    Ok(verdict)
}

/// The stages that the command line asks for.
fn aim(arguments: &cli::Run, plan: &Plan) -> Result<Aim, Failure> {
    let ids =
        |names: &[String]| -> Result<Vec<StageId>, Failure> { names.iter().map(|name| Ok(find(plan, name)?.stage.id().clone())).collect() };
    let force = ids(&arguments.force)?;
    let targets = match &arguments.until {
        Some(kind) => of_kind(plan, kind)?,
        None if arguments.only.is_empty() => return Ok(Aim { targets: publish::targets(), force, publishes: true }),
        None => ids(&arguments.only)?,
    };
    Ok(Aim { targets, force, publishes: false })
}

/// Prints the scripts of all jobs.
fn dry_run(arguments: &cli::Run, jobs: &[Job], store: &Store) -> Result<Verdict, Failure> {
    for job in jobs {
        let slurm = cluster::slurm(&job.session, &job.shared, &arguments.executor, &job.plan, &job.bill, store.root())?;
        job.estimate();
        console::data(&cluster::scripts(&slurm, &job.plan, &job.bill))?;
    }
    Ok(Verdict::Fine)
}

/// What a job did.
struct Ran {
    /// For `--json`.
    report: Value,
    ended: Verdict,
    /// Whether its folders hold what it made, all of it or what is whole.
    published: bool,
}

impl Job {
    /// Whether any stage is to run, as far as the first look tells.
    fn runs(&self) -> bool {
        !self.aim.force.is_empty() || self.statuses.iter().any(|status| matches!(status, Status::Run(_)))
    }

    /// Runs the plan; says what was done and how it ended.
    ///
    /// `costs` are kept in the store for the next run.
    fn run(&self, executor: &ExecutorOptions, store: &Store, options: &RunOptions, costs: Option<Costs>) -> Result<Ran, Failure> {
        let Job { session, shared, digests, plan, results, plots, .. } = self;
        let name = &session.experiment.name;
        self.prepare(store)?;
        if let Some(costs) = costs {
            costs.keep(store);
        }
        let mut options = options.clone();
        let _follows = match executor.executor {
            ExecutorKind::Slurm if !self.bill.items.is_empty() => {
                if !self.aim.force.is_empty() {
                    let message = anyhow!("`--force` runs stages here alone\nhint: leave out `--executor slurm`");
                    return Err(Failure::Input(message));
                }
                let slurm = cluster::slurm(session, shared, executor, plan, &self.bill, store.root())?;
                let follows = cluster::follow(&slurm, store)?;
                options.executor = Arc::new(slurm);
                Some(follows)
            }
            ExecutorKind::Slurm | ExecutorKind::Local => None,
        };
        let options = &options;
        let console = Console::new();
        console::notices(&session.experiment.notices);
        console.deviations(&session.experiment.comparison);
        for warning in session.experiment.warnings() {
            console::note(&format!("warning: {warning}"));
        }
        let outcome = runner::run(plan, store, options, &console).map_err(Failure::Running)?;
        let record = RunRecord::new(&session.experiment, plan, &shared.device, &digests.found);
        let published = match () {
            () if !self.aim.publishes => None,
            () if outcome.is_complete() => Some(publish(plan, store, results, plots, Some(&record)).map_err(unwritable)?),
            // What is whole is published, and says what is missing.
            () if shared.keep_going && !outcome.interrupted && outcome.left == 0 => match session.without(plan, &outcome) {
                Some(rest) => {
                    let plan = rest.plan(digests, shared)?;
                    // Tables and pictures of what is left: seconds, wherever the rest ran.
                    let options = RunOptions { force: Vec::new(), executor: Arc::new(Local), ..options.clone() };
                    let outcome = runner::run(&plan, store, &options, &console).map_err(Failure::Running)?;
                    let record = RunRecord::new(&rest.experiment, &plan, &shared.device, &digests.found);
                    if outcome.is_complete() {
                        Some(publish(&plan, store, results, plots, Some(&record)).map_err(unwritable)?)
                    } else {
                        None
                    }
                }
                None => None,
            },
            () => None,
        };
        let place = match self.aim.publishes {
            true => format!("results in `{}`, plots in `{}`", results.display(), plots.display()),
            false => format!("artifacts in `{}`", store.root().display()),
        };
        let warnings = runner::warnings(plan, store);
        console.conclude(name, &outcome, published.as_ref(), &place, &warnings);
        let failures = console.failures();
        let verdict = match () {
            () if failures.iter().any(|failed| failed.is_input) => Verdict::BadInput,
            () if outcome.is_complete() && outcome.different.is_empty() => Verdict::Fine,
            () => Verdict::No,
        };
        let report = self.report(store, &outcome, failures, published.as_ref(), warnings);
        Ok(Ran { report, ended: verdict, published: published.is_some() })
    }

    /// Tells what will be written where, and finds out whether it can be: better now than after the night.
    fn prepare(&self, store: &Store) -> Result<(), Failure> {
        let Job { session, plan, results, plots, .. } = self;
        let statuses = &self.statuses;
        if self.aim.publishes {
            let record = RunRecord::new(&session.experiment, plan, &session.device, &self.digests.found);
            if let Some(earlier) = RunRecord::read(results) {
                let of = |it: &RunRecord| if earlier.spec == record.spec { String::new() } else { format!("of `{}` ", it.spec) };
                let [before, now] = [&earlier, &record].map(|it| format!("{}with {}", of(it), it.settings_text()));
                if before != now {
                    console::replaces(results, &before, &now);
                }
            }
            if results.file_name().is_some_and(|folder| folder.to_string_lossy().contains('@')) {
                console::note(&format!("results of these settings go to `{}`, plots to `{}`", results.display(), plots.display()));
            }
        }
        let used = plan.stages.iter().filter_map(|planned| planned.stage.recipe().device());
        for kind in devices::idle(&session.device, used) {
            let device = &session.device;
            console::notices(&[format!("no stage runs on `{kind}`: the pairs and replicates are dealt out in the order of `{device}`")]);
        }
        if self.runs() {
            session.inspect(plan, statuses)?;
            if self.aim.publishes {
                writable(results, "results")?;
                writable(plots, "plots")?;
            }
            if !store.root().exists() {
                console::note(&format!("new store at `{}`", store.root().display()));
            }
            drop(store.prepare().map_err(Failure::Input)?);
            self.estimate();
        }
        Ok(())
    }

    /// Tells what the run takes, most likely.
    fn estimate(&self) {
        if !self.bill.items.is_empty() {
            let forecast = self.bill.forecast(self.shared.jobs(), cores());
            console::estimate(&format!("{}: {}", self.session.experiment.name, forecast.text()));
        }
    }

    /// A bound, with what each stage is estimated to use.
    fn memory_limit(&self, bytes: Option<u64>) -> MemoryLimit {
        let stages: BTreeMap<StageId, u64> = self.bill.items.iter().map(|item| (item.stage.clone(), item.memory)).collect();
        let most = bytes.unwrap_or(u64::MAX);
        let large = stages.iter().filter(|(_, memory)| **memory > most);
        let count = large.clone().count();
        if let Some((stage, memory)) = large.max_by_key(|(_, memory)| **memory) {
            let [memory, most] = sizes([*memory, most]);
            let which = if count == 1 { "it runs alone".to_owned() } else { format!("it and {} more run each alone", count - 1) };
            console::note(&format!("warning: `{stage}` is estimated to use {memory}, more than {most}; {which}"));
        }
        MemoryLimit { bytes, stages: Arc::new(stages) }
    }

    fn report(
        &self,
        store: &Store,
        outcome: &Outcome,
        failures: Vec<Failed>,
        published: Option<&Published>,
        warnings: Vec<(StageId, String)>,
    ) -> Value {
        // A path that is not UTF-8 has no place in JSON; this is as near as it gets.
        let text = |path: &Path| path.display().to_string();
        let artifact = |id: &StageId| match store.lookup(&self.plan.find(id.as_str())?.fingerprint) {
            Lookup::Hit(artifact) => Some((id.to_string(), text(&artifact.directory))),
            Lookup::Miss | Lookup::Damaged(_) => None,
        };
        json!({
            "name": self.session.experiment.name,
            "overrides": self.session.experiment.origin.overrides,
            "stages": self.plan.stages.len(),
            "ran": outcome.ran,
            "cached": outcome.cached,
            "shared": outcome.shared,
            "not_asked": outcome.not_asked,
            "different": outcome.different,
            "failed": outcome.failed,
            "causes": failures.into_iter().map(|Failed { stage, cause, .. }| (stage.to_string(), cause)).collect::<BTreeMap<_, _>>(),
            "warnings": warnings.into_iter().map(|(stage, message)| (stage.to_string(), message)).collect::<BTreeMap<_, _>>(),
            "skipped": outcome.skipped,
            "left": outcome.left,
            "interrupted": outcome.interrupted,
            "seconds": outcome.seconds,
            "artifacts": self.aim.targets.iter().filter_map(artifact).collect::<BTreeMap<_, _>>(),
            "results": Some(text(&self.results)).filter(|_| self.aim.publishes),
            "plots": Some(text(&self.plots)).filter(|_| self.aim.publishes),
            "written": published.map(|published| published.written.iter().map(|path| text(path)).collect::<Vec<_>>()),
        })
    }
}
