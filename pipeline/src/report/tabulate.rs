//! The stage that turns measurements into the result files.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use onebasin_repro::Fingerprint;
use serde_json::{Value, json};

use super::architectures::ArchitectureRow;
use super::differences::{DifferenceRow, Differences, differences};
use super::{line_sets, markdown, notes, over_time, summary};
use crate::comparison::Comparison;
use crate::drawing::MethodRow;
use crate::identity::{PairName, Part};
use crate::image_limits::ImageLimits;
use crate::measurements;
use crate::own_models::OwnModels;
use crate::plan::Recorded;
use crate::spec::{BarrierOver, Interpolation, Lost};
use crate::stage::{Context, Recipe, Stage, StageId, Words};
use crate::store;
use crate::table::Tables;

/// Writes every CSV of an experiment and `table.md`.
pub struct Tabulate {
    id: StageId,
    inputs: Vec<StageId>,
    recorded: Vec<Recorded>,
    /// What is known before anything runs.
    known: Known,
}

/// What tables say besides what was measured.
pub struct Known {
    /// The name of the experiment.
    pub title: String,
    /// Rows of `architectures.csv`.
    pub architectures: Vec<ArchitectureRow>,
    /// Rows of `methods.csv`.
    pub methods: Vec<MethodRow>,
    /// Figures to compare with.
    pub comparison: Comparison,
    /// What the barriers that are shown are over, the first one also as a share.
    pub barriers: Vec<BarrierOver>,
    /// What has no rows, because a stage failed.
    pub lost: Vec<Lost>,
    /// The profile and what was laid over it, in words; may be empty.
    pub origin: String,
    /// How many images were measured.
    pub images: ImageLimits,
    /// Pairs whose networks have batch norms.
    pub batch_norms: Vec<PairName>,
    /// By which way lines lead.
    pub interpolation: Interpolation,
    /// Methods that merge other models than the first ones.
    pub own_models: OwnModels,
    /// Methods whose lines pass by what they merge.
    pub off_lines: BTreeSet<String>,
    /// The splits measured.
    pub splits: Vec<Part>,
}

impl Tabulate {
    /// The tables of everything recorded.
    pub fn new(recorded: Vec<Recorded>, known: Known) -> Tabulate {
        let inputs = recorded.iter().map(|recorded| recorded.stage.clone()).collect();
        Tabulate { id: StageId::new("tabulate"), inputs, recorded, known }
    }
}

/// Whether fewer models are merged than there are. The main table shows the most merged then, which it has not always done.
fn merges_fewer(cells: &[Value]) -> bool {
    let models: BTreeSet<&str> = cells.iter().filter_map(|cell| cell["model"]["model"].as_str()).collect();
    let merged = cells.iter().filter_map(|cell| cell["merged"]["models"].as_u64()).max();
    merged.is_some_and(|merged| merged < models.len() as u64)
}

impl Stage for Tabulate {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "tabling", past: "TABULATED" }
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let Known {
            title,
            architectures,
            methods,
            comparison,
            barriers,
            lost,
            origin,
            images,
            batch_norms,
            interpolation,
            own_models,
            off_lines,
            splits,
        } = &self.known;
        let cells: Vec<Value> = self.recorded.iter().map(Recorded::recipe).collect();
        let merges_fewer = merges_fewer(&cells);
        let mut settings = json!({
            "title": title,
            "cells": cells,
            "architectures": architectures,
            "methods": methods,
            "comparison": comparison,
            "barriers": barriers,
        });
        if merges_fewer {
            let has_lines = cells.iter().any(|cell| !cell["line"].is_null());
            settings["main-table"] = json!(if has_lines { "most-merged-of-each-metric" } else { "most-merged" });
        }
        if line_sets::has_fewer(&cells) {
            settings["fewer-lines"] = json!("compared-with-none");
        }
        if comparison.judges_at_other_settings() {
            settings["judged"] = json!("where-no-setting-moves-it");
        }
        if !lost.is_empty() {
            settings["lost"] = json!(lost);
        }
        if !origin.is_empty() {
            settings["origin"] = json!(origin);
        }
        if !batch_norms.is_empty() {
            settings["batch-norms"] = json!(batch_norms);
        }
        if notes::marks_arcs(&self.known) {
            settings["averaged-statistics"] = json!("of-arcs-too");
        }
        if let Some(images) = images.recipe() {
            settings["images"] = images;
        }
        if !off_lines.is_empty() {
            settings["off-lines"] = json!(off_lines);
        }
        if !splits.contains(&Part::Test) {
            settings["by-number"] = json!("on-train");
        }
        if !own_models.is_empty() {
            settings["own-models"] = json!(own_models);
        }
        if !interpolation.is_linear() {
            settings["interpolation"] = json!(interpolation);
        }
        Recipe { kind: "tabulate", version: 9, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let Known { architectures, methods, comparison, .. } = &self.known;
        let inputs: Vec<Fingerprint> = context.inputs.iter().map(|artifact| artifact.fingerprint).collect();
        let mut tables = Tables::made_by(store::fingerprint(&self.recipe(), &inputs).short());
        for (recorded, artifact) in self.recorded.iter().zip(context.inputs) {
            recorded.collect(artifact, &mut tables).with_context(|| format!("stage `{}`", recorded.stage))?;
        }
        tables.sort();
        for measurement in measurements::ALL {
            measurement.derive(&mut tables)?;
        }
        let cells = summary::summarise(&tables, comparison)?;
        tables.declare::<DifferenceRow>();
        let found = differences(&tables, &cells, architectures);
        summary::tabulate(&cells, &Differences::new(&found), methods, &mut tables);
        tables.extend(found);
        over_time::tabulate(&mut tables, comparison);
        tables.declare::<ArchitectureRow>();
        tables.extend(architectures.iter().cloned());
        tables.declare::<MethodRow>();
        tables.extend(methods.iter().cloned());
        tables.sort();
        tables.write(context.out)?;
        let text = markdown::render(&cells, &tables, &self.known);
        std::fs::write(context.out.join("table.md"), text).context("cannot write `table.md`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_knows_whether_fewer_models_are_merged_than_there_are() {
        let model = |name: &str| json!({ "model": { "model": name } });
        let merged = |models: usize| json!({ "merged": { "models": models } });
        assert!(merges_fewer(&[model("a"), model("b"), model("joint"), merged(2)]));
        assert!(!merges_fewer(&[model("a"), model("b"), model("a"), model("b"), merged(2)]));
        assert!(!merges_fewer(&[model("a")]));
    }
}
