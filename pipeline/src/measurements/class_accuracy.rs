//! Accuracy on the images of each class, of end points and merged models: `class-accuracy.csv`, a heat map. It is a table over stored
//! predictions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use onebasin_training::Predictions;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use super::scores::{self, predictions};
use super::{ClassRow, Measurement};
use crate::drawing::{Canvas, HeatMap, HeatPanel, MethodRow, by_pair, method_rank};
use crate::identity::{MethodLabel, Part, ResultKey};
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::Artifact;
use crate::table::{Row, Tables, row};

/// The measurement.
pub struct ClassAccuracy;

row! {
    /// A class of a split: a row of `class-accuracy.csv`. Models stay in the order of the spec.
    struct ClassAccuracyRow in "class-accuracy.csv", order |a, b| (&a.key, a.models).cmp(&(&b.key, b.models));
    {
        key: ResultKey,
        /// How many models; 1 for an end point.
        models: usize,
        /// Empty for a merged model.
        model: String,
        split: Part,
        /// The label, from 0.
        class: usize,
        /// Images of the class that were measured.
        images: usize,
        /// Empty where there is no image.
        accuracy: Option<f64>,
        stage: String,
    }
}

/// Which model an artifact is about.
#[derive(Serialize)]
struct ClassRecord {
    key: ResultKey,
    models: usize,
    model: String,
    classes: usize,
    parts: Vec<Part>,
}

impl Record for ClassRecord {
    const OF: &'static str = "class-accuracy";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let mut parts = self.parts.clone();
        parts.sort_by_key(|part| part.name());
        for split in parts {
            let found = by_class(&predictions(artifact, split)?, self.classes);
            tables.extend(found.into_iter().enumerate().map(|(class, (right, images))| ClassAccuracyRow {
                key: self.key.clone(),
                models: self.models,
                model: self.model.clone(),
                split,
                class,
                images,
                accuracy: (images > 0).then(|| right as f64 / images as f64),
                stage: stage.to_owned(),
            }));
        }
        Ok(())
    }
}

/// For each class, how many of its images are classified rightly, and how many there are.
fn by_class(predictions: &Predictions, classes: usize) -> Vec<(usize, usize)> {
    let mut counts = vec![(0, 0); classes];
    for (image, &label) in predictions.labels.iter().enumerate() {
        if let Some((right, images)) = counts.get_mut(usize::from(label)) {
            *right += usize::from(predictions.is_right(image));
            *images += 1;
        }
    }
    counts
}

impl Measurement for ClassAccuracy {
    type Request = ();

    const KEYS: &'static [&'static str] = &["class-accuracy"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<bool>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<()>, SpecError> {
        Ok(asked.is_set("class-accuracy")?.then_some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        let (classes, parts) = (planner.pair().graph.architecture.classes, experiment.evaluation.parts.clone());
        for (index, model) in experiment.models.iter().enumerate() {
            let (key, model, parts) = (planner.key(None), model.name.clone(), parts.clone());
            let record = ClassRecord { key, models: 1, model, classes, parts };
            let stage = scores::measure_model(planner, index);
            planner.record(stage, record);
        }
        for method in &experiment.methods {
            for set in MergeSet::counted(&experiment.evaluation, method) {
                let (models, model, parts) = (set.models().len(), String::new(), parts.clone());
                let record = ClassRecord { key: planner.key(Some(method)), models, model, classes, parts };
                let stage = scores::measure_merged(planner, method, &set);
                planner.record(stage, record);
            }
        }
    }

    /// Draws `class-accuracy-<dataset>-<architecture>`: end points, and each method's merge of the most models; means over draws and replicates.
    fn draw(canvas: &Canvas) -> Result<()> {
        let methods = MethodRow::read_if_present(canvas.results())?;
        let named = ClassRow::read_if_present(canvas.results())?;
        for (pair, rows) in by_pair(ClassAccuracyRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
            let most = rows.iter().map(|row| row.models).max().unwrap_or_default();
            let classes: BTreeSet<usize> = rows.iter().map(|row| row.class).collect();
            let splits: BTreeSet<&str> = rows.iter().map(|row| row.split.name()).collect();
            let panels = splits.into_iter().map(|split| {
                let of_split = rows.iter().filter(|row| row.split.name() == split);
                let shown = of_split.filter(|row| row.key.method.is_endpoints() || row.models == most);
                let mut cells: BTreeMap<(Option<usize>, String), BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
                for row in shown {
                    let name = line(&row.key.method, &row.model);
                    // End points first, then methods in the order of the spec.
                    let rank = (!row.key.method.is_endpoints()).then(|| method_rank(&methods, row.key.method.name()));
                    let values = cells.entry((rank, name)).or_default().entry(row.class).or_default();
                    values.extend(row.accuracy);
                }
                let mean = |values: &Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
                let row = |((_, name), cells): ((Option<usize>, String), BTreeMap<usize, Vec<f64>>)| {
                    (name, classes.iter().map(|class| cells.get(class).and_then(mean)).collect())
                };
                HeatPanel { heading: format!("accuracy on the {split} split"), rows: cells.into_iter().map(row).collect() }
            });
            let of_dataset: Vec<&ClassRow> = named.iter().filter(|row| row.dataset == pair.dataset).collect();
            let names = class_names(&classes, &of_dataset);
            let map = HeatMap {
                title: match most {
                    1 => format!("Accuracy of each class: {}, {}", pair.dataset, pair.architecture),
                    most => format!("Accuracy of each class: {}, {}, {most} models merged", pair.dataset, pair.architecture),
                },
                along: if names.is_some() { "class" } else { "label" }.to_owned(),
                columns: names.unwrap_or_else(|| classes.iter().map(usize::to_string).collect()),
                panels: panels.collect(),
            };
            canvas.save(&map, "class-accuracy", &pair)?;
        }
        Ok(())
    }
}

/// What the picture calls columns: `3 cat` where classes have names; `None` where no label has one that says more than itself.
fn class_names(labels: &BTreeSet<usize>, rows: &[&ClassRow]) -> Option<Vec<String>> {
    let class = |label: usize| rows.iter().find(|row| row.label == label).map_or("", |row| row.class.as_str());
    let says_more = |label: usize| !class(label).is_empty() && class(label) != label.to_string();
    let name = |label: usize| if class(label).is_empty() { label.to_string() } else { format!("{label} {}", class(label)) };
    labels.iter().any(|&label| says_more(label)).then(|| labels.iter().map(|&label| name(label)).collect())
}

/// What the picture calls a row.
fn line(method: &MethodLabel, model: &str) -> String {
    if method.is_endpoints() { model.to_owned() } else { method.name().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_names_of_classes_where_these_say_more_than_labels() {
        let row = |(label, class): (usize, &str)| ClassRow {
            dataset: "set".to_owned(),
            label,
            class: class.to_owned(),
            train: 1,
            test: 1,
            stage: String::new(),
        };
        let names = |classes: &[(usize, &str)]| {
            let rows: Vec<ClassRow> = classes.iter().copied().map(row).collect();
            class_names(&BTreeSet::from([0, 1, 2]), &rows.iter().collect::<Vec<_>>())
        };
        assert_eq!(names(&[(0, "cat"), (1, "dog"), (2, "")]).unwrap(), ["0 cat", "1 dog", "2"]);
        assert_eq!(names(&[(0, "0"), (1, "1"), (2, "10")]).unwrap(), ["0 0", "1 1", "2 10"]);
        assert!(names(&[(0, "0"), (1, "1"), (2, "2")]).is_none() && names(&[(0, ""), (1, "")]).is_none() && names(&[]).is_none());
    }

    #[test]
    fn images_count_for_the_class_of_their_label() {
        let (labels, predicted) = (vec![0, 0, 2, 2, 2], vec![0, 1, 2, 2, 0]);
        let predictions = Predictions { labels, predicted, losses: vec![0.0; 5], confidences: vec![1.0; 5], logits: Vec::new() };
        assert_eq!(by_class(&predictions, 4), [(1, 2), (0, 0), (2, 3), (0, 0)]);
    }
}
