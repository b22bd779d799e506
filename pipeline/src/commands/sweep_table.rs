//! One table over all settings of a sweep: `sweep.csv`, and `sweep.md` for a person; a picture where one key is swept over whole numbers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::folders::Folders;
use super::stage_name::cells;
use crate::console;
use crate::gaps::{INCOMPLETE, gaps};
use crate::identity::MethodLabel;
use crate::number;
use crate::own_models;
use crate::publish::quoted;
use crate::report::draw_sweep;
use crate::spec::{BarrierOver, Experiment, Sweep};
use crate::table::Row as _;
use crate::untrained::{SIGN, UntrainedRow};
use crate::whole_file::{self, temporary};

/// The table whose rows are joined.
const SUMMARY: &str = "summary.csv";

/// What a person looks at: what it is called, metric, split.
fn columns(barriers: &[BarrierOver]) -> Vec<(&'static str, &'static str, &'static str)> {
    let barriers = barriers.iter().map(|over| (over.words(), over.metric()));
    let figures = [("accuracy", "accuracy"), ("loss", "loss")].into_iter().chain(barriers);
    figures.flat_map(|(name, metric)| ["train", "test"].map(|split| (name, metric, split))).collect()
}

/// Values of the keys, and where their results are.
type Setting = (Vec<String>, PathBuf);

/// The settings of a sweep and the results of each.
pub struct SweepTable {
    name: String,
    /// The profile and what is laid over all settings, in words; may be empty.
    origin: String,
    keys: Vec<String>,
    /// Methods in the order of the spec.
    methods: Vec<String>,
    /// What barriers are over.
    barriers: Vec<BarrierOver>,
    /// What is said of methods that merge other models than the first ones.
    own_models: Option<String>,
    /// Where the table goes.
    folder: PathBuf,
    /// Where the pictures go.
    plots: PathBuf,
    settings: Vec<Setting>,
}

/// One cell of a summary.
struct Row {
    values: Vec<String>,
    cells: Vec<String>,
}

/// Writes a file whole, where its bytes change.
fn put(path: &Path, bytes: &[u8], option: &str) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let failure = || format!("cannot write `{}`\nhint: choose another folder with `{option} DIR`", path.display());
    whole_file::write(path, bytes).with_context(failure)
}

impl SweepTable {
    /// No settings yet.
    pub fn new(sweep: &Sweep, folders: &Folders, experiment: &Experiment) -> SweepTable {
        let keys: Vec<String> = sweep.keys().map(str::to_owned).collect();
        let (folder, plots) = folders.of_setting(experiment, &[format!("sweep=\"{}\"", keys.join(","))]);
        let methods = experiment.methods.iter().map(|method| method.name.name.clone()).collect();
        let (name, origin) = (experiment.name.clone(), experiment.origin.text());
        let (barriers, own_models) = (experiment.barriers(), own_models::sentence(&own_models::own_models(experiment)));
        SweepTable { name, origin, keys, methods, barriers, own_models, folder, plots, settings: Vec::new() }
    }

    /// One more setting.
    pub fn add(&mut self, values: Vec<String>, results: &Path) {
        self.settings.push((values, results.to_owned()));
    }

    /// Whether every setting has results among the `fresh` ones.
    pub fn is_whole(&self, fresh: &BTreeSet<PathBuf>) -> bool {
        self.settings.iter().all(|(_, results)| fresh.contains(results))
    }

    /// Says that nothing is written, and which settings lack results.
    pub fn leave(&self, fresh: &BTreeSet<PathBuf>) {
        let folder = self.folder.display();
        let what = if self.folder.is_dir() { format!("`{folder}` stays as it was") } else { format!("`{folder}` is not made") };
        console::note(&format!("{what}: {}; `--keep-going` writes a table of the others", self.lacking(fresh)));
    }

    /// `1 of 2 settings have no results: ...`.
    fn lacking(&self, fresh: &BTreeSet<PathBuf>) -> String {
        let missing = self.missing(fresh);
        format!("{} of {} settings have no results: {}", missing.len(), self.settings.len(), missing.join("; "))
    }

    /// Settings without results among the `fresh` ones, in words.
    fn missing(&self, fresh: &BTreeSet<PathBuf>) -> Vec<String> {
        self.settings.iter().filter(|(_, results)| !fresh.contains(results)).map(|(values, _)| self.named(values)).collect()
    }

    /// Writes the table of every setting whose results are among the `fresh` ones. Those of earlier runs may be of other settings.
    ///
    /// # Errors
    /// When a summary cannot be read or the folder cannot be written.
    pub fn publish(&self, fresh: &BTreeSet<PathBuf>) -> Result<()> {
        let mut header: Vec<String> = Vec::new();
        let mut rows: Vec<Row> = Vec::new();
        let there: Vec<&Setting> = self.settings.iter().filter(|(_, results)| fresh.contains(results)).collect();
        for (values, results) in &there {
            let path = results.join(SUMMARY);
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            let mut lines = text.lines();
            header = cells(lines.next().unwrap_or_default());
            rows.extend(lines.map(|line| Row { values: values.clone(), cells: cells(line) }));
        }
        let missing = self.missing(fresh);
        if !missing.is_empty() {
            console::note(&self.lacking(fresh));
        }
        let mut markdown = self.markdown(&header, &rows, &self.untrained(&there)?);
        if !missing.is_empty() {
            let _ = write!(markdown, "\n{INCOMPLETE}: without results are {}.\n", missing.join("; "));
        }
        let partial: Vec<String> =
            there.iter().filter(|(_, results)| !gaps(results).is_empty()).map(|(values, _)| self.named(values)).collect();
        if !partial.is_empty() {
            let _ =
                write!(markdown, "\n{INCOMPLETE}: without some rows, which `table.md` of the setting names, are {}.\n", partial.join("; "));
        }
        for (name, text) in [("sweep.csv", self.csv(&header, &rows)), ("sweep.md", markdown)] {
            put(&self.folder.join(name), text.as_bytes(), "--results")?;
        }
        self.draw(&there)?;
        console::note(&format!("one table over {} settings in `{}`", there.len(), self.folder.display()));
        Ok(())
    }

    /// Pictures over the values of the key, where there is one and they are whole numbers; those of an earlier run that this one does not draw go.
    fn draw(&self, there: &[&Setting]) -> Result<()> {
        let number = |(values, results): &&Setting| Some((values.first()?.parse().ok()?, results.clone()));
        let settings: Option<Vec<(usize, PathBuf)>> = there.iter().map(number).collect();
        let mut drawn = BTreeSet::new();
        if let ([key], Some(settings)) = (self.keys.as_slice(), settings.filter(|settings| settings.len() > 1)) {
            let made = temporary(&[&self.folder])?;
            draw_sweep(key, &settings, made.path())?;
            for file in fs::read_dir(made.path())? {
                let file = file?;
                put(&self.plots.join(file.file_name()), &fs::read(file.path())?, "--plots")?;
                drawn.insert(file.file_name());
            }
        }
        for file in fs::read_dir(&self.plots).into_iter().flatten() {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("sweep-") && !drawn.contains(&file.file_name()) {
                fs::remove_file(file.path()).with_context(|| format!("cannot remove `{}`, of an earlier run", file.path().display()))?;
            }
        }
        Ok(())
    }

    /// The place of a method among those of a setting.
    fn rank(&self, method: &str) -> (Option<usize>, Option<usize>) {
        match method.parse() {
            Ok(MethodLabel::Endpoints) | Err(_) => (None, None),
            Ok(label) => (Some(self.methods.iter().position(|name| name == label.name()).unwrap_or(usize::MAX)), label.draw()),
        }
    }

    fn csv(&self, header: &[String], rows: &[Row]) -> String {
        let line = |one: &[String], two: &[String]| one.iter().chain(two).map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n";
        let rows = rows.iter().map(|Row { values, cells }| {
            // A text without the quotes that TOML needs.
            let values: Vec<String> = values.iter().map(|value| value.trim_matches('"').to_owned()).collect();
            line(&values, cells)
        });
        line(&self.keys, header) + &rows.collect::<String>()
    }

    /// A setting in words.
    fn named(&self, values: &[String]) -> String {
        self.keys.iter().zip(values).map(|(key, value)| format!("`{key} = {value}`")).collect::<Vec<_>>().join(", ")
    }

    /// The networks of each of these settings that did not train.
    fn untrained<'s>(&self, there: &[&'s Setting]) -> Result<Vec<(&'s Vec<String>, Vec<UntrainedRow>)>> {
        there.iter().map(|(values, results)| Ok((values, UntrainedRow::read_if_present(results)?))).collect()
    }

    fn markdown(&self, header: &[String], rows: &[Row], untrained: &[(&Vec<String>, Vec<UntrainedRow>)]) -> String {
        let place = |name: &str| header.iter().position(|column| column == name);
        let cell = |row: &Row, name: &str| place(name).and_then(|place| row.cells.get(place)).cloned().unwrap_or_default();
        let mut text = format!("# {}: sweep\n", self.name);
        if !self.origin.is_empty() {
            let _ = write!(text, "\nRun with {}.\n", self.origin);
        }
        let mut marked = false;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for row in rows {
            let pair = (cell(row, "dataset"), cell(row, "architecture"));
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        for (dataset, architecture) in pairs {
            let of_pair = |row: &&Row| cell(row, "dataset") == dataset && cell(row, "architecture") == architecture;
            let mut rows: Vec<&Row> = rows.iter().filter(of_pair).collect();
            // Settings as they come; of each, the end points, then methods in the order of the spec.
            let setting = |row: &Row| self.settings.iter().position(|(values, _)| *values == row.values);
            rows.sort_by_cached_key(|row| (setting(row), self.rank(&cell(row, "method"))));
            let is = |row: &Row, (_, metric, split): &(&str, &str, &str)| cell(row, "metric") == *metric && cell(row, "split") == *split;
            let columns: Vec<_> = columns(&self.barriers).into_iter().filter(|column| rows.iter().any(|row| is(row, column))).collect();
            let _ = write!(text, "\n## {dataset}, {architecture}\n\n|");
            self.keys.iter().for_each(|key| text.push_str(&format!(" `{key}` |")));
            text.push_str(" method |");
            columns.iter().for_each(|(name, _, split)| text.push_str(&format!(" {name}, {split} |")));
            let _ = write!(text, "\n|{}", " --- |".repeat(self.keys.len() + 1) + &" ---: |".repeat(columns.len()));
            let mut seen: BTreeSet<(&[String], String)> = BTreeSet::new();
            for row in &rows {
                let method = cell(row, "method");
                if !seen.insert((&row.values, method.clone())) {
                    continue;
                }
                let of_setting = untrained.iter().find(|(values, _)| *values == &row.values).map_or(&[][..], |(_, rows)| rows.as_slice());
                let is_marked = of_setting.iter().any(|row| row.pair.dataset == dataset && row.pair.architecture == architecture);
                marked |= is_marked;
                let mark = if is_marked { format!(" {SIGN}") } else { String::new() };
                let _ = write!(text, "\n| {} | {method}{mark} |", row.values.join(" | "));
                for column in &columns {
                    let found =
                        rows.iter().find(|other| other.values == row.values && cell(other, "method") == method && is(other, column));
                    let mean = found.and_then(|row| cell(row, "mean").parse::<f64>().ok());
                    text.push_str(&mean.map_or_else(
                        || " |".to_owned(),
                        |mean| format!(" {} |", if mean.abs() < 1e4 { number::share(mean) } else { number::shown(mean) }),
                    ));
                }
            }
            text.push('\n');
        }
        if let Some(sentence) = &self.own_models {
            let _ = write!(text, "\n{sentence}\n");
        }
        if marked {
            let _ = write!(text, "\n{SIGN} Some of the networks did not train: `{}` of the setting names them.\n", UntrainedRow::FILE);
        }
        text
    }
}
