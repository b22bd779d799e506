//! How well the probabilities of end points and merged models fit what they get right: `reliability.csv`, `calibration.csv`, reliability
//! curves. It is a table over stored predictions.
//!
//! Sources: Guo et al. (arXiv 1706.04599), the expected calibration error of the top label; Kull et al. (arXiv 1910.12656), that of all
//! classes; Git Re-Basin (arXiv 2209.04836), figure 5, the curve of all classes together.

mod bins;
mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::str::FromStr;

use anyhow::{Result, ensure};
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use super::Measurement;
use super::scores::{self, predictions};
use crate::drawing::{Canvas, method_rank};
use crate::identity::{MethodLabel, PairName, Part, ResultKey};
use crate::number;
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, Needs, SpecError};
use crate::stage::Artifact;
use crate::table::{Tables, row, text_column};
use crate::untrained::Unlearned;

use bins::{class_wise, top_label};

/// The measurement.
pub struct Calibration;

const MOST_BINS: usize = 1000;

/// Calibration errors of one network, or of several alike.
type Errors = BTreeMap<Kind, Vec<f64>>;

/// Whose probability is compared with how often it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// That of the class with the greatest one.
    TopLabel,
    /// That of every class.
    ClassWise,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::TopLabel => "top-label",
            Kind::ClassWise => "class-wise",
        })
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Kind, ()> {
        [Kind::TopLabel, Kind::ClassWise].into_iter().find(|kind| kind.to_string() == text).ok_or(())
    }
}

text_column!(Kind, "top-label or class-wise");

row! {
    /// A network on a split: a row of `calibration.csv`. Models stay in the order of the spec.
    struct CalibrationRow in "calibration.csv", order |a, b| (&a.key, a.models).cmp(&(&b.key, b.models));
    {
        key: ResultKey,
        /// How many models; 1 for an end point.
        models: usize,
        /// Empty for a merged model.
        model: String,
        split: Part,
        kind: Kind,
        bins: usize,
        /// The expected calibration error.
        error: f64,
        stage: String,
    }
}

row! {
    /// A bin of the probabilities of a network on a split: a row of `reliability.csv`. Models stay in the order of the spec.
    struct ReliabilityRow in "reliability.csv", order |a, b| (&a.key, a.models).cmp(&(&b.key, b.models));
    {
        key: ResultKey,
        /// How many models; 1 for an end point.
        models: usize,
        /// Empty for a merged model.
        model: String,
        split: Part,
        kind: Kind,
        /// Its ends.
        low: f64,
        high: f64,
        /// Probabilities in it.
        count: usize,
        /// Their mean; empty where there is none.
        probability: Option<f64>,
        /// The share of them whose class is the right one.
        frequency: Option<f64>,
        stage: String,
    }
}

/// Which network an artifact is about.
#[derive(Serialize)]
struct CalibrationRecord {
    key: ResultKey,
    models: usize,
    model: String,
    bins: usize,
    parts: Vec<Part>,
}

impl Record for CalibrationRecord {
    const OF: &'static str = "calibration";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let mut parts = self.parts.clone();
        parts.sort_by_key(|part| part.name());
        for split in parts {
            let predictions = predictions(artifact, split)?;
            ensure!(!predictions.logits.is_empty(), "the predictions have no logits");
            let found = [(Kind::TopLabel, top_label(&predictions, self.bins)), (Kind::ClassWise, class_wise(&predictions, self.bins))];
            for (kind, (bins, error)) in found {
                let (key, models, model) = (self.key.clone(), self.models, self.model.clone());
                tables.extend([CalibrationRow { key, models, model, split, kind, bins: self.bins, error, stage: stage.to_owned() }]);
                tables.extend(bins.into_iter().enumerate().map(|(place, bin)| ReliabilityRow {
                    key: self.key.clone(),
                    models: self.models,
                    model: self.model.clone(),
                    split,
                    kind,
                    low: place as f64 / self.bins as f64,
                    high: (place + 1) as f64 / self.bins as f64,
                    count: bin.count,
                    probability: bin.probability(),
                    frequency: bin.frequency(),
                    stage: stage.to_owned(),
                }));
            }
        }
        Ok(())
    }
}

impl Measurement for Calibration {
    /// Bins.
    type Request = usize;

    const KEYS: &'static [&'static str] = &["calibration"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<usize>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<usize>, SpecError> {
        let bins: Option<usize> = asked.optional("calibration")?;
        if let Some(bins) = bins {
            asked.within(&asked.at(["calibration"]), bins, 2..=MOST_BINS, "15 are usual")?;
        }
        Ok(bins)
    }

    fn needs(_: &usize) -> Needs {
        Needs { logits: true, ..Needs::default() }
    }

    fn plan(&bins: &usize, planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        let parts = &experiment.evaluation.parts;
        for (index, model) in experiment.models.iter().enumerate() {
            let (key, model, parts) = (planner.key(None), model.name.clone(), parts.clone());
            let stage = scores::measure_model(planner, index);
            planner.record(stage, CalibrationRecord { key, models: 1, model, bins, parts });
        }
        for method in &experiment.methods {
            for set in MergeSet::counted(&experiment.evaluation, method) {
                let (key, models, parts) = (planner.key(Some(method)), set.models().len(), parts.clone());
                let stage = scores::measure_merged(planner, method, &set);
                planner.record(stage, CalibrationRecord { key, models, model: String::new(), bins, parts });
            }
        }
    }

    /// The errors of end points, and of what each method makes of the most models.
    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let of_pair = || tables.of::<CalibrationRow>().iter().filter(|row| row.key.pair == *pair);
        let most = of_pair().map(|row| row.models).max().unwrap_or_default();
        let apart = few(of_pair().map(|row| (&row.key.method, row.model.as_str())));
        let mut cells: BTreeMap<(&str, Option<usize>, String), Errors> = BTreeMap::new();
        let mut signs: BTreeMap<String, String> = BTreeMap::new();
        for row in of_pair().filter(|row| row.key.method.is_endpoints() || row.models == most) {
            // End points first, then methods in the order of the spec.
            let rank = (!row.key.method.is_endpoints()).then(|| method_rank(tables.of(), row.key.method.name()));
            let (name, sign) = match row.key.method.is_endpoints() {
                true => (name(&row.key.method, &row.model, apart), unlearned.sign_of([(row.key.replicate, row.model.as_str())])),
                false => (row.key.method.to_string(), unlearned.sign(&row.key.method)),
            };
            // Of end points shown as one, a single such network marks the row.
            if !sign.is_empty() {
                signs.insert(name.clone(), sign);
            }
            let of_method = cells.entry((row.split.name(), rank, name)).or_default();
            of_method.entry(row.kind).or_default().push(row.error);
        }
        let Some(bins) = of_pair().next().map(|row| row.bins) else { return String::new() };
        let merged = if most > 1 { format!(", {most} models merged") } else { String::new() };
        let mut text = format!(
            "\n### Calibration\n\nExpected calibration error over {bins} bins{merged}: the mean distance of how sure a network is from how \
             often it is right; means over models and replicates. Top label: of the class that it gives; class-wise: of every class.\n\n\
             | method | split | top label | class-wise |\n| --- | --- | ---: | ---: |\n"
        );
        for ((split, _, method), kinds) in cells {
            let shown = |kind: Kind| {
                let values = kinds.get(&kind).map(Vec::as_slice).unwrap_or_default();
                number::shown(values.iter().sum::<f64>() / values.len().max(1) as f64)
            };
            let sign = signs.get(&method).map_or("", String::as_str);
            let _ = writeln!(text, "| {method}{sign} | {split} | {} | {} |", shown(Kind::TopLabel), shown(Kind::ClassWise));
        }
        text
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}

/// Whether end points are so few that each is shown by its name.
fn few<'a>(rows: impl Iterator<Item = (&'a MethodLabel, &'a str)>) -> bool {
    rows.filter(|(method, _)| method.is_endpoints()).map(|(_, model)| model).collect::<BTreeSet<_>>().len() <= 4
}

/// What a network is called: an end point by its own name where they are shown apart.
fn name(method: &MethodLabel, model: &str, apart: bool) -> String {
    if apart && method.is_endpoints() { model.to_owned() } else { method.name().to_owned() }
}
