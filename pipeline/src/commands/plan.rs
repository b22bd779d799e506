//! `onebasin plan`: what `run` would do, and why.

use std::collections::BTreeMap;

use onebasin_datasets::DatasetError;
use onebasin_network::did_you_mean;
use onebasin_repro::Fingerprint;
use serde_json::{Value, json};

use super::setting::Setting;
use super::{Failure, Verdict};
use crate::cli::{self, Format};
use crate::console;
use crate::explain;
use crate::plan::{Plan, Planned};
use crate::publish;
use crate::runner::{self, Reason, Status};
use crate::stage::StageId;
use crate::store::{Entry, Lookup, Store};

/// Where a stage stands before a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Its artifact is there.
    Hit,
    /// It would run.
    Miss {
        /// In words.
        reason: String,
        /// Against the nearest earlier recipe of the same stage.
        changes: Vec<explain::Change>,
    },
    /// There is no artifact, and what is made of it is at hand.
    Unneeded,
    /// Data files are missing, so that nothing can be said.
    NeedsData(String),
}

impl Standing {
    fn word(&self) -> &'static str {
        match self {
            Standing::Hit => "hit",
            Standing::Miss { .. } => "miss",
            Standing::Unneeded => "unneeded",
            Standing::NeedsData(_) => "needs-data",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Standing::Hit => "",
            Standing::Miss { reason, .. } => reason,
            Standing::Unneeded => "what is made of it is at hand",
            Standing::NeedsData(why) => why,
        }
    }
}

/// Prints the plan of a spec.
pub fn plan(arguments: &cli::Plan) -> Result<Verdict, Failure> {
    let setting = Setting::read(&arguments.spec, &arguments.shared, false)?;
    let digests = setting.digests();
    let plan = setting.plan(&digests, &arguments.shared)?;
    let store = Store::new(&arguments.shared.store);
    let absent = over_absent(&setting, &plan, &digests.absent);
    let standings = standings(&plan, &store, &absent)?;
    for error in digests.absent.values() {
        console::note(&super::rendered(&anyhow::anyhow!("{error}")).replacen("error:", "warning:", 1));
    }
    let format = if arguments.json { Format::Json } else { arguments.format };
    console::data(&match format {
        Format::Text => text(&plan, &standings),
        Format::Json => json(&setting, &plan, &standings),
        Format::Dot => dot(&plan, &standings),
        Format::Mermaid => mermaid(&plan, &standings),
    });
    Ok(Verdict::Fine)
}

/// The stages that stand, directly or not, on data that is not there, each with the reason.
fn over_absent(setting: &Setting, plan: &Plan, absent: &BTreeMap<String, DatasetError>) -> BTreeMap<String, String> {
    let reason = |(name, error): (&String, &DatasetError)| match error {
        DatasetError::Missing { .. } => format!("files of data set `{name}` are missing"),
        _ => format!("data set `{name}` cannot be read"),
    };
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for planned in &plan.stages {
        let id = planned.stage.id().as_str();
        let slug = planned.stage.id().pair_slug();
        let own = setting.experiment.pairs.iter().find(|pair| slug == Some(&setting.experiment.slug(pair))).map(|pair| &pair.dataset);
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

fn standings(plan: &Plan, store: &Store, absent: &BTreeMap<String, String>) -> Result<Vec<Standing>, Failure> {
    let statuses = runner::survey(plan, store, &publish::targets(), false).map_err(Failure::Running)?;
    // Earlier recipes are read only when something misses.
    let recipes = std::cell::OnceCell::new();
    let mut first: BTreeMap<Fingerprint, &StageId> = BTreeMap::new();
    for planned in &plan.stages {
        first.entry(planned.fingerprint).or_insert_with(|| planned.stage.id());
    }
    let standing = |(planned, status): (&Planned, Status)| {
        let id = planned.stage.id();
        let twin = first[&planned.fingerprint];
        if let Some(reason) = absent.get(id.as_str()) {
            return Standing::NeedsData(reason.clone());
        }
        match status {
            Status::Hit(_) => Standing::Hit,
            Status::Run(_) if twin != id => Standing::Miss { reason: format!("the same work as {twin}"), changes: Vec::new() },
            Status::Run(Reason::Damaged(what)) => Standing::Miss { reason: format!("damaged entry: {what}"), changes: Vec::new() },
            Status::Run(Reason::Missing) => missed(planned, recipes.get_or_init(|| store.entries())),
            Status::Unneeded if matches!(store.lookup(&planned.fingerprint), Lookup::Hit(_)) => Standing::Hit,
            Status::Unneeded => Standing::Unneeded,
        }
    };
    Ok(plan.stages.iter().zip(statuses).map(standing).collect())
}

fn missed(planned: &Planned, earlier: &[Entry]) -> Standing {
    match explain::nearest(planned, earlier) {
        Some(nearest) if nearest.earlier.stage == *planned.stage.id() => {
            Standing::Miss { reason: explain::summary(&nearest.changes), changes: nearest.changes }
        }
        _ => Standing::Miss { reason: "never run".to_owned(), changes: Vec::new() },
    }
}

fn text(plan: &Plan, standings: &[Standing]) -> String {
    let width = plan.stages.iter().map(|planned| planned.stage.id().as_str().len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (planned, standing) in plan.stages.iter().zip(standings) {
        let id = planned.stage.id().as_str();
        lines.push(format!("{:<10}  {id:<width$}  {}", standing.word(), standing.reason()).trim_end().to_owned());
    }
    let count = |word: &str| standings.iter().filter(|standing| standing.word() == word).count();
    let mut total = format!("{} stages: {} hit, {} would run", standings.len(), count("hit"), count("miss"));
    if count("unneeded") > 0 {
        total.push_str(&format!(", {} not needed", count("unneeded")));
    }
    if count("needs-data") > 0 {
        total.push_str(&format!(", {} need data", count("needs-data")));
    }
    lines.push(total);
    lines.join("\n")
}

fn json(setting: &Setting, plan: &Plan, standings: &[Standing]) -> String {
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .zip(standings)
        .map(|(planned, standing)| {
            let changes = if let Standing::Miss { changes, .. } = standing { changes.as_slice() } else { &[] };
            json!({
                "stage": planned.stage.id(),
                "fingerprint": if matches!(standing, Standing::NeedsData(_)) { Value::Null } else { json!(planned.fingerprint) },
                "standing": standing.word(),
                "reason": standing.reason(),
                "changes": changes,
                "inputs": planned.stage.inputs(),
            })
        })
        .collect();
    format!("{:#}", json!({ "name": setting.experiment.name, "stages": stages }))
}

fn dot(plan: &Plan, standings: &[Standing]) -> String {
    let mut lines = vec!["digraph plan {".to_owned(), "  rankdir = LR; node [shape = box, style = filled];".to_owned()];
    for (planned, standing) in plan.stages.iter().zip(standings) {
        let colour = match standing {
            Standing::Hit => "#cfe8cf",
            Standing::Miss { .. } => "#f7d9b0",
            Standing::Unneeded | Standing::NeedsData(_) => "#dddddd",
        };
        lines.push(format!("  \"{}\" [fillcolor = \"{colour}\"];", planned.stage.id()));
        lines.extend(planned.stage.inputs().iter().map(|input| format!("  \"{input}\" -> \"{}\";", planned.stage.id())));
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

fn mermaid(plan: &Plan, standings: &[Standing]) -> String {
    let numbers: BTreeMap<&str, usize> =
        plan.stages.iter().enumerate().map(|(index, planned)| (planned.stage.id().as_str(), index)).collect();
    let mut lines = vec!["flowchart LR".to_owned()];
    for (index, (planned, standing)) in plan.stages.iter().zip(standings).enumerate() {
        lines.push(format!("  s{index}[\"{}\"]:::{}", planned.stage.id(), standing.word().replace('-', "")));
        lines.extend(
            planned.stage.inputs().iter().filter_map(|input| numbers.get(input.as_str())).map(|input| format!("  s{input} --> s{index}")),
        );
    }
    lines.push("  classDef hit fill:#cfe8cf".to_owned());
    lines.push("  classDef miss fill:#f7d9b0".to_owned());
    lines.push("  classDef unneeded fill:#dddddd".to_owned());
    lines.push("  classDef needsdata fill:#dddddd".to_owned());
    lines.join("\n")
}

/// The stage of a name, or an error that offers the nearest.
pub fn find<'a>(plan: &'a Plan, id: &str) -> Result<&'a Planned, Failure> {
    plan.find(id).ok_or_else(|| {
        let known = plan.stages.iter().map(|planned| planned.stage.id().as_str());
        let hint = match did_you_mean(id, known) {
            Some(likely) => format!("did you mean `{likely}`?"),
            None => "`onebasin plan SPEC` lists the stages".to_owned(),
        };
        Failure::Input(anyhow::anyhow!("unknown stage `{id}`\nhint: {hint}"))
    })
}
