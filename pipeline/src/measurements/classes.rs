//! Which label is which class, and how many images of it there are: `classes.csv`; of those that are measured, where not all
//! are: `measured-classes.csv`.

use std::sync::Arc;

use anyhow::Result;
use onebasin_datasets::Class;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Measurement;
use super::scores::{measure_model, predictions};
use crate::identity::Part;
use crate::image_limits::ImageLimits;
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::{Artifact, Context, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, read_json};
use crate::table::{Tables, row};
use crate::task::Task;
use crate::training_images::class_counts;

/// The file of the stage.
const ARTIFACT: &str = "classes.json";

/// The measurement.
pub struct Classes;

row! {
    /// A class of a data set: a row of `classes.csv`.
    pub struct ClassRow in "classes.csv", order |a, b| (&a.dataset, a.label).cmp(&(&b.dataset, b.label));
    {
        dataset: String,
        label: usize,
        /// The folder of its pictures; empty where classes have no folders.
        class: String,
        /// Training images.
        train: usize,
        /// Test images.
        test: usize,
        stage: String,
    }
}

row! {
    /// A class of a data set among the images that are measured, where not all are: a row of `measured-classes.csv`.
    pub struct MeasuredClassRow in "measured-classes.csv", order |a, b| {
        (&a.dataset, a.split.name(), a.label).cmp(&(&b.dataset, b.split.name(), b.label))
    };
    {
        dataset: String,
        split: Part,
        label: usize,
        /// Images of the class that are measured.
        images: usize,
        stage: String,
    }
}

/// Which data set the predictions of a model are about.
#[derive(Serialize)]
struct MeasuredClassRecord {
    dataset: String,
    classes: usize,
    parts: Vec<Part>,
}

impl Record for MeasuredClassRecord {
    const OF: &'static str = "measured-classes";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        for &split in &self.parts {
            let labels = predictions(artifact, split)?.labels;
            tables.extend((0..self.classes).map(|label| MeasuredClassRow {
                dataset: self.dataset.clone(),
                split,
                label,
                images: labels.iter().filter(|&&image| usize::from(image) == label).count(),
                stage: stage.to_owned(),
            }));
        }
        Ok(())
    }
}

/// Which data set an artifact is about.
#[derive(Serialize)]
struct ClassRecord {
    dataset: String,
}

impl Record for ClassRecord {
    const OF: &'static str = "classes";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let classes: Vec<Item> = read_json(artifact, ARTIFACT)?;
        tables.extend(classes.into_iter().enumerate().map(|(label, Item { class, train, test })| ClassRow {
            dataset: self.dataset.clone(),
            label,
            class,
            train,
            test,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

impl Measurement for Classes {
    type Request = ();

    fn check(_: &Asked<'_>) -> Result<Option<()>, SpecError> {
        Ok(Some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        let pair = planner.pair();
        // A data set is counted once, whatever stands on it.
        let first = planner.experiment().pairs.iter().find(|other| other.dataset == pair.dataset);
        if planner.key(None).replicate > 0 || first.is_some_and(|first| first.name() != pair.name()) {
            return;
        }
        let id = planner.id("classes", None, "all");
        let stage = ClassStage { id, task: planner.task(), folders: pair.classes.iter().map(folder).collect() };
        planner.measure(stage, ClassRecord { dataset: pair.dataset.clone() });
        let evaluation = &planner.experiment().evaluation;
        if evaluation.images != ImageLimits::default() {
            // Any model is asked about the same images.
            let (dataset, classes) = (pair.dataset.clone(), pair.graph.architecture.classes);
            let stage = measure_model(planner, 0);
            planner.record(stage, MeasuredClassRecord { dataset, classes, parts: evaluation.parts.clone() });
        }
    }

    fn derive(tables: &mut Tables) -> Result<()> {
        tables.declare::<ClassRow>();
        Ok(())
    }
}

fn folder(class: &Class) -> String {
    class.folder.clone()
}

/// Counts the images of each class: `classes.json`.
struct ClassStage {
    id: StageId,
    task: Arc<Task>,
    /// In the order of their labels. The content of a data set does not name them.
    folders: Vec<String>,
}

/// One class: an item of `classes.json`, in the order of labels.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    class: String,
    train: usize,
    test: usize,
}

impl Stage for ClassStage {
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
        // How images are normalised does not change how many there are.
        Recipe { kind: "classes", version: 1, settings: json!({ "data": self.task.content_recipe(), "folders": self.folders }) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let dataset = context.datasets.of(&self.task)?;
        let items = count(dataset.train.classes, &self.folders, &dataset.train.labels, &dataset.test.labels);
        files::write_json(&context.out.join(ARTIFACT), &items)
    }
}

/// So many classes with the images that have their labels.
fn count(classes: usize, folders: &[String], train: &[u8], test: &[u8]) -> Vec<Item> {
    let [train, test] = [train, test].map(|labels| class_counts(labels, classes));
    let item = |class: usize| Item { class: folders.get(class).cloned().unwrap_or_default(), train: train[class], test: test[class] };
    (0..classes).map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_listed_with_its_folder_even_one_without_images() {
        let folders = ["0", "1", "10"].map(str::to_owned);
        let item = |class: &str, train, test| Item { class: class.to_owned(), train, test };
        assert_eq!(count(3, &folders, &[0, 0, 1, 2], &[1]), [item("0", 2, 0), item("1", 1, 1), item("10", 1, 0)]);
        assert_eq!(count(2, &[], &[1], &[1, 0]), [item("", 0, 1), item("", 1, 1)]);
    }
}
