//! How long matching takes: seconds of the matchings themselves by the number of models, and by the width where there are several.
//!
//! Drawn when results are published, because seconds, like `timings.csv`, may differ between equal runs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::architectures::{ArchitectureRow, families};
use super::widths_picture::shared;
use crate::drawing::{Canvas, Curves, Legend, Picture, Scale, list, methods_sharing_stages};
use crate::identity::{MethodLabel, PairName};
use crate::measurements::ModelRow;
use crate::table::{Csv, Row};

/// Fewer numbers of models than this show no growth.
const FEWEST: usize = 3;

/// The method whose growth is held against a straight line.
const LEADING: &str = "c2m3";

/// The alignment of so many models, from the row of its stage.
struct Alignment {
    /// As the name of the stage calls data set and architecture.
    slug: String,
    method: MethodLabel,
    models: usize,
    seconds: f64,
    fingerprint: String,
}

struct Seconds {
    title: String,
    legend: Legend,
    panel: Curves,
    notes: Vec<String>,
}

/// Draws `seconds-<dataset>-<architecture>` where three numbers of models were matched, and `seconds-widths-<dataset>` where a family has
/// at least two widths.
pub fn draw(canvas: &Canvas) -> Result<()> {
    let alignments = alignments(&Csv::read(&canvas.results().join("timings.csv"))?)?;
    if alignments.is_empty() {
        return Ok(());
    }
    let pairs: BTreeSet<PairName> = ModelRow::read_from(canvas.results())?.into_iter().map(|row| row.pair).collect();
    for pair in &pairs {
        let slug = pair.slug(&pairs);
        let of_pair: Vec<&Alignment> = alignments.iter().filter(|found| found.slug == slug).collect();
        let shared = methods_sharing_stages(of_pair.iter().map(|found| (&found.method, found.fingerprint.as_str())), canvas.styles());
        let mut series: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
        for found in of_pair.iter().filter(|found| !shared.contains(&found.method)) {
            let numbers = series.entry(found.method.name().to_owned()).or_default();
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
        let title = format!("Seconds of matching by the number of models: {}, {}", pair.dataset, pair.architecture);
        let panel = curves("models matched", false, Scale::FromZero, series, straight);
        let legend = canvas.legend(panel.series.keys().cloned());
        canvas.save(&Seconds { title, legend, panel, notes }, "seconds", pair)?;
    }
    by_width(canvas, &pairs, &alignments)
}

fn by_width(canvas: &Canvas, pairs: &BTreeSet<PairName>, alignments: &[Alignment]) -> Result<()> {
    let families = families(&ArchitectureRow::read_if_present(canvas.results())?);
    for (place, family) in families.iter().enumerate() {
        let width = |slug: &str| {
            let of_family = family.widths.iter().map(|(name, width)| (PairName::new(&family.dataset, name).slug(pairs), *width));
            of_family.into_iter().find(|(other, _)| other == slug).map(|(_, width)| width)
        };
        let found: Vec<(&Alignment, usize)> = alignments.iter().filter_map(|found| Some((found, width(&found.slug)?))).collect();
        let shared_stages = found.iter().map(|(found, _)| (&found.method, found.fingerprint.as_str()));
        let shared_stages = methods_sharing_stages(shared_stages, canvas.styles());
        let Some(most) = shared(found.iter().map(|(found, width)| (*width, found.models))) else { continue };
        let mut series: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
        for (found, width) in found.iter().filter(|(found, _)| found.models == most && !shared_stages.contains(&found.method)) {
            let widths = series.entry(found.method.name().to_owned()).or_default();
            // What is too short for four decimals took about half of the last.
            widths.entry(*width).or_default().push(found.seconds.max(5e-5));
        }
        let title = format!("Seconds of matching {most} models by their width: {}, {}", family.dataset, family.heading);
        let panel = curves("width: channels or units of the first hidden layer", true, Scale::Ratios, series, None);
        let earlier = families[..place].iter().filter(|other| other.dataset == family.dataset).count();
        let number = if earlier == 0 { String::new() } else { format!("-{}", earlier + 1) };
        let legend = canvas.legend(panel.series.keys().cloned());
        // Times do not depend on what a network learned.
        canvas.save_as(&Seconds { title, legend, panel, notes: notes() }, &format!("seconds-widths-{}{number}", family.dataset), [])?;
    }
    Ok(())
}

/// The alignments of numbers of models: rows of the stages `align/<pair>/<method>/replicate-<r>/<n>`. Pairs of models are left out.
fn alignments(csv: &Csv) -> Result<Vec<Alignment>> {
    let (stages, seconds, fingerprints) = (csv.texts("stage")?, csv.numbers("work")?, csv.texts("fingerprint")?);
    let read = |(row, stage): (usize, &String)| {
        let mut parts = stage.strip_prefix("align/")?.rsplitn(4, '/');
        let (models, _, method, slug) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?, parts.next()?);
        let (slug, method) = (slug.to_owned(), method.parse().ok()?);
        Some(Alignment { slug, method, models, seconds: seconds[row]?, fingerprint: fingerprints[row].clone() })
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
    Curves { heading: String::new(), along, metric, doubling, scale, series, beside: BTreeMap::new(), reported: BTreeMap::new(), straight }
}

fn notes() -> Vec<String> {
    ["a mark: one draw and", "replicate; line: their", "mean. Without the check", "of the maps; repaired", "twins left out"]
        .map(str::to_owned)
        .to_vec()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Picture for Seconds {
    fn size(&self) -> (u32, u32) {
        (1100, 600)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        format!("Seconds of matching over the {}. Methods: {}.", self.panel.along, list(self.legend.names()))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (chart, side) = area.split_horizontally(860);
        self.panel.draw(&chart, &self.legend, &self.panel.axis())?;
        self.legend.draw(&side, &self.notes.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::MethodStyles;

    const TIMINGS: &str = "stage,kind,seconds,threads,device,fingerprint,work\n\
        train/glyphs-mlp/replicate-0/a,train,9.000,1,cpu,1,\n\
        align/glyphs-mlp/c2m3/replicate-0/2,align,20.000,1,cpu,2,1.000\n\
        align/glyphs-mlp/c2m3/replicate-0/a..b,align,20.000,1,cpu,3,5.000\n\
        align/glyphs-mlp/c2m3-repair/replicate-0/2,align,20.000,1,cpu,2,1.000\n\
        align/glyphs-mlp/c2m3/replicate-0/3,align,20.000,1,cpu,4,2.000\n\
        align/glyphs-mlp/c2m3-repair/replicate-0/3,align,20.000,1,cpu,4,2.000\n";

    fn results(timings: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("timings.csv"), timings).unwrap();
        std::fs::write(
            folder.path().join("models.csv"),
            "dataset,architecture,replicate,model,split,loss,accuracy,stage\nglyphs,mlp,0,a,test,1,0.5,x\n",
        )
        .unwrap();
        folder
    }

    #[test]
    fn alignments_of_numbers_of_models_are_read_and_a_repaired_twin_counts_once() {
        let found = alignments(&Csv::parse(TIMINGS.as_bytes(), "timings.csv").unwrap()).unwrap();
        let of = |found: &Alignment| (found.slug.clone(), found.method.clone(), found.models, found.seconds);
        assert_eq!(found.len(), 4);
        assert_eq!(of(&found[0]), ("glyphs-mlp".to_owned(), MethodLabel::method("c2m3"), 2, 1.0));
        let styles = MethodStyles::default();
        let shared = methods_sharing_stages(found.iter().map(|found| (&found.method, found.fingerprint.as_str())), &styles);
        assert_eq!(shared, BTreeSet::from([MethodLabel::method("c2m3-repair")]));
    }

    #[test]
    fn a_picture_is_drawn_of_three_numbers_of_models_and_not_of_two() {
        let two = results(TIMINGS);
        draw(&Canvas::new(two.path(), two.path()).unwrap()).unwrap();
        assert!(!two.path().join("seconds-glyphs-mlp.svg").exists());
        let three = results(&format!("{TIMINGS}align/glyphs-mlp/c2m3/replicate-0/4,align,20.000,1,cpu,5,3.000\n"));
        draw(&Canvas::new(three.path(), three.path()).unwrap()).unwrap();
        assert!(three.path().join("seconds-glyphs-mlp.svg").exists() && three.path().join("seconds-glyphs-mlp.png").exists());
    }
}
