//! `onebasin why`: how a number of a table was made, from the table, `run.json` beside it, and the store.

mod origin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use onebasin_network::did_you_mean;
use onebasin_repro::Fingerprint;
use serde_json::{Value, json};

use super::stage_name::cells;
use super::{Failure, Verdict, explain, folders};
use crate::checksums;
use crate::cli;
use crate::console;
use crate::input_file;
use crate::stage::StageId;
use crate::store::{Entry, Input, Store};

use origin::{Origin, folder_of, parent};

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
    let store = Store::new(arguments.store.clone().unwrap_or_else(|| folders::store_above(parent(&arguments.file))));
    let entries = store.entries();
    // Rows of a sweep are of several folders.
    let mut origins: BTreeMap<PathBuf, Origin> = BTreeMap::new();
    let mut told = Vec::new();
    for row in &rows {
        let short = &row.cells[column];
        let entry = entries.iter().find(|entry| !short.is_empty() && entry.fingerprint.to_string().starts_with(short.as_str()));
        let folder = folder_of(&arguments.file, &header, &row.cells);
        origins.entry(folder.clone()).or_insert_with(|| Origin::of(&folder));
        told.push((row, short, entry, folder));
    }
    if arguments.json {
        let rows: Vec<Value> = told
            .iter()
            .map(|(row, short, entry, folder)| {
                let values: serde_json::Map<String, Value> = header.iter().cloned().zip(row.cells.iter().map(|cell| json!(cell))).collect();
                let receipt = entry.and_then(|entry| store.receipt(&entry.fingerprint).ok());
                let command = entry.and_then(|entry| origins[folder].command(entry, &arguments.store));
                json!({ "line": row.line, "row": values, "stage": short, "recipe": entry, "receipt": receipt, "command": command })
            })
            .collect();
        console::data(&format!("{:#}", json!(rows)))?;
    } else {
        let mut lines = Vec::new();
        for (place, (row, short, entry, folder)) in told.iter().enumerate() {
            if place > 0 {
                lines.push(String::new());
            }
            let origin = &origins[folder];
            lines.push(format!("row          {}:{}", arguments.file.display(), row.line));
            let values = header.iter().zip(&row.cells).filter(|(name, cell)| !cell.is_empty() && *name != "stage");
            lines.extend(values.map(|(name, cell)| format!("  {name:<22} {cell}")));
            lines.extend(altered(folder, &arguments.file));
            lines.extend(origin.made_with());
            lines.extend(origin.since());
            match entry {
                None => lines.push(format!(
                    "stage        {short}, which the store `{}` does not hold\nhint: `onebasin explain SPEC {}:{}` tells its recipe from the spec; `--store DIR` names another store",
                    store.root().display(),
                    arguments.file.display(),
                    row.line
                )),
                Some(entry) => lines.extend(of_stage(origin, entry, &store, &arguments.store)),
            }
        }
        console::data(&lines.join("\n"))?;
    }
    Ok(Verdict::Fine)
}

/// Says so where the table is not as its run wrote it: then the stage may have made other numbers.
fn altered(folder: &Path, file: &Path) -> Option<String> {
    let name = file.file_name()?.to_string_lossy();
    let is_other = checksums::altered(folder).iter().any(|other| *other == name);
    is_other.then(|| format!("warning      `{name}` is not as the run wrote it: these numbers may be no stage's"))
}

/// The recipe of a stage, what made it, and the command that makes it again.
fn of_stage(origin: &Origin, entry: &Entry, store: &Store, chosen: &Option<PathBuf>) -> Vec<String> {
    // By its name in the spec as it is now, where there is one: methods change names, and what they make stays.
    let name = |fingerprint: &Fingerprint, earlier: &StageId| origin.name_of(fingerprint).unwrap_or(earlier).to_string();
    let mut lines = vec![format!("stage        {}", name(&entry.fingerprint, &entry.stage)), format!("fingerprint  {}", entry.fingerprint)];
    lines.extend(store.receipt(&entry.fingerprint).iter().flat_map(explain::made_by));
    lines.extend(origin.again(entry, chosen));
    lines.push(format!("kind         {} (version {})", entry.kind, entry.version));
    lines.push("settings".to_owned());
    lines.extend(explain::shortened(format!("{:#}", entry.settings).lines().map(|line| format!("  {line}"))));
    if !entry.inputs.is_empty() {
        lines.push("inputs".to_owned());
        let input = |input: &Input| format!("  {}  {}", input.fingerprint.short(), name(&input.fingerprint, &input.stage));
        lines.extend(explain::shortened(entry.inputs.iter().map(input)));
    }
    lines
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
    let text = input_file::text(file).with_context(|| {
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
