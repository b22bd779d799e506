//! The norm of each parameter of end points, of models in the common frame and of the merged model: `norms.csv`, a picture of what
//! merging shrinks.
//!
//! A permutation keeps norms. A mean of vectors that do not point alike is shorter than they are, and a map that mixes units shortens them
//! before they are averaged.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_matching::{Alignment, to_frame};
use onebasin_network::{PermutationSpec, Weights};
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Measurement;
use crate::drawing::{Canvas, LayerPanels, LayerValue, by_pair};
use crate::identity::ResultKey;
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::{Artifact, Context, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, read_json};
use crate::table::{Row, Tables, row, text_column};
use crate::task::Task;

/// The file of the stage.
const ARTIFACT: &str = "norms.json";

/// The measurement.
pub struct Norms;

/// Which form of a model is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// As it was trained.
    EndPoint,
    /// In the common frame of the method.
    Aligned,
    /// Merged of all, and repaired where the method repairs.
    Merged,
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Form::EndPoint => "end-point",
            Form::Aligned => "aligned",
            Form::Merged => "merged",
        })
    }
}

impl FromStr for Form {
    type Err = ();

    fn from_str(text: &str) -> Result<Form, ()> {
        [Form::EndPoint, Form::Aligned, Form::Merged].into_iter().find(|form| form.to_string() == text).ok_or(())
    }
}

text_column!(Form, "end-point, aligned or merged");

row! {
    /// A parameter of a model: a row of `norms.csv`. Models stay in the order of the spec, parameters in that of the network.
    struct NormRow in "norms.csv", order |a, b| (&a.key, a.form).cmp(&(&b.key, b.form));
    {
        key: ResultKey,
        form: Form,
        /// Empty for a merged model.
        model: String,
        parameter: String,
        /// Euclidean, of all entries.
        norm: f64,
        stage: String,
    }
}

/// One parameter of one model: an item of `norms.json`.
#[derive(Serialize, Deserialize)]
struct Item {
    form: Form,
    /// By its place among the models.
    model: Option<usize>,
    parameter: String,
    norm: f64,
}

/// Which models an artifact is about.
#[derive(Serialize)]
struct NormRecord {
    key: ResultKey,
    models: Vec<String>,
}

impl Record for NormRecord {
    const OF: &'static str = "norms";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        for Item { form, model, parameter, norm } in read_json::<Vec<Item>>(artifact, ARTIFACT)? {
            let model = model.map(|model| self.models.get(model).cloned().context("a model without a name")).transpose()?;
            let (key, model, stage) = (self.key.clone(), model.unwrap_or_default(), stage.to_owned());
            tables.extend([NormRow { key, form, model, parameter, norm, stage }]);
        }
        Ok(())
    }
}

impl Measurement for Norms {
    type Request = ();

    const KEYS: &'static [&'static str] = &["norms"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<bool>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<()>, SpecError> {
        if !asked.is_set("norms")? {
            return Ok(None);
        }
        asked.mean_of_all("norms")?;
        Ok(Some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        for method in
            experiment.methods.iter().filter(|method| method.merging.averages() && method.models.is_none() && method.sequential.is_none())
        {
            let Some(merged) = planner.merged_model(method, &MergeSet::First(experiment.models.len())) else { continue };
            let alignment = planner.all_aligned(method);
            let id = planner.id("norms", Some(method), "all");
            let inputs = [alignment, merged].into_iter().chain(planner.all_models()).collect();
            let record = NormRecord { key: planner.key(Some(method)), models: planner.all_names() };
            planner.measure(NormsStage { id, inputs, task: planner.task() }, record);
        }
    }

    /// Draws `norms-<dataset>-<architecture>`: norms of the merged model over the mean of the end points', means over replicates.
    fn draw(canvas: &Canvas) -> Result<()> {
        for (pair, rows) in by_pair(NormRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
            let values = shrinking(&rows);
            let title = format!("Norms of merged over those of the models before merging: {}, {}", pair.dataset, pair.architecture);
            let notes = [
                "1: as long as the",
                "models' own on average;",
                "mean over draws and",
                "replicates. Parameters",
                "that a repair adds have",
                "no value",
            ];
            canvas.save(&LayerPanels::new(canvas, title, "ratio of norms", &notes, &values), "norms", &pair)?;
        }
        Ok(())
    }
}

/// For each merged parameter, its norm over the mean norm of the same parameter of the end points.
fn shrinking(rows: &[NormRow]) -> Vec<LayerValue<'_>> {
    let mut own: BTreeMap<(&ResultKey, &str), (f64, usize)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.form == Form::EndPoint) {
        let (sum, count) = own.entry((&row.key, &row.parameter)).or_default();
        *sum += row.norm;
        *count += 1;
    }
    let ratio = |row: &'_ NormRow| {
        let (sum, count) = own.get(&(&row.key, row.parameter.as_str()))?;
        // A parameter that starts at 0 and was not trained has no ratio.
        (*sum > 0.0).then(|| row.norm * *count as f64 / sum)
    };
    let merged = rows.iter().filter(|row| row.form == Form::Merged);
    let value = |row| Some((row, ratio(row)?));
    let values = merged.filter_map(value);
    values.map(|(row, value)| LayerValue { parameter: &row.parameter, line: row.key.method.name(), value }).collect()
}

/// Measures the norms of models as trained, in the frame of an alignment, and of the merged model: `norms.json`. Running statistics take no
/// part, as they take none in matching.
struct NormsStage {
    id: StageId,
    /// The alignment, the merged model, then the models.
    inputs: Vec<StageId>,
    task: Arc<Task>,
}

impl Stage for NormsStage {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words::MEASURE
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        Recipe { kind: "norms", version: 1, settings: json!({}) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let [alignment, merged, models @ ..] = context.inputs else { anyhow::bail!("norms need an alignment and a merged model") };
        let alignment = Alignment::load(&alignment.directory)?;
        let maps = files::maps(&alignment, None, models.len())?;
        let mut items = Vec::new();
        for (place, (artifact, maps)) in models.iter().zip(&maps).enumerate() {
            context.check_interrupt()?;
            let own = files::load(artifact, graph)?;
            let aligned = to_frame(graph.spec(), &own, maps);
            items.extend(norms(graph.spec(), &own, Form::EndPoint, Some(place)));
            items.extend(norms(graph.spec(), &aligned, Form::Aligned, Some(place)));
        }
        let (graph, merged) = files::load_own(merged, &self.task)?;
        items.extend(norms(graph.spec(), &merged, Form::Merged, None));
        files::write_json(&context.out.join(ARTIFACT), &items)
    }
}

/// The norm of each trained parameter of a model, in the order of the network.
fn norms(spec: &PermutationSpec, weights: &Weights, form: Form, model: Option<usize>) -> Vec<Item> {
    let trained = spec.parameters.iter().filter(|parameter| parameter.role.is_matched());
    let norm = |name: &str| weights.values(name).iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    trained.map(|parameter| Item { form, model, parameter: parameter.name.clone(), norm: norm(&parameter.name) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{MethodLabel, PairName};

    #[test]
    fn a_merged_parameter_is_held_against_the_mean_of_the_end_points_own() {
        let row = |form, model: &str, parameter: &str, norm| NormRow {
            key: ResultKey { pair: PairName::new("glyphs", "mlp"), method: MethodLabel::method("naive"), replicate: 0 },
            form,
            model: model.to_owned(),
            parameter: parameter.to_owned(),
            norm,
            stage: String::new(),
        };
        let rows = [
            row(Form::EndPoint, "a", "fc1.weight", 3.0),
            row(Form::EndPoint, "b", "fc1.weight", 5.0),
            row(Form::EndPoint, "a", "fc1.bias", 0.0),
            row(Form::Aligned, "a", "fc1.weight", 3.0),
            row(Form::Merged, "", "fc1.weight", 2.0),
            row(Form::Merged, "", "fc1.bias", 0.0),
        ];
        let found: Vec<(&str, f64)> = shrinking(&rows).iter().map(|value| (value.parameter, value.value)).collect();
        assert_eq!(found, [("fc1.weight", 0.5)]);
    }
}
