//! Models mapped around a cycle of models: how they come back. `cycles.csv`, a picture of lines and distances, a section of `table.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use onebasin_datasets::SearchPaths;
use onebasin_matching::{Alignment, cycle};
use onebasin_network::Weights;
use plotters::coord::Shift;
use plotters::prelude::*;
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Measurement;
use super::barriers::stage::{Point, along};
use crate::demand;
use crate::drawing::{
    Axis, Canvas, DotPlot, Legend, LineCurves, Picture, Scale, by_pair, curve_values, line_panel, list, method_rank, shown_part,
};
use crate::identity::{MethodLabel, ModelNames, PairName, Part, ResultKey};
use crate::number;
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, Method, Needs, SpecError, shown};
use crate::stage::{Artifact, Context, Demand, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, read_json};
use crate::table::{Row, Tables, row};
use crate::task::Task;

/// The file of the stage.
const ARTIFACT: &str = "cycle.json";

/// The measurement.
pub struct Cycles;

row! {
    /// A point of the line from a model to itself after a cycle: a row of `cycles.csv`.
    struct CycleRow in "cycles.csv", order |a, b| {
        (&a.key, &a.cycle, a.split.name()).cmp(&(&b.key, &b.cycle, b.split.name())).then(a.lambda.total_cmp(&b.lambda))
    };
    {
        key: ResultKey,
        /// The models, joined with hyphens.
        cycle: String,
        split: Part,
        lambda: f64,
        loss: f64,
        accuracy: f64,
        /// Of the model that comes back from the one that left.
        distance: f64,
        stage: String,
    }
}

/// Which cycle an artifact is about.
#[derive(Serialize)]
struct CycleRecord {
    key: ResultKey,
    cycle: ModelNames,
}

impl Record for CycleRecord {
    const OF: &'static str = "cycle";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let Round { distance, points } = read_json(artifact, ARTIFACT)?;
        tables.extend(points.into_iter().map(|Point { split, lambda, loss, accuracy }| CycleRow {
            key: self.key.clone(),
            cycle: self.cycle.hyphenated(),
            split,
            lambda,
            loss,
            accuracy,
            distance,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

impl Measurement for Cycles {
    /// Models by index; the first of each is mapped around.
    type Request = Vec<Vec<usize>>;

    const KEYS: &'static [&'static str] = &["cycles"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Vec<Vec<String>>>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<Vec<Vec<usize>>>, SpecError> {
        let mut cycles = Vec::new();
        for (index, names) in asked.optional::<Vec<Vec<String>>>("cycles")?.iter().flatten().enumerate() {
            let here = asked.at(["cycles", &index.to_string()]);
            let cycle = asked.positions(&here, names)?;
            if cycle.len() < 3 {
                let message = format!("`{}` names {} models, expected at least 3", shown(&here), cycle.len());
                return Err(asked
                    .wrong(&here, message)
                    .hint("two are mapped there and back by one map and its inverse, which shows nothing"));
            }
            if cycles.contains(&cycle) {
                return Err(asked.wrong(&here, "`evaluation.cycles` lists a cycle twice").hint("one that starts elsewhere is another"));
            }
            cycles.push(cycle);
        }
        Ok(Some(cycles).filter(|cycles| !cycles.is_empty()))
    }

    fn needs(_: &Vec<Vec<usize>>) -> Needs {
        Needs { lines: true, ..Needs::default() }
    }

    fn plan(cycles: &Vec<Vec<usize>>, planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        for method in experiment.methods.iter().filter(|method| method.has_lines() && method.models.is_none()) {
            for cycle in cycles {
                let (alignments, steps) = around(planner, method, cycle);
                let names = planner.names(cycle);
                let id = planner.id("cycle", Some(method), &names.path());
                let (lambdas, parts) = (experiment.evaluation.lambdas, experiment.evaluation.parts.clone());
                let stage = CycleStage::new(id, alignments, planner.model(cycle[0]), steps, planner.task(), lambdas, parts);
                planner.measure(stage, CycleRecord { key: planner.key(Some(method)), cycle: names });
            }
        }
    }

    fn section(tables: &Tables, pair: &PairName) -> String {
        section(tables, pair)
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        draw(canvas)
    }
}

/// The cycles of a pair as a section of `table.md`: figures of the methods that bring a model back changed, and the names of the others.
fn section(tables: &Tables, pair: &PairName) -> String {
    let rows: Vec<&CycleRow> = tables.of::<CycleRow>().iter().filter(|row| row.key.pair == *pair).collect();
    let split = shown_part(rows.iter().map(|row| row.split));
    let mut by_method: BTreeMap<(usize, MethodLabel), Vec<&CycleRow>> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.split == split) {
        let method = row.key.method.undrawn();
        by_method.entry((method_rank(tables.of(), method.name()), method)).or_default().push(row);
    }
    if by_method.is_empty() {
        return String::new();
    }
    let (changed, same): (Vec<_>, Vec<_>) = by_method.iter().partition(|(_, rows)| rows.iter().any(|row| row.distance > 0.0));
    let mut text =
        "\n### Cycles of maps\n\nA model is mapped onto the units of one model after another until it is back on its own.".to_owned();
    if !same.is_empty() {
        let names = list(same.iter().map(|((_, method), _)| format!("`{method}`")));
        let _ = write!(text, " By {names} it comes back as it was: whatever leads through one frame does that, by any method.");
    }
    if changed.is_empty() {
        return text + "\n";
    }
    let _ = write!(
        text,
        " Maps of two models each, matched apart, need not close a cycle. Distance: of all weights, between the model that left and what \
         comes back, the mean and the greatest over cycles, draws and replicates; loss and accuracy on {split}: of what comes back, and the \
         worst on the line from the model to it.\n\n\
         | method | distance | greatest | loss back | worst loss | accuracy back | worst accuracy |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for ((_, method), rows) in changed {
        let back: Vec<&&CycleRow> = rows.iter().filter(|row| row.lambda == 1.0).collect();
        let mean = |of: fn(&CycleRow) -> f64| back.iter().map(|row| of(row)).sum::<f64>() / back.len().max(1) as f64;
        let greatest = back.iter().map(|row| row.distance).fold(0.0, f64::max);
        let worst_loss = rows.iter().map(|row| row.loss).fold(0.0, f64::max);
        let worst_accuracy = rows.iter().map(|row| row.accuracy).fold(1.0, f64::min);
        let [distance, greatest, loss, worst_loss] =
            [mean(|row| row.distance), greatest, mean(|row| row.loss), worst_loss].map(number::shown);
        let [accuracy, worst_accuracy] = [mean(|row| row.accuracy), worst_accuracy].map(number::share);
        let _ = writeln!(text, "| {method} | {distance} | {greatest} | {loss} | {worst_loss} | {accuracy} | {worst_accuracy} |");
    }
    text
}

/// The alignments that lead around a cycle, each once, and the steps through them. Two models are matched once for both ways.
fn around(planner: &mut PairPlanner<'_, '_>, method: &Method, cycle: &[usize]) -> (Vec<StageId>, Vec<CycleStep>) {
    let mut alignments: Vec<StageId> = Vec::new();
    let mut steps = Vec::with_capacity(cycle.len());
    for (place, &from) in cycle.iter().enumerate() {
        let onto = cycle[(place + 1) % cycle.len()];
        let (alignment, [low, high]) = planner.two_aligned(method, from.min(onto), from.max(onto));
        let [from, onto] = if from < onto { [low, high] } else { [high, low] };
        let known = alignments.iter().position(|known| *known == alignment);
        let alignment = known.unwrap_or_else(|| {
            alignments.push(alignment);
            alignments.len() - 1
        });
        steps.push(CycleStep { alignment, from, onto });
    }
    (alignments, steps)
}

/// Maps a model onto the units of one model after another until it is back on its own, and measures the straight line from it (λ = 0) to
/// what came back (λ = 1), and their distance: `cycle.json`. Maps that compose to the identity bring back the very same weights.
struct CycleStage {
    id: StageId,
    inputs: Vec<StageId>,
    steps: Vec<CycleStep>,
    task: Arc<Task>,
    lambdas: usize,
    parts: Vec<Part>,
}

/// From the units of a model to those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct CycleStep {
    /// Which of the alignments.
    alignment: usize,
    /// The place among its models of the one whose units are left.
    from: usize,
    /// The place of the one whose units are taken.
    onto: usize,
}

/// `cycle.json`.
#[derive(Serialize, Deserialize)]
struct Round {
    distance: f64,
    points: Vec<Point>,
}

impl CycleStage {
    /// From `start` along `steps` through `alignments`.
    fn new(
        id: StageId,
        alignments: Vec<StageId>,
        start: StageId,
        steps: Vec<CycleStep>,
        task: Arc<Task>,
        lambdas: usize,
        parts: Vec<Part>,
    ) -> CycleStage {
        let inputs = std::iter::once(start).chain(alignments).collect();
        CycleStage { id, inputs, steps, task, lambdas, parts }
    }

    /// What comes back, and how far from where it started.
    fn around(&self, start: &Weights, alignments: &[Alignment]) -> Result<onebasin_matching::Cycle> {
        for step in &self.steps {
            let alignment = alignments.get(step.alignment).context("a cycle without an alignment")?;
            alignment.maps.get(step.from.max(step.onto)).context("a model that its alignment does not have")?;
        }
        let path: Vec<usize> = (0..self.steps.len()).collect();
        Ok(cycle(self.task.graph.spec(), &[start], &path, |place, _| {
            let CycleStep { alignment, from, onto } = self.steps[place];
            alignments[alignment].pair_maps(from, onto)
        }))
    }
}

impl Stage for CycleStage {
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
            "data": self.task.measured_recipe(),
            "parts": self.parts,
            "steps": self.steps,
            "lambdas": self.lambdas,
            "device": self.task.device,
        });
        Recipe { kind: "cycle", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        demand::of_measuring(&self.task, &self.parts, self.lambdas, places)
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let (start, alignments) = context.inputs.split_first().context("a cycle without a model")?;
        let start = files::load(start, &self.task.graph)?;
        let alignments = alignments.iter().map(|artifact| Alignment::load(&artifact.directory)).collect::<Result<Vec<_>, _>>()?;
        let back = self.around(&start, &alignments)?;
        let points = along(context, &self.task, &self.parts, self.lambdas, [&start, &back.aligned])?;
        files::write_json(&context.out.join(ARTIFACT), &Round { distance: back.distance, points })
    }
}

struct Rounds {
    title: String,
    legend: Legend,
    lines: Vec<(&'static str, LineCurves, Axis)>,
    distances: DotPlot,
}

/// Draws `cycles-<dataset>-<architecture>`.
fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(CycleRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let split = shown_part(rows.iter().map(|row| row.split));
        let rows: Vec<&CycleRow> = rows.iter().filter(|row| row.split == split).collect();
        let categories: Vec<&str> = rows.iter().map(|row| row.cycle.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
        let mut lines = Vec::new();
        let figures = [("accuracy", (|row| row.accuracy) as fn(&CycleRow) -> f64, Scale::Share), ("loss", |row| row.loss, Scale::Even)];
        for (metric, value, scale) in figures {
            let mut curves = LineCurves::new();
            for row in &rows {
                let line = format!("{} {} {}", row.key.replicate, row.cycle, row.key.method.draw().unwrap_or_default());
                let curve = curves.entry(row.key.method.name().to_owned()).or_default().entry(line).or_default();
                curve.push((row.lambda, value(row)));
            }
            let axis = Axis::showing(scale, curve_values(&curves));
            lines.push((metric, curves, axis));
        }
        let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.lambda == 0.0) {
            let place = categories.iter().position(|cycle| *cycle == row.cycle).unwrap_or_default();
            values.entry((place, row.key.method.name().to_owned())).or_default().push(row.distance);
        }
        let round = |cycle: &&str| format!("{cycle}-{}", cycle.split('-').next().unwrap_or_default());
        let distances = DotPlot {
            heading: "distance of what comes back".to_owned(),
            categories: categories.iter().map(round).collect(),
            along: "cycle".to_owned(),
            metric: "Euclidean distance of all weights".to_owned(),
            values,
            open: BTreeMap::new(),
            scale: Scale::FromZero,
            spread: false,
        };
        let title = format!("From a model to itself after a cycle of maps ({split}): {}, {}", pair.dataset, pair.architecture);
        let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
        canvas.save(&Rounds { title, legend, lines, distances }, "cycles", &pair)?;
    }
    Ok(())
}

impl Picture for Rounds {
    fn size(&self) -> (u32, u32) {
        (1700, 560)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let methods = list(self.legend.names());
        format!("Accuracy and loss on the line from a model to what comes back, and the distance of both. Methods: {methods}.")
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1480);
        let cells = charts.split_evenly((1, 3));
        for ((metric, curves, axis), cell) in self.lines.iter().zip(&cells) {
            line_panel(&self.legend, cell, &format!("{metric} on the line"), ("λ", metric), curves, axis)?;
        }
        self.distances.draw(&cells[2], &self.legend, &self.distances.axis())?;
        self.legend.draw(
            &side,
            &["λ = 0: the model", "λ = 1: what comes back", "thick: mean over cycles,", "draws and replicates", "thin: each of them"],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(method: &str, distance: f64, losses: [f64; 3]) -> Vec<CycleRow> {
        let point = |(place, loss): (usize, f64)| CycleRow {
            key: ResultKey { pair: PairName::new("digits", "mlp"), method: MethodLabel::method(method), replicate: 0 },
            cycle: "a-b-c".to_owned(),
            split: Part::Test,
            lambda: 0.5 * place as f64,
            loss,
            accuracy: 1.0 - loss,
            distance,
            stage: String::new(),
        };
        losses.into_iter().enumerate().map(point).collect()
    }

    #[test]
    fn maps_through_one_frame_are_one_sentence_and_only_pairwise_maps_have_figures() {
        let mut tables = Tables::default();
        let pair = PairName::new("digits", "mlp");
        assert_eq!(section(&tables, &pair), "");
        tables.extend([rows("c2m3", 0.0, [0.1; 3]), rows("merge-many", 0.0, [0.1; 3])].concat());
        let text = section(&tables, &pair);
        assert!(text.contains("By `c2m3` and `merge-many` it comes back as it was") && !text.contains('|'), "{text}");
        tables.extend(rows("git-re-basin", 7.5, [0.1, 0.6, 0.125]));
        let text = section(&tables, &pair);
        assert!(text.contains("By `c2m3` and `merge-many` it comes back as it was"), "{text}");
        assert!(text.ends_with("| git-re-basin | 7.500 | 7.500 | 0.1250 | 0.6000 | 0.8750 | 0.4000 |\n"), "{text}");
        assert!(!text.contains("| c2m3 |"), "{text}");
    }
}
