//! The plane through the ends and the bend of a curve between two models: `curve-plane.csv`, a picture with the curve and its chord.
//!
//! With ends `P₀` and `P₂` and bend `P₁`, x runs along `P₂ - P₀` and y along what of `P₁ - P₀` is orthogonal to it; both are distances of
//! weights.
//!
//! Source: Garipov et al. 2018 (arXiv 1802.10026), figure 1; Model Merging for Continual Learning, figure 1.

mod picture;
mod stage;

use anyhow::Result;
use onebasin_training::PathKind;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::Measurement;
use crate::drawing::{Canvas, list};
use crate::identity::{PairName, Part, ResultKey};
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, Merging, SpecError};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::table::{Tables, row};
use crate::untrained::Unlearned;

use stage::{ARTIFACT, CurvePlaneStage, Place};

const MOST_POINTS: usize = 201;
const MOST_MARGIN: f64 = 10.0;

/// The measurement.
pub struct CurvePlane;

/// `evaluation.curve-plane` as it is written.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CurvePlane")]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Keys {
    /// Names of methods; every one that has a curve with one bend.
    methods: Option<Vec<String>>,
    /// Points on each side of the plane.
    points: usize,
    /// How far the plane goes beyond the control points, as a share of their distance.
    margin: f64,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { methods: None, points: 21, margin: 0.25 }
    }
}

/// The planes of some methods.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePlaneRequest {
    methods: Vec<String>,
    points: usize,
    margin: f64,
    part: Part,
}

row! {
    /// A network in the plane of a curve: a row of `curve-plane.csv`.
    pub struct CurvePlaneRow in "curve-plane.csv", order |a, b| a.key.cmp(&b.key);
    {
        key: ResultKey,
        split: Part,
        /// `first`, `bend` and `last` control point, `middle` of the curve; empty for points of the grid.
        mark: String,
        /// Along the chord, as a distance of weights.
        x: f64,
        /// Across it.
        y: f64,
        loss: f64,
        accuracy: f64,
        stage: String,
    }
}

/// A curve whose control points lie on a line, so that no plane is theirs.
struct OnALine(ResultKey);

/// Which curve an artifact is about.
#[derive(Serialize)]
struct CurvePlaneRecord {
    key: ResultKey,
}

impl Record for CurvePlaneRecord {
    const OF: &'static str = "curve-plane";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let places: Vec<Place> = read_json(artifact, ARTIFACT)?;
        if places.is_empty() {
            tables.keep(OnALine(self.key.clone()));
        }
        tables.extend(places.into_iter().map(|Place { split, mark, x, y, loss, accuracy }| CurvePlaneRow {
            key: self.key.clone(),
            split,
            mark,
            x,
            y,
            loss,
            accuracy,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

impl Measurement for CurvePlane {
    type Request = CurvePlaneRequest;

    const KEYS: &'static [&'static str] = &["curve-plane"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Keys>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<CurvePlaneRequest>, SpecError> {
        let Some(keys) = asked.optional::<Keys>("curve-plane")? else { return Ok(None) };
        let at = |key: &str| asked.at(["curve-plane", key]);
        let flat = |merging: &Merging| match merging {
            Merging::Curve(curve) => curve.path.bends == 1 && curve.path.kind == PathKind::Bezier,
            _ => false,
        };
        let with_plane: Vec<&str> =
            asked.methods.iter().filter(|method| flat(&method.merging)).map(|method| method.name.name.as_str()).collect();
        let methods = match keys.methods {
            None => with_plane.iter().map(|&name| name.to_owned()).collect(),
            Some(names) => {
                if let Some(place) = names.iter().position(|name| !with_plane.contains(&name.as_str())) {
                    let here = asked.at(["curve-plane", "methods", &place.to_string()]);
                    let message = format!("`{}` is no method with a Bézier curve of one bend", names[place]);
                    return Err(asked.wrong(&here, message).known(&names[place], with_plane.iter().copied()));
                }
                names
            }
        };
        if methods.is_empty() {
            let message = "`evaluation.curve-plane` measures curves of one bend, but no method has one";
            return Err(asked.wrong(&asked.at(["curve-plane"]), message).hint("leave it out"));
        }
        asked.within(&at("points"), keys.points, 3..=MOST_POINTS, "points on each side; 21 measure 441 networks")?;
        if !(0.0..=MOST_MARGIN).contains(&keys.margin) {
            let message = format!("`evaluation.curve-plane.margin` should be from 0 to {MOST_MARGIN}, not {}", keys.margin);
            return Err(asked.wrong(&at("margin"), message).hint("0.25 goes a quarter of the distance beyond the control points"));
        }
        let part = if asked.splits().contains(&Part::Test) { Part::Test } else { Part::Train };
        Ok(Some(CurvePlaneRequest { methods, points: keys.points, margin: keys.margin, part }))
    }

    /// Of the first replicate: a plane is a picture, no statistic.
    fn plan(request: &CurvePlaneRequest, planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        if planner.key(None).replicate > 0 {
            return;
        }
        for method in experiment.methods.iter().filter(|method| method.name.is_first() && request.methods.contains(&method.name.name)) {
            let Merging::Curve(curve) = &method.merging else { continue };
            let Some(set) = MergeSet::apart(&experiment.evaluation, method).into_iter().next() else { continue };
            let trained = planner.curve(method, &set, curve);
            let id = planner.id("curve-plane", Some(method), &set.path(&planner.names(&set.models())));
            let stage = CurvePlaneStage::new(id, trained, planner.task(), curve.path, (request.points, request.margin), request.part);
            planner.measure(stage, CurvePlaneRecord { key: planner.key(Some(method)) });
        }
    }

    /// The curves without a plane.
    fn section(tables: &Tables, pair: &PairName, _unlearned: &Unlearned) -> String {
        let flat = tables.kept::<OnALine>().iter().filter(|OnALine(key)| key.pair == *pair);
        let flat: Vec<String> = flat.map(|OnALine(key)| format!("`{}`", key.method)).collect();
        if flat.is_empty() {
            return String::new();
        }
        format!("\n### Planes of curves\n\nWithout a plane: {}. The bend lies on the line through both ends.\n", list(flat))
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}
