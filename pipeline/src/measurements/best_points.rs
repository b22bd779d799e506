//! The points of curves that validation images choose: `best-points.csv`, a section of `table.md`.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::Measurement;
use crate::drawing::method_rank;
use crate::identity::{MethodLabel, PairName, ResultKey};
use crate::number;
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, At, Curve, Merging, Method, SpecError};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::stages::path_point::{ARTIFACT, Chosen};
use crate::statistics::Summary;
use crate::table::{Tables, row};

/// The measurement: the stages that choose are those of the merged models.
pub struct BestPoints;

row! {
    /// The point of a curve that is a merged model: a row of `best-points.csv`.
    struct BestPointRow in "best-points.csv", order |a, b| (&a.key, a.models).cmp(&(&b.key, b.models));
    {
        key: ResultKey,
        /// How many models.
        models: usize,
        /// 0 at the first model, 1 at the second.
        t: f64,
        /// There, in nats.
        validation_loss: f64,
        stage: String,
    }
}

/// Which merged model an artifact is.
#[derive(Serialize)]
struct BestPointRecord {
    key: ResultKey,
    models: usize,
}

impl Record for BestPointRecord {
    const OF: &'static str = "best-point";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let Chosen { t, validation } = read_json(artifact, ARTIFACT)?;
        let validation_loss = validation.into_iter().min_by(f64::total_cmp).unwrap_or(f64::NAN);
        tables.extend([BestPointRow { key: self.key.clone(), models: self.models, t, validation_loss, stage: stage.to_owned() }]);
        Ok(())
    }
}

/// The curve of a method whose merged model is its best point. Of models that are merged one after the other there is one for each step, which
/// are not told.
fn curve(method: &Method) -> Option<&Curve> {
    match &method.merging {
        Merging::Curve(curve) if curve.at == At::Best && method.sequential.is_none() => Some(curve),
        _ => None,
    }
}

impl Measurement for BestPoints {
    type Request = ();

    fn check(asked: &Asked<'_>) -> Result<Option<()>, SpecError> {
        Ok(asked.methods.iter().any(|method| curve(method).is_some()).then_some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        for (method, curve) in experiment.methods.iter().filter_map(|method| Some((method, curve(method)?))) {
            for set in MergeSet::counted(&experiment.evaluation, method) {
                let stage = planner.point(method, &set, curve);
                let record = BestPointRecord { key: planner.key(Some(method)), models: set.models().len() };
                planner.record(stage, record);
            }
        }
    }

    /// Where the points lie, over replicates.
    fn section(tables: &Tables, pair: &PairName) -> String {
        let mut points: BTreeMap<(usize, &MethodLabel), Vec<f64>> = BTreeMap::new();
        for row in tables.of::<BestPointRow>().iter().filter(|row| row.key.pair == *pair) {
            points.entry((method_rank(tables.of(), row.key.method.name()), &row.key.method)).or_default().push(row.t);
        }
        if points.is_empty() {
            return String::new();
        }
        let mut text = "\n### Best points of curves\n\nThe point of the least loss on the validation images, over replicates.\n\n\
                        | method | t | least | greatest |\n| --- | ---: | ---: | ---: |\n"
            .to_owned();
        for ((_, method), values) in points {
            let Some(Summary { mean, .. }) = Summary::of(&values) else { continue };
            let [least, greatest] = [f64::min as fn(f64, f64) -> f64, f64::max].map(|of| values.iter().copied().fold(mean, of));
            let [mean, least, greatest] = [mean, least, greatest].map(number::shown);
            let _ = writeln!(text, "| {method} | {mean} | {least} | {greatest} |");
        }
        text
    }
}
