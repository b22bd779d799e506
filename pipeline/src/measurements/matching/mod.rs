//! Every alignment: objective, iterations, errors (`matching.csv`), and its iterates (`traces.csv`). Pictures of objectives and of steps, a
//! section of `table.md`.

mod objectives;
mod steps;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Measurement;
use crate::drawing::Canvas;
use crate::identity::{PairName, ResultKey};
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::Artifact;
use crate::stages::Check;
use crate::stages::files::read_json;
use crate::table::{Small, Tables, row};

/// The measurement: it reads what alignments write and has no stages of its own.
pub struct Matching;

row! {
    /// An alignment: a row of `matching.csv`.
    pub struct MatchingRow in "matching.csv", order |a, b| a.key.cmp(&b.key).then_with(|| by_count(&a.models, &b.models));
    {
        key: ResultKey,
        /// How many models (`5`), which two (`a-b`), or which subset (`a+c`).
        models: String,
        /// Sum of inner products over pairs of models.
        objective: f64,
        iterations: usize,
        /// Why it ended.
        outcome: String,
        /// Largest distance of a model from itself after a cycle of maps.
        cycle_error: Small,
        /// Largest difference of a logit between a model and itself in the frame.
        function_error: Small,
        stage: String,
    }
}

row! {
    /// An iterate of an alignment: a row of `traces.csv`.
    pub struct TraceRow in "traces.csv", order |a, b| {
        a.key.cmp(&b.key).then_with(|| by_count(&a.models, &b.models)).then(a.iteration.cmp(&b.iteration))
    };
    {
        key: ResultKey,
        models: String,
        iteration: usize,
        objective: f64,
        /// Step size, where the method has one.
        step: Option<f64>,
        stage: String,
    }
}

/// Orders names of models, then their numbers.
fn by_count(one: &str, other: &str) -> Ordering {
    let key = |models: &str| models.parse::<usize>().map_or((0, models.to_owned()), |count| (count, String::new()));
    key(one).cmp(&key(other))
}

impl TraceRow {
    /// How many models were matched; `None` for a pair or a subset.
    fn count(&self) -> Option<usize> {
        self.models.parse().ok()
    }

    /// What tells the iterates of one alignment from others of its method.
    fn line(&self) -> String {
        format!("{} {}", self.key.replicate, self.key.method.draw().unwrap_or_default())
    }
}

/// Which models an alignment is of.
#[derive(Serialize)]
struct AlignmentRecord {
    key: ResultKey,
    models: String,
}

/// What tables need of `alignment.json`, which the library of matchings writes.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Alignment {
    objective: f64,
    iterations: usize,
    outcome: String,
    cycle_error: f64,
    trace: Vec<Iterate>,
}

#[derive(Deserialize)]
struct Iterate {
    objective: f64,
    step: Option<f64>,
}

impl Record for AlignmentRecord {
    const OF: &'static str = "alignment";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let alignment: Alignment = read_json(artifact, "alignment.json")?;
        let check: Check = read_json(artifact, "check.json")?;
        tables.extend(alignment.trace.iter().enumerate().map(|(iteration, iterate)| TraceRow {
            key: self.key.clone(),
            models: self.models.clone(),
            iteration,
            objective: iterate.objective,
            step: iterate.step,
            stage: stage.to_owned(),
        }));
        tables.extend([MatchingRow {
            key: self.key.clone(),
            models: self.models.clone(),
            objective: alignment.objective,
            iterations: alignment.iterations,
            outcome: alignment.outcome,
            cycle_error: Small(alignment.cycle_error),
            function_error: Small(check.function_error),
            stage: stage.to_owned(),
        }]);
        Ok(())
    }
}

impl Measurement for Matching {
    type Request = ();

    fn check(_: &Asked<'_>) -> Result<Option<()>, SpecError> {
        Ok(Some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        for alignment in planner.alignments().to_vec() {
            planner.record(alignment.stage, AlignmentRecord { key: alignment.key, models: alignment.models });
        }
    }

    fn derive(tables: &mut Tables) -> Result<()> {
        tables.declare::<MatchingRow>();
        tables.declare::<TraceRow>();
        Ok(())
    }

    fn section(tables: &Tables, pair: &PairName) -> String {
        let mut worst: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for row in tables.of::<MatchingRow>().iter().filter(|row| row.key.pair == *pair) {
            let (cycle, function) = worst.entry(row.key.method.to_string()).or_default();
            *cycle = row.cycle_error.0.max(*cycle);
            *function = row.function_error.0.max(*function);
        }
        if worst.is_empty() {
            return String::new();
        }
        let mut text =
            "\nLargest errors of the alignments: how far a model mapped around a cycle of models comes back from itself, and how far \
                        a permuted model's outputs lie from its own.\n\n| method | cycle error | function error |\n| --- | ---: | ---: |\n"
                .to_owned();
        for (method, (cycle, function)) in worst {
            let [cycle, function] = [cycle, function].map(|error| if error == 0.0 { "0".to_owned() } else { format!("{error:.1e}") });
            let _ = writeln!(text, "| {method} | {cycle} | {function} |");
        }
        text
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        objectives::draw(canvas)?;
        steps::draw(canvas)
    }
}
