//! Stages of a few lines, a store to run them over, and a record of what happened.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use onebasin::dataset_cache::DatasetCache;
use onebasin::events::{Event, Reporter};
use onebasin::plan::Plan;
use onebasin::runner::{self, Outcome, RunOptions};
use onebasin::stage::{Context, Recipe, Stage, StageId, Words};
use onebasin::store::{Lookup, Store};
use onebasin_datasets::SearchPaths;
use onebasin_repro::Fingerprint;
use onebasin_training::Device;
use serde_json::json;

type Work = dyn Fn(&Context<'_>) -> anyhow::Result<()> + Send + Sync;

/// Writes its setting and what its inputs wrote, after doing something else first.
pub struct Mock {
    id: StageId,
    inputs: Vec<StageId>,
    setting: String,
    device: Option<String>,
    work: Box<Work>,
}

/// A stage called `id` whose setting is its name.
pub fn mock(id: &str, inputs: &[&str]) -> Mock {
    Mock {
        id: StageId::new(id),
        inputs: inputs.iter().copied().map(StageId::new).collect(),
        setting: id.to_owned(),
        device: None,
        work: Box::new(|_| Ok(())),
    }
}

impl Mock {
    pub fn set(self, setting: &str) -> Mock {
        Mock { setting: setting.to_owned(), ..self }
    }

    /// A stage whose networks run on this kind of device.
    pub fn on(self, device: &str) -> Mock {
        Mock { device: Some(device.to_owned()), ..self }
    }

    pub fn first(self, work: impl Fn(&Context<'_>) -> anyhow::Result<()> + Send + Sync + 'static) -> Mock {
        Mock { work: Box::new(work), ..self }
    }
}

impl Stage for Mock {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "mocking", past: "MOCKED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        Recipe { kind: "mock", version: 1, settings: json!({ "setting": self.setting, "device": self.device }) }
    }

    fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        (self.work)(context)?;
        let read: Vec<String> =
            context.inputs.iter().map(|artifact| fs::read_to_string(artifact.directory.join("text"))).collect::<Result<_, _>>()?;
        fs::write(context.out.join("text"), format!("{}({})", self.setting, read.join(",")))?;
        Ok(())
    }
}

/// `a`, `b` and `c` each from `a`, `d` from both.
pub fn diamond() -> Vec<Mock> {
    vec![mock("a", &[]), mock("b", &["a"]), mock("c", &["a"]), mock("d", &["b", "c"])]
}

pub fn plan(stages: Vec<Mock>) -> Plan {
    Plan::of(stages.into_iter().map(|stage| Arc::new(stage) as Arc<dyn Stage>).collect()).unwrap()
}

/// What happened, a line an event.
#[derive(Default)]
pub struct Record {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

impl Record {
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until a line starts so.
    pub fn wait_for(&self, start: &str) {
        let lines = self.lines.lock().unwrap();
        let absent = |lines: &mut Vec<String>| !lines.iter().any(|line| line.starts_with(start));
        let (lines, waited) = self.changed.wait_timeout_while(lines, Duration::from_secs(60), absent).unwrap();
        assert!(!waited.timed_out(), "`{start}` never happens: {lines:?}");
    }

    pub fn count(&self, start: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(start)).count()
    }
}

impl Reporter for Record {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::Surveyed { stages, cached, to_run, .. } => format!("surveyed {stages}: {cached} cached, {to_run} to run"),
            Event::Cached { stage } => format!("cached {stage}"),
            Event::Shared { stage, with } => format!("shared {stage} with {with}"),
            Event::Damaged { stage, problem } => format!("damaged {stage}: {problem}"),
            Event::Crowded { stage, device, most } => format!("crowded {stage}: {most} on {device}"),
            Event::Waiting { stage, .. } => format!("waiting {stage}"),
            Event::Started { stage, .. } => format!("started {stage}"),
            Event::Advanced { stage, progress } => format!("advanced {stage} {progress:?}"),
            Event::Finished { stage, .. } => format!("finished {stage}"),
            Event::Warned { stage, message } => format!("warned {stage}: {message}"),
            Event::Compared { stage, same } => format!("compared {stage}: {}", if *same { "same" } else { "different" }),
            Event::Failed { stage, error, .. } => format!("failed {stage}: {error:#}"),
            Event::Skipped { stages, because, .. } => {
                let stages: Vec<&str> = stages.iter().map(|stage| stage.as_str()).collect();
                format!("skipped {} because of {because}", stages.join(", "))
            }
            Event::Cluster { word, text } => format!("{word} {text}"),
            Event::Stopping => "stopping".to_owned(),
            Event::Stopped { stage, .. } => format!("stopped {stage}"),
        };
        self.lines.lock().unwrap().push(line);
        self.changed.notify_all();
    }
}

/// A store in a folder of its own.
pub struct World {
    pub folder: tempfile::TempDir,
    pub store: Store,
}

impl World {
    pub fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("store"));
        World { folder, store }
    }

    /// Runs with one job.
    pub fn run(&self, plan: &Plan) -> (Outcome, Record) {
        self.run_with(plan, |_| {})
    }

    pub fn run_with(&self, plan: &Plan, change: impl FnOnce(&mut RunOptions)) -> (Outcome, Record) {
        let record = Record::default();
        (self.run_watched(plan, &record, change), record)
    }

    /// As [`World::run_with`], for stages or threads that wait for what happens.
    pub fn run_watched(&self, plan: &Plan, record: &Record, change: impl FnOnce(&mut RunOptions)) -> Outcome {
        let mut options = options();
        change(&mut options);
        runner::run(plan, &self.store, &options, record).unwrap()
    }

    /// Where the artifact of a stage is, or would be.
    pub fn entry(&self, plan: &Plan, id: &str) -> PathBuf {
        self.store.root().join(fingerprint(plan, id).to_string())
    }

    /// What a stage wrote.
    pub fn text(&self, plan: &Plan, id: &str) -> String {
        fs::read_to_string(self.entry(plan, id).join("text")).unwrap()
    }

    pub fn is_hit(&self, plan: &Plan, id: &str) -> bool {
        matches!(self.store.verify(&fingerprint(plan, id)), Lookup::Hit(_))
    }

    /// Names in the folder of unfinished work.
    pub fn unfinished(&self) -> Vec<String> {
        names(&self.store.root().join("tmp"))
    }

    /// Every file of every artifact but the receipts, which hold times.
    pub fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut content = BTreeMap::new();
        for entry in names(self.store.root()).into_iter().filter(|name| name.len() == 64) {
            for file in names(&self.store.root().join(&entry)).into_iter().filter(|name| name != "receipt.json") {
                let path = Path::new(&entry).join(file);
                let bytes = fs::read(self.store.root().join(&path)).unwrap();
                content.insert(path, bytes);
            }
        }
        content
    }
}

pub fn fingerprint(plan: &Plan, id: &str) -> Fingerprint {
    plan.find(id).unwrap().fingerprint
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// One job, two cores.
pub fn options() -> RunOptions {
    let images = Arc::new(DatasetCache::new(SearchPaths::offline([], "nowhere")));
    RunOptions { jobs: 1, cores: 2, ..RunOptions::new(vec![Device::select("cpu").unwrap()], images) }
}

/// A flag like that of Ctrl-C.
pub fn flag() -> &'static AtomicBool {
    Box::leak(Box::new(AtomicBool::new(false)))
}
