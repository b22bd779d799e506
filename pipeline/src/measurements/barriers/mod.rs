//! Loss and accuracy along the line between two models: `barriers.csv`, a picture of curves.

mod picture;
pub mod stage;

use anyhow::Result;
use figment::value::Value;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::Measurement;
use crate::drawing::Canvas;
use crate::identity::{Part, ResultKey};
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, Needs, SpecError};
use crate::stage::{Artifact, StageId};
use crate::stages::files::read_json;
use crate::table::{Tables, row};

use stage::{ARTIFACT, LineStage, Point};

/// The measurement.
pub struct Barriers;

/// Pairs of models, by index: the fixed one and the permutee.
pub type Lines = Vec<(usize, usize)>;

row! {
    /// A point of an interpolation: a row of `barriers.csv`.
    pub struct BarrierRow in "barriers.csv", order |a, b| {
        let key = |row: &Self| (row.key.clone(), row.fixed.clone(), row.permutee.clone(), row.split.name());
        key(a).cmp(&key(b)).then(a.lambda.total_cmp(&b.lambda))
    };
    {
        key: ResultKey,
        /// The model at λ = 0.
        fixed: String,
        /// The model at λ = 1, on the units of the other.
        permutee: String,
        split: Part,
        /// Share of the permutee.
        lambda: f64,
        /// Mean cross-entropy, in nats.
        loss: f64,
        /// Share of images classified rightly.
        accuracy: f64,
        stage: String,
    }
}

impl BarrierRow {
    /// What tells the line of a row from the others of its method and split.
    pub fn line(&self) -> String {
        format!("{} {} {} {}", self.key.replicate, self.fixed, self.permutee, self.key.method.draw().unwrap_or_default())
    }

    /// Whether two rows are points of one line on one split.
    pub fn is_on_line_of(&self, other: &BarrierRow) -> bool {
        (&self.key, &self.fixed, &self.permutee, self.split) == (&other.key, &other.fixed, &other.permutee, other.split)
    }
}

/// Which line an artifact is.
#[derive(Serialize)]
struct LineRecord {
    key: ResultKey,
    fixed: String,
    permutee: String,
}

impl Record for LineRecord {
    const OF: &'static str = "line";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let points: Vec<Point> = read_json(artifact, ARTIFACT)?;
        tables.extend(points.into_iter().map(|Point { split, lambda, loss, accuracy }| BarrierRow {
            key: self.key.clone(),
            fixed: self.fixed.clone(),
            permutee: self.permutee.clone(),
            split,
            lambda,
            loss,
            accuracy,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

impl Measurement for Barriers {
    type Request = Lines;

    const KEYS: &'static [&'static str] = &["pairs"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        let line = generator.subschema_for::<[String; 2]>();
        vec![json_schema!({ "anyOf": [{ "enum": ["all", "none"] }, { "type": "array", "items": line }] })]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<Lines>, SpecError> {
        let here = asked.at(["pairs"]);
        let models = asked.models;
        let all = || {
            let here = if asked.value("pairs").is_some() { here.clone() } else { vec!["models".to_owned()] };
            asked.few_stages(&here, "lines between models", models.len() * (models.len() - 1) / 2)?;
            Ok(Some(every_pair(models.len())))
        };
        match asked.value("pairs") {
            None => all(),
            Some(Value::String(_, word)) if word == "all" => all(),
            Some(Value::String(_, word)) if word == "none" => Ok(Some(Vec::new())),
            Some(Value::Array(..)) => {
                let named: Vec<Vec<String>> = asked.read(&here)?;
                let mut lines = Vec::new();
                for (index, ends) in named.iter().enumerate() {
                    let number = index.to_string();
                    let here = asked.at(["pairs", &number]);
                    let position = |(end, name): (usize, &String)| asked.position(&asked.at(["pairs", &number, &end.to_string()]), name);
                    let positions = ends.iter().enumerate().map(position).collect::<Result<Vec<usize>, _>>()?;
                    let &[a, b] = positions.as_slice() else {
                        return Err(asked.wrong(&here, format!("a line needs 2 models, not {}", ends.len())));
                    };
                    if a == b {
                        return Err(asked.wrong(&here, format!("a line needs two models, not `{}` twice", ends[0])));
                    }
                    if lines.contains(&(a, b)) {
                        return Err(asked.wrong(&here, format!("the line from `{}` to `{}` is listed twice", ends[0], ends[1])));
                    }
                    lines.push((a, b));
                }
                asked.few_stages(&here, "lines between models", lines.len())?;
                Ok(Some(lines))
            }
            Some(_) => Err(asked
                .wrong(&here, "`evaluation.pairs` should be \"all\", \"none\" or a list of pairs of model names")
                .hint("`pairs = [[\"a\", \"b\"]]` measures one line")),
        }
    }

    fn needs(lines: &Lines) -> Needs {
        Needs { lines: !lines.is_empty(), ..Needs::default() }
    }

    fn plan(lines: &Lines, planner: &mut PairPlanner<'_, '_>) {
        for_each_line(lines, planner, |planner, line| {
            let Line { stage, key, fixed, permutee } = line;
            planner.record(stage, LineRecord { key, fixed, permutee });
        });
    }

    fn derive(tables: &mut Tables) -> Result<()> {
        tables.declare::<BarrierRow>();
        Ok(())
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}

/// A line that is measured.
pub struct Line {
    /// Its stage.
    pub stage: StageId,
    /// Pair, method and replicate.
    pub key: ResultKey,
    /// The model at λ = 0.
    pub fixed: String,
    /// The model at λ = 1.
    pub permutee: String,
}

/// Plans the lines of every method, each stage once, and says what becomes of each.
pub fn for_each_line(lines: &Lines, planner: &mut PairPlanner<'_, '_>, mut record: impl FnMut(&mut PairPlanner<'_, '_>, Line)) {
    let experiment = planner.experiment();
    for method in experiment.methods.iter().filter(|method| method.has_lines()) {
        for &(fixed, permutee) in lines {
            if method.models.as_ref().is_some_and(|models| !models.contains(&fixed) || !models.contains(&permutee)) {
                continue;
            }
            let names = planner.names(&[fixed, permutee]);
            let id = planner.id("line", Some(method), &names.path());
            if planner.is_new(&id) {
                let (alignment, positions) = planner.two_aligned(method, fixed, permutee);
                let ends = [planner.model(fixed), planner.model(permutee)];
                let (lambdas, parts) = (experiment.evaluation.lambdas, experiment.evaluation.parts.clone());
                let line = LineStage::new(id.clone(), alignment, ends, positions, planner.task_of(fixed), lambdas, parts);
                let line = line.by(method.interpolation.unwrap_or(experiment.evaluation.interpolation));
                let line = match &method.repair {
                    None => line,
                    Some(repair) => {
                        let repair = repair.of_line();
                        let ends = planner.endpoint_statistics(method, &repair, &[fixed, permutee]);
                        line.repaired(repair, ends)
                    }
                };
                planner.add(line);
            }
            let [fixed, permutee] = [0, 1].map(|end| names.0[end].clone());
            let key = planner.key(Some(method));
            record(planner, Line { stage: id, key, fixed, permutee });
        }
    }
}

/// Every two of so many models.
fn every_pair(models: usize) -> Lines {
    (0..models).flat_map(|a| (a + 1..models).map(move |b| (a, b))).collect()
}
