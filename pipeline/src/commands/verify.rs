//! `onebasin verify`: whether the artifacts of finished stages are what they were when they were made.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::folders::Folders;
use super::session::{Digests, Session};
use super::{Failure, Verdict};
use crate::cli::{self, Shared};
use crate::console;
use crate::devices;
use crate::error_text::error_text;
use crate::plan::Planned;
use crate::run_record::RunRecord;
use crate::store::{Lookup, Store};

/// Reads every artifact of the specs; says no when one is damaged. Runs nothing and repairs nothing.
pub fn verify(arguments: &cli::Verify) -> Result<Verdict, Failure> {
    devices::known(&arguments.shared.device).map_err(Failure::Input)?;
    let store = Store::new(Folders::of(&arguments.shared).store);
    if !store.root().exists() {
        console::note(&format!("there is no store at `{}`: nothing has run here", store.root().display()));
    }
    let mut verdict = Verdict::Fine;
    let mut reports: Vec<Value> = Vec::new();
    let mut lines = Vec::new();
    for (name, mut session, shared) in settings(arguments)? {
        let digests = session.digests();
        let plan = session.plan(&digests, &shared)?;
        for error in digests.absent.values() {
            console::note(&error_text(&anyhow::anyhow!("{error}")).replacen("error:", "warning:", 1));
        }
        tell_other_images(&session, &shared, &digests);
        // Stages with equal fingerprints share an artifact, which is read once.
        let mut found = BTreeMap::new();
        for planned in &plan.stages {
            found.entry(planned.fingerprint).or_insert_with(|| store.verify(&planned.fingerprint));
        }
        let mut whole = 0;
        let mut missing: Vec<&Planned> = Vec::new();
        let mut damaged: Vec<(&Planned, &String)> = Vec::new();
        for planned in &plan.stages {
            match &found[&planned.fingerprint] {
                Lookup::Hit(_) => whole += 1,
                Lookup::Miss => missing.push(planned),
                Lookup::Damaged(problem) => damaged.push((planned, problem)),
            }
        }
        if !damaged.is_empty() {
            verdict = Verdict::No;
        }
        for (planned, problem) in &damaged {
            lines.push(format!("{}  {}  {}: {problem}", console::word("DAMAGED"), planned.fingerprint.short(), planned.stage.id()));
        }
        let mut total = format!("{name}: {} stages, {whole} whole, {} damaged", plan.stages.len(), damaged.len());
        if !missing.is_empty() {
            total.push_str(&format!(", {} not there", missing.len()));
        }
        lines.push(total);
        let damaged = damaged
            .iter()
            .map(|(planned, problem)| json!({ "stage": planned.stage.id(), "fingerprint": planned.fingerprint, "problem": problem }));
        reports.push(json!({
            "name": name,
            "stages": plan.stages.len(),
            "whole": whole,
            "damaged": damaged.collect::<Vec<_>>(),
            "missing": missing.iter().map(|planned| planned.stage.id()).collect::<Vec<_>>(),
        }));
    }
    console::data(&if arguments.json { format!("{:#}", Value::from(reports)) } else { lines.join("\n") })?;
    if verdict == Verdict::No {
        console::note("hint: `onebasin run SPEC --verify` makes damaged artifacts anew");
    }
    Ok(verdict)
}

/// Of other images other stages would be made, so that those of the results are not among what is looked at.
fn tell_other_images(session: &Session, shared: &Shared, digests: &Digests) {
    let results = Folders::of(shared).results_of(&session.experiment);
    let Some(record) = RunRecord::read(&results) else { return };
    for name in record.other_data(&digests.found) {
        let hint = "the artifacts of those results are not verified: bring the images back, or run the spec on these";
        console::note(&format!("warning: `{}` was made of other images of `{name}`\nhint: {hint}", results.display()));
    }
}

/// Every setting that a run of the specs makes, named as the folder of its results.
fn settings(arguments: &cli::Verify) -> Result<Vec<(String, Session, Shared)>, Failure> {
    let shared = &arguments.shared;
    let folders = Folders::of(shared);
    let mut found = Vec::new();
    for path in &arguments.specs {
        let session = Session::read(path, shared, false)?;
        let settings = &session.experiment.origin.settings;
        let sweep = session.experiment.sweep.without(&shared.sets, settings);
        if sweep.is_empty() {
            found.push((session.experiment.name.clone(), session, shared.clone()));
            continue;
        }
        for setting in sweep.settings() {
            let shared = Shared { sets: sweep.sets_with(&setting, &shared.sets, settings), ..shared.clone() };
            let session = Session::read(path, &shared, false)?;
            let folder = folders.of_setting(&session.experiment, &[]).0;
            let name = folder.file_name().map_or_else(|| session.experiment.name.clone(), |name| name.to_string_lossy().into_owned());
            found.push((name, session, shared));
        }
    }
    Ok(found)
}
