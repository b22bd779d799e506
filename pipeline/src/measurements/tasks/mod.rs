//! Tasks that come one after the other: the accuracy on each after each of them, `tasks.csv`, and what becomes of earlier ones, `continual.csv`;
//! a picture of accuracies over time.
//!
//! With `a(j, i)` the accuracy on task `i` after `j` tasks, of `T`: backward transfer is `1 / (T - 1) Σᵢ (a(T, i) - a(i, i))` over all tasks but the
//! last; forgetting is `1 / (T - 1) Σᵢ (maxⱼ a(j, i) - a(T, i))` over the same tasks and `j` from `i` to `T - 1`.
//!
//! Source: Lopez-Paz and Ranzato 2017 (arXiv 1706.08840), equation 3 (backward transfer); Chaudhry et al. 2018 (arXiv 1801.10112), section 3.3
//! (forgetting).

mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use super::Measurement;
use super::scores::{self, predictions};
use crate::drawing::{Canvas, method_rank};
use crate::identity::{MethodLabel, PairName, Part, ResultKey};
use crate::number;
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, Merging, Method, SpecError};
use crate::stage::Artifact;
use crate::table::{Tables, row};
use crate::untrained::Unlearned;

/// The measurement.
pub struct Tasks;

row! {
    /// The accuracy on a task after some tasks: a row of `tasks.csv`.
    pub struct TaskRow in "tasks.csv", order |a, b| (&a.key, a.learned, a.place).cmp(&(&b.key, b.learned, b.place));
    {
        key: ResultKey,
        /// How many tasks have been learned.
        learned: usize,
        /// The model that learned the task alone.
        task: String,
        /// Which task, from 1.
        place: usize,
        /// Test images of its classes.
        images: usize,
        /// Among all classes.
        accuracy: f64,
        stage: String,
    }
}

row! {
    /// What is left of all tasks at the end: a row of `continual.csv`.
    pub struct ContinualRow in "continual.csv", order |a, b| a.key.cmp(&b.key);
    {
        key: ResultKey,
        tasks: usize,
        /// On the test images of all tasks.
        accuracy: f64,
        /// The mean over tasks.
        task_accuracy: f64,
        /// Empty where models are not merged one after the other.
        forgetting: Option<f64>,
        backward_transfer: Option<f64>,
        stage: String,
    }
}

/// After how many tasks predictions are made, and the classes of each.
#[derive(Serialize)]
struct TaskRecord {
    key: ResultKey,
    learned: usize,
    tasks: Vec<(String, Vec<u8>)>,
}

impl Record for TaskRecord {
    const OF: &'static str = "tasks";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let predictions = predictions(artifact, Part::Test)?;
        for (place, (task, classes)) in self.tasks.iter().enumerate() {
            let of_task = || (0..predictions.len()).filter(|&image| classes.contains(&predictions.labels[image]));
            let (images, right) = (of_task().count(), of_task().filter(|&image| predictions.is_right(image)).count());
            if images > 0 {
                tables.extend([TaskRow {
                    key: self.key.clone(),
                    learned: self.learned,
                    task: task.clone(),
                    place: place + 1,
                    images,
                    accuracy: right as f64 / images as f64,
                    stage: stage.to_owned(),
                }]);
            }
        }
        Ok(())
    }
}

/// What becomes of tasks: the rows of one method and replicate.
fn continual(rows: &[TaskRow]) -> Option<ContinualRow> {
    let last = rows.iter().map(|row| row.learned).max()?;
    let at_end: Vec<&TaskRow> = rows.iter().filter(|row| row.learned == last).collect();
    let images: usize = at_end.iter().map(|row| row.images).sum();
    let right: f64 = at_end.iter().map(|row| row.accuracy * row.images as f64).sum();
    let after = |learned: usize, place: usize| {
        let row = rows.iter().find(|row| (row.learned, row.place) == (learned, place));
        row.map(|row| row.accuracy)
    };
    let earlier: Vec<&TaskRow> = at_end.iter().copied().filter(|row| row.place < last).collect();
    let mean = |values: Option<Vec<f64>>| {
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let transfer = earlier.iter().map(|row| Some(row.accuracy - after(row.place, row.place)?)).collect();
    let forgetting = earlier.iter().map(|row| {
        let best = (row.place..last).map(|learned| after(learned, row.place)).collect::<Option<Vec<f64>>>()?;
        Some(best.into_iter().fold(f64::NEG_INFINITY, f64::max) - row.accuracy)
    });
    Some(ContinualRow {
        key: rows[0].key.clone(),
        tasks: at_end.len(),
        accuracy: right / images as f64,
        task_accuracy: at_end.iter().map(|row| row.accuracy).sum::<f64>() / at_end.len() as f64,
        forgetting: mean(forgetting.collect()),
        backward_transfer: mean(transfer),
        stage: at_end[0].stage.clone(),
    })
}

impl Measurement for Tasks {
    /// The models that stand for tasks, by index, with the classes of each.
    type Request = Vec<(usize, Vec<u8>)>;

    const KEYS: &'static [&'static str] = &["tasks"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Vec<String>>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<Self::Request>, SpecError> {
        let Some(names) = asked.optional::<Vec<String>>("tasks")? else { return Ok(None) };
        let here = asked.at(["tasks"]);
        let models = asked.positions(&here, &names)?;
        if models.len() < 2 {
            return Err(asked
                .wrong(&here, "`evaluation.tasks` should name at least 2 models")
                .hint("each stands for the task of its classes"));
        }
        if !asked.splits().contains(&Part::Test) {
            return Err(asked.wrong(&here, "`evaluation.tasks` measures test images, and `splits` has no \"test\"").hint("add it"));
        }
        let mut tasks = Vec::with_capacity(models.len());
        for (place, &model) in models.iter().enumerate() {
            let parts = asked.models[model].subset.iter().flat_map(|subset| &subset.parts);
            let labels: BTreeSet<u8> = parts.flat_map(|part| part.labels.iter().flatten().copied()).collect();
            if labels.is_empty() {
                let message = format!("`{}` has no `labels` in its `subset`, which say the classes of its task", names[place]);
                let here = asked.at(["tasks", &place.to_string()]);
                return Err(asked.wrong(&here, message).hint("`subset = { parts = [{ labels = [0, 1] }] }`"));
            }
            tasks.push((model, labels.into_iter().collect()));
        }
        Ok(Some(tasks))
    }

    fn plan(tasks: &Self::Request, planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        let named: Vec<(String, Vec<u8>)> =
            tasks.iter().map(|(model, classes)| (experiment.models[*model].name.clone(), classes.clone())).collect();
        for method in &experiment.methods {
            for set in MergeSet::counted(&experiment.evaluation, method) {
                let key = planner.key(Some(method));
                let record = |learned| TaskRecord { key: key.clone(), learned, tasks: named.clone() };
                if !is_of(method, &set, tasks) {
                    // A baseline: what it says at the end.
                    let stage = scores::measure_merged(planner, method, &set);
                    planner.record(stage, record(tasks.len()));
                    continue;
                }
                for learned in 1..=tasks.len() {
                    let stage = scores::measure_step(planner, method, &set, learned);
                    planner.record(stage, record(learned));
                }
            }
        }
    }

    fn derive(tables: &mut Tables) -> Result<()> {
        let rows: Vec<ContinualRow> = tables.of::<TaskRow>().chunk_by(|a, b| a.key == b.key).filter_map(continual).collect();
        if !rows.is_empty() {
            tables.extend(rows);
        }
        Ok(())
    }

    /// Means and deviations over replicates.
    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let mut methods: BTreeMap<(usize, &MethodLabel), Vec<&ContinualRow>> = BTreeMap::new();
        for row in tables.of::<ContinualRow>().iter().filter(|row| row.key.pair == *pair) {
            methods.entry((method_rank(tables.of(), row.key.method.name()), &row.key.method)).or_default().push(row);
        }
        if methods.is_empty() {
            return String::new();
        }
        let mut text =
            "\n### Tasks one after the other\n\nAt the end, on test: accuracy on all images, its mean over tasks, forgetting and backward \
                        transfer; means over replicates, with the standard deviation (n - 1).\n\n\
                        | method | accuracy | by task | forgetting | backward transfer |\n| --- | ---: | ---: | ---: | ---: |\n"
                .to_owned();
        for ((_, method), rows) in methods {
            let cell = |of: fn(&ContinualRow) -> Option<f64>| {
                let values: Option<Vec<f64>> = rows.iter().map(|row| of(row)).collect();
                values.map(|values| spread(&values)).unwrap_or_default()
            };
            let cells = [
                cell(|row| Some(row.accuracy)),
                cell(|row| Some(row.task_accuracy)),
                cell(|row| row.forgetting),
                cell(|row| row.backward_transfer),
            ];
            let _ = writeln!(text, "| {method}{} | {} |", unlearned.sign(method), cells.join(" | "));
        }
        text
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}

/// Whether a method merges the models of the tasks one after the other, in their order.
fn is_of(method: &Method, set: &MergeSet, tasks: &[(usize, Vec<u8>)]) -> bool {
    let models: Vec<usize> = tasks.iter().map(|(model, _)| *model).collect();
    method.sequential.is_some() && set.models() == models && !matches!(method.merging, Merging::Ensemble { .. })
}

/// Mean and deviation as text.
fn spread(values: &[f64]) -> String {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    match values.len() {
        1 => number::share(mean),
        count => format!("{} ± {}", number::share(mean), number::share((square / (count - 1) as f64).sqrt())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(learned: usize, place: usize, accuracy: f64) -> TaskRow {
        TaskRow {
            key: ResultKey { pair: PairName::new("mnist", "mlp"), method: MethodLabel::method("avg"), replicate: 0 },
            learned,
            task: format!("t{place}"),
            place,
            images: if place == 3 { 300 } else { 100 },
            accuracy,
            stage: "s".to_owned(),
        }
    }

    #[test]
    fn forgetting_is_from_the_best_before_and_transfer_from_when_the_task_was_learned() {
        let rows = [
            row(1, 1, 0.8),
            row(1, 2, 0.0),
            row(1, 3, 0.0),
            row(2, 1, 0.9),
            row(2, 2, 0.6),
            row(2, 3, 0.0),
            row(3, 1, 0.5),
            row(3, 2, 0.7),
            row(3, 3, 1.0),
        ];
        let row = continual(&rows).unwrap();
        let near = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-12, "{value:?}, {expected}");
        // (0.9 - 0.5 + 0.6 - 0.7) / 2 and (0.5 - 0.8 + 0.7 - 0.6) / 2
        near(row.forgetting, 0.15);
        near(row.backward_transfer, -0.1);
        near(Some(row.accuracy), (50.0 + 70.0 + 300.0) / 500.0);
        near(Some(row.task_accuracy), 2.2 / 3.0);
    }

    #[test]
    fn what_is_measured_at_the_end_alone_has_neither() {
        let found = continual(&[row(3, 1, 0.5), row(3, 2, 0.7), row(3, 3, 1.0)]).unwrap();
        assert_eq!((found.forgetting, found.backward_transfer, found.tasks), (None, None, 3));
    }
}
