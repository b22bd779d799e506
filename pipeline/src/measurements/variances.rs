//! What merging does to the activations: for each convolution and linear layer, the variance and the mean of its output in the merged model over those
//! in the end points, and how far its units follow theirs: `variances.csv`, a picture.
//!
//! A ratio of variances far below 1 is the collapse that REPAIR undoes. A correlation that falls from layer to layer is what no rescaling brings
//! back: the units agree too little.
//!
//! Source: Jordan et al., REPAIR (arXiv 2211.08403), section 3: variance collapse.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_datasets::SearchPaths;
use onebasin_matching::{Alignment, to_frame};
use onebasin_network::RepairedLayers;
use onebasin_training::{Moments, Spread, Statistics};
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Measurement;
use crate::demand;
use crate::drawing::{Canvas, LayerPanels, LayerValue, by_pair};
use crate::identity::{Part, ResultKey};
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, Endpoints, Renormalise, Repair, SpecError};
use crate::stage::{Artifact, Context, Demand, Recipe, Stage, StageId, Words};
use crate::stages::EndpointStatistics;
use crate::stages::files::{self, read_json};
use crate::stages::repairer::Repairer;
use crate::table::{Row, Tables, row};
use crate::task::Task;

/// The file of the stage.
const ARTIFACT: &str = "variances.json";

/// Images in a batch.
const BATCH: usize = 100;

/// The measurement.
pub struct Variances;

row! {
    /// A layer of a merged model: a row of `variances.csv`. Layers stay in the order of the network.
    struct VarianceRow in "variances.csv", order |a, b| a.key.cmp(&b.key);
    {
        key: ResultKey,
        layer: String,
        /// Variance of the merged model's output over the mean of the end points', each summed over channels.
        variance_ratio: Option<f64>,
        /// Share of the end points' mean output that is left: `⟨m, e⟩ / ⟨e, e⟩` over channels.
        mean_ratio: Option<f64>,
        /// Pearson's correlation of the merged model's units with those of the end points, in the frame: the mean over both.
        correlation: f64,
        stage: String,
    }
}

/// One layer: an item of `variances.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Item {
    layer: String,
    /// None where the end points show no variance.
    variance_ratio: Option<f64>,
    mean_ratio: Option<f64>,
    correlation: f64,
}

/// Which merged model an artifact is about.
#[derive(Serialize)]
struct VarianceRecord {
    key: ResultKey,
}

impl Record for VarianceRecord {
    const OF: &'static str = "variances";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let items: Vec<Item> = read_json(artifact, ARTIFACT)?;
        tables.extend(items.into_iter().map(|Item { layer, variance_ratio, mean_ratio, correlation }| VarianceRow {
            key: self.key.clone(),
            layer,
            variance_ratio,
            mean_ratio,
            correlation,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

impl Measurement for Variances {
    /// Over so many of the first training images.
    type Request = usize;

    const KEYS: &'static [&'static str] = &["variances"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<usize>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<usize>, SpecError> {
        let Some(images) = asked.optional::<usize>("variances")? else { return Ok(None) };
        asked.within(&asked.at(["variances"]), images, 2..=1_000_000, "1000 training images tell enough")?;
        asked.enough_training_images(&asked.at(["variances"]), images)?;
        asked.mean_of_all("variances")?;
        Ok(Some(images))
    }

    fn plan(&images: &usize, planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        let models: Vec<usize> = (0..experiment.models.len()).collect();
        let sample = Repair::Repair(Renormalise {
            layers: RepairedLayers::All,
            spread: Spread::Variance,
            endpoints: Endpoints::Aligned,
            images: Some(images),
            batch: BATCH,
        });
        for method in
            experiment.methods.iter().filter(|method| method.merging.averages() && method.models.is_none() && method.sequential.is_none())
        {
            let Some(merged) = planner.merged_model(method, &MergeSet::First(models.len())) else { continue };
            let (ends, measured) = match planner.endpoint_statistics(method, &sample, &models) {
                EndpointStatistics::Nothing => continue,
                EndpointStatistics::Measured(ends) => (ends, true),
                EndpointStatistics::Mixed(ends) => (ends, false),
            };
            let alignment = planner.all_aligned(method);
            let id = planner.id("variances", Some(method), "all");
            let statistics = if measured { ends } else { Vec::new() };
            let inputs = [merged, alignment].into_iter().chain(planner.all_models()).chain(statistics).collect();
            let record = VarianceRecord { key: planner.key(Some(method)) };
            planner.measure(VariancesStage { id, inputs, task: planner.task(), sample: sample.clone(), models: models.len() }, record);
        }
    }

    /// Draws `variances-<dataset>-<architecture>`: both ratios and the correlation for each layer, means over replicates.
    fn draw(canvas: &Canvas) -> Result<()> {
        for (pair, rows) in by_pair(VarianceRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
            let named = |row: &VarianceRow| {
                [("variance", row.variance_ratio), ("mean", row.mean_ratio), ("correlation", Some(row.correlation))]
                    .map(|(kind, value)| (format!("{}.{kind}", row.layer), value))
            };
            let names: Vec<(String, Option<f64>, &str)> =
                rows.iter().flat_map(|row| named(row).map(|(name, value)| (name, value, row.key.method.name()))).collect();
            let values: Vec<LayerValue<'_>> =
                (names.iter()).filter_map(|(parameter, value, line)| Some(LayerValue { parameter, line, value: (*value)? })).collect();
            let title = format!("Outputs of the merged model over those of the end points: {}, {}", pair.dataset, pair.architecture);
            let notes = ["1: as in the end points;", "0: collapsed;", "mean over draws and", "replicates"];
            canvas.save(&LayerPanels::new(canvas, title, "ratio, correlation", &notes, &values), "variances", &pair)?;
        }
        Ok(())
    }
}

/// Compares the outputs of a merged model's layers with those of its end points: `variances.json`.
struct VariancesStage {
    id: StageId,
    /// The merged model, the alignment, the end points, then the statistics of these where they are measured as trained.
    inputs: Vec<StageId>,
    task: Arc<Task>,
    sample: Repair,
    /// End points.
    models: usize,
}

impl Stage for VariancesStage {
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
        let settings = json!({
            "images": self.sample.images(),
            "batch": self.sample.batch(),
            "data": self.task.data_recipe(),
            "device": self.task.device,
        });
        Recipe { kind: "variances", version: 3, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        demand::of_first(&self.task, Part::Train, self.sample.images(), 2 + 2 * self.models, places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let [merged, alignment, rest @ ..] = context.inputs else { anyhow::bail!("variances need a merged model and an alignment") };
        let (ends, statistics) = rest.split_at_checked(self.models).context("variances need the end points")?;
        let maps = files::maps(&Alignment::load(&alignment.directory)?, None, ends.len())?;
        let dataset = context.datasets.of(&self.task)?;
        let repairer = Repairer::new(context, &self.task, &dataset, &self.sample)?;
        let images = repairer.images();
        // The merged model once more and the end points for the correlations.
        let total = (2 + if statistics.is_empty() { 2 * ends.len() } else { ends.len() }) * images;
        let (mut found, mut aligned) = (Vec::new(), Vec::new());
        for (place, (end, maps)) in ends.iter().zip(&maps).enumerate() {
            let model = to_frame(self.task.graph.spec(), &files::load(end, &self.task.graph)?, maps);
            found.push(match statistics.get(place) {
                Some(statistics) => repairer.in_frame(statistics, maps)?,
                None => repairer.statistics(&model, place * images, total)?,
            });
            aligned.push(model);
        }
        let shares = vec![1.0 / found.len() as f64; found.len()];
        let mixture = Statistics::mixture(&found.iter().collect::<Vec<_>>(), &shares, Spread::Variance)?;
        let (_, model) = files::load_own(merged, &self.task)?;
        let done = total - (2 + ends.len()) * images;
        let correlations = repairer.correlations(&model, &aligned, done, total)?;
        let merged = repairer.statistics(&model, total - images, total)?;
        // The graph has them in running order.
        let order = repairer.graph().nodes.iter().map(|node| &node.name).filter(|name| mixture.layers.contains_key(*name));
        let items = order.map(|name| {
            let merged = merged.layers.get(name).with_context(|| format!("no layer `{name}` in the merged model"))?;
            Ok(ratios(name, merged, &mixture.layers[name], correlations.get(name).copied().unwrap_or_default()))
        });
        files::write_json(&context.out.join(ARTIFACT), &items.collect::<Result<Vec<Item>>>()?)
    }
}

/// What a layer's outputs are over those of the end points.
fn ratios(layer: &str, merged: &Moments, ends: &Moments, correlation: f64) -> Item {
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let over = |value: f64, of: f64| (of > 0.0).then_some(value / of);
    Item {
        layer: layer.to_owned(),
        variance_ratio: over(sum(&merged.variance), sum(&ends.variance)),
        mean_ratio: over(product(&merged.mean, &ends.mean), product(&ends.mean, &ends.mean)),
        correlation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_sums_over_channels() {
        let moments = |mean: [f64; 2], variance: [f64; 2]| Moments { mean: mean.to_vec(), variance: variance.to_vec() };
        let found = ratios("conv1", &moments([1.0, 0.0], [1.0, 0.5]), &moments([2.0, 2.0], [4.0, 2.0]), 0.5);
        assert_eq!(found, Item { layer: "conv1".to_owned(), variance_ratio: Some(0.25), mean_ratio: Some(0.25), correlation: 0.5 });
        let silent = ratios("conv1", &moments([1.0, 0.0], [1.0, 0.5]), &moments([0.0, 0.0], [0.0, 0.0]), 0.0);
        assert_eq!((silent.variance_ratio, silent.mean_ratio), (None, None));
    }
}
