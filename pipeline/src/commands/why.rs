//! `onebasin why`: how a number of a table was made, from the table, `run.json` beside it, and the store.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use onebasin_datasets::SearchPaths;
use onebasin_network::did_you_mean;
use serde_json::{Value, json};

use super::session::Session;
use super::stage_name::cells;
use super::{Failure, Verdict, explain, folders};
use crate::cli;
use crate::console;
use crate::run_record::RunRecord;
use crate::spec::Overrides;
use crate::store::{Entry, Store};

/// More rows than this are not told one by one.
const MOST: usize = 20;

/// A row of a table.
struct Row {
    /// As editors count.
    line: usize,
    cells: Vec<String>,
}

/// Prints the rows that are meant, each with the stage behind it.
pub fn why(arguments: &cli::Why) -> Result<Verdict, Failure> {
    let arguments = &with_line_of_its_own(arguments);
    let (header, rows) = read(&arguments.file).map_err(Failure::Input)?;
    let rows = chosen(arguments, &header, rows).map_err(Failure::Input)?;
    let column = ["fingerprint", "stage"].iter().find_map(|wanted| header.iter().position(|name| name == wanted));
    let column = column
        .with_context(|| format!("`{}` has no column `stage`\nhint: `merged.csv` and `barriers.csv` have one", arguments.file.display()));
    let column = column.map_err(Failure::Input)?;
    let folder = arguments.file.parent().unwrap_or(Path::new(""));
    let record = RunRecord::read(folder);
    let store = Store::new(arguments.store.clone().unwrap_or_else(|| folders::store_above(folder)));
    let entries = store.entries();
    let mut told = Vec::new();
    for row in &rows {
        let short = &row.cells[column];
        let entry = entries.iter().find(|entry| !short.is_empty() && entry.fingerprint.to_string().starts_with(short.as_str()));
        told.push((row, short, entry));
    }
    if arguments.json {
        let rows: Vec<Value> = told
            .iter()
            .map(|(row, short, entry)| {
                let values: serde_json::Map<String, Value> = header.iter().cloned().zip(row.cells.iter().map(|cell| json!(cell))).collect();
                let receipt = entry.and_then(|entry| store.receipt(&entry.fingerprint).ok());
                let command = entry.and_then(|entry| command(arguments, folder, record.as_ref(), entry));
                json!({ "line": row.line, "row": values, "stage": short, "recipe": entry, "receipt": receipt, "command": command })
            })
            .collect();
        console::data(&format!("{:#}", json!(rows)))?;
    } else {
        let changed = record.as_ref().and_then(|record| changed(folder, record));
        let mut lines = Vec::new();
        for (place, (row, short, entry)) in told.iter().enumerate() {
            if place > 0 {
                lines.push(String::new());
            }
            lines.push(format!("row          {}:{}", arguments.file.display(), row.line));
            let values = header.iter().zip(&row.cells).filter(|(name, cell)| !cell.is_empty() && *name != "stage");
            lines.extend(values.map(|(name, cell)| format!("  {name:<22} {cell}")));
            lines.extend(record.iter().map(|record| format!("made with    {}, {}", record.spec, record.settings_text())));
            lines.extend(changed.clone());
            match entry {
                None => lines.push(format!(
                    "stage        {short}, which the store `{}` does not hold\nhint: `onebasin explain SPEC {}:{}` tells its recipe from the spec; `--store DIR` names another store",
                    store.root().display(),
                    arguments.file.display(),
                    row.line
                )),
                Some(entry) => lines.extend(of_stage(arguments, folder, entry, &store, record.as_ref())),
            }
        }
        console::data(&lines.join("\n"))?;
    }
    Ok(Verdict::Fine)
}

/// The recipe of a stage, what made it, and the command that makes it again.
fn of_stage(arguments: &cli::Why, folder: &Path, entry: &Entry, store: &Store, record: Option<&RunRecord>) -> Vec<String> {
    let mut lines = vec![format!("stage        {}", entry.stage), format!("fingerprint  {}", entry.fingerprint)];
    lines.extend(store.receipt(&entry.fingerprint).iter().flat_map(explain::made_by));
    lines.extend(command(arguments, folder, record, entry).map(|command| format!("again by     {command}")));
    if let Some(record) = record.filter(|record| spec_of(folder, record).is_none()) {
        lines.push(format!("             with the path of `{}`, which does not lie above the results", record.spec));
    }
    lines.push(format!("kind         {} (version {})", entry.kind, entry.version));
    lines.push("settings".to_owned());
    lines.extend(format!("{:#}", entry.settings).lines().map(|line| format!("  {line}")));
    if !entry.inputs.is_empty() {
        lines.push("inputs".to_owned());
        lines.extend(entry.inputs.iter().map(|input| format!("  {}  {}", input.fingerprint.short(), input.stage)));
    }
    lines
}

/// What makes just this number again, as far as `run.json` tells.
fn command(arguments: &cli::Why, folder: &Path, record: Option<&RunRecord>, entry: &Entry) -> Option<String> {
    let record = record?;
    let spec = spec_of(folder, record).unwrap_or_else(|| record.spec.clone().into());
    let spec = spec.display();
    let store = arguments.store.as_ref().map(|store| format!(" --store {}", store.display())).unwrap_or_default();
    Some(format!("onebasin run {spec}{}{store} --only {1} --force {1}", record.options(), entry.stage))
}

/// The spec of a results folder. The record has its name alone, so that it is the same on every machine; specs lie above their results, or in a
/// folder there.
fn spec_of(folder: &Path, record: &RunRecord) -> Option<PathBuf> {
    let places = folder.ancestors().flat_map(|above| [above.join("experiments"), above.to_owned()]);
    places.chain(["experiments".into()]).map(|place| place.join(&record.spec)).find(|place| place.is_file())
}

/// Says so where the spec is another one than the results were made of.
fn changed(folder: &Path, record: &RunRecord) -> Option<String> {
    let spec = spec_of(folder, record)?;
    let sets = record.overrides.iter().map(|given| format!("{}={}", given.key, given.value)).collect();
    let overrides = Overrides { profile: record.profile.clone(), sets, environment: false };
    let session = Session::load(&spec, &overrides, SearchPaths::standard(None, false)).ok()?;
    let is_changed = session.experiment.origin.settings != record.settings;
    is_changed.then(|| format!("since then   `{}` has other settings, and may make other numbers", spec.display()))
}

/// `FILE:LINE`, as `explain` has it, in its two parts.
fn with_line_of_its_own(arguments: &cli::Why) -> cli::Why {
    let text = arguments.file.to_string_lossy();
    let parts = text.rsplit_once(':').and_then(|(file, line)| Some((file.into(), line.parse().ok()?)));
    match parts {
        Some((file, line)) if arguments.line.is_none() && arguments.r#where.is_empty() => {
            cli::Why { file, line: Some(line), ..arguments.clone() }
        }
        _ => arguments.clone(),
    }
}

/// The names of the columns, and the rows.
fn read(file: &Path) -> Result<(Vec<String>, Vec<Row>)> {
    if file.extension().is_none_or(|extension| extension != "csv") {
        bail!("`{}` has no rows that name stages: expected a CSV file\nhint: `results/smoke/merged.csv`", file.display());
    }
    let text = fs::read_to_string(file).with_context(|| {
        format!("cannot read `{}`\nhint: name a table of a results folder, such as `results/smoke/merged.csv`", file.display())
    })?;
    let mut lines = text.lines().enumerate();
    let header = lines.next().map(|(_, line)| cells(line)).unwrap_or_default();
    let rows = lines.map(|(index, line)| Row { line: index + 1, cells: cells(line) }).collect::<Vec<_>>();
    if let Some(row) = rows.iter().find(|row| row.cells.len() != header.len()) {
        bail!("line {} of `{}` has {} cells, expected {}", row.line, file.display(), row.cells.len(), header.len());
    }
    Ok((header, rows))
}

/// The row of a line, or those with the values asked for.
fn chosen(arguments: &cli::Why, header: &[String], rows: Vec<Row>) -> Result<Vec<Row>> {
    let (file, count) = (arguments.file.display(), rows.len());
    if let Some(line) = arguments.line {
        let found = rows.into_iter().find(|row| row.line == line);
        return found.map(|row| vec![row]).with_context(|| {
            format!("line {line} of `{file}` is no row: expected a line from 2 to {}\nhint: line 1 names the columns", count + 1)
        });
    }
    if arguments.r#where.is_empty() {
        bail!("no row of `{file}` is named\nhint: say a line, as in `onebasin why {file} 2`, or values: `--where method=c2m3`");
    }
    let mut wanted = Vec::new();
    for text in &arguments.r#where {
        let (name, value) = text
            .split_once('=')
            .with_context(|| format!("`{text}` is no condition: expected `column=value`\nhint: `--where method=c2m3,models=5`"))?;
        let Some(column) = header.iter().position(|column| column == name.trim()) else {
            let hint = did_you_mean(name.trim(), header.iter().map(String::as_str));
            let hint = hint.map_or_else(|| format!("its columns are {}", header.join(", ")), |likely| format!("did you mean `{likely}`?"));
            bail!("`{file}` has no column `{}`\nhint: {hint}", name.trim());
        };
        wanted.push((column, value.trim()));
    }
    let found: Vec<Row> = rows.into_iter().filter(|row| wanted.iter().all(|&(column, value)| row.cells[column] == value)).collect();
    match found.len() {
        0 => Err(anyhow!("no row of `{file}` has {}\nhint: values are compared as the file has them", arguments.r#where.join(" and "))),
        1..=MOST => Ok(found),
        many => Err(anyhow!("{many} rows of `{file}` have that, expected at most {MOST}\nhint: say more of the row, such as `split=test`")),
    }
}
