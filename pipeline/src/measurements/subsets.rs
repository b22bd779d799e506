//! Merges of chosen models: `subsets.csv`, a picture of dots, a section of `table.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::str::FromStr;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use serde::Serialize;

use super::Measurement;
use super::scores::{ARTIFACT, measure_merged};
use crate::drawing::{Axis, Canvas, DotPlot, Legend, Picture, Scale, by_pair, list, method_rank};
use crate::identity::{MethodLabel, ModelNames, PairName, Part, ResultKey};
use crate::number;
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::Artifact;
use crate::stages::files::{Measured, read_json};
use crate::table::{Row, Tables, row, text_column};
use crate::untrained::Unlearned;

/// The measurement.
pub struct Subsets;

/// How the models of a subset were matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Matched {
    /// On their own.
    Apart,
    /// Together with all others.
    Jointly,
}

impl fmt::Display for Matched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Matched::Apart => "apart",
            Matched::Jointly => "jointly",
        })
    }
}

impl FromStr for Matched {
    type Err = ();

    fn from_str(text: &str) -> Result<Matched, ()> {
        [Matched::Apart, Matched::Jointly].into_iter().find(|matched| matched.to_string() == text).ok_or(())
    }
}

text_column!(Matched, "apart or jointly");

row! {
    /// A model merged of chosen ones, on a split: a row of `subsets.csv`.
    struct SubsetRow in "subsets.csv", order |a, b| {
        let key = |row: &Self| (row.key.clone(), row.models, row.subset.clone(), row.matched, row.split.name());
        key(a).cmp(&key(b))
    };
    {
        key: ResultKey,
        /// How many models.
        models: usize,
        /// Their names, joined with plus signs.
        subset: String,
        matched: Matched,
        split: Part,
        loss: f64,
        accuracy: f64,
        stage: String,
    }
}

/// Which subset an artifact is about.
#[derive(Serialize)]
struct SubsetRecord {
    key: ResultKey,
    subset: ModelNames,
    matched: Matched,
}

impl Record for SubsetRecord {
    const OF: &'static str = "subset";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let measured: Vec<Measured> = read_json(artifact, ARTIFACT)?;
        tables.extend(measured.into_iter().map(|Measured { split, loss, accuracy, .. }| SubsetRow {
            key: self.key.clone(),
            models: self.subset.0.len(),
            subset: self.subset.sum(),
            matched: self.matched,
            split,
            loss,
            accuracy,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

impl Measurement for Subsets {
    type Request = ();

    fn check(_: &Asked<'_>) -> Result<Option<()>, SpecError> {
        // Which models are merged is known to the whole spec: references and coefficients must fit them.
        Ok(Some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        for method in &experiment.methods {
            for set in MergeSet::chosen(&experiment.evaluation, method) {
                let stage = measure_merged(planner, method, &set);
                let matched = if set.positions().is_some() { Matched::Jointly } else { Matched::Apart };
                let record = SubsetRecord { key: planner.key(Some(method)), subset: planner.names(&set.models()), matched };
                planner.record(stage, record);
            }
        }
    }

    /// By the number of models, the mean and the range over the choices.
    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let of_pair: Vec<&SubsetRow> = tables.of::<SubsetRow>().iter().filter(|row| row.key.pair == *pair).collect();
        let split = if of_pair.iter().any(|row| row.split == Part::Test) { Part::Test } else { Part::Train };
        let mut accuracies: BTreeMap<(usize, &MethodLabel, usize, Matched), Vec<&SubsetRow>> = BTreeMap::new();
        for row in of_pair.iter().filter(|row| row.split == split) {
            let rank = method_rank(tables.of(), row.key.method.name());
            accuracies.entry((rank, &row.key.method, row.models, row.matched)).or_default().push(row);
        }
        if accuracies.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "\nSubsets of the models merged, {split} accuracy over the subsets. Apart: each matched on its own; jointly: all models matched, \
             then a subset averaged.\n\n| method | models | matched | merges | mean | least | greatest |\n\
             | --- | ---: | --- | ---: | ---: | ---: | ---: |\n"
        );
        for ((_, method, models, matched), rows) in accuracies {
            let used = rows.iter().flat_map(|row| row.subset.split('+').map(|model| (row.key.replicate, model)));
            let mark = unlearned.sign_of(used);
            let values: Vec<f64> = rows.iter().map(|row| row.accuracy).collect();
            let (least, greatest) =
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
            let (count, mean) = (values.len(), values.iter().sum::<f64>() / values.len() as f64);
            let [mean, least, greatest] = [mean, least, greatest].map(number::share);
            let _ = writeln!(text, "| {method}{mark} | {models} | {matched} | {count} | {mean} | {least} | {greatest} |");
        }
        text
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        draw(canvas)
    }
}

struct Choices {
    title: String,
    legend: Legend,
    panels: Vec<DotPlot>,
}

/// Draws `subsets-<dataset>-<architecture>`: accuracy by the number of models, a dot a choice.
fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(SubsetRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let counts: BTreeSet<usize> = rows.iter().map(|row| row.models).collect();
        let mut panels = Vec::new();
        for split in [Part::Train, Part::Test] {
            let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
            let mut open = values.clone();
            for row in rows.iter().filter(|row| row.split == split) {
                let place = counts.iter().position(|&count| count == row.models).unwrap_or_default();
                let variant = if row.matched == Matched::Jointly { &mut open } else { &mut values };
                variant.entry((place, row.key.method.name().to_owned())).or_default().push(row.accuracy);
            }
            if !values.is_empty() {
                panels.push(DotPlot {
                    heading: split.to_string(),
                    categories: counts.iter().map(usize::to_string).collect(),
                    along: "models merged".to_owned(),
                    metric: "accuracy of the merged model".to_owned(),
                    values,
                    open,
                    scale: Scale::Accuracy,
                    spread: false,
                });
            }
        }
        let title = format!("Merging different subsets of the models: {}, {}", pair.dataset, pair.architecture);
        let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
        canvas.save(&Choices { title, legend, panels }, "subsets", &pair)?;
    }
    Ok(())
}

impl Choices {
    /// Whether marks of two kinds stand side by side, which need the whole width.
    fn is_wide(&self) -> bool {
        self.panels.iter().any(|panel| !panel.open.is_empty())
    }
}

impl Picture for Choices {
    fn size(&self) -> (u32, u32) {
        (1400, if self.is_wide() { 40 + 470 * self.panels.len() as u32 } else { 560 })
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let methods = list(self.legend.names());
        format!("Accuracy of merged subsets of the models, a mark for each subset, by how many are merged. Methods: {methods}.")
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1170);
        let grid = if self.is_wide() { (self.panels.len(), 1) } else { (1, self.panels.len()) };
        let axis = Axis::showing(Scale::Accuracy, self.panels.iter().flat_map(DotPlot::all));
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly(grid)) {
            panel.draw(&cell, &self.legend, &axis)?;
        }
        let mut notes = vec!["a mark: one subset (and", "replicate); bar: their", "mean; thin line: from", "least to greatest"];
        if self.is_wide() {
            notes.extend([
                "",
                "filled: each subset",
                "matched on its own",
                "open: all models matched",
                "jointly, then the subset",
                "averaged",
            ]);
        }
        self.legend.draw(&side, &notes)
    }
}
