//! Earlier figures to compare with: a file of bands, and beside it the recipes that made them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::explain;
use crate::input_file;
use crate::plan::{Plan, Planned};
use crate::reported::{self, Reported};
use crate::stage::StageId;
use crate::store::{Entry, Input};
use crate::whole_file;

/// The recipes of a whole plan, beside the figures it made.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Recipes {
    /// One for each stage.
    pub stages: Vec<Entry>,
}

/// What became of one of the stages that a figure comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// The stage.
    pub stage: StageId,
    /// What differs in its recipe, in words.
    pub how: String,
}

impl Recipes {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Recipes {
        let entry = |planned: &Planned| {
            let inputs = planned.stage.inputs().iter().cloned().zip(planned.inputs.iter().copied());
            let inputs = inputs.map(|(stage, fingerprint)| Input { stage, fingerprint }).collect();
            Entry::new(planned.fingerprint, planned.stage.id(), planned.stage.recipe(), inputs)
        };
        // What is made of figures does not make them.
        let made = plan.stages.iter().filter(|planned| !["tabulate", "plot"].contains(&planned.stage.recipe().kind));
        Recipes { stages: made.map(entry).collect() }
    }

    /// The recipes beside a file of figures; `None` where there are none.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn beside(figures: &Path) -> Result<Option<Recipes>> {
        let path = beside(figures);
        match input_file::bytes(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("`{}` holds no recipes\nhint: `--renew` writes it anew", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    /// The kind of device that a stage ran on.
    pub fn device_of(&self, stage: &StageId) -> Option<&str> {
        self.stages.iter().find(|entry| entry.stage == *stage)?.settings["device"].as_str()
    }

    /// The kinds of device that stages ran on.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().filter_map(|entry| entry.settings["device"].as_str())
    }

    /// Whether a plan has the stage whose fingerprint begins so.
    pub fn plans(plan: &Plan, stage: &str) -> bool {
        Recipes::planned(plan, stage).is_some()
    }

    /// The stage of a plan whose fingerprint begins so.
    pub fn planned<'a>(plan: &'a Plan, stage: &str) -> Option<&'a Planned> {
        plan.stages.iter().find(|planned| planned.fingerprint.to_string().starts_with(stage))
    }

    /// Which of the stages that lead to the one named by the first characters of its fingerprint have another recipe now, inputs first.
    pub fn changed(&self, plan: &Plan, stage: &str) -> Vec<Changed> {
        let Some(end) = Recipes::planned(plan, stage) else { return Vec::new() };
        let mut ancestors = BTreeSet::from([end.stage.id()]);
        // Inputs come before dependents: one walk back finds them all.
        for planned in plan.stages.iter().rev() {
            if ancestors.contains(planned.stage.id()) {
                ancestors.extend(planned.stage.inputs());
            }
        }
        let mut changed = Vec::new();
        for planned in plan.stages.iter().filter(|planned| ancestors.contains(planned.stage.id())) {
            let id = planned.stage.id();
            let Some(earlier) = self.stages.iter().find(|entry| entry.stage == *id) else {
                changed.push(Changed { stage: id.clone(), how: "is new".to_owned() });
                continue;
            };
            // That an input changed is told of the input.
            let mut changes = explain::changes(earlier, planned);
            changes.retain(|change| !change.path.starts_with("input "));
            if !changes.is_empty() {
                changed.push(Changed { stage: id.clone(), how: explain::summary(&changes) });
            }
        }
        changed
    }
}

/// `bands.csv` has its recipes in `bands.recipes.json`.
fn beside(figures: &Path) -> PathBuf {
    let mut name = OsString::from(figures.file_stem().unwrap_or_default());
    name.push(".recipes.json");
    figures.with_file_name(name)
}

/// Writes figures, and beside them the recipes that made them; each file whole or not at all.
///
/// # Errors
/// When one cannot be written.
pub fn renew(path: &Path, figures: &[Reported], recipes: &Recipes) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(recipes)?;
    text.push(b'\n');
    for (path, bytes) in [(beside(path), text), (path.to_owned(), reported::write(figures)?)] {
        whole_file::write(&path, &bytes).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}
