//! What must be known to read a table right, found in the figures themselves: signs at its rows, and a note for each sign below it.

use std::collections::{BTreeMap, BTreeSet};

use super::line_sets;
use super::off_lines;
use super::stopped::stopped;
use super::tabulate::Known;
use crate::drawing::{MethodRow, list};
use crate::identity::{MethodLabel, PairName, Part};
use crate::image_limits::ImageLimits;
use crate::measurements::{BarrierRow, ClassRow, MeasuredClassRow, MergedRow, ModelRow};
use crate::number;
use crate::own_models::{self, OwnModels};
use crate::spec::Interpolation;
use crate::table::Tables;
use crate::untrained::{SIGN, Unlearned, UntrainedRow, named};

/// Matchings that did not come to an end.
const STOPPED: char = '‡';
/// Batch norms without statistics of their own.
const STATISTICS: char = '§';

/// An accuracy within so many standard errors of the largest class's share may be chance.
const ERRORS: f64 = 3.0;

/// Room for rounding in the loss of guessing evenly.
const LOSS_ROOM: f64 = 1e-3;

/// Notes on the table of one pair.
#[derive(Debug, Default)]
pub struct Notes {
    marks: BTreeMap<String, BTreeSet<char>>,
    texts: Vec<String>,
    /// What uses an end point that did not learn.
    unlearned: Unlearned,
    /// Methods half of whose end points did not learn.
    chance: BTreeSet<String>,
    /// The least number of models among which one did not learn.
    least: Option<usize>,
    /// Methods whose barriers are of other pairs of models than those of the rest.
    fewer_lines: BTreeSet<String>,
}

impl Notes {
    /// Everything to be said of a pair.
    pub fn of(pair: &PairName, tables: &Tables, known: &Known) -> Notes {
        let mut notes = Notes::default();
        if let Some(Found { models, marked, chance, least, text }) = unlearned(pair, tables, &known.own_models) {
            notes.unlearned = Unlearned::new(models, &marked);
            notes.add(SIGN, Some((marked, text)));
            notes.chance = chance.iter().map(ToString::to_string).collect();
            notes.least = Some(least);
        }
        notes.add(STOPPED, stopped(pair, tables, known));
        notes.add(STATISTICS, without_statistics(pair, tables, known));
        notes.texts.extend(dear(pair, tables));
        notes.texts.extend(untested(pair, tables));
        notes.texts.extend(unseen(pair, tables));
        notes.texts.extend(unmeasured(pair, tables, known.images));
        notes.texts.extend(arcs(pair, tables, known.interpolation));
        notes.texts.extend(off_lines::note(&known.off_lines, pair, tables));
        notes.texts.extend(models_of_their_own(pair, tables, &known.own_models));
        let (fewer, most) = line_sets::fewer(pair, tables);
        notes.texts.extend(line_sets::note(&fewer, most));
        notes.fewer_lines = fewer.keys().map(ToString::to_string).collect();
        notes
    }

    /// What uses an end point that did not learn, for other tables of the pair.
    pub fn unlearned(&self) -> &Unlearned {
        &self.unlearned
    }

    /// The signs behind the name of a method.
    pub fn marks(&self, label: &MethodLabel) -> String {
        let marks = self.marks.get(&label.to_string()).into_iter().flatten();
        marks.map(|mark| format!(" {mark}")).collect()
    }

    /// The sign of a merge of the first so many models.
    pub fn marks_of(&self, models: usize) -> String {
        if self.least.is_some_and(|least| models >= least) { format!(" {SIGN}") } else { String::new() }
    }

    /// Whether half of the end points of a method are at chance, so that no figure is better than another.
    pub fn is_chance(&self, label: &MethodLabel) -> bool {
        self.chance.contains(&label.to_string())
    }

    /// Whether a figure of a method compares with those of others in its column.
    pub fn takes_part(&self, label: &MethodLabel, metric: &str) -> bool {
        let is_over_fewer_lines = metric.starts_with("barrier") && self.fewer_lines.contains(&label.to_string());
        !self.is_chance(label) && !is_over_fewer_lines
    }

    /// Whether a method uses an end point that did not learn.
    pub fn is_marked(&self, label: &MethodLabel) -> bool {
        self.marks.get(&label.to_string()).is_some_and(|marks| marks.contains(&SIGN))
    }

    /// The notes as paragraphs; nothing where there are none.
    pub fn text(&self) -> String {
        self.texts.iter().map(|text| format!("\n{text}\n")).collect()
    }

    fn add(&mut self, mark: char, found: Option<(Vec<MethodLabel>, String)>) {
        if let Some((labels, text)) = found {
            for label in labels {
                self.marks.entry(label.to_string()).or_default().insert(mark);
            }
            self.texts.push(format!("{mark} {text}"));
        }
    }
}

/// The methods of a pair, the end points among them.
fn labels(pair: &PairName, tables: &Tables) -> Vec<MethodLabel> {
    let merged = tables.of::<MergedRow>().iter().map(|row| &row.key);
    let aligned = tables.of::<BarrierRow>().iter().map(|row| &row.key);
    let labels: BTreeSet<&MethodLabel> = merged.chain(aligned).filter(|key| key.pair == *pair).map(|key| &key.method).collect();
    [MethodLabel::Endpoints].into_iter().chain(labels.into_iter().cloned()).collect()
}

/// The images of a split that were measured, by their classes.
struct Measured {
    classes: usize,
    images: usize,
    /// The share of the class that has the most of them.
    largest: f64,
    /// Accuracies up to here may be those of always naming that class.
    chance: f64,
    /// Classes that no image shows.
    unseen: usize,
}

impl Measured {
    /// Of a data set; `None` where classes are not known.
    fn of(dataset: &str, split: Part, tables: &Tables) -> Option<Measured> {
        let all = tables.of::<ClassRow>().iter().filter(|row| row.dataset == dataset);
        let all: Vec<usize> = all.map(|row| if split == Part::Train { row.train } else { row.test }).collect();
        let some = tables.of::<MeasuredClassRow>().iter().filter(|row| row.dataset == dataset && row.split == split);
        let some: Vec<usize> = some.map(|row| row.images).collect();
        let counts = if some.is_empty() { all } else { some };
        let images: usize = counts.iter().sum();
        if counts.len() < 2 || images == 0 {
            return None;
        }
        let largest = counts.iter().copied().max().unwrap_or_default() as f64 / images as f64;
        let chance = largest + ERRORS * (largest * (1.0 - largest) / images as f64).sqrt();
        Some(Measured { classes: counts.len(), images, largest, chance, unseen: counts.iter().filter(|count| **count == 0).count() })
    }

    /// The loss of guessing evenly.
    fn even(&self) -> f64 {
        (self.classes as f64).ln()
    }

    /// Whether a model is no better than naming the largest class.
    fn is_chance(&self, row: &ModelRow) -> bool {
        row.accuracy <= self.chance
    }

    /// Whether guessing evenly costs less than a model.
    fn is_dear(&self, row: &ModelRow) -> bool {
        row.loss > self.even() * (1.0 + LOSS_ROOM)
    }
}

/// The end points of a pair on a split.
fn end_points<'a>(pair: &PairName, split: Part, tables: &'a Tables) -> Vec<&'a ModelRow> {
    tables.of::<ModelRow>().iter().filter(|row| row.pair == *pair && row.split == split).collect()
}

/// `2 of 3 end points are`, with a verb that fits.
fn counted(found: &[&ModelRow], all: &[&ModelRow], singular: &str, plural: &str) -> String {
    format!("{} of {} end points {}", found.len(), all.len(), if found.len() == 1 { singular } else { plural })
}

/// The least and the greatest figure of some end points.
fn ends(found: &[&ModelRow], of: fn(&ModelRow) -> f64, show: fn(f64) -> String) -> String {
    let values = found.iter().map(|row| of(row));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let [low, high] = [low, high].map(show);
    if low == high { low } else { format!("{low} to {high}") }
}

/// End points that did not learn, and what uses them.
struct Found<'a> {
    /// Which, by replicate.
    models: BTreeSet<(usize, &'a str)>,
    /// Methods that use one.
    marked: Vec<MethodLabel>,
    /// Methods half of whose end points are such.
    chance: Vec<MethodLabel>,
    /// The least number of models, the first ones, that has one.
    least: usize,
    text: String,
}

/// End points whose training ended at the loss of guessing, or whose accuracy is that of always naming the largest class.
fn unlearned<'a>(pair: &PairName, tables: &'a Tables, own_models: &OwnModels) -> Option<Found<'a>> {
    let untrained: Vec<&UntrainedRow> = tables.of::<UntrainedRow>().iter().filter(|row| row.pair == *pair).collect();
    let mut sentences = Vec::new();
    let mut learned_nothing = !untrained.is_empty();
    let mut bad: BTreeSet<(usize, &str)> = untrained.iter().map(|row| (row.replicate, row.model.as_str())).collect();
    let mut all: Vec<(usize, &str)> = Vec::new();
    if learned_nothing {
        sentences.push(format!("Not trained: {}.", named(untrained)));
    }
    for split in [Part::Train, Part::Test] {
        let Some(measured) = Measured::of(&pair.dataset, split, tables) else { continue };
        let rows = end_points(pair, split, tables);
        for row in &rows {
            let model = (row.replicate, row.model.as_str());
            if !all.contains(&model) {
                all.push(model);
            }
        }
        let found: Vec<&ModelRow> = rows.iter().copied().filter(|row| measured.is_chance(row)).collect();
        if found.is_empty() {
            continue;
        }
        bad.extend(found.iter().map(|row| (row.replicate, row.model.as_str())));
        // Images by which no accuracy is better than chance prove nothing, or so few that twice as many right would be chance as well.
        let few = measured.chance >= f64::min(1.0, 2.0 * measured.largest);
        learned_nothing |= !few;
        let standing = if few {
            counted(&found, &rows, "cannot be told from chance", "cannot be told from chance") + &format!(" by {} images", measured.images)
        } else {
            counted(&found, &rows, "is no better than chance", "are no better than chance")
        };
        sentences.push(format!(
            "On {split}, {standing}: accuracy {} (the largest class has {}), loss {} (guessing evenly: ln {} = {}).",
            ends(&found, |row| row.accuracy, number::share),
            number::share(measured.largest),
            ends(&found, |row| row.loss, number::shown),
            measured.classes,
            number::shown(measured.even())
        ));
    }
    if sentences.is_empty() {
        return None;
    }
    let conclusion = match (learned_nothing, bad.len() == all.len()) {
        (true, true) => "The end points did not learn; barriers mean nothing there.",
        (true, false) => "Those did not learn, and barriers of theirs mean nothing. Rows that use one have the sign.",
        (false, true) => "If the end points did not learn, barriers mean nothing there.",
        (false, false) => "If they did not learn, barriers of theirs mean nothing. Rows that use one have the sign.",
    };
    sentences.push(conclusion.to_owned());
    // The place of each model among those of its replicate.
    let place = |model: &(usize, &str)| all.iter().filter(|other| other.0 == model.0).position(|other| other == model).unwrap_or(0);
    let places: Vec<((usize, &str), bool)> = all.iter().map(|model| ((place(model), model.1), bad.contains(model))).collect();
    let used = |label: &MethodLabel| -> (usize, usize) {
        let models = merged(pair, label, tables);
        let own = || places.iter().filter(|(model, _)| own_models::uses(own_models, label, *model, models));
        (own().filter(|(_, bad)| *bad).count(), own().count())
    };
    let lines = |label: &MethodLabel| {
        let ends = |row: &BarrierRow| [&row.fixed, &row.permutee].iter().any(|end| bad.contains(&(row.key.replicate, end.as_str())));
        tables.of::<BarrierRow>().iter().any(|row| row.key.pair == *pair && row.key.method == *label && ends(row))
    };
    let labels = labels(pair, tables);
    let marked = labels.iter().filter(|label| used(label).0 > 0 || lines(label)).cloned().collect();
    let chance = labels.iter().filter(|label| 2 * used(label).0 >= used(label).1).cloned().collect();
    let least = places.iter().filter(|(_, bad)| *bad).map(|((place, _), _)| place + 1).min()?;
    Some(Found { models: bad, marked, chance, least, text: sentences.join(" ") })
}

/// How many models, the first ones, go into the row of a method.
fn merged(pair: &PairName, label: &MethodLabel, tables: &Tables) -> usize {
    let rows = tables.of::<MergedRow>().iter().filter(|row| row.key.pair == *pair && row.key.method == *label);
    rows.map(|row| row.models).max().unwrap_or(usize::MAX)
}

/// End points that guessing evenly would beat by the loss, but not by accuracy: they are sure of their mistakes.
fn dear(pair: &PairName, tables: &Tables) -> Option<String> {
    let train = end_points(pair, Part::Train, tables);
    let sentences = [Part::Train, Part::Test].into_iter().filter_map(|split| {
        let measured = Measured::of(&pair.dataset, split, tables)?;
        // A model that learned may be so sure of its mistakes on test that guessing evenly would cost less.
        let learned = |row: &ModelRow| {
            let same = |other: &&&ModelRow| other.model == row.model && other.replicate == row.replicate;
            split == Part::Test && train.iter().find(same).is_some_and(|other| !measured.is_dear(other))
        };
        let rows = end_points(pair, split, tables);
        let found = rows.iter().copied().filter(|row| !measured.is_chance(row) && measured.is_dear(row) && !learned(row));
        let found: Vec<&ModelRow> = found.collect();
        (!found.is_empty()).then(|| {
            format!(
                "On {split}, {} worse than guessing evenly by the loss, though above chance by accuracy: loss {} (ln {} = {}), accuracy {} \
                 (the largest class has {}).",
                counted(&found, &rows, "is", "are"),
                ends(&found, |row| row.loss, number::shown),
                measured.classes,
                number::shown(measured.even()),
                ends(&found, |row| row.accuracy, number::share),
                number::share(measured.largest)
            )
        })
    });
    let sentences: Vec<String> = sentences.collect();
    (!sentences.is_empty()).then(|| format!("{} They are sure of their mistakes; accuracies say more than losses.", sentences.join(" ")))
}

/// Classes that are not among the images that are measured.
fn unmeasured(pair: &PairName, tables: &Tables, images: ImageLimits) -> Option<String> {
    let of_split = |split: Part| {
        images.of(split)?;
        let count = |row: &ClassRow| if split == Part::Train { row.train } else { row.test };
        let there = tables.of::<ClassRow>().iter().filter(|row| row.dataset == pair.dataset && count(row) > 0).count();
        let measured = Measured::of(&pair.dataset, split, tables)?;
        let shown = measured.classes - measured.unseen;
        (shown < there).then(|| format!("{shown} of {} classes on {split}", measured.classes))
    };
    let found: Vec<String> = [Part::Train, Part::Test].into_iter().filter_map(of_split).collect();
    (!found.is_empty()).then(|| {
        format!(
            "The images that are measured ({}: the first of a split) show only {}. No figure says anything about the others.",
            images.keys(&[Part::Train, Part::Test]),
            list(&found)
        )
    })
}

/// Methods that merge other models than the first ones.
fn models_of_their_own(pair: &PairName, tables: &Tables, own: &OwnModels) -> Option<String> {
    let labels = labels(pair, tables);
    own_models::sentence(own.iter().filter(|(method, _)| labels.iter().any(|label| label.name() == method.as_str())))
}

/// Lines that are none.
fn arcs(pair: &PairName, tables: &Tables, interpolation: Interpolation) -> Option<String> {
    let measured = tables.of::<BarrierRow>().iter().any(|row| row.key.pair == *pair);
    (measured && !interpolation.is_linear()).then(|| {
        "Lines between models are arcs around the origin (`interpolation = \"spherical\"`): barriers are the highest loss on them."
            .to_owned()
    })
}

/// Methods that average batch norms and keep the averaged running statistics.
fn without_statistics(pair: &PairName, tables: &Tables, known: &Known) -> Option<(Vec<MethodLabel>, String)> {
    if !known.batch_norms.contains(pair) {
        return None;
    }
    let is_bare = |name: &str| known.methods.iter().any(|row| row.method == name && keeps_averaged_statistics(row));
    let found: Vec<MethodLabel> = labels(pair, tables).into_iter().filter(|label| is_bare(label.name())).collect();
    let text = "Networks with batch norms, merged without new running statistics: the mean of the models' own does not fit the merged \
                model, and that alone can ruin its accuracy. A method with `repair = { kind = \"batch-norm\" }` estimates them anew.";
    (!found.is_empty()).then(|| (found, text.to_owned()))
}

/// Whether merged networks of a method have the averaged running statistics.
fn keeps_averaged_statistics(row: &MethodRow) -> bool {
    row.repair.is_empty() && ["mean", "spherical"].contains(&row.merging.as_str())
}

/// Whether a method along arcs does so: its mark is younger than those of the others.
pub fn marks_arcs(known: &Known) -> bool {
    !known.batch_norms.is_empty() && known.methods.iter().any(|row| row.merging == "spherical" && keeps_averaged_statistics(row))
}

/// Classes of which there are no test images.
fn untested(pair: &PairName, tables: &Tables) -> Option<String> {
    let of_dataset = || tables.of::<ClassRow>().iter().filter(|row| row.dataset == pair.dataset);
    let found: Vec<String> = of_dataset().filter(|row| row.test == 0).map(class_name).collect();
    let text = format!(
        "{} of {} classes have no test images: {}. No figure on test says anything about them.",
        found.len(),
        of_dataset().count(),
        list(&found)
    );
    (!found.is_empty()).then_some(text)
}

/// Classes that have test images and no training images.
fn unseen(pair: &PairName, tables: &Tables) -> Option<String> {
    let classes = tables.of::<ClassRow>().iter().filter(|row| row.dataset == pair.dataset);
    let found: Vec<String> = classes.filter(|row| row.train == 0 && row.test > 0).map(class_name).collect();
    let text = format!("No training images show {}: no network can know what is tested there.", list(&found));
    (!found.is_empty()).then_some(text)
}

fn class_name(row: &ClassRow) -> String {
    if row.class.is_empty() { format!("label {}", row.label) } else { format!("`{}`", row.class) }
}

#[cfg(test)]
#[path = "notes_tests.rs"]
mod tests;
