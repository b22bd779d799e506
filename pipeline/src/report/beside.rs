//! The accuracies of several results folders side by side: `beside.csv`, `beside.md` and a picture.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::overview_picture;
use super::summary::{ByModelsRow, Figures};
use crate::checksums::altered_text;
use crate::drawing::{Canvas, MethodRow, list, method_rank, shown_part};
use crate::gaps::{INCOMPLETE, gaps};
use crate::identity::{MethodLabel, PairName, Part};
use crate::number;
use crate::run_record::{self, RunRecord};
use crate::table::{Row, row};
use crate::untrained::{SIGN, UntrainedRow};
use crate::whole_file::{WholeFile, temporary};

/// What a folder holds that is about the settings of a sweep.
const SWEEP: &str = "sweep.csv";

row! {
    /// A method on a pair in one of the folders: a row of `beside.csv`.
    pub struct BesideRow in "beside.csv", order |_, _| Ordering::Equal;
    {
        /// The name of the folder.
        setting: String,
        pair: PairName,
        method: MethodLabel,
        models: usize,
        split: Part,
        replicates: usize,
        mean: f64,
        sd: Option<f64>,
        low: Option<f64>,
        high: Option<f64>,
        reported: Option<f64>,
        reported_sd: Option<f64>,
        stage: String,
    }
}

/// What the folders hold.
#[derive(Default)]
pub struct Beside {
    folders: Vec<(String, PathBuf)>,
    rows: Vec<BesideRow>,
    /// Each once, in the order of the folders.
    methods: Vec<MethodRow>,
    /// Every key of each folder's spec.
    settings: Vec<Value>,
    /// The digests of each folder's data.
    data: Vec<BTreeMap<String, String>>,
    /// The folders without `run.json`: nothing is known of their settings.
    unknown: Vec<String>,
    /// What is not as the run wrote it.
    altered: Vec<String>,
    /// The networks of each folder that did not train, where there are some.
    untrained: Vec<(String, UntrainedRow)>,
    /// The folders that lack rows because a stage failed.
    incomplete: Vec<String>,
}

impl Beside {
    /// What stands under one name in a table of several specs and is not the same in all of them.
    fn unlike(&self, table: &str) -> BTreeSet<String> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for settings in &self.settings {
            let named: Vec<(String, &Value)> = match &settings[table] {
                Value::Object(items) => items.iter().map(|(name, item)| (name.clone(), item)).collect(),
                Value::Array(items) => items.iter().filter_map(|item| Some((item["name"].as_str()?.to_owned(), item))).collect(),
                _ => Vec::new(),
            };
            for (name, item) in named {
                found.entry(name).or_default().insert(item.to_string());
            }
        }
        found.into_iter().filter(|(_, items)| items.len() > 1).map(|(name, _)| name).collect()
    }

    /// The data sets of one name that are not the same images in all folders.
    fn unlike_data(&self) -> BTreeSet<String> {
        let mut found = self.unlike("datasets");
        let digests = |name: &String| self.data.iter().filter_map(|data| data.get(name)).collect::<BTreeSet<&String>>();
        found.extend(self.data.iter().flat_map(BTreeMap::keys).filter(|name| digests(name).len() > 1).cloned());
        found
    }

    /// What is not as its run wrote it, what is not known, and numbers of replicates that differ, in sentences.
    fn doubts(&self) -> String {
        let mut text: String = self.altered.iter().map(|altered| format!("\n**{altered}.**\n")).collect();
        if !self.unknown.is_empty() {
            let names: Vec<String> = self.unknown.iter().map(|name| format!("`{name}`")).collect();
            let what = "whether settings and data are those of the others cannot be told";
            let _ = write!(text, "\n**Without `{}`: {}; {what}.**\n", run_record::FILE, list(&names));
        }
        let of = |name: &str| self.rows.iter().filter(|row| row.setting == name).map(|row| row.replicates).max();
        let counts: Vec<(&str, usize)> = self.folders.iter().filter_map(|(name, _)| Some((name.as_str(), of(name)?))).collect();
        if counts.iter().any(|(_, count)| *count != counts[0].1) {
            let told: Vec<String> = counts.iter().map(|(name, count)| format!("`{name}` {count}")).collect();
            let _ = write!(text, "\nMeans over unlike numbers of replicates: {}.\n", told.join(", "));
        }
        text
    }

    /// The same in a sentence, but for data sets; nothing where all are the same.
    fn other_settings(&self) -> String {
        let told = ["methods", "architectures", "trainings", "subsets"].into_iter().filter_map(|table| {
            let names: Vec<String> = self.unlike(table).into_iter().map(|name| format!("`{name}`")).collect();
            (!names.is_empty()).then(|| format!("{table} {}", list(&names)))
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() {
            String::new()
        } else {
            format!("\nNot the same in all folders, as `run.json` of each says: {}.\n", told.join("; "))
        }
    }
}

/// Reads the accuracies of the most models that each method merges, on test where there are any.
///
/// # Errors
/// A folder that holds no results, or two of one name.
pub fn read(folders: &[PathBuf]) -> Result<Beside> {
    let mut found = Beside::default();
    for folder in folders {
        let name = folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned());
        ensure!(
            found.folders.iter().all(|(other, _)| *other != name),
            "two folders are called `{name}`\nhint: their names tell the columns apart"
        );
        let hint = || {
            let instead = if folder.join(SWEEP).is_file() {
                "it is the overview of a sweep: name the folders of its settings, which lie beside it"
            } else {
                "name folders that `onebasin run` wrote, such as results/smoke"
            };
            format!("`{}` holds no results\nhint: {instead}", folder.display())
        };
        let by_models = ByModelsRow::read_from(folder).with_context(hint)?;
        for method in MethodRow::read_from(folder).with_context(hint)? {
            if found.methods.iter().all(|known| known.method != method.method) {
                found.methods.push(method);
            }
        }
        let split = shown_part(by_models.iter().map(|row| row.figures.split));
        let accuracies = || by_models.iter().filter(|row| row.is_accuracy_of(&row.pair, split) && !row.method.is_endpoints());
        let mut most: BTreeMap<(&PairName, &MethodLabel), usize> = BTreeMap::new();
        for row in accuracies() {
            let models = most.entry((&row.pair, &row.method)).or_default();
            *models = row.models.max(*models);
        }
        found.rows.extend(accuracies().filter(|row| most.get(&(&row.pair, &row.method)) == Some(&row.models)).map(|row| {
            let Figures { split, replicates, mean, sd, low, high, reported, reported_sd, stage, .. } = row.figures.clone();
            let (setting, pair, method, models) = (name.clone(), row.pair.clone(), row.method.clone(), row.models);
            BesideRow { setting, pair, method, models, split, replicates, mean, sd, low, high, reported, reported_sd, stage }
        }));
        found.untrained.extend(UntrainedRow::read_if_present(folder)?.into_iter().map(|row| (name.clone(), row)));
        if !gaps(folder).is_empty() {
            found.incomplete.push(name.clone());
        }
        match RunRecord::read(folder) {
            Some(record) => {
                found.settings.push(record.settings);
                found.data.push(record.data);
            }
            None => found.unknown.push(name.clone()),
        }
        found.altered.extend(altered_text(folder));
        found.folders.push((name, folder.clone()));
    }
    Ok(found)
}

/// Whether a folder holds what a run has written.
pub fn holds_results(folder: &Path) -> bool {
    [run_record::FILE, ByModelsRow::FILE].iter().any(|name| folder.join(name).exists())
}

/// Writes them into a folder that is there. Every file is made before the first is put in its place.
///
/// # Errors
/// When a file cannot be written.
pub fn write(found: &Beside, to: &Path) -> Result<()> {
    let made = temporary(&[to])?;
    BesideRow::table(&found.rows).write(&made.path().join(BesideRow::FILE))?;
    MethodRow::table(&found.methods).write(&made.path().join(MethodRow::FILE))?;
    std::fs::write(made.path().join("beside.md"), text(found)).context("cannot write `beside.md`")?;
    overview_picture::draw_beside(&Canvas::new(made.path(), made.path())?, &found.folders)?;
    let mut staged = Vec::new();
    for file in std::fs::read_dir(made.path())? {
        let file = file?;
        let path = to.join(file.file_name());
        let stage = || WholeFile::stage(&path, &std::fs::read(file.path())?);
        staged.push(stage().with_context(|| format!("cannot write `{}`", path.display()))?);
    }
    staged.into_iter().try_for_each(WholeFile::publish).with_context(|| format!("cannot write into `{}`", to.display()))
}

/// A table for each pair: a row a method, a column a folder, and the reported figure where there is one.
fn text(found: &Beside) -> String {
    let names: Vec<&str> = found.folders.iter().map(|(name, _)| name.as_str()).collect();
    let mut text = "# Side by side\n\nAccuracies, the mean over replicates ± the standard deviation (n - 1); in the last column those reported, with their own.\n".to_owned();
    text.push_str(&found.doubts());
    for dataset in found.unlike_data().iter().filter(|name| found.rows.iter().any(|row| row.pair.dataset == **name)) {
        let _ = write!(text, "\n**`{dataset}` is not the same data set in all folders: its figures are of different images.**\n");
    }
    text.push_str(&found.other_settings());
    let mut pairs: Vec<&PairName> = Vec::new();
    for row in &found.rows {
        if !pairs.contains(&&row.pair) {
            pairs.push(&row.pair);
        }
    }
    let mut folders: Vec<&str> = found.untrained.iter().map(|(folder, _)| folder.as_str()).collect();
    folders.dedup();
    if !folders.is_empty() {
        let listed = folders.iter().map(|folder| format!("`{folder}`")).collect::<Vec<_>>().join(", ");
        let _ = write!(text, "\n{SIGN} Some of the networks did not train: `{}` names them, in {listed}.\n", UntrainedRow::FILE);
    }
    if !found.incomplete.is_empty() {
        let listed = found.incomplete.iter().map(|folder| format!("`{folder}`")).collect::<Vec<_>>().join(", ");
        let _ = write!(text, "\n{INCOMPLETE}: without some rows, which the folder's own `table.md` names, are {listed}.\n");
    }
    for pair in pairs {
        let of_pair = || found.rows.iter().filter(|row| row.pair == *pair);
        let split = of_pair().next().map_or(Part::Test, |row| row.split);
        let _ = write!(text, "\n## {}, {} ({split})\n\n| method |", pair.dataset, pair.architecture);
        for name in names.iter().copied().chain(["reported"]) {
            let _ = write!(text, " {name} |");
        }
        let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(names.len() + 1));
        let methods: BTreeSet<(usize, &MethodLabel, usize)> =
            of_pair().map(|row| (method_rank(&found.methods, row.method.name()), &row.method, row.models)).collect();
        let most = of_pair().map(|row| row.models).max().unwrap_or_default();
        for (_, method, models) in methods {
            let rows = || of_pair().filter(|row| row.method == *method && row.models == models);
            let cell = |value: Option<(f64, Option<f64>)>| match value {
                None => String::new(),
                Some((mean, None)) => number::share(mean),
                Some((mean, Some(sd))) => format!("{} ± {}", number::share(mean), number::share(sd)),
            };
            let fewer = if models == most { String::new() } else { format!(", {models} models") };
            let _ = write!(text, "| {method}{fewer} |");
            for name in &names {
                let value = rows().find(|row| row.setting == *name).map(|row| (row.mean, row.sd));
                let is_marked = value.is_some() && found.untrained.iter().any(|(folder, row)| folder == name && row.pair == *pair);
                let mark = if is_marked { format!(" {SIGN}") } else { String::new() };
                let _ = write!(text, " {}{mark} |", cell(value));
            }
            let reported = rows().find_map(|row| Some((row.reported?, row.reported_sd)));
            let _ = writeln!(text, " {} |", cell(reported));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A spec with so many images and epochs, of which one method knows as well.
    fn settings(train: usize, epochs: usize) -> Value {
        json!({
            "datasets": { "own": { "train": train } },
            "trainings": { "adam": { "epochs": epochs } },
            "methods": [{ "name": "naive", "fine-tuning": { "epochs": epochs } }, { "name": "c2m3" }],
        })
    }

    #[test]
    fn methods_that_merge_fewer_models_and_data_sets_of_one_name_are_told_apart() {
        let row = |setting: &str, method: &str, models| BesideRow {
            setting: setting.to_owned(),
            pair: PairName::new("own", "mlp"),
            method: MethodLabel::method(method),
            models,
            split: Part::Test,
            replicates: 1,
            mean: 0.5,
            sd: None,
            low: None,
            high: None,
            reported: None,
            reported_sd: None,
            stage: String::new(),
        };
        let mut found = Beside {
            folders: ["one", "two"].map(|name| (name.to_owned(), PathBuf::from(name))).to_vec(),
            rows: vec![row("one", "naive", 3), row("one", "curve", 2), row("two", "naive", 3)],
            methods: Vec::new(),
            settings: [3, 3].map(|epochs| settings(100, epochs)).to_vec(),
            ..Beside::default()
        };
        let shown = text(&found);
        assert!(shown.contains("| naive | 0.5000 | 0.5000 |") && shown.contains("| curve, 2 models | 0.5000 |  |"), "{shown}");
        assert!(!shown.contains("not the same data set"), "{shown}");
        let dead = UntrainedRow {
            pair: PairName::new("own", "mlp"),
            replicate: 0,
            model: "a".to_owned(),
            loss: 2.3,
            classes: 10,
            stage: String::new(),
        };
        found.untrained.push(("two".to_owned(), dead));
        let marked = text(&found);
        assert!(
            marked.contains("| naive | 0.5000 | 0.5000 † |") && marked.contains("did not train: `untrained.csv` names them, in `two`"),
            "{marked}"
        );
        found.settings[1] = settings(200, 3);
        assert!(text(&found).contains("`own` is not the same data set in all folders"));
        // Neither is a method or a training that other settings stand behind.
        assert!(!text(&found).contains("Not the same"));
        found.settings[1] = settings(100, 4);
        assert!(text(&found).contains("Not the same in all folders, as `run.json` of each says: methods `naive`; trainings `adam`.\n"));
    }
}
