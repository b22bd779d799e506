//! `run.json`: everything that decides the numbers of a results folder, the same on every machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::devices;
use crate::plan::Plan;
use crate::shell::quoted;
use crate::spec::{Experiment, Override};
use crate::version;

/// The name of the file.
pub const FILE: &str = "run.json";

/// What a run was asked for and by which program it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The experiment.
    pub name: String,
    /// The name of the spec's file.
    pub spec: String,
    /// The profile, if one was chosen.
    pub profile: Option<String>,
    /// Keys that the environment or `--set` changed, each with that layer.
    pub overrides: Vec<Override>,
    /// The kind of device that networks ran on, or the kinds in the order of the list that was given.
    pub device: String,
    /// The version of the program.
    pub program: String,
    /// The stage that made the tables: the first characters of its fingerprint, which names everything that went into them.
    pub tabulate: String,
    /// The digest of each data set; none in records of earlier versions.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// Every key of the spec as all layers leave it.
    pub settings: serde_json::Value,
}

impl RunRecord {
    /// That of a plan over data of these digests.
    pub fn new(experiment: &Experiment, plan: &Plan, device: &str, data: &BTreeMap<String, String>) -> RunRecord {
        let origin = experiment.origin.clone();
        RunRecord {
            name: experiment.name.clone(),
            spec: origin.spec,
            profile: origin.profile,
            overrides: origin.overrides,
            device: devices::written(device),
            program: version::VERSION.to_owned(),
            tabulate: tabulate(plan),
            data: data.clone(),
            settings: origin.settings,
        }
    }

    /// That of a results folder; `None` where it has none, or one of another version.
    pub fn read(results: &Path) -> Option<RunRecord> {
        serde_json::from_slice(&fs::read(results.join(FILE)).ok()?).ok()
    }

    /// Whether the tables are those of the plan, and not of the spec before it was edited.
    pub fn is_of(&self, plan: &Plan) -> bool {
        self.tabulate == tabulate(plan)
    }

    /// The data sets that have other images than these digests tell, as far as both are known.
    pub fn other_data<'a>(&self, data: &'a BTreeMap<String, String>) -> Vec<&'a str> {
        let is_other = |(name, digest): &(&'a String, &String)| self.data.get(*name).is_some_and(|known| known != *digest);
        data.iter().filter(is_other).map(|(name, _)| name.as_str()).collect()
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        format!("{:#}\n", serde_json::json!(self)).into_bytes()
    }

    /// What follows the spec on a command line that asks for the same: each option behind a space.
    pub fn options(&self) -> String {
        let profile = self.profile.as_ref().map(|profile| format!(" --profile {}", quoted(profile))).unwrap_or_default();
        let sets: String = self.overrides.iter().map(|given| format!(" --set {}", quoted(&given.set()))).collect();
        let device = if self.device == "cpu" { String::new() } else { format!(" --device {}", self.device) };
        format!("{profile}{sets}{device}")
    }

    /// Profile, overrides and device in words.
    pub fn settings_text(&self) -> String {
        let profile = self.profile.as_ref().map_or_else(|| "no profile".to_owned(), |profile| format!("profile `{profile}`"));
        let device = Some(format!("device {}", self.device)).filter(|_| self.device != "cpu");
        let given = self.overrides.iter().map(|given| format!("`{} = {}`", given.key, given.value));
        std::iter::once(profile).chain(given).chain(device).collect::<Vec<_>>().join(", ")
    }
}

/// The first characters of the fingerprint of the stage that makes the tables.
fn tabulate(plan: &Plan) -> String {
    plan.find("tabulate").map(|planned| planned.fingerprint.short()).unwrap_or_default()
}
