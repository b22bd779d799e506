//! What made a results folder, and what its spec makes now.

use std::path::{Path, PathBuf};

use onebasin_datasets::SearchPaths;
use onebasin_repro::Fingerprint;
use serde_json::Value;

use super::super::folders;
use super::super::session::Session;
use crate::experiment;
use crate::gaps::gaps;
use crate::plan::Plan;
use crate::run_record::RunRecord;
use crate::shell;
use crate::spec::{Override, Overrides};
use crate::stage::StageId;
use crate::store::Entry;

/// The file that holds the rows of all settings of a sweep.
const SWEEP: &str = "sweep.csv";

/// A results folder as `run.json` tells of it, beside the spec as it is now.
pub struct Origin {
    folder: PathBuf,
    record: Option<RunRecord>,
    /// `None` where the spec is not found or is in error.
    now: Option<Now>,
}

/// What the spec says now under the options of the run.
struct Now {
    spec: PathBuf,
    has_other_settings: bool,
    /// `None` where data is absent: then no fingerprint is known.
    plan: Option<Plan>,
}

impl Origin {
    /// Of a results folder.
    pub fn of(folder: &Path) -> Origin {
        let record = RunRecord::read(folder);
        let now = record.as_ref().and_then(|record| now(folder, record));
        Origin { folder: folder.to_owned(), record, now }
    }

    /// By which spec and settings the rows were made.
    pub fn made_with(&self) -> Option<String> {
        self.record.as_ref().map(|record| format!("made with    {}, {}", record.spec, record.settings_text()))
    }

    /// Says so where the spec makes something else by now.
    pub fn since(&self) -> Option<String> {
        let (record, now) = (self.record.as_ref()?, self.now.as_ref()?);
        let spec = now.spec.display();
        if now.has_other_settings {
            return Some(format!("the spec     `{spec}` has other settings than the run had, and may make other numbers"));
        }
        // Tables that lack what failed are of no whole plan.
        let has_moved = !record.is_of(now.plan.as_ref()?) && gaps(&self.folder).is_empty();
        has_moved.then(|| {
            format!("the spec     is as it was, and data, a file that `{spec}` names, or the program changed, and may make other numbers")
        })
    }

    /// The name that the spec as it is now gives to what has this fingerprint.
    pub fn name_of(&self, fingerprint: &Fingerprint) -> Option<&StageId> {
        let plan = self.now.as_ref()?.plan.as_ref()?;
        plan.stages.iter().find(|planned| planned.fingerprint == *fingerprint).map(|planned| planned.stage.id())
    }

    /// What makes just this artifact again; `None` where nothing is known to.
    pub fn command(&self, entry: &Entry, chosen: &Option<PathBuf>) -> Option<String> {
        let record = self.record.as_ref()?;
        let name = match self.now.as_ref().is_some_and(|now| now.plan.is_some()) {
            true => self.name_of(&entry.fingerprint)?,
            false => &entry.stage,
        };
        let spec = spec_of(&self.folder, record).unwrap_or_else(|| record.spec.clone().into());
        let store = chosen.clone().or_else(|| elsewhere(&self.folder));
        let store = store.map(|store| format!(" --store {}", shell::path(&store))).unwrap_or_default();
        let name = shell::quoted(name.as_str());
        Some(format!("onebasin run {}{}{store} --only {name} --force {name}", shell::path(&spec), record.options()))
    }

    /// The same as lines of text, and what must be known of it.
    pub fn again(&self, entry: &Entry, chosen: &Option<PathBuf>) -> Vec<String> {
        let Some(record) = &self.record else { return Vec::new() };
        match (self.command(entry, chosen), &self.now) {
            (None, None) => Vec::new(),
            (None, Some(now)) => {
                vec![format!("again by     nothing: no stage of `{}`, as it is now, makes this", now.spec.display())]
            }
            (Some(command), _) => {
                let mut lines = vec![format!("again by     {command}")];
                if spec_of(&self.folder, record).is_none() {
                    lines.push(format!("             with the path of `{}`, which does not lie above the results", record.spec));
                }
                lines
            }
        }
    }
}

fn now(folder: &Path, record: &RunRecord) -> Option<Now> {
    let spec = spec_of(folder, record)?;
    let sets = record.overrides.iter().map(Override::set).collect();
    let overrides = Overrides { profile: record.profile.clone(), sets, environment: false };
    let mut session = Session::load(&spec, &overrides, SearchPaths::standard(None, false)).ok()?;
    let has_other_settings = session.experiment.origin.settings != record.settings;
    let digests = session.digests();
    let is_known = digests.absent.is_empty();
    let plan = is_known.then(|| experiment::plan(&session.experiment, &digests.found, &record.device).ok()).flatten();
    Some(Now { spec, has_other_settings, plan })
}

/// The spec of a results folder. The record has its name alone, so that it is the same on every machine; specs lie above their results, or in a
/// folder there.
fn spec_of(folder: &Path, record: &RunRecord) -> Option<PathBuf> {
    let places = folder.ancestors().flat_map(|above| [above.join("experiments"), above.to_owned()]);
    places.chain(["experiments".into()]).map(|place| place.join(&record.spec)).find(|place| place.is_file())
}

/// The store of a results folder, where commands that are given here would use another one.
fn elsewhere(folder: &Path) -> Option<PathBuf> {
    let (theirs, ours) = (folders::store_above(folder), folders::store(None));
    (theirs.canonicalize().ok() != ours.canonicalize().ok()).then_some(theirs)
}

/// The folder of a file.
pub fn parent(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// The results folder that a row is of: the file's own, or of a row of a sweep that of the setting which its first columns name.
pub fn folder_of(file: &Path, header: &[String], row: &[String]) -> PathBuf {
    let own = parent(file);
    let setting = || {
        let name = own.file_name()?.to_str()?.split_once("@sweep=")?.0.to_owned();
        let keys = header.iter().zip(row).take_while(|(column, _)| *column != "dataset");
        let keys: Vec<(&String, &String)> = keys.collect();
        let is_setting = |folder: &PathBuf| {
            let record = RunRecord::read(folder);
            record.is_some_and(|record| keys.iter().all(|(key, value)| says(&record.settings, key, value)))
        };
        let folders = std::fs::read_dir(parent(own)).ok()?.flatten().map(|folder| folder.path());
        let is_of_name = |folder: &PathBuf| {
            let folder = folder.file_name().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
            folder == name || folder.strip_prefix(&name).is_some_and(|rest| rest.starts_with('@'))
        };
        let mut found: Vec<PathBuf> = folders.filter(is_of_name).filter(is_setting).collect();
        // That with the fewest other settings.
        found.sort_by_key(|folder| folder.as_os_str().len());
        found.into_iter().next()
    };
    let is_sweep = file.file_name().is_some_and(|name| name == SWEEP);
    if is_sweep { setting().unwrap_or_else(|| own.to_owned()) } else { own.to_owned() }
}

/// Whether the settings have this value, as a sweep writes it, at a key.
fn says(settings: &Value, key: &str, value: &str) -> bool {
    let found = key.split('.').try_fold(settings, |table, part| match table {
        Value::Array(items) => items.iter().find(|item| item["name"] == *part),
        table => table.get(part),
    });
    let found = found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned));
    found.as_deref() == Some(value)
}
