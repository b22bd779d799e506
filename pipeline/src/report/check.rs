//! Our figures against bands: `onebasin check`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::over_time::{self, OverTime};
use super::summary::ByModelsRow;
use crate::comparison::Comparison;
use crate::identity::{MethodLabel, PairName, Part};
use crate::input_file;
use crate::measurements::{BarrierRow, MergedRow, ModelRow};
use crate::number;
use crate::reported::{self, Moment, Reported};
use crate::statistics::apart_by_chance;
use crate::table::Row;

/// One figure of ours beside the band it should lie in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// What the figure is about: data set, architecture, method, number of models, metric, split.
    pub cell: String,
    /// Our figure; `None` when the results have no such cell.
    pub ours: Option<f64>,
    /// Lower end of the band.
    pub low: f64,
    /// Upper end of the band.
    pub high: f64,
    /// Whether our figure is there and lies in its band.
    pub holds: bool,
    /// The first characters of the fingerprints of the stages that made it.
    pub stages: Vec<String>,
    /// How often it would lie outside by chance alone, were the reported figure's seeds and ours of one distribution; where both have a spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// Why it is not judged, where it is not: `other settings` than the reported ones, or `one of several draws`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<&'static str>,
}

impl Compared {
    /// `fine`, `out`, `not-run` where the results do not have the figure, or `not-judged`.
    pub fn standing(&self) -> &'static str {
        match (self.ours, self.holds) {
            (None, _) => "not-run",
            _ if self.not_judged.is_some() => "not-judged",
            (_, true) => "fine",
            (_, false) => "out",
        }
    }

    /// How far our figure lies outside of its band; 0 within.
    pub fn outside(&self) -> Option<f64> {
        self.ours.map(|ours| if self.holds { 0.0 } else { (self.low - ours).max(ours - self.high).max(0.0) })
    }
}

/// As [`check`] with the figures that a spec names, which cells of other settings are not judged by, nor one of several draws.
///
/// # Errors
/// As [`check`].
pub fn check_reported(results: &Path, against: &Path, comparison: &Comparison) -> Result<Vec<Compared>> {
    let name = |ours: &Reported| {
        let stood_in_for = comparison.stood_in_for(&PairName::new(&ours.dataset, &ours.architecture));
        stood_in_for.unwrap_or(&ours.dataset).to_owned()
    };
    let compared = compare(results, against, &|_| 1.0, &name)?;
    Ok(compared.into_iter().map(|(figure, row)| Compared { not_judged: comparison.not_judged(&figure), ..row }).collect())
}

/// Compares the `by-models.csv` of a results folder with a file of reported or earlier figures.
///
/// Each figure's band is its value plus and minus its tolerance, as many times as `widened` says of the stages that made ours.
///
/// # Errors
/// When a file is absent or malformed.
pub fn check(results: &Path, against: &Path, widened: &dyn Fn(&[String]) -> f64) -> Result<Vec<Compared>> {
    let compared = compare(results, against, widened, &|ours| ours.dataset.clone())?;
    Ok(compared.into_iter().map(|(_, row)| row).collect())
}

/// As [`check`], each row with its figure. `name` says under which data set a figure of ours is reported.
fn compare(
    results: &Path,
    against: &Path,
    widened: &dyn Fn(&[String]) -> f64,
    name: &dyn Fn(&Reported) -> String,
) -> Result<Vec<(Reported, Compared)>> {
    let figures = reported::read(against)?;
    if figures.is_empty() {
        bail!("`{}` holds no figure\nhint: its columns are {}", against.display(), reported::columns_text());
    }
    let ours = found(results)?;
    let provenance = Provenance::read(results)?;
    let compared = figures.into_iter().map(|figure| {
        let found = ours.iter().find(|ours| same_cell(&Reported { dataset: name(&ours.figure), ..ours.figure.clone() }, &figure));
        let value = found.map(|ours| ours.figure.value);
        let stages = provenance.of(found.map_or(&figure, |ours| &ours.figure));
        let allowed = widened(&stages) * figure.tolerance;
        let chance = found.and_then(|ours| apart_by_chance(allowed, [ours.figure.sd?, figure.sd?], ours.replicates));
        let (low, high) = (figure.value - allowed, figure.value + allowed);
        let holds = value.is_some_and(|value| figure.allows(value, allowed));
        let row = Compared { ours: value, low, high, holds, stages, cell: cell(&figure), chance, not_judged: None };
        (figure, row)
    });
    Ok(compared.collect())
}

/// Every figure of a results folder with the stages that made it, in a band of its own.
///
/// # Errors
/// When a file is absent or malformed.
pub fn made(results: &Path) -> Result<Vec<Compared>> {
    let provenance = Provenance::read(results)?;
    let row = |Ours { figure, .. }: Ours| {
        let (value, stages, cell) = (figure.value, provenance.of(&figure), cell(&figure));
        Compared { cell, ours: Some(value), low: value, high: value, holds: true, stages, chance: None, not_judged: None }
    };
    Ok(found(results)?.into_iter().map(row).collect())
}

/// A figure's cell in words.
fn cell(figure: &Reported) -> String {
    let Reported { dataset, architecture, method, models, metric, split, moment, .. } = figure;
    let after = if *moment == Moment::END { String::new() } else { format!(" after {}", moment.words()) };
    format!("{dataset} {architecture} {method} of {models} {metric} {split}{after}")
}

fn same_cell(a: &Reported, b: &Reported) -> bool {
    let key = |it: &Reported| {
        let Reported { dataset, architecture, method, models, metric, split, moment, .. } = it.clone();
        (dataset, architecture, method, models, metric, split, moment)
    };
    key(a) == key(b)
}

/// How far a figure may lie from its value until someone says otherwise: other vector instructions round otherwise, and training makes
/// much of it.
const TOLERANCES: [(&str, f64); 2] = [("accuracy", 0.03), ("loss", 0.1)];

/// The figures of a results folder as a file of expected ones, and how they differ from those in `against` now, if there are any.
///
/// Tolerances of `against` stay, and so do the sources of values that do. A barrier, and a figure of an epoch or a round, is expected only where `against` expects it.
///
/// # Errors
/// When a file is absent or malformed.
pub fn renewed(results: &Path, against: &Path) -> Result<(Vec<Reported>, Vec<String>)> {
    let earlier = match input_file::bytes(against) {
        Ok(bytes) => reported::parse(&bytes, &against.display().to_string())?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", against.display())),
    };
    let mut differences = Vec::new();
    let mut figures = Vec::new();
    for Ours { figure: ours, .. } in found(results)? {
        let before = earlier.iter().find(|figure| same_cell(figure, &ours));
        let tolerance = TOLERANCES.iter().find(|(metric, _)| *metric == ours.metric && ours.moment == Moment::END);
        let tolerance = tolerance.map(|(_, tolerance)| *tolerance);
        let figure = match (before, tolerance) {
            (Some(before), _) if before.value == ours.value => before.clone(),
            // Another value is ours, and so are its source and its spread.
            (Some(before), _) => Reported { tolerance: before.tolerance, sd: before.sd.and(ours.sd), ..ours },
            (None, Some(tolerance)) => Reported { tolerance, sd: None, ..ours },
            (None, None) => continue,
        };
        match before {
            None => differences.push(format!("{}: new, {}", cell(&figure), number::csv(figure.value))),
            Some(before) if before.value != figure.value => {
                differences.push(format!("{}: {} to {}", cell(&figure), number::csv(before.value), number::csv(figure.value)));
            }
            Some(_) => {}
        }
        figures.push(figure);
    }
    for gone in earlier.iter().filter(|earlier| !figures.iter().any(|figure| same_cell(figure, earlier))) {
        differences.push(format!("{}: gone, was {}", cell(gone), number::csv(gone.value)));
    }
    Ok((figures, differences))
}

/// What other runs of a spec are held against.
const EARLIER: &str = "an earlier run of this spec";

/// A cell of `by-models.csv`, or of an epoch or a round.
struct Ours {
    figure: Reported,
    replicates: usize,
}

/// Every cell of `by-models.csv`, then those of epochs and rounds.
fn found(results: &Path) -> Result<Vec<Ours>> {
    let rows = ByModelsRow::read_from(results).context("hint: run the experiment first")?;
    let whole = |row: ByModelsRow| Ours {
        replicates: row.figures.replicates,
        figure: Reported {
            dataset: row.pair.dataset,
            architecture: row.pair.architecture,
            method: row.method.to_string(),
            models: row.models,
            metric: row.figures.metric,
            split: row.figures.split.to_string(),
            value: row.figures.mean,
            sd: row.figures.sd,
            tolerance: 0.0,
            moment: Moment::END,
            source: EARLIER.to_owned(),
        },
    };
    let over_time = |OverTime { pair, method, models, moment, metric, split, summary, .. }: OverTime| Ours {
        replicates: summary.count,
        figure: Reported {
            dataset: pair.dataset,
            architecture: pair.architecture,
            method: method.to_string(),
            models,
            metric: metric.to_owned(),
            split: split.to_string(),
            value: summary.mean,
            sd: summary.deviation,
            tolerance: 0.0,
            moment,
            source: EARLIER.to_owned(),
        },
    };
    Ok(rows.into_iter().map(whole).chain(over_time::read(results)?.into_iter().map(over_time)).collect())
}

/// The stages behind the rows of a results folder.
struct Provenance {
    /// Of finished networks.
    whole: Vec<Source>,
    over_time: Vec<OverTime>,
}

/// What one row is about, and the stage that made it.
struct Source {
    is_barrier: bool,
    pair: PairName,
    method: MethodLabel,
    /// Where the file says it.
    models: Option<usize>,
    split: Part,
    stage: String,
}

impl Provenance {
    fn read(results: &Path) -> Result<Provenance> {
        let models = ModelRow::read_if_present(results)?.into_iter().map(|row| Source {
            is_barrier: false,
            pair: row.pair,
            method: MethodLabel::Endpoints,
            models: None,
            split: row.split,
            stage: row.stage,
        });
        let merged = MergedRow::read_if_present(results)?.into_iter().map(|row| Source {
            is_barrier: false,
            pair: row.key.pair,
            method: row.key.method,
            models: Some(row.models),
            split: row.split,
            stage: row.stage,
        });
        let barriers = BarrierRow::read_if_present(results)?.into_iter().map(|row| Source {
            is_barrier: true,
            pair: row.key.pair,
            method: row.key.method,
            models: None,
            split: row.split,
            stage: row.stage,
        });
        Ok(Provenance { whole: models.chain(merged).chain(barriers).collect(), over_time: over_time::read(results)? })
    }

    fn of(&self, figure: &Reported) -> Vec<String> {
        let pair = PairName::new(&figure.dataset, &figure.architecture);
        if figure.moment != Moment::END {
            let fits = |row: &&OverTime| {
                row.moment == figure.moment
                    && row.pair == pair
                    && row.method.to_string() == figure.method
                    && row.models == figure.models
                    && row.metric == figure.metric
                    && row.split.name() == figure.split
            };
            return self.over_time.iter().filter(fits).flat_map(|row| row.stages.iter().cloned()).collect();
        }
        let mut stages: Vec<String> = Vec::new();
        for source in &self.whole {
            let fits = source.is_barrier == figure.metric.starts_with("barrier")
                && source.pair == pair
                && source.method.to_string() == figure.method
                && source.split.name() == figure.split
                && source.models.is_none_or(|models| models == figure.models);
            if fits && !stages.contains(&source.stage) {
                stages.push(source.stage.clone());
            }
        }
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Deviation;

    const HEADER: &str = "dataset,architecture,method,models,metric,split";

    fn results() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "by-models.csv",
            format!(
                "{HEADER},replicates,mean,sd,low,high,reported,reported_sd,verdict,versus,difference,difference_low,difference_high,p_holm,stage\n\
                 mnist,mlp,c2m3,5,accuracy,test,1,0.98,,,,,,,,,,,,s\n"
            ),
        );
        let row = "dataset,architecture,method,replicate,models,split,loss,accuracy,stage\nmnist,mlp,c2m3,0,";
        write("merged.csv", format!("{row}4,test,1.0,0.5,aaa\nmnist,mlp,c2m3,0,5,test,1.0,0.98,bbb\n"));
        folder
    }

    fn bands(folder: &Path, rows: &[(&str, f64)]) -> std::path::PathBuf {
        let path = folder.join("bands.csv");
        let rows: Vec<String> =
            rows.iter().map(|(method, value)| format!("mnist,mlp,{method},5,accuracy,test,{value},,0.006,kept\n")).collect();
        std::fs::write(&path, format!("{HEADER},value,sd,tolerance,source\n{}", rows.concat())).unwrap();
        path
    }

    #[test]
    fn a_figure_inside_its_band_holds_and_an_absent_one_was_not_run() {
        let folder = results();
        let beside = |rows: &[(&str, f64)]| check(folder.path(), &bands(folder.path(), rows), &|_| 1.0).unwrap();
        let compared = [beside(&[("c2m3", 0.983)]), beside(&[("c2m3", 0.99), ("naive", 0.5)])].concat();
        assert_eq!(compared.iter().map(|row| row.holds).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(compared[0].stages, ["bbb"]);
        assert!((compared[1].outside().unwrap() - 0.004).abs() < 1e-12);
        assert_eq!((compared[2].ours, compared[2].outside()), (None, None));
        assert_eq!(compared.iter().map(Compared::standing).collect::<Vec<_>>(), ["fine", "out", "not-run"]);
        // At the very edge: 0.5 - 0.346 is a little more than 0.154.
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join("by-models.csv"), read("by-models.csv").replace(",0.98,", ",0.154,")).unwrap();
        let path = bands(folder.path(), &[("c2m3", 0.5)]);
        std::fs::write(&path, read("bands.csv").replace("0.006", "0.346")).unwrap();
        assert_eq!(check(folder.path(), &path, &|_| 1.0).unwrap()[0].standing(), "fine");
    }

    #[test]
    fn a_figure_of_another_kind_of_device_is_held_against_a_wider_band() {
        let folder = results();
        let out = |widened: f64| {
            let rows =
                check(folder.path(), &bands(folder.path(), &[("c2m3", 0.99)]), &|stages| if stages == ["bbb"] { widened } else { 0.0 })
                    .unwrap();
            (rows[0].holds, rows[0].high - rows[0].low)
        };
        let (one, two) = (out(1.0), out(2.0));
        assert!((two.1 - 2.0 * one.1).abs() < 1e-12);
        assert!(!out(1e-3).0 && out(1e3).0);
    }

    #[test]
    fn a_pair_that_stands_in_is_beside_the_figures_of_what_it_stands_for() {
        let folder = results();
        let path = folder.path().join("bands.csv");
        let row = |dataset: &str| format!("{dataset},mlp,c2m3,5,accuracy,test,0.98,,0.006,somewhere\n");
        std::fs::write(&path, format!("{HEADER},value,sd,tolerance,source\n{}{}", row("emnist"), row("mnist"))).unwrap();
        let pair = PairName::new("mnist", "mlp");
        let comparison = Comparison {
            stand_ins: vec![(pair.clone(), "emnist".to_owned())],
            deviations: vec![(pair, vec![Deviation::of_all("data set mnist instead of emnist")])],
            ..Comparison::default()
        };
        let compared = check_reported(folder.path(), &path, &comparison).unwrap();
        assert_eq!(compared.iter().map(Compared::standing).collect::<Vec<_>>(), ["not-judged", "not-run"]);
        assert_eq!((compared[0].ours, compared[0].stages.as_slice()), (Some(0.98), &["bbb".to_owned()][..]));
    }

    #[test]
    fn renewing_keeps_tolerances_and_the_sources_of_values_that_stay_and_tells_what_changes() {
        let folder = results();
        let against = bands(folder.path(), &[("c2m3", 0.9), ("naive", 0.5)]);
        let (figures, differences) = renewed(folder.path(), &against).unwrap();
        assert_eq!(figures.len(), 1);
        assert_eq!((figures[0].value, figures[0].tolerance, figures[0].source.as_str()), (0.98, 0.006, EARLIER));
        assert_eq!(differences, ["mnist mlp c2m3 of 5 accuracy test: 0.9 to 0.98", "mnist mlp naive of 5 accuracy test: gone, was 0.5"]);
        let (figures, differences) = renewed(folder.path(), &bands(folder.path(), &[("c2m3", 0.98)])).unwrap();
        assert_eq!((figures[0].source.as_str(), differences.len()), ("kept", 0), "a value that stays is still its source's");
        std::fs::remove_file(&against).unwrap();
        let (figures, differences) = renewed(folder.path(), &against).unwrap();
        assert_eq!(figures[0].tolerance, 0.03);
        assert_eq!(differences, ["mnist mlp c2m3 of 5 accuracy test: new, 0.98"]);
        std::fs::write(&against, reported::write(&figures).unwrap()).unwrap();
        assert_eq!(reported::parse(&std::fs::read(&against).unwrap(), "bands.csv").unwrap(), figures);
    }
}
