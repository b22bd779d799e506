//! How sure each match is: `margins.csv`, a picture of boxes.

mod picture;
mod stage;

use anyhow::{Context, Result};
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use super::Measurement;
use crate::drawing::Canvas;
use crate::identity::ResultKey;
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, Method, SpecError, shown};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::table::{Tables, row};

use stage::{ARTIFACT, Item, MarginsStage};

/// The measurement.
pub struct Margins;

row! {
    /// A unit and how sure its match is: a row of `margins.csv`. Models stay in the order of the spec, groups in that of the network.
    pub struct MarginRow in "margins.csv", order |a, b| a.key.cmp(&b.key);
    {
        key: ResultKey,
        models: usize,
        model: String,
        group: String,
        unit: usize,
        slot: usize,
        margin: Option<f64>,
        stage: String,
    }
}

/// Which models an artifact is about.
#[derive(Serialize)]
struct MarginRecord {
    key: ResultKey,
    models: Vec<String>,
}

impl Record for MarginRecord {
    const OF: &'static str = "margins";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        for Item { model, group, units, margins } in read_json::<Vec<Item>>(artifact, ARTIFACT)? {
            let model = self.models.get(model).context("a model without a name")?;
            tables.extend(units.into_iter().zip(margins).enumerate().map(|(slot, (unit, margin))| MarginRow {
                key: self.key.clone(),
                models: self.models.len(),
                model: model.clone(),
                group: group.clone(),
                unit: unit as usize,
                slot,
                margin,
                stage: stage.to_owned(),
            }));
        }
        Ok(())
    }
}

impl Measurement for Margins {
    type Request = ();

    const KEYS: &'static [&'static str] = &["margins"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<bool>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<()>, SpecError> {
        if !asked.is_set("margins")? {
            return Ok(None);
        }
        let permutes = |method: &Method| method.is_measured_in_its_frame() && method.matching.permutes();
        if asked.models.len() < 2 || !asked.methods.iter().any(permutes) {
            let here = asked.at(["margins"]);
            return Err(asked
                .wrong(&here, format!("`{}` asks how sure matches are, but no units are matched one to one", shown(&here)))
                .hint("add a method whose matching is neither \"identity\" nor a plan that mixes units, or leave it out"));
        }
        Ok(Some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        for method in planner.experiment().methods.iter().filter(|method| method.is_measured_in_its_frame()) {
            let alignment = planner.all_aligned(method);
            let id = planner.id("margins", Some(method), "all");
            let record = MarginRecord { key: planner.key(Some(method)), models: planner.all_names() };
            planner.measure(MarginsStage::new(id, alignment, planner.all_models(), planner.task()), record);
        }
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}
