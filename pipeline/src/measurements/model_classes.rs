//! Which classes a model is trained on, where not every model sees all images: `model-classes.csv`.

use std::sync::Arc;

use anyhow::Result;
use onebasin_datasets::{Order, Subset};
use onebasin_repro::Stream;
use serde::Serialize;
use serde_json::json;

use super::Measurement;
use crate::identity::{PairName, ResultKey};
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::{Artifact, Context, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, read_json};
use crate::table::{Tables, row};
use crate::task::Task;
use crate::training_images::{class_counts, training_images};

/// The file of the stage.
const ARTIFACT: &str = "model-classes.json";

/// The measurement.
pub struct ModelClasses;

row! {
    /// A class among the training images of a model: a row of `model-classes.csv`. Models stay in the order of the spec.
    struct ModelClassRow in "model-classes.csv", order |a, b| (&a.pair, a.replicate).cmp(&(&b.pair, b.replicate));
    {
        pair: PairName,
        replicate: usize,
        model: String,
        label: usize,
        /// Images of the class that the model is trained on.
        images: usize,
        stage: String,
    }
}

/// Which model an artifact is about.
#[derive(Serialize)]
struct ModelClassRecord {
    pair: PairName,
    replicate: usize,
    model: String,
}

impl Record for ModelClassRecord {
    const OF: &'static str = "model-classes";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let counts: Vec<usize> = read_json(artifact, ARTIFACT)?;
        tables.extend(counts.into_iter().enumerate().map(|(label, images)| ModelClassRow {
            pair: self.pair.clone(),
            replicate: self.replicate,
            model: self.model.clone(),
            label,
            images,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

impl Measurement for ModelClasses {
    type Request = ();

    fn check(asked: &Asked<'_>) -> Result<Option<()>, SpecError> {
        let parts = asked.models.iter().any(|model| model.subset.is_some()) || asked.pairs.iter().any(|pair| !pair.subsets.is_empty());
        Ok(parts.then_some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        for (index, model) in planner.experiment().models.iter().enumerate() {
            if !planner.experiment().knows_images_of(planner.pair(), index) {
                continue;
            }
            let ResultKey { pair, replicate, .. } = planner.key(None);
            let (id, streams) = (planner.id("seen", None, &model.name), planner.model_streams(index));
            let subset = planner.experiment().subset(planner.pair(), index).cloned();
            let stage = CountStage { id, task: planner.task(), subset, streams };
            planner.measure(stage, ModelClassRecord { pair, replicate, model: model.name.clone() });
        }
    }
}

/// Counts the images of each class that a model sees: `model-classes.json`.
struct CountStage {
    id: StageId,
    task: Arc<Task>,
    subset: Option<Subset>,
    streams: [Stream; 2],
}

impl Stage for CountStage {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words { present: "counting", past: "COUNTED" }
    }

    fn inputs(&self) -> &[StageId] {
        &[]
    }

    fn recipe(&self) -> Recipe {
        let [shared, own] = &self.streams;
        let stream = match &self.subset {
            None => None,
            Some(subset) if subset.order == Order::Shared => Some(shared.path()),
            Some(_) => Some(own.path()),
        };
        let settings = json!({ "data": self.task.content_recipe(), "subset": self.subset, "stream": stream });
        Recipe { kind: "seen", version: 1, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let dataset = context.datasets.of(&self.task)?;
        let seen = training_images(&dataset.train, self.subset.as_ref(), &self.streams)?;
        files::write_json(&context.out.join(ARTIFACT), &class_counts(&seen.labels, dataset.train.classes))
    }
}
