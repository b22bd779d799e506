//! What the page knows of the stages: recipes, inputs, and what it took to make them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Source;
use crate::run_record::RunRecord;
use crate::store::Receipt;

/// Settings longer than this are cut: those of the stage that tabulates name every row.
const LONGEST: usize = 4000;

/// A stage of the plan.
pub struct Stage {
    /// As `plan` prints it.
    pub id: String,
    /// The first characters of its fingerprint.
    pub short: String,
    /// The first part of its name.
    pub kind: String,
    /// Places of its inputs among the stages.
    pub inputs: Vec<usize>,
    version: u32,
    settings: Value,
    /// What it took; none where the store does not have it.
    pub receipt: Option<Receipt>,
}

/// All stages, inputs before dependents.
pub struct Stages {
    pub stages: Vec<Stage>,
    /// `onebasin run SPEC ...`, with what makes the same results.
    command: String,
}

impl Stages {
    /// Those of a plan.
    pub fn of(source: &Source<'_>, record: &RunRecord) -> Stages {
        let places: BTreeMap<&str, usize> =
            source.plan.stages.iter().enumerate().map(|(place, planned)| (planned.stage.id().as_str(), place)).collect();
        let stage = |planned: &crate::plan::Planned| {
            let recipe = planned.stage.recipe();
            let id = planned.stage.id().to_string();
            Stage {
                short: planned.fingerprint.short(),
                kind: id.split('/').next().unwrap_or_default().to_owned(),
                inputs: planned.stage.inputs().iter().filter_map(|input| places.get(input.as_str()).copied()).collect(),
                version: recipe.version,
                settings: recipe.settings,
                receipt: source.store.receipt(&planned.fingerprint).ok(),
                id,
            }
        };
        let command = format!("onebasin run {}{}", source.spec, record.options());
        Stages { stages: source.plan.stages.iter().map(stage).collect(), command }
    }

    /// As the script reads it. Values that many recipes share stand there once.
    pub fn json(&self) -> String {
        let mut values: Vec<Value> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut shared = |value: Value| {
            let text = value.to_string();
            let value =
                if text.len() > LONGEST { json!(format!("{} characters; `onebasin explain` shows them", text.len())) } else { value };
            *known.entry(text).or_insert_with(|| {
                values.push(value);
                values.len() - 1
            })
        };
        let mut stages = Vec::new();
        for stage in &self.stages {
            let settings: BTreeMap<&String, usize> =
                stage.settings.as_object().into_iter().flatten().map(|(key, value)| (key, shared(value.clone()))).collect();
            let made = stage.receipt.as_ref().map(|receipt| {
                let bytes: u64 = receipt.files.values().map(|file| file.bytes).sum();
                let machine = shared(json!(receipt.machine));
                json!({ "seconds": receipt.seconds, "made": receipt.made, "program": receipt.program, "threads": receipt.threads, "device": receipt.device, "bytes": bytes, "machine": machine })
            });
            stages.push(json!({
                "id": stage.id, "fingerprint": stage.short, "version": stage.version, "settings": settings, "inputs": stage.inputs, "made": made,
            }));
        }
        // A closing tag inside would end the script.
        json!({ "command": self.command, "stages": stages, "values": values }).to_string().replace("</", "<\\/")
    }
}
