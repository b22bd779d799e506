//! The first soft matrices on the way of C²M³: `iterates.csv`, a picture of panels.

mod picture;
mod stage;

use anyhow::Result;
use figment::value::Value;
use onebasin_matching::Matching;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::Measurement;
use crate::drawing::Canvas;
use crate::identity::ResultKey;
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, Either, Method, SpecError, whole};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::table::{Tables, row};

use stage::{ARTIFACT, Item, IteratesStage, Wanted};

const MOST_ITERATES: usize = 24;

/// The measurement.
pub struct Iterates;

/// `evaluation.iterates` as a table.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Iterates")]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Keys {
    count: usize,
    /// A group of units; the smallest.
    group: Option<String>,
    /// A name; the first model.
    model: Option<String>,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { count: 6, group: None, model: None }
    }
}

/// Soft matrices on the way of an ascent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IteratesRequest {
    /// How many, from the first on.
    count: usize,
    /// The group of units; `None`: the smallest of the architecture, of equals the first.
    group: Option<String>,
    /// The model, by index.
    model: usize,
}

row! {
    /// An entry of a soft matrix: a row of `iterates.csv`. Entries stay in the order of their places.
    pub struct IterateRow in "iterates.csv", order |a, b| (&a.key, a.iteration).cmp(&(&b.key, b.iteration));
    {
        key: ResultKey,
        models: usize,
        model: String,
        group: String,
        units: usize,
        iteration: usize,
        step: Option<f64>,
        row: usize,
        column: usize,
        value: f64,
        stage: String,
    }
}

/// Which model's matrices an artifact holds, and how many models were aligned.
#[derive(Serialize)]
struct IterateRecord {
    key: ResultKey,
    model: String,
    models: usize,
}

impl Record for IterateRecord {
    const OF: &'static str = "iterates";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        for Item { group, units, iteration, step, entries } in read_json::<Vec<Item>>(artifact, ARTIFACT)? {
            tables.extend(entries.into_iter().map(|(row, column, value)| IterateRow {
                key: self.key.clone(),
                models: self.models,
                model: self.model.clone(),
                group: group.clone(),
                units,
                iteration,
                step,
                row,
                column,
                value,
                stage: stage.to_owned(),
            }));
        }
        Ok(())
    }
}

impl Measurement for Iterates {
    type Request = IteratesRequest;

    const KEYS: &'static [&'static str] = &["iterates"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Either<usize, Keys>>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<IteratesRequest>, SpecError> {
        let here = asked.at(["iterates"]);
        let at = |key: &str| asked.at(["iterates", key]);
        let keys = match asked.value("iterates") {
            None => return Ok(None),
            Some(Value::Num(_, number)) => {
                let Some(count) = whole(number).and_then(|count| usize::try_from(count).ok()) else {
                    return Err(asked
                        .wrong(&here, format!("`evaluation.iterates` should be a whole number from 1 to {MOST_ITERATES}"))
                        .hint("the paper shows 6"));
                };
                asked.within(&here, count, 1..=MOST_ITERATES, "the paper shows 6")?;
                Keys { count, ..Keys::default() }
            }
            Some(Value::Dict(..)) => {
                let keys: Keys = asked.read(&here)?;
                asked.within(&at("count"), keys.count, 1..=MOST_ITERATES, "the paper shows 6")?;
                keys
            }
            Some(_) => {
                return Err(asked
                    .wrong(&here, "`evaluation.iterates` should be a whole number, or a table")
                    .hint("`iterates = 6`, or `iterates = { count = 6, group = \"fc1\", model = \"a\" }`"));
            }
        };
        let ascends = |method: &Method| method.is_measured_in_its_frame() && matches!(method.matching, Matching::C2m3(_));
        if asked.models.len() < 2 || !asked.methods.iter().any(ascends) {
            return Err(asked
                .wrong(
                    &here,
                    "`evaluation.iterates` shows the ascent of C²M³ on all models, but no method merges the mean of all matched by it",
                )
                .hint("add a method with `matching = { by = \"c2m3\" }`, without `models` and `sequential`, or leave it out"));
        }
        let model = match &keys.model {
            Some(name) => asked.position(&at("model"), name)?,
            None => 0,
        };
        for pair in asked.pairs {
            let groups = || pair.graph.spec().groups.iter().map(|group| group.name.as_str());
            if let Some(group) = keys.group.as_ref().filter(|group| !groups().any(|known| known == group.as_str())) {
                let message = format!("the architecture `{}` has no group of units `{group}`", pair.architecture);
                return Err(asked.wrong(&at("group"), message).known(group, groups()));
            }
        }
        Ok(Some(IteratesRequest { count: keys.count, group: keys.group, model }))
    }

    fn plan(request: &IteratesRequest, planner: &mut PairPlanner<'_, '_>) {
        let groups = &planner.pair().graph.spec().groups;
        let smallest = || groups.iter().min_by_key(|group| group.units).map(|group| group.name.clone());
        // A network without hidden units has no matrices.
        let Some(group) = request.group.clone().or_else(smallest) else { return };
        for method in planner.experiment().methods.iter().filter(|method| method.is_measured_in_its_frame()) {
            let Matching::C2m3(matching) = &method.matching else { continue };
            let names = planner.all_names();
            let alignment = planner.all_aligned(method);
            let stream = planner.matching_stream(method, &names.len().to_string());
            let id = planner.id("iterates", Some(method), &names[request.model]);
            let wanted = Wanted { model: request.model, group: group.clone(), count: request.count };
            let record = IterateRecord { key: planner.key(Some(method)), model: names[request.model].clone(), models: names.len() };
            let (models, task) = (planner.all_models(), planner.task());
            planner.measure(IteratesStage::new(id, alignment, models, task, matching.clone(), stream, wanted), record);
        }
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}
