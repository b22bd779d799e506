//! Everything that is measured, one file or folder each: its keys and their check, its stage and artifact, its rows, its pictures.
//!
//! To add a measurement, write its file and put it into [`ALL`]. Nothing else knows any single one.

mod barriers;
mod best_points;
mod calibration;
mod class_accuracy;
mod classes;
mod curve_plane;
mod cycles;
mod draws;
mod epochs;
mod features;
mod iterates;
mod lead;
mod learning_curves;
mod margins;
mod matching;
mod model_classes;
mod norms;
mod pairwise;
mod paths;
mod plane;
mod reported_over_time;
mod rounds;
mod scores;
mod similarity;
mod subsets;
mod tasks;
mod variances;

use std::any::Any;
use std::sync::Arc;

use anyhow::Result;
use schemars::{Schema, SchemaGenerator};

use crate::drawing::Canvas;
use crate::identity::PairName;
use crate::plan::PairPlanner;
use crate::spec::{Asked, EvaluationKeys, Needs, SpecError};
use crate::table::Tables;
use crate::untrained::Unlearned;

pub use barriers::BarrierRow;
pub use classes::{ClassRow, MeasuredClassRow};
pub use epochs::EpochRow;
pub use matching::MatchingRow;
pub use reported_over_time::OverTimeRow;
pub use rounds::RoundRow;
pub use scores::{MergedRow, ModelRow, Outcomes};

/// Every measurement, in the order in which their stages are planned and their sections stand in `table.md`.
pub const ALL: &[&dyn AnyMeasurement] = &[
    &classes::Classes,
    &model_classes::ModelClasses,
    &learning_curves::LearningCurves,
    &scores::Scores,
    &class_accuracy::ClassAccuracy,
    &calibration::Calibration,
    &lead::Lead,
    &barriers::Barriers,
    &epochs::Epochs,
    &rounds::Rounds,
    &cycles::Cycles,
    &subsets::Subsets,
    &tasks::Tasks,
    &similarity::Similarity,
    &features::Features,
    &plane::Plane,
    &paths::Paths,
    &best_points::BestPoints,
    &curve_plane::CurvePlane,
    &iterates::Iterates,
    &margins::Margins,
    &norms::Norms,
    &variances::Variances,
    &draws::Draws,
    &pairwise::Pairwise,
    // Last: it makes rows of every alignment that the others need.
    &matching::Matching,
];

/// One thing that is measured.
///
/// A measurement has keys in `[evaluation]`, stages that measure, rows of CSV files, and pictures drawn from these files alone. Those that
/// only summarise the rows of others have no stages.
pub trait Measurement: Sync + 'static {
    /// What a spec asks of it, checked: names are indices, defaults are filled in.
    type Request: Send + Sync + 'static;

    /// Its keys in `[evaluation]`.
    const KEYS: &'static [&'static str] = &[];

    /// The forms of their values, in the same order.
    fn schemas(_generator: &mut SchemaGenerator) -> Vec<Schema> {
        Vec::new()
    }

    /// What the spec asks for; `None` where it asks for nothing.
    ///
    /// # Errors
    /// The first fault, with its place.
    fn check(asked: &Asked<'_>) -> Result<Option<Self::Request>, SpecError>;

    /// What it needs of others.
    fn needs(_request: &Self::Request) -> Needs {
        Needs::default()
    }

    /// Plans its stages for one replicate of one pair, and says which rows their artifacts become.
    fn plan(request: &Self::Request, planner: &mut PairPlanner<'_, '_>);

    /// Adds rows that follow from the rows of others, which are sorted; declares files that are written even without rows.
    ///
    /// # Errors
    /// Rows that cannot be.
    fn derive(_tables: &mut Tables) -> Result<()> {
        Ok(())
    }

    /// What `table.md` says of a pair, in Markdown; nothing where there are no rows.
    fn section(_tables: &Tables, _pair: &PairName, _unlearned: &Unlearned) -> String {
        String::new()
    }

    /// Draws its pictures, from the CSV files in `canvas.results()` alone.
    ///
    /// # Errors
    /// When a CSV is malformed or a file cannot be written.
    fn draw(_canvas: &Canvas) -> Result<()> {
        Ok(())
    }
}

/// A [`Measurement`], whatever its types.
pub trait AnyMeasurement: EvaluationKeys {
    /// As [`Measurement::plan`], of what its own `check` returned.
    fn plan(&self, request: &(dyn Any + Send + Sync), planner: &mut PairPlanner<'_, '_>);

    /// As [`Measurement::derive`].
    ///
    /// # Errors
    /// Rows that cannot be.
    fn derive(&self, tables: &mut Tables) -> Result<()>;

    /// As [`Measurement::section`].
    fn section(&self, tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String;

    /// As [`Measurement::draw`].
    ///
    /// # Errors
    /// When a CSV is malformed or a file cannot be written.
    fn draw(&self, canvas: &Canvas) -> Result<()>;
}

impl<M: Measurement> EvaluationKeys for M {
    fn keys(&self) -> &'static [&'static str] {
        M::KEYS
    }

    fn schemas(&self, generator: &mut SchemaGenerator) -> Vec<Schema> {
        M::schemas(generator)
    }

    fn check(&self, asked: &Asked<'_>) -> Result<Option<Arc<dyn Any + Send + Sync>>, SpecError> {
        Ok(M::check(asked)?.map(|request| Arc::new(request) as Arc<dyn Any + Send + Sync>))
    }

    fn needs(&self, request: &(dyn Any + Send + Sync)) -> Needs {
        request.downcast_ref().map(M::needs).unwrap_or_default()
    }
}

impl<M: Measurement> AnyMeasurement for M {
    fn plan(&self, request: &(dyn Any + Send + Sync), planner: &mut PairPlanner<'_, '_>) {
        M::plan(request.downcast_ref().expect("a measurement plans what it checked"), planner);
    }

    fn derive(&self, tables: &mut Tables) -> Result<()> {
        M::derive(tables)
    }

    fn section(&self, tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        M::section(tables, pair, unlearned)
    }

    fn draw(&self, canvas: &Canvas) -> Result<()> {
        M::draw(canvas)
    }
}

/// The list as the spec reads it.
pub fn evaluation_keys() -> Vec<&'static dyn EvaluationKeys> {
    ALL.iter().map(|&measurement| measurement as &dyn EvaluationKeys).collect()
}

/// Plans everything that the spec of a planner asks for.
pub fn plan(planner: &mut PairPlanner<'_, '_>) {
    let requests = planner.experiment().evaluation.requests.clone();
    for (place, measurement) in ALL.iter().enumerate() {
        if let Some(request) = requests.of(place) {
            measurement.plan(request, planner);
        }
    }
}
