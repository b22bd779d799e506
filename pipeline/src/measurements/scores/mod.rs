//! Loss and accuracy of end points and merged models: `models.csv`, `merged.csv`. The report summarises and draws them.

mod predict;

use anyhow::Result;
use onebasin_training::Averaging;
use serde::Serialize;

use super::Measurement;
use crate::identity::{PairName, Part, ResultKey};
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, Merging, Method, SpecError};
use crate::stage::{Artifact, StageId};
use crate::stages::files::{Measured, read_json};
use crate::table::{Tables, row};

pub use predict::predictions;

use predict::Predict;

/// The file with loss and accuracy.
pub const ARTIFACT: &str = "evaluation.json";

/// The measurement.
pub struct Scores;

row! {
    /// An end-point model on a split: a row of `models.csv`. Models stay in the order of the spec.
    pub struct ModelRow in "models.csv", order |a, b| (&a.pair, a.replicate).cmp(&(&b.pair, b.replicate));
    {
        pair: PairName,
        replicate: usize,
        model: String,
        split: Part,
        /// Mean cross-entropy, in nats.
        loss: f64,
        /// Share of images classified rightly.
        accuracy: f64,
        stage: String,
    }
}

row! {
    /// A merged model on a split: a row of `merged.csv`.
    pub struct MergedRow in "merged.csv", order |a, b| (&a.key, a.models, a.split.name()).cmp(&(&b.key, b.models, b.split.name()));
    {
        key: ResultKey,
        /// How many models.
        models: usize,
        split: Part,
        /// Mean cross-entropy, in nats.
        loss: f64,
        /// Share of images classified rightly.
        accuracy: f64,
        stage: String,
    }
}

/// What a merged model, or an ensemble, says of each test image. No file holds it; paired tests are made of it.
pub struct Outcomes {
    pub key: ResultKey,
    /// How many models.
    pub models: usize,
    /// Whether each image is classified rightly.
    pub right: Vec<bool>,
    /// Cross-entropy of each image, in nats.
    pub losses: Vec<f32>,
    /// The stage that measured them.
    pub stage: String,
}

/// Which model an artifact is about.
#[derive(Serialize)]
struct ModelRecord {
    pair: PairName,
    replicate: usize,
    model: String,
}

impl Record for ModelRecord {
    const OF: &'static str = "model";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let mut measured: Vec<Measured> = read_json(artifact, ARTIFACT)?;
        measured.sort_by_key(|measured| measured.split.name());
        tables.extend(measured.into_iter().map(|Measured { split, loss, accuracy, .. }| ModelRow {
            pair: self.pair.clone(),
            replicate: self.replicate,
            model: self.model.clone(),
            split,
            loss,
            accuracy,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

/// Which merged model an artifact is about.
#[derive(Serialize)]
struct MergedRecord {
    key: ResultKey,
    models: usize,
}

impl Record for MergedRecord {
    const OF: &'static str = "merged";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let measured: Vec<Measured> = read_json(artifact, ARTIFACT)?;
        if measured.iter().any(|measured| measured.split == Part::Test) {
            let predictions = predictions(artifact, Part::Test)?;
            let right = (0..predictions.len()).map(|image| predictions.is_right(image)).collect();
            let (key, losses, stage) = (self.key.clone(), predictions.losses, stage.to_owned());
            tables.keep(Outcomes { key, models: self.models, right, losses, stage });
        }
        tables.extend(measured.into_iter().map(|Measured { split, loss, accuracy, .. }| MergedRow {
            key: self.key.clone(),
            models: self.models,
            split,
            loss,
            accuracy,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

/// Plans the stage that asks a trained model, once.
pub fn measure_model(planner: &mut PairPlanner<'_, '_>, index: usize) -> StageId {
    let experiment = planner.experiment();
    let id = planner.id("predict", None, &experiment.models[index].name);
    if planner.is_new(&id) {
        let predict = Predict::trained(id.clone(), planner.model(index), planner.task_of(index), experiment.evaluation.parts.clone());
        planner.add(predict.keeping_logits(experiment.evaluation.needs.logits));
    }
    id
}

/// Plans the stage that asks what a method makes of some models, once: a merged model, or an ensemble.
pub fn measure_merged(planner: &mut PairPlanner<'_, '_>, method: &Method, set: &MergeSet) -> StageId {
    let models = set.models();
    let id = planner.id("predict", Some(method), &set.path(&planner.names(&models)));
    if !planner.is_new(&id) {
        return id;
    }
    let parts = planner.experiment().evaluation.parts.clone();
    let predict = match planner.merged_model(method, set) {
        Some(merged) => Predict::merged(id.clone(), merged, planner.task_of_merged(method, &models), parts),
        None => {
            let models = models.iter().map(|&model| planner.model(model)).collect();
            let (average, shares) = match &method.merging {
                Merging::Ensemble { average, coefficients } => (*average, coefficients.clone()),
                Merging::Mean { .. } | Merging::Spherical | Merging::Model { .. } | Merging::Fresh { .. } | Merging::Curve(_) => {
                    (Averaging::default(), None)
                }
            };
            Predict::ensemble(id.clone(), models, planner.task(), parts, average).with_shares(shares)
        }
    };
    planner.add(predict.keeping_logits(planner.experiment().evaluation.needs.logits));
    id
}

/// Plans the stage that asks what a method has made after some of its models, merged one after the other; once.
pub fn measure_step(planner: &mut PairPlanner<'_, '_>, method: &Method, set: &MergeSet, merged: usize) -> StageId {
    let models = set.models();
    if merged == 1 {
        return measure_model(planner, models[0]);
    }
    if merged == models.len() {
        return measure_merged(planner, method, set);
    }
    let path = set.path(&planner.names(&models));
    let id = planner.id("predict", Some(method), &format!("{path}/step-{merged}"));
    if planner.is_new(&id) {
        let model = planner.sequence(method, set)[merged - 1].clone();
        let parts = planner.experiment().evaluation.parts.clone();
        let predict = Predict::merged(id.clone(), model, planner.task(), parts);
        planner.add(predict.keeping_logits(planner.experiment().evaluation.needs.logits));
    }
    id
}

impl Measurement for Scores {
    type Request = ();

    fn check(_: &Asked<'_>) -> Result<Option<()>, SpecError> {
        Ok(Some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        let evaluation = &experiment.evaluation;
        for (index, model) in experiment.models.iter().enumerate() {
            let ResultKey { pair, replicate, .. } = planner.key(None);
            let stage = measure_model(planner, index);
            planner.record(stage, ModelRecord { pair, replicate, model: model.name.clone() });
        }
        for method in &experiment.methods {
            for set in MergeSet::counted(evaluation, method) {
                let stage = measure_merged(planner, method, &set);
                let record = MergedRecord { key: planner.key(Some(method)), models: set.models().len() };
                planner.record(stage, record);
            }
        }
    }

    fn derive(tables: &mut Tables) -> Result<()> {
        tables.declare::<ModelRow>();
        tables.declare::<MergedRow>();
        Ok(())
    }
}
