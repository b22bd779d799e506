//! Every alignment: objective, iterations, errors (`matching.csv`), and its iterates (`traces.csv`). Pictures of objectives and of steps, a
//! section of `table.md`.

mod objectives;
mod steps;

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Measurement;
use crate::drawing::{Canvas, list, method_rank};
use crate::function_check::FunctionCheck;
use crate::identity::{MethodLabel, PairName, ResultKey};
use crate::number;
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::table::{Tables, row};
use crate::untrained::Unlearned;

/// The measurement: it reads what alignments write and has no stages of its own.
pub struct Matching;

row! {
    /// An alignment: a row of `matching.csv`.
    pub struct MatchingRow in "matching.csv", order |a, b| {
        (&a.key, !a.names.is_empty(), a.models, &a.names).cmp(&(&b.key, !b.names.is_empty(), b.models, &b.names))
    };
    {
        key: ResultKey,
        /// How many.
        models: usize,
        /// Sum of inner products over pairs of models.
        objective: f64,
        iterations: usize,
        /// Why it ended.
        outcome: String,
        /// Largest distance of a model from itself after a cycle of maps.
        cycle_error: f64,
        /// Largest difference of a logit between a model and itself in the frame.
        function_error: f64,
        /// Which models: two (`a-b`), a subset (`a+c`), or empty for the first ones.
        names: String,
        /// How far the soft plan that fits worst misses its marginals, as a share of the mass.
        marginal_error: f64,
        stage: String,
    }
}

row! {
    /// An iterate of an alignment: a row of `traces.csv`.
    pub struct TraceRow in "traces.csv", order |a, b| {
        let of = |row: &'_ Self| (!row.names.is_empty(), row.models);
        (&a.key, of(a), &a.names, a.iteration).cmp(&(&b.key, of(b), &b.names, b.iteration))
    };
    {
        key: ResultKey,
        models: usize,
        iteration: usize,
        objective: f64,
        /// Step size, where the method has one.
        step: Option<f64>,
        /// As in `matching.csv`.
        names: String,
        stage: String,
    }
}

impl TraceRow {
    /// How many of the first models were matched; `None` for a pair or a subset.
    fn count(&self) -> Option<usize> {
        self.names.is_empty().then_some(self.models)
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
    models: usize,
    names: String,
}

/// What tables need of `alignment.json`, which the library of matchings writes.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Alignment {
    objective: f64,
    iterations: usize,
    outcome: String,
    cycle_error: f64,
    #[serde(default)]
    marginal_error: f64,
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
        let check: FunctionCheck = read_json(artifact, "check.json")?;
        tables.extend(alignment.trace.iter().enumerate().map(|(iteration, iterate)| TraceRow {
            key: self.key.clone(),
            models: self.models,
            iteration,
            objective: iterate.objective,
            step: iterate.step,
            names: self.names.clone(),
            stage: stage.to_owned(),
        }));
        tables.extend([MatchingRow {
            key: self.key.clone(),
            models: self.models,
            objective: alignment.objective,
            iterations: alignment.iterations,
            outcome: alignment.outcome,
            cycle_error: alignment.cycle_error,
            function_error: check.function_error,
            names: self.names.clone(),
            marginal_error: alignment.marginal_error,
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
            planner.record(alignment.stage, AlignmentRecord { key: alignment.key, models: alignment.models, names: alignment.names });
        }
    }

    fn derive(tables: &mut Tables) -> Result<()> {
        tables.declare::<MatchingRow>();
        tables.declare::<TraceRow>();
        Ok(())
    }

    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let mut by_method: BTreeMap<(usize, Option<usize>, &MethodLabel), Vec<&MatchingRow>> = BTreeMap::new();
        for row in tables.of::<MatchingRow>().iter().filter(|row| row.key.pair == *pair) {
            let rank = method_rank(tables.of(), row.key.method.name());
            by_method.entry((rank, row.key.method.draw(), &row.key.method)).or_default().push(row);
        }
        if by_method.is_empty() {
            return String::new();
        }
        // Permutations through a frame compose to the identity whatever found them: a figure for each method would tell nothing.
        let cycles: Vec<String> = by_method
            .iter()
            .map(|((.., method), rows)| (method, rows.iter().map(|row| row.cycle_error).fold(0.0, f64::max)))
            .filter(|(_, error)| *error > 0.0)
            .map(|(method, error)| format!("`{method}` {}", number::spread(error)))
            .collect();
        let soft = if cycles.is_empty() {
            "so a model mapped around a cycle of models by one of them comes back as it was: the cycle error is 0 for each".to_owned()
        } else {
            format!(
                "so a model mapped around a cycle of models by permutations of one comes back as it was, with a cycle error of 0; soft \
                 plans, which have no inverse, bring it back at most so far from itself: {}",
                list(cycles)
            )
        };
        let mut text = format!(
            "\nHow the alignments ended, and their largest errors: function error, how far a permuted model's outputs lie from its own; \
             marginal error, what share of the mass a soft plan misplaces. The maps of an alignment lead through one frame, {soft}.\n\n\
             | method | ended | function error | marginal error |\n| --- | --- | ---: | ---: |\n"
        );
        for ((_, _, method), rows) in by_method {
            let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
            rows.iter().for_each(|row| *outcomes.entry(&row.outcome).or_default() += 1);
            let ended: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
            let errors: [fn(&MatchingRow) -> f64; 2] = [|row| row.function_error, |row| row.marginal_error];
            let [function, marginal] = errors.map(|of| number::spread(rows.iter().map(|row| of(row)).fold(0.0, f64::max)));
            let sign = unlearned.sign(method);
            let _ = writeln!(text, "| {method}{sign} | {} | {function} | {marginal} |", ended.join(", "));
        }
        text
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        objectives::draw(canvas)?;
        steps::draw(canvas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_error_of_nothing_is_a_sentence_and_only_soft_plans_have_a_figure() {
        let pair = PairName::new("digits", "mlp");
        let row = |method: &str, cycle_error: f64| MatchingRow {
            key: ResultKey { pair: pair.clone(), method: MethodLabel::method(method), replicate: 0 },
            models: 3,
            objective: 1.0,
            iterations: 2,
            outcome: "converged".to_owned(),
            cycle_error,
            function_error: 1e-5,
            names: String::new(),
            marginal_error: 0.0,
            stage: String::new(),
        };
        let mut tables = Tables::default();
        tables.extend([row("c2m3", 0.0), row("git-re-basin", 0.0)]);
        let text = Matching::section(&tables, &pair, &Unlearned::default());
        assert!(text.contains("the cycle error is 0 for each") && text.contains("| method | ended | function error |"), "{text}");
        tables.extend([row("soft", 0.25)]);
        let text = Matching::section(&tables, &pair, &Unlearned::default());
        assert!(text.contains("bring it back at most so far from itself: `soft` 0.25."), "{text}");
    }
}
