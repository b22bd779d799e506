//! Models mapped around a cycle of models: how they come back. `cycles.csv`, a picture of lines and distances, a section of `table.md`.

mod picture;
mod stage;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use self::stage::{ARTIFACT, CycleStage, CycleStep, Round};
use super::Measurement;
use super::barriers::stage::Point;
use crate::drawing::{Canvas, list, method_rank, shown_part};
use crate::identity::{MethodLabel, ModelNames, PairName, Part, ResultKey};
use crate::number;
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, Method, Needs, SpecError, shown};
use crate::stage::{Artifact, StageId};
use crate::stages::files::read_json;
use crate::table::{Tables, row};
use crate::untrained::Unlearned;

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

fn has_cycles(method: &Method) -> bool {
    method.has_lines() && method.models.is_none()
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
        if !cycles.is_empty() && !asked.methods.iter().any(has_cycles) {
            let message = "`evaluation.cycles` maps models around, but no method has lines between all of them";
            return Err(asked.wrong(&asked.at(["cycles"]), message).hint("add a method that merges by \"mean\", or leave it out"));
        }
        Ok(Some(cycles).filter(|cycles| !cycles.is_empty()))
    }

    fn needs(_: &Vec<Vec<usize>>) -> Needs {
        Needs { lines: true, ..Needs::default() }
    }

    fn plan(cycles: &Vec<Vec<usize>>, planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        for method in experiment.methods.iter().filter(|method| has_cycles(method)) {
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

    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        section(tables, pair, unlearned)
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}

/// The cycles of a pair as a section of `table.md`: figures of the methods that bring a model back changed, and the names of the others.
fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
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
        let sign = unlearned.sign(method);
        let back: Vec<&&CycleRow> = rows.iter().filter(|row| row.lambda == 1.0).collect();
        let mean = |of: fn(&CycleRow) -> f64| back.iter().map(|row| of(row)).sum::<f64>() / back.len().max(1) as f64;
        let greatest = back.iter().map(|row| row.distance).fold(0.0, f64::max);
        let worst_loss = rows.iter().map(|row| row.loss).fold(0.0, f64::max);
        let worst_accuracy = rows.iter().map(|row| row.accuracy).fold(1.0, f64::min);
        let [distance, greatest, loss, worst_loss] =
            [mean(|row| row.distance), greatest, mean(|row| row.loss), worst_loss].map(number::shown);
        let [accuracy, worst_accuracy] = [mean(|row| row.accuracy), worst_accuracy].map(number::share);
        let _ = writeln!(text, "| {method}{sign} | {distance} | {greatest} | {loss} | {worst_loss} | {accuracy} | {worst_accuracy} |");
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
        assert_eq!(section(&tables, &pair, &Unlearned::default()), "");
        tables.extend([rows("c2m3", 0.0, [0.1; 3]), rows("merge-many", 0.0, [0.1; 3])].concat());
        let text = section(&tables, &pair, &Unlearned::default());
        assert!(text.contains("By `c2m3` and `merge-many` it comes back as it was") && !text.contains('|'), "{text}");
        tables.extend(rows("git-re-basin", 7.5, [0.1, 0.6, 0.125]));
        let text = section(&tables, &pair, &Unlearned::default());
        assert!(text.contains("By `c2m3` and `merge-many` it comes back as it was"), "{text}");
        assert!(text.ends_with("| git-re-basin | 7.500 | 7.500 | 0.1250 | 0.6000 | 0.8750 | 0.4000 |\n"), "{text}");
        assert!(!text.contains("| c2m3 |"), "{text}");
    }
}
