//! How alike the weights of models are, as they are and in a common frame: `similarity.csv`, pictures of tables and of layers.

mod stage;

use anyhow::{Context, Result};
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use super::Measurement;
use crate::drawing::{BEFORE, Canvas, Kind, LayerPanels, LayerValue, Metric, PairValues, by_pair, pair_tables};
use crate::identity::ResultKey;
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, Method, SpecError};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::table::{Row, Tables, row};

use stage::{ALL, ARTIFACT, Item, MATRICES, SimilarityStage};

/// The measurement.
pub struct Similarity;

row! {
    /// A parameter of a pair of models: a row of `similarity.csv`. Models stay in the order of the spec, parameters in that of the network.
    pub struct SimilarityRow in "similarity.csv", order |a, b| a.key.cmp(&b.key);
    {
        key: ResultKey,
        first: String,
        second: String,
        parameter: String,
        cosine: Option<f64>,
        distance: f64,
        stage: String,
    }
}

impl SimilarityRow {
    /// The cosine of one parameter; `None` for sums over several and for parameters that are 0.
    fn of_layer(&self) -> Option<LayerValue<'_>> {
        let is_sum = [ALL, MATRICES].contains(&self.parameter.as_str());
        let line = if self.key.method.is_endpoints() { BEFORE } else { self.key.method.name() };
        let value = self.cosine.filter(|_| !is_sum)?;
        Some(LayerValue { parameter: &self.parameter, line, value })
    }
}

/// Which models an artifact is about.
#[derive(Serialize)]
struct SimilarityRecord {
    key: ResultKey,
    models: Vec<String>,
}

impl Record for SimilarityRecord {
    const OF: &'static str = "similarity";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let name = |index: usize| self.models.get(index).cloned().context("a model without a name");
        for Item { first, second, parameter, cosine, distance } in read_json::<Vec<Item>>(artifact, ARTIFACT)? {
            let (key, first, second, stage) = (self.key.clone(), name(first)?, name(second)?, stage.to_owned());
            tables.extend([SimilarityRow { key, first, second, parameter, cosine, distance, stage }]);
        }
        Ok(())
    }
}

impl Measurement for Similarity {
    type Request = ();

    const KEYS: &'static [&'static str] = &["similarity"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<bool>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<()>, SpecError> {
        if !asked.is_set("similarity")? {
            return Ok(None);
        }
        asked.several_models("similarity")?;
        Ok(Some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        let framed = planner.experiment().methods.iter().filter(|method| method.is_measured_in_its_frame()).map(Some);
        for method in std::iter::once(None::<&Method>).chain(framed) {
            let alignment = method.map(|method| planner.all_aligned(method));
            let id = planner.id("similarity", method, "all");
            let record = SimilarityRecord { key: planner.key(method), models: planner.all_names() };
            planner.measure(SimilarityStage::new(id, alignment, planner.all_models(), planner.task()), record);
        }
    }

    /// Draws `similarity-<dataset>-<architecture>` and `matrices-...`, cosine and distance over all weights and over matrices alone, and
    /// `layers-...`.
    fn draw(canvas: &Canvas) -> Result<()> {
        for (pair, rows) in by_pair(SimilarityRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
            for (compared, kind, what) in [(ALL, "similarity", "All weights"), (MATRICES, "matrices", "Matrices and kernels")] {
                let rows: Vec<&SimilarityRow> = rows.iter().filter(|row| row.parameter == compared).collect();
                let metrics = [
                    Metric { name: "cosine", kind: Kind::Likeness, values: rows.iter().map(|row| row.cosine).collect() },
                    Metric { name: "distance", kind: Kind::Distance, values: rows.iter().map(|row| Some(row.distance)).collect() },
                ];
                let values: Vec<PairValues<'_>> =
                    rows.iter().map(|row| PairValues { method: &row.key.method, first: &row.first, second: &row.second }).collect();
                let title = format!("{what} of two models, flattened: {}, {}", pair.dataset, pair.architecture);
                canvas.save(&pair_tables(&values, &metrics, title, canvas.styles()), kind, &pair)?;
            }
            let values: Vec<LayerValue<'_>> = rows.iter().filter_map(SimilarityRow::of_layer).collect();
            let title = format!("Weights of two models, layer by layer: {}, {}", pair.dataset, pair.architecture);
            let notes = ["each parameter's mean", "over pairs of models", "(and replicates)"];
            canvas.save(&LayerPanels::new(canvas, title, "cosine", &notes, &values), "layers", &pair)?;
        }
        Ok(())
    }
}
