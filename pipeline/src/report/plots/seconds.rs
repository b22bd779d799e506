//! How long matching takes: seconds of the matchings themselves by the number of models, and by the width where there are several.
//!
//! Drawn when results are published, because seconds, like `timings.csv`, may differ between equal runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::curves::Curves;
use super::scale::Scale;
use super::style::{Legend, Picture, save, titled};
use super::{Groups, file_name, twins, widths};
use crate::report::seeds::draw_of;
use crate::report::table::Csv;

/// Fewer numbers of models than this show no growth.
const FEWEST: usize = 3;

/// The method whose growth is held against a straight line.
const LEADING: &str = "c2m3";

/// The alignment of so many models, from the row of its stage.
struct Alignment {
    pair: String,
    method: String,
    models: usize,
    seconds: f64,
    fingerprint: String,
}

impl Alignment {
    /// The method and the artifact.
    fn stage(&self) -> (&str, &str) {
        (&self.method, &self.fingerprint)
    }
}

struct Seconds {
    title: String,
    legend: Legend,
    panel: Curves,
    notes: Vec<String>,
}

/// Draws `seconds-<dataset>-<architecture>` where three numbers of models were matched, and `seconds-widths-<dataset>` where a family has
/// at least two widths.
///
/// # Errors
/// When a CSV is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let alignments = alignments(&Csv::read(&results.join("timings.csv"))?)?;
    if alignments.is_empty() {
        return Ok(());
    }
    for (pair, _) in Groups::of(&Csv::read(&results.join("models.csv"))?)?.iter() {
        let of_pair: Vec<&Alignment> = alignments.iter().filter(|found| found.pair == format!("{}-{}", pair.0, pair.1)).collect();
        let twins = twins(of_pair.iter().map(|found| found.stage()));
        let mut series: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
        for found in of_pair.iter().filter(|found| !twins.contains(&found.method)) {
            let numbers = series.entry(draw_of(&found.method).0.to_owned()).or_default();
            numbers.entry(found.models).or_default().push(found.seconds);
        }
        if series.values().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>().len() < FEWEST {
            continue;
        }
        let straight = series.get(LEADING).and_then(BTreeMap::last_key_value).map(|(&most, values)| (most as f64, mean(values)));
        let mut notes = notes();
        if straight.is_some() {
            notes.extend([format!("dotted: through {LEADING}'s"), "last, were it linear".to_owned()]);
        }
        let title = format!("Seconds of matching by the number of models: {}, {}", pair.0, pair.1);
        let panel = curves("models matched", false, Scale::FromZero, series, straight);
        save(&Seconds::new(title, panel, notes), out, &file_name("seconds", pair))?;
    }
    by_width(results, out, &alignments)
}

fn by_width(results: &Path, out: &Path, alignments: &[Alignment]) -> Result<()> {
    let families = widths::families(results)?;
    for (place, family) in families.iter().enumerate() {
        let found: Vec<(&Alignment, usize)> = alignments
            .iter()
            .filter_map(|found| {
                let name = found.pair.strip_prefix(&format!("{}-", family.dataset))?;
                Some((found, *family.widths.get(name)?))
            })
            .collect();
        let twins = twins(found.iter().map(|(found, _)| found.stage()));
        let Some(most) = widths::shared(found.iter().map(|(found, width)| (*width, found.models))) else { continue };
        let mut series: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
        for (found, width) in found.iter().filter(|(found, _)| found.models == most && !twins.contains(&found.method)) {
            let widths = series.entry(draw_of(&found.method).0.to_owned()).or_default();
            // What is too short for four decimals took about half of the last.
            widths.entry(*width).or_default().push(found.seconds.max(5e-5));
        }
        let title = format!("Seconds of matching {most} models by their width: {}, {}", family.dataset, family.name);
        let panel = curves("width: channels or units of the first hidden layer", true, Scale::Ratios, series, None);
        let earlier = families[..place].iter().filter(|other| other.dataset == family.dataset).count();
        let number = if earlier == 0 { String::new() } else { format!("-{}", earlier + 1) };
        save(&Seconds::new(title, panel, notes()), out, &format!("seconds-widths-{}{number}", family.dataset))?;
    }
    Ok(())
}

/// The alignments of numbers of models: rows of the stages `align/<pair>/<method>/replicate-<r>/<n>`. Pairs of models are left out.
fn alignments(csv: &Csv) -> Result<Vec<Alignment>> {
    let (stages, seconds, fingerprints) = (csv.texts("stage")?, csv.numbers("work")?, csv.texts("fingerprint")?);
    let read = |(row, stage): (usize, &String)| {
        let mut parts = stage.strip_prefix("align/")?.rsplitn(4, '/');
        let (models, _, method, pair) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?, parts.next()?);
        let (pair, method) = (pair.to_owned(), method.to_owned());
        Some(Alignment { pair, method, models, seconds: seconds[row]?, fingerprint: fingerprints[row].clone() })
    };
    Ok(stages.iter().enumerate().filter_map(read).collect())
}

fn curves(
    along: &str,
    doubling: bool,
    scale: Scale,
    series: BTreeMap<String, BTreeMap<usize, Vec<f64>>>,
    straight: Option<(f64, f64)>,
) -> Curves {
    let (along, metric) = (along.to_owned(), "seconds".to_owned());
    Curves { heading: String::new(), along, metric, doubling, scale, series, beside: BTreeMap::new(), straight }
}

fn notes() -> Vec<String> {
    ["a mark: one draw and", "replicate; line: their", "mean. Without the check", "of the maps; repaired", "twins left out"]
        .map(str::to_owned)
        .to_vec()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Seconds {
    fn new(title: String, panel: Curves, notes: Vec<String>) -> Seconds {
        Seconds { title, legend: Legend::new(panel.series.keys().cloned().collect()), panel, notes }
    }
}

impl Picture for Seconds {
    fn size(&self) -> (u32, u32) {
        (1100, 600)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let (chart, side) = area.split_horizontally(860);
        self.panel.draw(&chart, &self.legend)?;
        self.legend.draw(&side, &self.notes.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMINGS: &str = "stage,kind,seconds,threads,device,fingerprint,work\n\
        train/glyphs-mlp/replicate-0/a,train,9.000,1,cpu,1,\n\
        align/glyphs-mlp/c2m3/replicate-0/2,align,20.000,1,cpu,2,1.000\n\
        align/glyphs-mlp/c2m3/replicate-0/a-b,align,20.000,1,cpu,3,5.000\n\
        align/glyphs-mlp/c2m3-repair/replicate-0/2,align,20.000,1,cpu,2,1.000\n\
        align/glyphs-mlp/c2m3/replicate-0/3,align,20.000,1,cpu,4,2.000\n\
        align/glyphs-mlp/c2m3-repair/replicate-0/3,align,20.000,1,cpu,4,2.000\n";

    fn results(timings: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("timings.csv"), timings).unwrap();
        std::fs::write(folder.path().join("models.csv"), "dataset,architecture\nglyphs,mlp\n").unwrap();
        folder
    }

    #[test]
    fn alignments_of_numbers_of_models_are_read_and_a_repaired_twin_counts_once() {
        let found = alignments(&Csv::parse(TIMINGS.as_bytes(), "timings.csv").unwrap()).unwrap();
        let of = |found: &Alignment| (found.pair.clone(), found.method.clone(), found.models, found.seconds);
        assert_eq!(found.len(), 4);
        assert_eq!(of(&found[0]), ("glyphs-mlp".to_owned(), "c2m3".to_owned(), 2, 1.0));
        assert_eq!(twins(found.iter().map(Alignment::stage)), BTreeSet::from(["c2m3-repair".to_owned()]));
    }

    #[test]
    fn a_picture_is_drawn_of_three_numbers_of_models_and_not_of_two() {
        let two = results(TIMINGS);
        draw(two.path(), two.path()).unwrap();
        assert!(!two.path().join("seconds-glyphs-mlp.svg").exists());
        let three = results(&format!("{TIMINGS}align/glyphs-mlp/c2m3/replicate-0/4,align,20.000,1,cpu,5,3.000\n"));
        draw(three.path(), three.path()).unwrap();
        assert!(three.path().join("seconds-glyphs-mlp.svg").exists() && three.path().join("seconds-glyphs-mlp.png").exists());
    }
}
