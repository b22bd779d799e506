//! The points of curves that validation images choose: `best-points.csv`, a section of `table.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::Measurement;
use crate::drawing::method_rank;
use crate::identity::{MethodLabel, ModelNames, PairName, ResultKey};
use crate::number;
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, At, Curve, Merging, Method, SpecError};
use crate::stage::{Artifact, StageId};
use crate::stages::files::read_json;
use crate::stages::path_point::{ARTIFACT, Chosen};
use crate::statistics::Summary;
use crate::table::{Tables, row};
use crate::untrained::Unlearned;

/// The measurement: the stages that choose are those of the merged models.
pub struct BestPoints;

row! {
    /// The point of a curve that is a merged model: a row of `best-points.csv`.
    struct BestPointRow in "best-points.csv", order |a, b| (&a.key, &a.models, a.step).cmp(&(&b.key, &b.models, b.step));
    {
        key: ResultKey,
        /// The models, joined with a plus sign.
        models: String,
        /// How many of them a step of a sequence has merged.
        step: Option<usize>,
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
    models: ModelNames,
    step: Option<usize>,
}

impl Record for BestPointRecord {
    const OF: &'static str = "best-point";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let Chosen { t, validation } = read_json(artifact, ARTIFACT)?;
        let validation_loss = validation.into_iter().min_by(f64::total_cmp).unwrap_or(f64::NAN);
        let BestPointRecord { key, models, step } = self;
        let (key, models, stage) = (key.clone(), models.sum(), stage.to_owned());
        tables.extend([BestPointRow { key, models, step: *step, t, validation_loss, stage }]);
        Ok(())
    }
}

/// The curve of a method whose merged model is its best point. Of models that are merged one after the other there is one for each step.
fn curve(method: &Method) -> Option<&Curve> {
    match &method.merging {
        Merging::Curve(curve) if curve.at == At::Best => Some(curve),
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
            for set in MergeSet::apart(&experiment.evaluation, method) {
                let (key, models) = (planner.key(Some(method)), planner.names(&set.models()));
                let chosen: Vec<(StageId, Option<usize>)> = match method.sequential {
                    None => vec![(planner.point(method, &set, curve), None)],
                    Some(_) => (2..=models.0.len()).map(|step| (planner.of_step("point", method, &set, step), Some(step))).collect(),
                };
                for (stage, step) in chosen {
                    planner.record(stage, BestPointRecord { key: key.clone(), models: models.clone(), step });
                }
            }
        }
    }

    /// Where the points lie, over replicates.
    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let mut points: BTreeMap<(usize, &MethodLabel, &str, Option<usize>), Vec<f64>> = BTreeMap::new();
        for row in tables.of::<BestPointRow>().iter().filter(|row| row.key.pair == *pair) {
            let rank = method_rank(tables.of(), row.key.method.name());
            points.entry((rank, &row.key.method, &row.models, row.step)).or_default().push(row.t);
        }
        if points.is_empty() {
            return String::new();
        }
        let mut text = "\n### Best points of curves\n\nThe point of the least loss on the validation images, over replicates.\n\n\
                        | method | t | least | greatest |\n| --- | ---: | ---: | ---: |\n"
            .to_owned();
        let several = points.keys().map(|(_, _, models, _)| models).collect::<BTreeSet<_>>().len() > 1;
        for ((_, method, models, step), values) in points {
            let Some(Summary { mean, .. }) = Summary::of(&values) else { continue };
            let [least, greatest] = [f64::min as fn(f64, f64) -> f64, f64::max].map(|of| values.iter().copied().fold(mean, of));
            let [mean, least, greatest] = [mean, least, greatest].map(number::shown);
            let sign = unlearned.sign(method);
            let of = if several { format!(", {models}") } else { String::new() };
            let after = step.map(|step| format!(", after {step} models")).unwrap_or_default();
            let _ = writeln!(text, "| {method}{of}{after}{sign} | {mean} | {least} | {greatest} |");
        }
        text
    }
}
