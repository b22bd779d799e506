//! `onebasin plan`: what `run` would do, and why.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use onebasin_datasets::DatasetError;
use onebasin_repro::Fingerprint;
use serde_json::{Value, json};

use super::budget::cores;
use super::folders::Folders;
use super::plan_graph::Graph;
use super::session::{Digests, Session};
use super::spec_keys::in_spec_keys;
use super::{Failure, Verdict};
use crate::cli::{self, Format};
use crate::console::{self, columns};
use crate::cost::{Costs, Forecast};
use crate::error_text::error_text;
use crate::explain::{self, ByStage, Change};
use crate::plan::{Plan, Planned};
use crate::publish;
use crate::run_record::RunRecord;
use crate::runner::{self, Reason, Status};
use crate::stage::StageId;
use crate::store::{Entry, Lookup, Store};

/// Where a stage stands before a run, as it is printed.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    /// `hit`, `miss`, `unneeded` (there is no artifact, and what is made of it is at hand) or `needs-data` (nothing can be said).
    word: &'static str,
    /// Why, in words.
    reason: String,
    /// How a stage that misses differs from the nearest earlier recipe of the same stage.
    changes: Vec<Change>,
    /// Whether a stage before it does the same work, so that it does not run itself.
    shared: bool,
}

pub const HIT: &str = "hit";
pub const MISS: &str = "miss";
pub const UNNEEDED: &str = "unneeded";
pub const NEEDS_DATA: &str = "needs-data";

/// Of a stage that no earlier recipe is like.
const NEVER_RUN: &str = "never run";

impl Row {
    fn new(word: &'static str, reason: impl Into<String>) -> Row {
        Row { word, reason: reason.into(), changes: Vec::new(), shared: false }
    }
}

/// Prints the plan of a spec.
pub fn plan(arguments: &cli::Plan) -> Result<Verdict, Failure> {
    let mut session = Session::read(&arguments.spec, &arguments.shared, false)?;
    let digests = session.digests();
    digests.warn();
    digests.whole()?;
    let plan = session.plan(&digests, &arguments.shared)?;
    let store = Store::new(Folders::of(&arguments.shared).store);
    let absent = over_absent(&session, &plan, &digests.absent);
    let rows = rows(&session, &plan, &store, &absent)?;
    for error in digests.absent.values() {
        console::note(&error_text(&anyhow::anyhow!("{error}")).replacen("error:", "warning:", 1));
    }
    for warning in session.experiment.warnings() {
        console::note(&format!("warning: {warning}"));
    }
    console::notices(&session.experiment.notices);
    let statuses = runner::survey(&plan, &store, &publish::targets(), false).map_err(Failure::Running)?;
    let bill = Costs::of(&store, session.places.clone()).bill(&plan, &statuses);
    let forecast = bill.forecast(arguments.shared.jobs(), cores());
    let format = if arguments.json { Format::Json } else { arguments.format };
    console::data(&match format {
        Format::Text => text(&plan, &rows),
        Format::Json => json(&session, &digests, &plan, &rows, &forecast),
        Format::Dot => Graph::of(&plan, &standings(&rows), arguments.full).dot(),
        Format::Mermaid => Graph::of(&plan, &standings(&rows), arguments.full).mermaid(),
    })?;
    if format == Format::Text && forecast.stages > 0 {
        console::estimate(&forecast.text());
    }
    let is_done = rows.iter().all(|row| [HIT, UNNEEDED].contains(&row.word));
    Ok(if arguments.exit_code && !is_done { Verdict::No } else { Verdict::Fine })
}

/// The stages that stand, directly or not, on data that is not there, each with the reason.
fn over_absent(session: &Session, plan: &Plan, absent: &BTreeMap<String, DatasetError>) -> BTreeMap<String, String> {
    let reason = |(name, _): (&String, &DatasetError)| format!("files of data set `{name}` are missing");
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for planned in &plan.stages {
        let id = planned.stage.id().as_str();
        let slug = planned.stage.id().pair_slug();
        let own = session.experiment.pairs.iter().find(|pair| slug == Some(&session.experiment.slug(pair))).map(|pair| &pair.dataset);
        let found_here = match own {
            Some(name) => absent.get_key_value(name).map(reason),
            None => planned.stage.inputs().iter().find_map(|input| found.get(input.as_str()).cloned()),
        };
        if let Some(reason) = found_here {
            found.insert(id.to_owned(), reason);
        }
    }
    found
}

fn rows(session: &Session, plan: &Plan, store: &Store, absent: &BTreeMap<String, String>) -> Result<Vec<Row>, Failure> {
    let statuses = runner::survey(plan, store, &publish::targets(), false).map_err(Failure::Running)?;
    session.inspect(plan, &statuses)?;
    // Earlier recipes are read only when something misses.
    let (recipes, by_stage) = (OnceCell::new(), OnceCell::new());
    let earlier = || by_stage.get_or_init(|| ByStage::of(recipes.get_or_init(|| store.entries())));
    let mut first: BTreeMap<Fingerprint, &StageId> = BTreeMap::new();
    for planned in &plan.stages {
        first.entry(planned.fingerprint).or_insert_with(|| planned.stage.id());
    }
    let mut never_run: BTreeSet<&StageId> = BTreeSet::new();
    let mut rows = Vec::with_capacity(plan.stages.len());
    for (planned, status) in plan.stages.iter().zip(statuses) {
        let id = planned.stage.id();
        let twin = first[&planned.fingerprint];
        let row = match status {
            _ if absent.contains_key(id.as_str()) => Row::new(NEEDS_DATA, &absent[id.as_str()]),
            Status::Hit(_) => Row::new(HIT, ""),
            Status::Run(_) if twin != id => Row { shared: true, ..Row::new(MISS, format!("the same work as {twin}")) },
            Status::Run(Reason::Forced) => Row::new(MISS, "asked for"),
            Status::Run(Reason::Damaged(what)) => Row::new(MISS, format!("damaged entry: {what}")),
            Status::Run(Reason::Missing) => missed(session, planned, earlier(), &never_run),
            Status::Unneeded if matches!(store.lookup(&planned.fingerprint), Lookup::Hit(_)) => Row::new(HIT, ""),
            Status::Unneeded => Row::new(UNNEEDED, "what is made of it is at hand"),
        };
        if row.reason == NEVER_RUN {
            never_run.insert(id);
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Why a stage misses. Inputs that never ran make it new as well, whatever another experiment has under its name.
fn missed(session: &Session, planned: &Planned, earlier: &ByStage<'_>, never_run: &BTreeSet<&StageId>) -> Row {
    let inputs = planned.stage.inputs();
    if !inputs.is_empty() && inputs.iter().all(|input| never_run.contains(input)) {
        return Row::new(MISS, NEVER_RUN);
    }
    let title = |settings: &Value| settings.get("title").cloned();
    let own = OnceCell::new();
    let is_meant = |entry: &Entry| title(&entry.settings) == *own.get_or_init(|| title(&planned.stage.recipe().settings));
    match earlier.nearest(planned, is_meant) {
        Some(nearest) => {
            let changes = in_spec_keys(session, planned.stage.id(), &nearest.changes);
            Row { reason: explain::summary(&changes), changes, ..Row::new(MISS, "") }
        }
        None => Row::new(MISS, NEVER_RUN),
    }
}

fn standings(rows: &[Row]) -> Vec<&'static str> {
    rows.iter().map(|row| row.word).collect()
}

fn text(plan: &Plan, rows: &[Row]) -> String {
    let cells = |(planned, row): (&Planned, &Row)| {
        let fingerprint = if row.word == NEEDS_DATA { "-".to_owned() } else { planned.fingerprint.short() };
        // As wide as the longest of the four words.
        [format!("{:<10}", row.word), fingerprint, planned.stage.id().to_string(), row.reason.clone()]
    };
    let mut lines = columns(&plan.stages.iter().zip(rows).map(cells).collect::<Vec<_>>());
    let count = |word: &str| rows.iter().filter(|row| row.word == word).count();
    let shared = rows.iter().filter(|row| row.shared).count();
    let mut total = format!("{} stages: {} hit, {} would run", rows.len(), count(HIT), count(MISS) - shared);
    if shared > 0 {
        total.push_str(&format!(", {shared} the same as others"));
    }
    if count(UNNEEDED) > 0 {
        total.push_str(&format!(", {} not needed", count(UNNEEDED)));
    }
    if count(NEEDS_DATA) > 0 {
        total.push_str(&format!(", {} need data", count(NEEDS_DATA)));
    }
    lines.push(total);
    lines.join("\n")
}

fn json(session: &Session, digests: &Digests, plan: &Plan, rows: &[Row], forecast: &Forecast) -> String {
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .zip(rows)
        .map(|(planned, row)| {
            // A stage that computes nothing with networks has no device.
            let device = planned.stage.recipe().settings["device"].take();
            json!({
                "stage": planned.stage.id(),
                "device": device,
                "fingerprint": if row.word == NEEDS_DATA { Value::Null } else { json!(planned.fingerprint) },
                "standing": row.word,
                "reason": row.reason,
                "changes": row.changes,
                "inputs": planned.stage.inputs(),
            })
        })
        .collect();
    // With every key as all layers leave it.
    let run = RunRecord::new(&session.experiment, plan, &session.device, &digests.found);
    let Forecast { wall, cores, memory, .. } = forecast;
    let estimate = json!({ "seconds": wall, "core_seconds": cores, "memory": memory });
    format!("{:#}", json!({ "name": session.experiment.name, "run": run, "estimate": estimate, "stages": stages }))
}
