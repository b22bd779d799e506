//! The loss of mixtures of three models and the same models in the common frame: `plane.csv`, a picture of contours.
//!
//! Source: C²M³ (arXiv 2405.17897), figure 3.

mod contours;
mod lattice;
mod stage;

use anyhow::{Context, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::Measurement;
use crate::drawing::Canvas;
use crate::identity::{Part, ResultKey};
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::table::{Tables, row};

use stage::{ARTIFACT, Mixture, PlaneStage};

const MOST_POINTS: usize = 201;
const MOST_IMAGES: usize = 10_000_000;

/// The measurement.
pub struct Plane;

/// `evaluation.plane` as it is written.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Plane")]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Keys {
    /// Three names; the first three models.
    models: Option<Vec<String>>,
    points: usize,
    images: usize,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { models: None, points: 21, images: 500 }
    }
}

/// Mixtures of three models and the same models in the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaneRequest {
    /// The models, by index.
    models: [usize; 3],
    /// Points across the hexagon of mixtures, odd.
    points: usize,
    /// Images on which each mixture is measured.
    images: usize,
    /// The split that they are of.
    part: Part,
}

row! {
    /// A mixture: a row of `plane.csv`.
    pub struct PlaneRow in "plane.csv", order |a, b| a.key.cmp(&b.key);
    {
        key: ResultKey,
        split: Part,
        x: f64,
        y: f64,
        /// The model, if the mixture is a corner.
        vertex: String,
        /// `own` or `common`, if it is one.
        frame: String,
        loss: f64,
        accuracy: f64,
        stage: String,
    }
}

impl PlaneRow {
    /// Whether the mixture is a model as it was trained, not in the common frame.
    fn is_own(&self) -> bool {
        self.frame == "own"
    }
}

/// What the mixtures of one plane are about.
#[derive(Serialize)]
struct PlaneRecord {
    key: ResultKey,
    models: Vec<String>,
}

impl Record for PlaneRecord {
    const OF: &'static str = "plane";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        for Mixture { split, x, y, corner, loss, accuracy } in read_json::<Vec<Mixture>>(artifact, ARTIFACT)? {
            let (vertex, frame) = match corner {
                None => (String::new(), ""),
                Some(corner) => {
                    let model = self.models.get(corner % 3).cloned().context("a corner without a model")?;
                    (model, if corner < 3 { "own" } else { "common" })
                }
            };
            let (key, frame, stage) = (self.key.clone(), frame.to_owned(), stage.to_owned());
            tables.extend([PlaneRow { key, split, x, y, vertex, frame, loss, accuracy, stage }]);
        }
        Ok(())
    }
}

impl Measurement for Plane {
    type Request = PlaneRequest;

    const KEYS: &'static [&'static str] = &["plane"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Keys>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<PlaneRequest>, SpecError> {
        let Some(keys) = asked.optional::<Keys>("plane")? else { return Ok(None) };
        let at = |key: &str| asked.at(["plane", key]);
        if !asked.methods.iter().any(|method| method.is_measured_in_its_frame()) {
            let message = "`evaluation.plane` looks at models in the frame of a method, but none brings all of them into one";
            return Err(asked
                .wrong(&asked.at(["plane"]), message)
                .hint("add a method that matches models and merges by \"mean\", or leave it out"));
        }
        let corners = match &keys.models {
            Some(names) => asked.positions(&at("models"), names)?,
            None => (0..asked.models.len().min(3)).collect(),
        };
        let &[a, b, c] = corners.as_slice() else {
            let message = format!("a plane has 3 models as corners, not {}", corners.len());
            return Err(asked.wrong(&at("models"), message).hint("`plane = { models = [\"a\", \"b\", \"c\"] }`"));
        };
        asked.within(&at("points"), keys.points, 3..=MOST_POINTS, "points across the plane; 21 measure 331 mixtures")?;
        if keys.points.is_multiple_of(2) {
            let message = format!("`evaluation.plane.points` should be odd, not {}: one of them is the middle", keys.points);
            return Err(asked.wrong(&at("points"), message).hint(format!("take {}", keys.points + 1)));
        }
        asked.within(&at("images"), keys.images, 1..=MOST_IMAGES, "the paper takes 500")?;
        let part = if asked.splits().contains(&Part::Test) { Part::Test } else { Part::Train };
        Ok(Some(PlaneRequest { models: [a, b, c], points: keys.points, images: keys.images, part }))
    }

    fn plan(request: &PlaneRequest, planner: &mut PairPlanner<'_, '_>) {
        for method in planner.experiment().methods.iter().filter(|method| method.is_measured_in_its_frame()) {
            let alignment = planner.all_aligned(method);
            let names = planner.names(&request.models);
            let models = request.models.map(|model| planner.model(model));
            let id = planner.id("plane", Some(method), &names.path());
            let record = PlaneRecord { key: planner.key(Some(method)), models: names.0 };
            planner.measure(PlaneStage::new(id, alignment, models, request.clone(), planner.task()), record);
        }
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        contours::draw(canvas)
    }
}
