//! Loss and accuracy along curves between two models: `paths.csv`, pictures of profiles, a section of `table.md`.
//!
//! Source: Garipov et al. 2018 (arXiv 1802.10026), `eval_curve.py`: 61 points, and a mean that counts each by the length around it.

mod picture;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;
use onebasin_training::length_weighted;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;

use super::Measurement;
use crate::drawing::{Canvas, method_rank, shown_part};
use crate::identity::{MethodLabel, ModelNames, PairName, Part, ResultKey};
use crate::number;
use crate::plan::{MergeSet, PairPlanner, Record};
use crate::spec::{Asked, At, Curve, Merging, Method, SpecError};
use crate::stage::Artifact;
use crate::stages::files::read_json;
use crate::table::{Tables, row};
use crate::untrained::Unlearned;

use stage::{ARTIFACT, PathStage, Point};

const MOST_POINTS: usize = 1001;

/// The measurement.
pub struct Paths;

row! {
    /// A point of a curve: a row of `paths.csv`.
    struct PathRow in "paths.csv", order |a, b| {
        let key = |row: &Self| (row.key.clone(), row.models.clone(), row.split.name());
        key(a).cmp(&key(b)).then(a.t.total_cmp(&b.t))
    };
    {
        key: ResultKey,
        /// The two models, joined with a plus sign; of a sequence all that it merges, and the curve is that of its last step.
        models: String,
        split: Part,
        /// From 0, at the first model, to 1.
        t: f64,
        /// Mean cross-entropy, in nats.
        loss: f64,
        /// Share of images classified rightly.
        accuracy: f64,
        /// How far the network is from that of the point before: the Euclidean distance of all weights. 0 at the first.
        step: f64,
        stage: String,
    }
}

impl PathRow {
    /// Whether two rows are points of one curve on one split.
    fn is_on_path_of(&self, other: &PathRow) -> bool {
        (&self.key, &self.models, self.split) == (&other.key, &other.models, other.split)
    }
}

/// Which curve an artifact is.
#[derive(Serialize)]
struct PathRecord {
    key: ResultKey,
    models: ModelNames,
}

impl Record for PathRecord {
    const OF: &'static str = "path";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        let points: Vec<Point> = read_json(artifact, ARTIFACT)?;
        tables.extend(points.into_iter().map(|Point { split, t, loss, accuracy, step }| PathRow {
            key: self.key.clone(),
            models: self.models.sum(),
            split,
            t,
            loss,
            accuracy,
            step,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

/// What a profile comes down to.
#[derive(Clone, Copy, Default)]
struct Profile {
    /// Loss and accuracy at both ends.
    ends: [(f64, f64); 2],
    greatest_loss: f64,
    least_accuracy: f64,
    /// Accuracy in the middle.
    middle: f64,
    /// Where the accuracy is greatest, and how great.
    best: (f64, f64),
    /// Mean loss and accuracy by length.
    mean: (f64, f64),
    length: f64,
}

impl Profile {
    /// Of the points of one curve on one split, in order.
    fn of(rows: &[PathRow]) -> Profile {
        let (losses, accuracies): (Vec<f64>, Vec<f64>) = rows.iter().map(|row| (row.loss, row.accuracy)).unzip();
        let steps: Vec<f64> = rows.iter().skip(1).map(|row| row.step).collect();
        let mean = |values: &[f64]| length_weighted(values, &steps).unwrap_or(values[0]);
        let end = |row: &PathRow| (row.loss, row.accuracy);
        let best = rows.iter().fold((0.0, f64::NEG_INFINITY), |best, row| if row.accuracy > best.1 { (row.t, row.accuracy) } else { best });
        Profile {
            ends: [end(&rows[0]), end(&rows[rows.len() - 1])],
            greatest_loss: losses.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            least_accuracy: accuracies.iter().copied().fold(f64::INFINITY, f64::min),
            middle: rows[rows.len() / 2].accuracy,
            best,
            mean: (mean(&losses), mean(&accuracies)),
            length: steps.iter().sum(),
        }
    }
}

impl Measurement for Paths {
    /// Points on a curve.
    type Request = usize;

    const KEYS: &'static [&'static str] = &["path"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<usize>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<usize>, SpecError> {
        let Some(points) = asked.optional::<usize>("path")? else { return Ok(None) };
        let here = asked.at(["path"]);
        asked.within(&here, points, 3..=MOST_POINTS, "61 are usual")?;
        if points.is_multiple_of(2) {
            let message = format!("`evaluation.path` should be odd, not {points}: one of the points is the middle");
            return Err(asked.wrong(&here, message).hint("61 are usual"));
        }
        if !asked.methods.iter().any(|method| matches!(method.merging, Merging::Curve(_))) {
            let message = "`evaluation.path` measures curves between models, but no method has one";
            return Err(asked.wrong(&here, message).hint("`merging = { by = \"curve\", training = \"...\" }` trains one"));
        }
        Ok(Some(points))
    }

    fn plan(&points: &usize, planner: &mut PairPlanner<'_, '_>) {
        let experiment = planner.experiment();
        for (place, method) in experiment.methods.iter().enumerate() {
            let Merging::Curve(curve) = &method.merging else { continue };
            // A curve is measured once, whichever of its points are merged models.
            if experiment.methods[..place].iter().any(|earlier| has_curve_of(earlier, method)) {
                continue;
            }
            for set in MergeSet::apart(&experiment.evaluation, method) {
                let trained = planner.curve(method, &set, curve);
                let names = planner.names(&set.models());
                let id = planner.id("path", Some(method), &set.path(&names));
                let record = PathRecord { key: planner.key(Some(method)), models: names };
                let stage = PathStage::new(id, trained, planner.task(), curve.path, points, experiment.evaluation.parts.clone());
                planner.measure(stage, record);
            }
        }
    }

    /// What each curve comes down to, as means over replicates.
    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let of_pair: Vec<&PathRow> = tables.of::<PathRow>().iter().filter(|row| row.key.pair == *pair).collect();
        let split = shown_part(of_pair.iter().map(|row| row.split));
        let rows: Vec<PathRow> = of_pair.into_iter().filter(|row| row.split == split).cloned().collect();
        let mut profiles: BTreeMap<(usize, &MethodLabel, &str), Vec<Profile>> = BTreeMap::new();
        for path in rows.chunk_by(PathRow::is_on_path_of) {
            let (method, models) = (&path[0].key.method, path[0].models.as_str());
            profiles.entry((method_rank(tables.of(), method.name()), method, models)).or_default().push(Profile::of(path));
        }
        if profiles.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "\n### Curves between two models\n\nOn {split}, the mean over replicates: accuracy at both ends, in the middle, at its best and at \
             its worst, and its mean by length; the greatest loss, and the mean loss by length; the length, and where the accuracy is best. The \
             best point is found on the images that it is told of.\n\n\
             | method | t = 0 | middle | t = 1 | best | worst | mean | greatest loss | mean loss | length | best t |\n\
             | --- |{}\n",
            " ---: |".repeat(10)
        );
        let several = profiles.keys().map(|(_, _, models)| models).collect::<BTreeSet<_>>().len() > 1;
        for ((_, method, models), profiles) in profiles {
            let mean = |of: fn(&Profile) -> f64| profiles.iter().map(of).sum::<f64>() / profiles.len() as f64;
            let shares = [
                mean(|profile| profile.ends[0].1),
                mean(|profile| profile.middle),
                mean(|profile| profile.ends[1].1),
                mean(|profile| profile.best.1),
                mean(|profile| profile.least_accuracy),
                mean(|profile| profile.mean.1),
            ];
            let others = [
                mean(|profile| profile.greatest_loss),
                mean(|profile| profile.mean.0),
                mean(|profile| profile.length),
                mean(|profile| profile.best.0),
            ];
            let cells: Vec<String> = shares.map(number::share).into_iter().chain(others.map(number::shown)).collect();
            let of = if several { format!(", {models}") } else { String::new() };
            let _ = writeln!(text, "| {method}{of}{} | {} |", unlearned.sign(method), cells.join(" | "));
        }
        text
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        picture::draw(canvas)
    }
}

/// Whether two methods train the same curve.
fn has_curve_of(one: &Method, other: &Method) -> bool {
    let (Merging::Curve(curve), Merging::Curve(theirs)) = (&one.merging, &other.merging) else { return false };
    // Which point is taken matters to the next step of a sequence, as does what is trained on in between.
    let of_steps = |method: &Method| method.sequential.map(|sequence| (sequence, method.fine_tuning.clone()));
    let is_alone = one.sequential.is_none();
    let trained = |curve: &Curve| if is_alone { Curve { at: At::Best, ..curve.clone() } } else { curve.clone() };
    let frame = |method: &Method| (method.matching.clone(), method.models.clone(), method.name.draw, of_steps(method));
    trained(curve) == trained(theirs) && frame(one) == frame(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_tells_ends_middle_extremes_and_the_mean_by_length() {
        let row = |t: f64, loss: f64, accuracy: f64, step: f64| PathRow {
            key: ResultKey { pair: PairName::new("glyphs", "mlp"), method: MethodLabel::method("mpf"), replicate: 0 },
            models: "a+b".to_owned(),
            split: Part::Test,
            t,
            loss,
            accuracy,
            step,
            stage: String::new(),
        };
        let profile = Profile::of(&[row(0.0, 1.0, 0.5, 0.0), row(0.5, 3.0, 0.9, 1.0), row(1.0, 5.0, 0.1, 3.0)]);
        assert_eq!((profile.ends, profile.middle, profile.best), ([(1.0, 0.5), (5.0, 0.1)], 0.9, (0.5, 0.9)));
        assert_eq!((profile.greatest_loss, profile.least_accuracy, profile.length), (5.0, 0.1, 4.0));
        // (1 · (1 + 3) / 2 + 3 · (3 + 5) / 2) / 4
        assert_eq!(profile.mean.0, 3.5);
    }
}
