//! What must be known to read a table right, found in the figures themselves: signs at its rows, and a note for each sign below it.

use std::collections::{BTreeMap, BTreeSet};

use super::tabulate::Known;
use crate::drawing::{list, method_rank};
use crate::identity::{MethodLabel, PairName, Part};
use crate::measurements::{ClassRow, MatchingRow, ModelRow};
use crate::number;
use crate::table::Tables;

/// End points that learned nothing.
const AT_CHANCE: char = '†';
/// Matchings that did not come to an end.
const STOPPED: char = '‡';
/// Batch norms without statistics of their own.
const STATISTICS: char = '§';

/// An accuracy within so many standard errors of the largest class's share may be chance.
const ERRORS: f64 = 3.0;

/// Room for rounding in the loss of guessing evenly.
const LOSS_ROOM: f64 = 1e-3;

/// A plan that misses its marginals by more than this share of the mass is not the plan that was asked for.
const MOST_MISSED: f64 = 1e-3;

/// Notes on the table of one pair.
#[derive(Debug, Default)]
pub struct Notes {
    marks: BTreeMap<String, BTreeSet<char>>,
    texts: Vec<String>,
}

impl Notes {
    /// Everything to be said of a pair.
    pub fn of(pair: &PairName, tables: &Tables, known: &Known) -> Notes {
        let mut notes = Notes::default();
        notes.add(AT_CHANCE, at_chance(pair, tables, known.images));
        notes.add(STOPPED, stopped(pair, tables, known));
        notes.add(STATISTICS, without_statistics(pair, tables, known));
        if let Some(text) = untested(pair, tables) {
            notes.texts.push(text);
        }
        notes
    }

    /// The signs behind the name of a method.
    pub fn marks(&self, label: &MethodLabel) -> String {
        let marks = self.marks.get(&label.to_string()).into_iter().flatten();
        marks.map(|mark| format!(" {mark}")).collect()
    }

    /// Whether end points are at chance, where no figure is better than another.
    pub fn has_chance(&self) -> bool {
        self.marks.values().any(|marks| marks.contains(&AT_CHANCE))
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
    let merged = tables.of::<crate::measurements::MergedRow>().iter().map(|row| &row.key);
    let aligned = tables.of::<crate::measurements::BarrierRow>().iter().map(|row| &row.key);
    let labels: BTreeSet<&MethodLabel> = merged.chain(aligned).filter(|key| key.pair == *pair).map(|key| &key.method).collect();
    [MethodLabel::Endpoints].into_iter().chain(labels.into_iter().cloned()).collect()
}

/// End points whose accuracy is that of always naming the largest class, or whose loss is not below that of guessing evenly.
fn at_chance(pair: &PairName, tables: &Tables, images: Option<usize>) -> Option<(Vec<MethodLabel>, String)> {
    let classes: Vec<&ClassRow> = tables.of::<ClassRow>().iter().filter(|row| row.dataset == pair.dataset).collect();
    let even = (classes.len() as f64).ln();
    let of_pair = || tables.of::<ModelRow>().iter().filter(|row| row.pair == *pair);
    let guesses = |row: &ModelRow| row.loss >= even * (1.0 - LOSS_ROOM);
    let mut sentences = Vec::new();
    let mut learned_nothing = false;
    for split in [Part::Train, Part::Test] {
        let count = |row: &&ClassRow| if split == Part::Train { row.train } else { row.test };
        let total: usize = classes.iter().map(count).sum();
        if classes.len() < 2 || total == 0 {
            continue;
        }
        let largest = classes.iter().map(count).max().unwrap_or_default() as f64 / total as f64;
        let measured = images.unwrap_or(total).min(total) as f64;
        let chance = largest + ERRORS * (largest * (1.0 - largest) / measured).sqrt();
        // So few images that twice as many right would be chance as well prove nothing.
        let few = chance > 2.0 * largest;
        // A model that learned may be so sure of its mistakes on test that guessing evenly would cost less.
        let learned = |row: &ModelRow| {
            let same = |other: &&ModelRow| other.model == row.model && other.replicate == row.replicate && other.split == Part::Train;
            split == Part::Test && of_pair().find(same).is_some_and(|other| !guesses(other))
        };
        let rows: Vec<&ModelRow> = of_pair().filter(|row| row.split == split).collect();
        let found: Vec<&&ModelRow> = rows.iter().filter(|row| row.accuracy <= chance || guesses(row) && !learned(row)).collect();
        if found.is_empty() {
            continue;
        }
        let ends = |of: fn(&ModelRow) -> f64, show: fn(f64) -> String| {
            let values = found.iter().map(|row| of(row));
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
            let [low, high] = [low, high].map(show);
            if low == high { low } else { format!("{low} to {high}") }
        };
        learned_nothing |= !few;
        let standing =
            if few { format!("cannot be told from chance by {measured} images") } else { "are no better than chance".to_owned() };
        sentences.push(format!(
            "On {split}, {} of {} end points {standing}: accuracy {} (the largest class has {}), loss {} (guessing evenly: \
             ln {} = {}).",
            found.len(),
            rows.len(),
            ends(|row| row.accuracy, number::share),
            number::share(largest),
            ends(|row| row.loss, number::shown),
            classes.len(),
            number::shown(even)
        ));
    }
    if sentences.is_empty() {
        return None;
    }
    let conclusion = match learned_nothing {
        true => "The end points did not learn; barriers mean nothing there.",
        false => "If the end points did not learn, barriers mean nothing there.",
    };
    sentences.push(conclusion.to_owned());
    Some((labels(pair, tables), sentences.join(" ")))
}

/// Matchings that ended at their limit of iterations, or whose plans are not the ones asked for.
fn stopped(pair: &PairName, tables: &Tables, known: &Known) -> Option<(Vec<MethodLabel>, String)> {
    let mut by_method: BTreeMap<(usize, &MethodLabel), Vec<&MatchingRow>> = BTreeMap::new();
    for row in tables.of::<MatchingRow>().iter().filter(|row| row.key.pair == *pair) {
        by_method.entry((method_rank(&known.methods, row.key.method.name()), &row.key.method)).or_default().push(row);
    }
    let mut found = Vec::new();
    let mut words = Vec::new();
    for ((_, label), rows) in by_method {
        let limited = rows.iter().filter(|row| row.outcome == "iteration-limit").count();
        let missed = rows.iter().map(|row| row.marginal_error).fold(0.0, f64::max);
        let mut parts = Vec::new();
        if limited > 0 {
            parts.push(format!("{limited} of {} alignments at the limit of iterations", rows.len()));
        }
        if missed > MOST_MISSED {
            parts.push(format!("plans miss their marginals by up to {} of the mass", number::spread(missed)));
        }
        if !parts.is_empty() {
            words.push(format!("`{label}` ({})", parts.join("; ")));
            found.push(label.clone());
        }
    }
    let text = format!(
        "Matchings that were stopped before they converged, so that figures are of an iterate on the way: {}. Key `iterations` of the \
         matching allows more.",
        list(&words)
    );
    (!found.is_empty()).then_some((found, text))
}

/// Methods that average batch norms and keep the averaged running statistics.
fn without_statistics(pair: &PairName, tables: &Tables, known: &Known) -> Option<(Vec<MethodLabel>, String)> {
    if !known.batch_norms.contains(pair) {
        return None;
    }
    let is_bare = |name: &str| known.methods.iter().any(|row| row.method == name && row.repair.is_empty() && row.merging == "mean");
    let found: Vec<MethodLabel> = labels(pair, tables).into_iter().filter(|label| is_bare(label.name())).collect();
    let text = "Networks with batch norms, merged without new running statistics: the mean of the models' own does not fit the merged \
                model, and that alone can ruin its accuracy. A method with `repair = { kind = \"batch-norm\" }` estimates them anew.";
    (!found.is_empty()).then(|| (found, text.to_owned()))
}

/// Classes of which there are no test images.
fn untested(pair: &PairName, tables: &Tables) -> Option<String> {
    let of_dataset = || tables.of::<ClassRow>().iter().filter(|row| row.dataset == pair.dataset);
    let name = |row: &ClassRow| if row.class.is_empty() { format!("label {}", row.label) } else { format!("`{}`", row.class) };
    let found: Vec<String> = of_dataset().filter(|row| row.test == 0).map(name).collect();
    let text = format!(
        "{} of {} classes have no test images: {}. No figure on test says anything about them.",
        found.len(),
        of_dataset().count(),
        list(&found)
    );
    (!found.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Comparison;
    use crate::drawing::MethodRow;
    use crate::identity::ResultKey;
    use crate::measurements::MergedRow;

    fn pair() -> PairName {
        PairName::new("digits", "mlp")
    }

    fn key(method: &str) -> ResultKey {
        ResultKey { pair: pair(), method: MethodLabel::method(method), replicate: 0 }
    }

    fn known() -> Known {
        let method = |names: [&str; 4]| {
            let [method, matching, merging, repair] = names.map(str::to_owned);
            MethodRow { method, matching, merging, repair, plain: String::new() }
        };
        Known {
            title: "digits".to_owned(),
            architectures: Vec::new(),
            methods: vec![
                method(["naive", "identity", "mean", ""]),
                method(["mended", "identity", "mean", "batch-norm"]),
                method(["ensemble", "identity", "ensemble", ""]),
            ],
            comparison: Comparison::default(),
            lost: Vec::new(),
            origin: String::new(),
            images: None,
            batch_norms: Vec::new(),
        }
    }

    /// Ten classes of 100 training and 10 test images, two models with these losses and accuracies on train and test, and merged ones.
    fn tables(train: (f64, f64), test: (f64, f64)) -> Tables {
        let mut tables = Tables::default();
        tables.extend((0..10).map(|label| ClassRow {
            dataset: "digits".to_owned(),
            label,
            class: String::new(),
            train: 100,
            test: 10,
            stage: String::new(),
        }));
        for model in ["a", "b"] {
            tables.extend([(Part::Train, train), (Part::Test, test)].map(|(split, (loss, accuracy))| ModelRow {
                pair: pair(),
                replicate: 0,
                model: model.to_owned(),
                split,
                loss,
                accuracy,
                stage: String::new(),
            }));
        }
        tables.extend(["ensemble", "mended", "naive"].map(|method| MergedRow {
            key: key(method),
            models: 2,
            split: Part::Test,
            loss: 2.0,
            accuracy: 0.3,
            stage: String::new(),
        }));
        tables
    }

    fn text(tables: &Tables, known: &Known) -> String {
        Notes::of(&pair(), tables, known).text()
    }

    #[test]
    fn end_points_at_chance_are_told_and_mark_every_row() {
        // Of 1000 images a share of 0.1 has a standard error of 0.0095.
        for (train, test) in [((2.35, 0.1), (2.36, 0.1)), ((2.0, 0.128), (2.0, 0.1)), ((8.8e9, 0.4), (9e9, 0.4))] {
            let tables = tables(train, test);
            let notes = Notes::of(&pair(), &tables, &known());
            let text = notes.text();
            assert!(text.contains("On train, 2 of 2 end points are no better than chance"), "{train:?}: {text}");
            assert!(text.contains("did not learn; barriers mean nothing there"), "{text}");
            for label in [MethodLabel::Endpoints, MethodLabel::method("naive"), MethodLabel::method("mended")] {
                assert_eq!(notes.marks(&label), " †", "{label}");
            }
        }
        let text = text(&tables((2.35, 0.1), (2.36, 0.1)), &known());
        assert!(text.contains("accuracy 0.1000 (the largest class has 0.1000), loss 2.350 (guessing evenly: ln 10 = 2.303)"), "{text}");
    }

    #[test]
    fn end_points_that_learned_are_not_told_even_if_sure_of_their_mistakes() {
        for (train, test) in [((0.01, 1.0), (0.2, 0.95)), ((2.0, 0.14), (2.0, 0.3)), ((0.01, 1.0), (4.0, 0.7))] {
            assert_eq!(text(&tables(train, test), &known()), "", "{train:?} {test:?}");
        }
        // Fewer images have more room for chance.
        let few = Known { images: Some(100), ..known() };
        assert!(text(&tables((2.0, 0.14), (2.0, 0.3)), &few).contains("On train"));
        let hardly_any = Known { images: Some(50), ..known() };
        let text = text(&tables((2.0, 0.2), (2.0, 0.3)), &hardly_any);
        assert!(text.contains("On train, 2 of 2 end points cannot be told from chance by 50 images"), "{text}");
        assert!(text.contains("If the end points did not learn"), "{text}");
    }

    #[test]
    fn batch_norms_merged_without_new_statistics_are_told_with_the_key_that_adds_them() {
        let tables = tables((0.01, 1.0), (0.2, 0.95));
        let known = Known { batch_norms: vec![pair()], ..known() };
        let notes = Notes::of(&pair(), &tables, &known);
        assert!(notes.text().contains("`repair = { kind = \"batch-norm\" }`"), "{}", notes.text());
        let marks = ["naive", "mended", "ensemble"].map(|name| notes.marks(&MethodLabel::method(name)));
        assert_eq!(marks, [" §", "", ""]);
        assert_eq!(notes.marks(&MethodLabel::Endpoints), "");
    }

    #[test]
    fn matchings_that_were_stopped_or_miss_their_marginals_are_told() {
        let row = |method: &str, outcome: &str, marginal_error: f64| MatchingRow {
            key: key(method),
            models: 2,
            objective: 1.0,
            iterations: 3,
            outcome: outcome.to_owned(),
            cycle_error: 0.0,
            function_error: 0.0,
            names: String::new(),
            marginal_error,
            stage: String::new(),
        };
        let mut tables = tables((0.01, 1.0), (0.2, 0.95));
        tables.extend([row("mended", "converged", 1e-10), row("naive", "iteration-limit", 0.62), row("naive", "converged", 0.0)]);
        let notes = Notes::of(&pair(), &tables, &known());
        let expected = "`naive` (1 of 2 alignments at the limit of iterations; plans miss their marginals by up to 0.62 of the mass)";
        assert!(notes.text().contains(expected), "{}", notes.text());
        assert_eq!([notes.marks(&MethodLabel::method("naive")), notes.marks(&MethodLabel::method("mended"))], [" ‡", ""]);
    }

    #[test]
    fn classes_without_test_images_are_told_by_folder_or_label() {
        let mut tables = Tables::default();
        tables.extend([("cat", 3), ("dog", 0), ("", 0)].into_iter().enumerate().map(|(label, (class, test))| ClassRow {
            dataset: "digits".to_owned(),
            label,
            class: class.to_owned(),
            train: 1,
            test,
            stage: String::new(),
        }));
        let text = text(&tables, &known());
        assert!(text.contains("2 of 3 classes have no test images: `dog` and label 2."), "{text}");
    }
}
