//! `onebasin diff`: the tables of two results folders, row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use serde_json::{Value, json};

use super::revision::results_folder;
use super::stage_name::cells;
use super::{Failure, Verdict};
use crate::cli;
use crate::console;
use crate::explain::{self, Change};
use crate::input_file;
use crate::moved::{ByKey, Moved, moved};
use crate::run_record::RunRecord;

/// The columns that say what a row is about; all others but `stage` are what was found.
const KEYS: [&str; 58] = [
    "dataset",
    "architecture",
    "method",
    "replicate",
    "model",
    "models",
    "other_architecture",
    "other_method",
    "other_models",
    "names",
    "fixed",
    "permutee",
    "split",
    "lambda",
    "metric",
    "cycle",
    "first",
    "second",
    "group",
    "units",
    "iteration",
    "epoch",
    "row",
    "column",
    "unit",
    "form",
    "parameter",
    "layer",
    "steps",
    "subset",
    "matched",
    "x",
    "y",
    "vertex",
    "frame",
    "ends",
    "line",
    "label",
    "class",
    "image",
    "pair",
    "order",
    "network",
    "inputs",
    "outputs",
    "t",
    "mark",
    "learned",
    "task",
    "place",
    "other",
    "role",
    "setting",
    "stream_units",
    "body_units",
    "kind",
    "round",
    "bins",
];
/// In a table with a column of this name, `low` and `high` are the ends of a bin; elsewhere those of an interval, which was found.
const OF_BINS: &str = "frequency";
const STAGE: &str = "stage";
const REPLICATE: &str = "replicate";
/// Differs between equal runs.
const TIMINGS: &str = "timings.csv";

/// What a row is about, and how many rows before it are about the same.
type RowId = (Vec<String>, usize);

/// The figures of a row and the stage that made them.
type Found = (Vec<String>, Option<String>);

/// A table.
struct Rows {
    /// Those that say what a row is about.
    keys: Vec<String>,
    /// Those of the figures.
    columns: Vec<String>,
    rows: BTreeMap<RowId, Found>,
    /// The rows in the order of the file.
    order: Vec<RowId>,
}

impl Rows {
    /// The numbers of each column over replicates; nothing where the table has none.
    fn by_key(&self) -> ByKey {
        let mut all = ByKey::new();
        let Some(replicate) = self.keys.iter().position(|key| key == REPLICATE) else { return all };
        for (id, (figures, _)) in &self.rows {
            let mut key = id.0.clone();
            key.remove(replicate);
            let columns = all.entry(key).or_default();
            for (column, figure) in self.columns.iter().zip(figures) {
                if let Ok(number) = figure.parse::<f64>() {
                    columns.entry(column.clone()).or_default().push(number);
                }
            }
        }
        all
    }
}

/// A row that both tables have, with other figures.
#[derive(Serialize)]
struct Differing {
    key: Vec<String>,
    /// Column, first, second.
    columns: Vec<(String, String, String)>,
    stages: [Option<String>; 2],
}

/// How two tables of one name differ.
#[derive(Default, Serialize)]
struct Difference {
    file: String,
    differing: Vec<Differing>,
    only_in_first: Vec<Vec<String>>,
    only_in_second: Vec<Vec<String>>,
    /// Rows with equal figures that other stages made.
    other_stages: usize,
}

impl Difference {
    fn is_none(&self) -> bool {
        self.differing.is_empty() && self.only_in_first.is_empty() && self.only_in_second.is_empty()
    }
}

/// Compares two folders; says no when a row differs or only one of them has it.
pub fn diff(arguments: &cli::Diff) -> Result<Verdict, Failure> {
    let [one, two] = [&arguments.first, &arguments.second].map(|name| results_folder(name));
    let (one, two) = (one.map_err(Failure::Input)?, two.map_err(Failure::Input)?);
    let (first, second) = (one.path.as_path(), two.path.as_path());
    let names = [tables(first).map_err(Failure::Input)?, tables(second).map_err(Failure::Input)?];
    let all: BTreeSet<&String> = names[0].union(&names[1]).collect();
    let mut found = Vec::new();
    let mut moves: Vec<(String, Vec<Moved>)> = Vec::new();
    for &name in &all {
        found.push(compare(name, first, second).map_err(Failure::Input)?);
        let moved = moved_in(name, first, second).map_err(Failure::Input)?;
        if !moved.is_empty() {
            moves.push((name.clone(), moved));
        }
    }
    let settings = settings(first, second);
    let equal = found.iter().all(Difference::is_none);
    if arguments.json {
        let changed: Vec<&Difference> = found.iter().filter(|found| !found.is_none() || found.other_stages > 0).collect();
        let moves: Vec<Value> = moves
            .iter()
            .flat_map(|(file, moved)| moved.iter().map(move |moved| json!({ "file": file, "figure": moved, "beyond": moved.is_beyond() })))
            .collect();
        console::data(&format!("{:#}", json!({ "equal": equal, "settings": settings, "files": changed, "moved": moves })))?;
    } else {
        let mut lines: Vec<String> =
            settings.iter().map(|change| format!("{}  {}", console::word("SETTING  "), explain::change_text(change))).collect();
        found.iter().for_each(|found| lines.extend(text(found)));
        // What lies beyond the spread over replicates comes last, where it is read.
        let mut moved: Vec<(&str, &Moved)> = moves.iter().flat_map(|(file, moved)| moved.iter().map(|one| (file.as_str(), one))).collect();
        moved.sort_by_key(|(_, one)| one.is_beyond() == Some(true));
        let beyond = moved.iter().filter(|(_, one)| one.is_beyond() == Some(true)).count();
        lines.extend(moved.iter().map(|(file, one)| format!("{}  {file}  {}", console::word("MOVED    "), one.text())));
        let sum = |of: fn(&Difference) -> usize| found.iter().map(of).sum::<usize>();
        let mut total = format!(
            "{} tables: {} rows differ, {} only in `{}`, {} only in `{}`",
            all.len(),
            sum(|found| found.differing.len()),
            sum(|found| found.only_in_first.len()),
            one.name,
            sum(|found| found.only_in_second.len()),
            two.name
        );
        let elsewhere = sum(|found| found.other_stages);
        if elsewhere > 0 {
            total.push_str(&format!("; {elsewhere} equal rows were made by other stages"));
        }
        if !moved.is_empty() {
            total.push_str(&format!("; {} figures moved, {beyond} of them beyond the spread over replicates", moved.len()));
        }
        lines.push(total);
        console::data(&lines.join("\n"))?;
    }
    Ok(if equal { Verdict::Fine } else { Verdict::No })
}

/// What differs in the settings, where both folders say theirs.
fn settings(first: &Path, second: &Path) -> Vec<Change> {
    let Some((first, second)) = RunRecord::read(first).zip(RunRecord::read(second)) else { return Vec::new() };
    // None of these is a key of a spec, and all decide numbers.
    let know_data = !first.data.is_empty() && !second.data.is_empty();
    let whole = |record: RunRecord| {
        let mut whole = record.settings;
        (whole["device"], whole["program"]) = (json!(record.device), json!(record.program));
        if know_data {
            whole["data"] = json!(record.data);
        }
        whole
    };
    explain::value_changes(&whole(first), &whole(second))
}

/// A figure that is another one, and its table.
type MovedIn = (String, Moved);

/// The figures of all tables that are others in a second folder than in a first, and the settings that are.
pub fn moves(first: &Path, second: &Path) -> Result<(Vec<MovedIn>, Vec<String>)> {
    let names: BTreeSet<String> = tables(first)?.intersection(&tables(second)?).cloned().collect();
    let mut all = Vec::new();
    for name in names {
        all.extend(moved_in(&name, first, second)?.into_iter().map(|moved| (name.clone(), moved)));
    }
    Ok((all, settings(first, second).iter().map(explain::change_text).collect()))
}

/// The figures of the summary that are others, beside the spread of replicates; of tables that have replicates.
fn moved_in(name: &str, first: &Path, second: &Path) -> Result<Vec<Moved>> {
    Ok(moved(&read(&first.join(name))?.by_key(), &read(&second.join(name))?.by_key()))
}

fn text(found: &Difference) -> Vec<String> {
    let file = &found.file;
    let word = |word: &str| console::word(&format!("{word:<9}"));
    let mut lines = Vec::new();
    for Differing { key, columns, stages } in &found.differing {
        let columns: Vec<String> = columns.iter().map(|(column, one, two)| format!("{column} {one} and {two}")).collect();
        let stages = match stages {
            [Some(one), Some(two)] if one == two => format!("; stage {one}"),
            [Some(one), Some(two)] => format!("; stages {one} and {two}"),
            _ => String::new(),
        };
        lines.push(format!("{}  {file}  {}: {}{stages}", word("DIFFERENT"), key.join(" "), columns.join(", ")));
    }
    lines.extend(found.only_in_first.iter().map(|key| format!("{}  {file}  {}", word("FIRST"), key.join(" "))));
    lines.extend(found.only_in_second.iter().map(|key| format!("{}  {file}  {}", word("SECOND"), key.join(" "))));
    lines
}

/// The names of the tables of a results folder.
fn tables(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for item in fs::read_dir(folder).with_context(|| format!("cannot read the results folder `{}`", folder.display()))? {
        let name = item?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".csv") && name != TIMINGS {
            names.insert(name);
        }
    }
    if names.is_empty() {
        bail!("`{}` holds no table\nhint: name a results folder, such as `results/smoke`", folder.display());
    }
    Ok(names)
}

fn compare(name: &str, first: &Path, second: &Path) -> Result<Difference> {
    let [one, two] = [read(&first.join(name))?, read(&second.join(name))?];
    let mut found = Difference { file: name.to_owned(), ..Difference::default() };
    for id in &one.order {
        let (ours, stage) = &one.rows[id];
        let Some((theirs, other)) = two.rows.get(id) else {
            found.only_in_first.push(id.0.clone());
            continue;
        };
        // A column that one table lacks is nothing there.
        let cell = |rows: &Rows, cells: &[String], column: &str| {
            rows.columns.iter().position(|name| name == column).map(|place| cells[place].clone()).unwrap_or_default()
        };
        let columns: BTreeSet<&String> = one.columns.iter().chain(&two.columns).collect();
        let both = columns.into_iter().map(|column| (column.clone(), cell(&one, ours, column), cell(&two, theirs, column)));
        let columns: Vec<(String, String, String)> = both.filter(|(_, one, two)| one != two).collect();
        if !columns.is_empty() {
            found.differing.push(Differing { key: id.0.clone(), columns, stages: [stage.clone(), other.clone()] });
        } else if stage != other {
            found.other_stages += 1;
        }
    }
    found.only_in_second = two.order.iter().filter(|id| !one.rows.contains_key(id)).map(|(key, _)| key.clone()).collect();
    Ok(found)
}

/// The rows of a table; none where there is no such file.
fn read(path: &Path) -> Result<Rows> {
    let text = match input_file::text(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read `{}`", path.display()))?,
    };
    let mut lines = text.lines();
    let header = cells(lines.next().unwrap_or_default());
    let has_bins = header.iter().any(|name| name == OF_BINS);
    // What was swept stands before the names of all tables.
    let swept = header.iter().position(|name| name == "dataset").unwrap_or_default();
    let is_key = |name: &String| {
        KEYS.contains(&name.as_str()) || header[..swept].contains(name) || has_bins && ["low", "high"].contains(&name.as_str())
    };
    let is_figure = |name: &String| !is_key(name) && name != STAGE;
    let keys = header.iter().filter(|name| is_key(name)).cloned().collect();
    let columns = header.iter().filter(|name| is_figure(name)).cloned().collect();
    let mut found = Rows { keys, columns, rows: BTreeMap::new(), order: Vec::new() };
    let mut seen: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for (number, line) in lines.enumerate() {
        let row = cells(line);
        if row.len() != header.len() {
            return Err(anyhow!("`{}`, line {}: {} cells, the header has {}", path.display(), number + 2, row.len(), header.len()));
        }
        let of = |wanted: &dyn Fn(&String) -> bool| -> Vec<String> {
            header.iter().zip(&row).filter(|(name, _)| wanted(name)).map(|(_, cell)| cell.clone()).collect()
        };
        let key = of(&is_key);
        let before = seen.entry(key.clone()).or_default();
        let id = (key, *before);
        *before += 1;
        let stage = header.iter().position(|name| name == STAGE).map(|place| row[place].clone());
        found.rows.insert(id.clone(), (of(&is_figure), stage));
        found.order.push(id);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_columns_of_every_committed_table_name_its_rows() {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
        let mut tables = 0;
        for folder in fs::read_dir(results).unwrap().map(|folder| folder.unwrap().path()).filter(|folder| folder.is_dir()) {
            for name in super::tables(&folder).unwrap() {
                let rows = read(&folder.join(&name)).unwrap();
                let twice = rows.order.iter().find(|(_, before)| *before > 0);
                assert!(twice.is_none(), "{}/{name}: {:?}", folder.display(), twice.unwrap().0);
                tables += 1;
            }
        }
        assert!(tables > 50, "{tables}");
    }
}
