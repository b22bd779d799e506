//! From the store to the folders a person looks into: tables to `results/NAME`, pictures to `plots/NAME`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use crate::plan::Plan;
use crate::report::draw_timings;
use crate::stage::{Artifact, StageId};
use crate::store::{Lookup, Store};

const TABLES: &str = "tabulate";
const PICTURES: &str = "plot";
const TIMINGS: &str = "timings.csv";

/// How the name of a file being written starts.
const PARTIAL: &str = ".partial-";

/// After this long nobody is still writing one.
const PATIENCE: Duration = Duration::from_secs(60);

/// The stages whose artifacts are published.
pub fn targets() -> Vec<StageId> {
    vec![StageId::new(TABLES), StageId::new(PICTURES)]
}

/// What publishing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Files whose bytes changed or that are new.
    pub written: Vec<PathBuf>,
    /// Files in the folders that are not of this experiment as it is now. They stay.
    pub leftovers: Vec<PathBuf>,
}

/// Copies tables and pictures of a finished run, writes `timings.csv` from the receipts of all stages at hand, and draws its pictures.
///
/// Receipts hold times, so neither that table nor its pictures are an artifact. Files with the right bytes are not touched; others are replaced as a whole. Fully cached runs therefore write nothing.
///
/// # Errors
/// When the run is not finished, or a folder cannot be written.
pub fn publish(plan: &Plan, store: &Store, results: &Path, plots: &Path) -> Result<Published> {
    let mut published = Published::default();
    let mut tables = outputs(plan, store, TABLES)?;
    tables.push((TIMINGS.to_owned(), timings(plan, store).into_bytes()));
    place(results, "results", &tables, &mut published)?;
    let mut pictures = outputs(plan, store, PICTURES)?;
    pictures.extend(drawn(&tables)?);
    place(plots, "plots", &pictures, &mut published)?;
    Ok(published)
}

/// The files of a stage's artifact, by name.
fn outputs(plan: &Plan, store: &Store, id: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let planned = plan.find(id).with_context(|| format!("no stage is called `{id}`"))?;
    let Lookup::Hit(Artifact { directory, .. }) = store.verify(&planned.fingerprint) else {
        bail!("stage `{id}` has no whole artifact\nhint: run again");
    };
    let read = |name: String| {
        let path = directory.join(&name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok((name, bytes))
    };
    let names = store.receipt(&planned.fingerprint)?.files.into_keys();
    names.filter(|name| name != crate::store::RECIPE).map(read).collect()
}

/// The pictures of seconds, drawn from these tables.
fn drawn(tables: &[(String, Vec<u8>)]) -> Result<Vec<(String, Vec<u8>)>> {
    let (results, plots) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for (name, bytes) in tables {
        fs::write(results.path().join(name), bytes)?;
    }
    draw_timings(results.path(), plots.path())?;
    let mut pictures = Vec::new();
    for file in fs::read_dir(plots.path())? {
        let file = file?;
        pictures.push((file.file_name().to_string_lossy().into_owned(), fs::read(file.path())?));
    }
    pictures.sort();
    Ok(pictures)
}

/// Puts files into a folder.
fn place(folder: &Path, option: &str, files: &[(String, Vec<u8>)], published: &mut Published) -> Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|present| present == *bytes) {
            continue;
        }
        replace(&path, bytes)
            .with_context(|| format!("cannot write `{}`\nhint: choose another folder with `--{option} DIR`", path.display()))?;
        published.written.push(path);
    }
    let present = fs::read_dir(folder).map(|present| present.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let mut leftovers = Vec::new();
    for item in present {
        let (name, path) = (item.file_name(), item.path());
        if name.to_string_lossy().starts_with(PARTIAL) {
            // Of another run that publishes the same, or of one that was killed in these milliseconds.
            let age = item.metadata().and_then(|data| data.modified()).ok().and_then(|modified| modified.elapsed().ok());
            if age.is_some_and(|age| age > PATIENCE) {
                let _ = fs::remove_file(path);
            }
        } else if files.iter().all(|(known, _)| name.to_str() != Some(known)) && path.is_file() {
            leftovers.push(path);
        }
    }
    leftovers.sort();
    published.leftovers.append(&mut leftovers);
    Ok(())
}

/// Replaces a file by a rename, so that nobody sees half of it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    // Private by default, but results are for everyone whom the folder is for.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file: NamedTempFile = builder.prefix(PARTIAL).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// A row per stage of the plan that has a receipt, in the order of the plan: the only table that may differ between equal runs.
fn timings(plan: &Plan, store: &Store) -> String {
    let mut text = String::from("stage,kind,seconds,threads,device,fingerprint,work\n");
    for planned in &plan.stages {
        if let Ok(receipt) = store.receipt(&planned.fingerprint) {
            let cells = [
                planned.stage.id().to_string(),
                planned.stage.recipe().kind.to_owned(),
                format!("{:.3}", receipt.seconds),
                receipt.threads.to_string(),
                receipt.device,
                planned.fingerprint.short(),
                receipt.work.map(|work| format!("{work:.4}")).unwrap_or_default(),
            ];
            text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
            text.push('\n');
        }
    }
    text
}

/// A cell as CSV writes it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
