//! Rounds of training and merging: `rounds.csv`, a picture of loss and accuracy over the rounds, a section of `table.md`.
//!
//! The models of the first round are those of the spec. In every later one each is trained again, from the merged model of the round before.
//! With the mean of the weights as they are this is federated averaging (McMahan et al., arXiv 1602.05629). Source: C2M3 (arXiv 2405.17897),
//! tables 9 and 10.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use super::scores::{ARTIFACT, measure_merged};
use super::{Measurement, reported_over_time};
use crate::drawing::{Canvas, CurvePanels, Curves, Scale, by_pair, method_rank};
use crate::identity::{MethodLabel, PairName, Part, ResultKey};
use crate::number;
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, Method, SpecError};
use crate::stage::Artifact;
use crate::stages::files::{Measured, read_json};
use crate::table::{Row, Tables, row};
use crate::untrained::Unlearned;

/// The measurement.
pub struct Rounds;

row! {
    /// The merged model of a round, on a split: a row of `rounds.csv`.
    pub struct RoundRow in "rounds.csv", order |a, b| (&a.key, a.round, a.split.name()).cmp(&(&b.key, b.round, b.split.name()));
    {
        key: ResultKey,
        /// How many models.
        models: usize,
        /// From 1.
        round: usize,
        split: Part,
        /// Mean cross-entropy, in nats.
        loss: f64,
        /// Share of images classified rightly.
        accuracy: f64,
        stage: String,
    }
}

/// Below the legend.
const ONE_REPLICATE: &[&str] = &["a mark: one replicate;", "solid: their mean"];
const WITH_REPORTED: &[&str] = &["a mark: one replicate;", "solid: their mean;", "open marks: reported"];

/// The values of each round, over replicates.
type OfRounds = BTreeMap<usize, Vec<f64>>;

/// Which merged model an artifact is about.
#[derive(Serialize)]
struct RoundRecord {
    key: ResultKey,
    models: usize,
    round: usize,
}

impl Record for RoundRecord {
    const OF: &'static str = "round";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let measured: Vec<Measured> = read_json(artifact, ARTIFACT)?;
        tables.extend(measured.into_iter().map(|Measured { split, loss, accuracy, .. }| RoundRow {
            key: self.key.clone(),
            models: self.models,
            round: self.round,
            split,
            loss,
            accuracy,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

/// Whether a method's merged model can be trained again as each of the models was: a repair gives it layers that they do not have, and
/// models that come one after the other have no rounds.
fn has_rounds(method: &Method) -> bool {
    method.merging.averages() && method.repair.is_none() && method.sequential.is_none()
}

impl Measurement for Rounds {
    /// After which rounds.
    type Request = Vec<usize>;

    const KEYS: &'static [&'static str] = &["rounds"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Vec<usize>>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<Vec<usize>>, SpecError> {
        let rounds: Vec<usize> = asked.optional("rounds")?.unwrap_or_default();
        let Some(&last) = rounds.last() else { return Ok(None) };
        let here = asked.at(["rounds"]);
        if let Some(place) = (0..rounds.len()).find(|&place| rounds[place] <= place.checked_sub(1).map_or(0, |before| rounds[before])) {
            let here = asked.at(["rounds", &place.to_string()]);
            return Err(asked.wrong(&here, "`evaluation.rounds` should hold whole numbers from 1, in rising order"));
        }
        asked.several_models("rounds")?;
        if !asked.methods.iter().any(has_rounds) {
            let message = "`evaluation.rounds` trains merged models again, but no method merges weights without a repair";
            return Err(asked
                .wrong(&here, message)
                .hint("add `{ name = \"naive\", matching = { by = \"identity\" } }`, or leave `rounds` out"));
        }
        asked.few_stages(&here, "trainings and merges of rounds", last.saturating_mul(asked.models.len() + 3))?;
        Ok(Some(rounds))
    }

    fn plan(rounds: &Vec<usize>, planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        let last = rounds.last().copied().unwrap_or(0);
        for method in experiment.methods.iter().filter(|method| has_rounds(method)) {
            let set = method.models.clone().map_or(MergeSet::First(experiment.models.len()), MergeSet::Chosen);
            let models = set.models().len();
            let mut merged = None;
            for round in 1..=last {
                let of_round = |planner: &mut PairPlanner<'_, '_>| {
                    let merged = planner.merged_model(method, &set);
                    if rounds.contains(&round) {
                        let stage = measure_merged(planner, method, &set);
                        planner.record(stage, RoundRecord { key: planner.key(Some(method)), models, round });
                    }
                    merged
                };
                merged = match &merged {
                    None => of_round(planner),
                    Some(start) => planner.in_round(method, round, start, of_round),
                };
            }
        }
    }

    /// Loss and accuracy of each method after each round, as a mean over replicates.
    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let of_pair: Vec<&RoundRow> = tables.of::<RoundRow>().iter().filter(|row| row.key.pair == *pair).collect();
        let rounds: BTreeSet<usize> = of_pair.iter().map(|row| row.round).collect();
        let mut cells: BTreeMap<(&str, &str, usize, &MethodLabel), OfRounds> = BTreeMap::new();
        for row in &of_pair {
            let rank = method_rank(tables.of(), row.key.method.name());
            for (metric, value) in [("accuracy", row.accuracy), ("loss", row.loss)] {
                let of_method = cells.entry((metric, row.split.name(), rank, &row.key.method)).or_default();
                of_method.entry(row.round).or_default().push(value);
            }
        }
        if cells.is_empty() {
            return String::new();
        }
        let heads: String = rounds.iter().map(|round| format!(" {round} |")).collect();
        let mut text = format!(
            "\n### Rounds\n\nModels merged, each trained again from the merged model of the round before: the mean over replicates.\n\n\
             | method | metric | split |{heads}\n| --- | --- | --- |{}\n",
            " ---: |".repeat(rounds.len())
        );
        for ((metric, split, _, method), values) in &cells {
            let _ = write!(text, "| {method}{} | {metric} | {split} |", unlearned.sign(method));
            for round in &rounds {
                let shown = values.get(round).map(|values| number::shown(values.iter().sum::<f64>() / values.len() as f64));
                let _ = write!(text, " {} |", shown.unwrap_or_default());
            }
            text.push('\n');
        }
        text
    }

    /// Draws `rounds-<dataset>-<architecture>`: accuracy and loss of the merged model over the rounds.
    fn draw(canvas: &Canvas) -> Result<()> {
        for (pair, rows) in by_pair(RoundRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
            let figures: [(&str, Scale, Figure); 2] =
                [("accuracy", Scale::Accuracy, |row| row.accuracy), ("loss, nats", Scale::Even, |row| row.loss)];
            let beside = reported_over_time::read(canvas, &pair)?;
            let mut panels = Vec::new();
            for (metric, scale, value) in figures {
                for split in [Part::Train, Part::Test] {
                    let of_split: Vec<&RoundRow> = rows.iter().filter(|row| row.split == split).collect();
                    if !of_split.is_empty() {
                        let name = metric.split(',').next().unwrap_or(metric);
                        let reported = reported_over_time::reported(&beside, name, split, |moment| moment.round);
                        panels.push(Curves { reported, ..panel(&of_split, metric, scale, value) });
                    }
                }
            }
            let title = format!("Merged again and again, trained in between: {}, {}", pair.dataset, pair.architecture);
            let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
            let shows = "Accuracy and loss of the merged model over rounds of training and merging.";
            let note = if beside.is_empty() { ONE_REPLICATE } else { WITH_REPORTED };
            canvas.save(&CurvePanels { title, shows, legend, panels, note }, "rounds", &pair)?;
        }
        Ok(())
    }
}

/// A number of a row.
type Figure = fn(&RoundRow) -> f64;

fn panel(rows: &[&RoundRow], metric: &str, scale: Scale, value: Figure) -> Curves {
    let mut series: BTreeMap<String, OfRounds> = BTreeMap::new();
    for row in rows {
        series.entry(row.key.method.name().to_owned()).or_default().entry(row.round).or_default().push(value(row));
    }
    Curves {
        heading: format!("{}, {}", metric.split(',').next().unwrap_or(metric), rows[0].split),
        along: "rounds".to_owned(),
        metric: metric.to_owned(),
        doubling: false,
        scale,
        series,
        beside: BTreeMap::new(),
        reported: BTreeMap::new(),
        straight: None,
    }
}
