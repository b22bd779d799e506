//! How alike models see images, as they are and in a common frame: `features.csv`, a picture of tables.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use figment::value::Value;
use ndarray::Array2;
use onebasin_datasets::SearchPaths;
use onebasin_matching::{Alignment, FeatureSimilarity, feature_similarity, to_frame};
use onebasin_training::{features, penultimate};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Measurement;
use crate::dataset_cache;
use crate::demand;
use crate::drawing::{Canvas, Kind, Metric, PairValues, by_pair, pair_tables};
use crate::identity::{Part, ResultKey};
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, Either, Method, SpecError, chain};
use crate::stage::{Artifact, Context, Demand, Progress, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, read_json};
use crate::table::{Row, Tables, row};
use crate::task::Task;

/// The file of the stage.
const ARTIFACT: &str = "features.json";

const MOST_IMAGES: usize = 10_000_000;

/// The measurement.
pub struct Features;

/// `evaluation.features` as a table.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Features")]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Keys {
    images: usize,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { images: 1000 }
    }
}

row! {
    /// What a pair of models make of images: a row of `features.csv`. Models stay in the order of the spec.
    pub struct FeaturesRow in "features.csv", order |a, b| a.key.cmp(&b.key);
    {
        key: ResultKey,
        first: String,
        second: String,
        /// Linear centred kernel alignment.
        cka: Option<f64>,
        /// Frobenius distance of centred, normalised features.
        distance: Option<f64>,
        stage: String,
    }
}

/// Which models an artifact is about.
#[derive(Serialize)]
struct FeaturesRecord {
    key: ResultKey,
    models: Vec<String>,
}

impl Record for FeaturesRecord {
    const OF: &'static str = "features";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let name = |index: usize| self.models.get(index).cloned().context("a model without a name");
        for Item { first, second, cka, distance } in read_json::<Vec<Item>>(artifact, ARTIFACT)? {
            let (key, first, second, stage) = (self.key.clone(), name(first)?, name(second)?, stage.to_owned());
            tables.extend([FeaturesRow { key, first, second, cka, distance, stage }]);
        }
        Ok(())
    }
}

impl Measurement for Features {
    /// On how many of the first training images.
    type Request = usize;

    const KEYS: &'static [&'static str] = &["features"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Either<bool, Keys>>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<usize>, SpecError> {
        let here = asked.at(["features"]);
        let keys = match asked.value("features") {
            None | Some(Value::Bool(_, false)) => return Ok(None),
            Some(Value::Bool(_, true)) => Keys::default(),
            Some(Value::Dict(..)) => asked.read(&here)?,
            Some(_) => {
                return Err(asked
                    .wrong(&here, "`evaluation.features` should be true, false or a table")
                    .hint("`features = { images = 1000 }` is what the paper looks at, and what `true` means"));
            }
        };
        asked.within(&asked.at(["features", "images"]), keys.images, 2..=MOST_IMAGES, "the paper takes 1000")?;
        asked.several_models("features")?;
        for pair in asked.pairs {
            penultimate(&pair.graph).map_err(|error| asked.wrong(&here, format!("`{}`: {}", pair.architecture, chain(&error))))?;
        }
        Ok(Some(keys.images))
    }

    fn plan(images: &usize, planner: &mut PairPlanner<'_, '_>) {
        let framed = planner.experiment().methods.iter().filter(|method| method.is_measured_in_its_frame()).map(Some);
        for method in std::iter::once(None::<&Method>).chain(framed) {
            let alignment = method.map(|method| planner.all_aligned(method));
            let id = planner.id("features", method, "all");
            let record = FeaturesRecord { key: planner.key(method), models: planner.all_names() };
            planner.measure(FeaturesStage::new(id, alignment, planner.all_models(), *images, planner.task()), record);
        }
    }

    /// Draws `features-<dataset>-<architecture>`.
    fn draw(canvas: &Canvas) -> Result<()> {
        for (pair, rows) in by_pair(FeaturesRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
            let metrics = [
                Metric { name: "CKA", kind: Kind::Likeness, values: rows.iter().map(|row| row.cka).collect() },
                Metric { name: "distance", kind: Kind::Distance, values: rows.iter().map(|row| row.distance).collect() },
            ];
            let values: Vec<PairValues<'_>> =
                rows.iter().map(|row| PairValues { method: &row.key.method, first: &row.first, second: &row.second }).collect();
            let title = format!("What the last layer reads in two models: {}, {}", pair.dataset, pair.architecture);
            canvas.save(&pair_tables(&values, &metrics, title, canvas.styles()), "features", &pair)?;
        }
        Ok(())
    }
}

/// Compares the features of each pair of models on the first training images, un-augmented and in their order: `features.json`. Models in
/// a frame are run there, not their features rearranged, so that a map that changes the function is seen.
struct FeaturesStage {
    id: StageId,
    inputs: Vec<StageId>,
    aligned: bool,
    images: usize,
    task: Arc<Task>,
}

/// One pair: an item of `features.json`.
#[derive(Serialize, Deserialize)]
struct Item {
    first: usize,
    second: usize,
    cka: Option<f64>,
    distance: Option<f64>,
}

impl FeaturesStage {
    /// Of `models`, which `alignment` brings into one frame, if there is one, on so many images or all there are.
    fn new(id: StageId, alignment: Option<StageId>, models: Vec<StageId>, images: usize, task: Arc<Task>) -> FeaturesStage {
        let aligned = alignment.is_some();
        FeaturesStage { id, inputs: alignment.into_iter().chain(models).collect(), aligned, images, task }
    }
}

impl Stage for FeaturesStage {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words::COMPARE
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let settings = json!({
            "aligned": self.aligned,
            "images": self.images,
            "data": self.task.data_recipe(),
            "device": self.task.device,
        });
        Recipe { kind: "features", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        demand::of_first(&self.task, Part::Train, Some(self.images), self.inputs.len(), places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let (alignment, models) = context.inputs.split_at(usize::from(self.aligned));
        let maps = match alignment.first() {
            Some(artifact) => Some(files::maps(&Alignment::load(&artifact.directory)?, None, models.len())?),
            None => None,
        };
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let sample = dataset.train.select(&(0..self.images.min(dataset.train.len()) as u32).collect::<Vec<_>>());
        let mut seen: Vec<Array2<f32>> = Vec::with_capacity(models.len());
        for (index, artifact) in models.iter().enumerate() {
            context.check_interrupt()?;
            (context.progress)(Progress::Share { done: index, total: models.len() });
            let own = files::load(artifact, graph)?;
            let model = maps.as_ref().map_or_else(|| own.clone(), |maps| to_frame(graph.spec(), &own, &maps[index]));
            seen.push(features(graph, &model, &sample, normalisation, context.device)?);
        }
        context.check_interrupt()?;
        let rows = feature_similarity(&seen.iter().map(|features| features.view()).collect::<Vec<_>>());
        let items =
            rows.into_iter().map(|FeatureSimilarity { pair: (first, second), cka, distance }| Item { first, second, cka, distance });
        files::write_json(&context.out.join(ARTIFACT), &items.collect::<Vec<_>>())
    }
}
