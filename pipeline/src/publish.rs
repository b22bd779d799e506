//! From the store to the folders a person looks into: tables to `results/NAME`, pictures to `plots/NAME`.

mod links;
mod optional;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::checksums::{self, Checksums};
use crate::number;
use crate::page;
use crate::plan::Plan;
use crate::provenance;
use crate::report::draw_timings;
use crate::run_record::{self, RunRecord};
use crate::stage::{Artifact, StageId};
use crate::store::{Lookup, Store};
use crate::whole_file::{WholeFile, is_partial, temporary};

use links::{relative, with_links};
pub use optional::OPTIONAL;

const TABLES: &str = "tabulate";
const PICTURES: &str = "plot";
const TIMINGS: &str = "timings.csv";
const TABLE: &str = "table.md";

/// The stages whose artifacts are published.
pub fn targets() -> Vec<StageId> {
    vec![StageId::new(TABLES), StageId::new(PICTURES)]
}

/// What publishing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Files whose bytes changed or that are new.
    pub written: Vec<PathBuf>,
    /// Tables and pictures of an earlier run that this one does not make: they are gone, so that nothing and nobody takes them for this run's.
    pub removed: Vec<PathBuf>,
    /// Other files in the folders that this run did not write. They stay.
    pub stale: Vec<PathBuf>,
}

/// Copies tables and pictures of a finished run, writes `timings.csv` and `machine.json` from the receipts of all stages at hand, draws the
/// pictures of the former, and writes `run.json` where a record is given. Tables of an earlier run that this one does not make are removed.
///
/// Receipts hold times, so none of these is an artifact. `SHA256SUMS` has the digests of all that is the same in equal runs. Files with the right bytes are not touched, so a fully
/// cached run writes nothing. The others are all written beside their places first and then renamed, while both folders are locked: of
/// two runs that publish into the same folders, the files of one stay, not a mixture.
///
/// # Errors
/// When the run is not finished, or a folder cannot be written.
pub fn publish(plan: &Plan, store: &Store, results: &Path, plots: &Path, record: Option<&RunRecord>) -> Result<Published> {
    let mut tables = outputs(plan, store, TABLES)?;
    tables.extend(record.map(|record| (run_record::FILE.to_owned(), record.bytes())));
    tables.push((provenance::FILE.to_owned(), provenance::bytes(plan, store)));
    tables.push((TIMINGS.to_owned(), timings(plan, store).into_bytes()));
    let mut pictures = outputs(plan, store, PICTURES)?;
    for (_, text) in tables.iter_mut().filter(|(name, _)| name == TABLE) {
        let names = pictures.iter().map(|(name, _)| name.as_str());
        *text = with_links(&String::from_utf8_lossy(text), names, results, plots).into_bytes();
    }
    let way = relative(results, plots);
    let earlier = checksums::read(results);
    tables.push((checksums::FILE.to_owned(), checksums::bytes(&checksums_of(&tables, &pictures, &way))));
    pictures.extend(drawn(&tables, &[plots, results, store.root()])?);
    let folders = [Folder { path: results, option: "results", files: tables }, Folder { path: plots, option: "plots", files: pictures }];
    let _locks = lock([results, plots]);
    let mut staged = Vec::new();
    for folder in &folders {
        folder.stage(&mut staged)?;
    }
    let mut published = Published::default();
    for (file, option) in staged {
        let path = file.path().to_owned();
        file.publish().with_context(|| cannot_write(&path, option))?;
        published.written.push(path);
    }
    let [tables, pictures] = &folders;
    published.removed = [tables.remove_tables()?, pictures.remove_pictures(&earlier, &way)?].concat();
    // Tables and pictures may lie in one folder.
    if tables.path == pictures.path {
        let files = tables.files.iter().chain(&pictures.files).cloned().collect();
        published.stale = Folder { files, ..*tables }.stale(&published.written);
    } else {
        published.stale = [tables, pictures].iter().flat_map(|folder| folder.stale(&published.written)).collect();
    }
    Ok(published)
}

/// The digests of what is the same in equal runs.
fn checksums_of(tables: &[(String, Vec<u8>)], pictures: &[(String, Vec<u8>)], way: &str) -> Checksums {
    let tables = tables.iter().filter(|(name, _)| ![TIMINGS, provenance::FILE].contains(&name.as_str()));
    let tables = tables.map(|(name, bytes)| (name.clone(), checksums::digest(bytes)));
    tables.chain(pictures.iter().map(|(name, bytes)| (format!("{way}/{name}"), checksums::digest(bytes)))).collect()
}

/// The files of a stage's artifact, by name.
fn outputs(plan: &Plan, store: &Store, id: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let planned = plan.find(id).with_context(|| format!("no stage is called `{id}`"))?;
    let directory = match store.verify(&planned.fingerprint) {
        Lookup::Hit(Artifact { directory, .. }) => directory,
        Lookup::Miss => bail!("stage `{id}` has not run"),
        Lookup::Damaged(problem) => bail!("the artifact of stage `{id}` was damaged since it was made: {problem}"),
    };
    let read = |name: String| {
        let path = directory.join(&name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok((name, bytes))
    };
    let names = store.receipt(&planned.fingerprint)?.files.into_keys();
    names.filter(|name| name != crate::store::RECIPE).map(read).collect()
}

/// The pictures of seconds, from these tables. They are drawn in a temporary folder inside the first of these folders that can be written.
fn drawn(tables: &[(String, Vec<u8>)], places: &[&Path]) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = temporary(places)?;
    let (results, plots) = (folder.path().join("results"), folder.path().join("plots"));
    let draw = || -> Result<Vec<(String, Vec<u8>)>> {
        fs::create_dir(&results)?;
        fs::create_dir(&plots)?;
        for (name, bytes) in tables {
            let path = results.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&results))?;
            fs::write(path, bytes)?;
        }
        draw_timings(&results, &plots)?;
        let mut pictures = Vec::new();
        for file in fs::read_dir(&plots)? {
            let file = file?;
            pictures.push((file.file_name().to_string_lossy().into_owned(), fs::read(file.path())?));
        }
        pictures.sort();
        Ok(pictures)
    };
    draw().with_context(|| format!("cannot draw the pictures of seconds in `{}`", folder.path().display()))
}

/// Keeps other runs from publishing into these folders for as long as the locks live. Where a system has no locks, none are taken.
fn lock(folders: [&Path; 2]) -> Vec<File> {
    let mut folders = folders.map(|folder| (fs::create_dir_all(folder), fs::canonicalize(folder)).1).map(|path| path.unwrap_or_default());
    // Always in the same order, so that two runs never wait for each other.
    folders.sort();
    let mut locks = Vec::new();
    for (index, folder) in folders.iter().enumerate() {
        if index > 0 && folders[index - 1] == *folder {
            continue;
        }
        if let Ok(file) = File::open(folder)
            && file.lock().is_ok()
        {
            locks.push(file);
        }
    }
    locks
}

/// A folder for people and the files that belong there.
struct Folder<'a> {
    path: &'a Path,
    /// The option that chooses another folder.
    option: &'static str,
    files: Vec<(String, Vec<u8>)>,
}

impl Folder<'_> {
    /// Writes the files whose bytes are not there yet beside their places.
    fn stage(&self, staged: &mut Vec<(WholeFile, &'static str)>) -> Result<()> {
        for (name, bytes) in &self.files {
            let path = self.path.join(name);
            if fs::read(&path).is_ok_and(|present| present == *bytes) {
                continue;
            }
            let file = WholeFile::stage(&path, bytes).with_context(|| cannot_write(&path, self.option))?;
            staged.push((file, self.option));
        }
        Ok(())
    }

    /// Removes the tables that another run wrote and this one has no reason to.
    fn remove_tables(&self) -> Result<Vec<PathBuf>> {
        let is_written = |name: &str| self.files.iter().any(|(known, _)| known == name);
        let left = OPTIONAL.into_iter().filter(|name| !is_written(name)).map(|name| self.path.join(name)).filter(|path| path.is_file());
        let left: Vec<PathBuf> = left.collect();
        for path in &left {
            fs::remove_file(path).with_context(|| format!("cannot remove `{}`, of an earlier run", path.display()))?;
        }
        Ok(left)
    }

    /// Removes the pictures that an earlier run drew here and this one does not, as long as they are as that run left them.
    fn remove_pictures(&self, earlier: &Checksums, way: &str) -> Result<Vec<PathBuf>> {
        let mut left = Vec::new();
        for (path, digest) in earlier {
            let Some(name) = path.strip_prefix(way).and_then(|rest| rest.strip_prefix('/')) else { continue };
            let is_drawn = self.files.iter().any(|(known, _)| known == name);
            let path = self.path.join(name);
            if !is_drawn && !name.contains('/') && fs::read(&path).is_ok_and(|bytes| checksums::digest(&bytes) == *digest) {
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`, of an earlier run", path.display()))?;
                left.push(path);
            }
        }
        Ok(left)
    }

    /// The files that are there and do not belong there. A page of these results belongs there for as long as no table was `written` since.
    fn stale(&self, written: &[PathBuf]) -> Vec<PathBuf> {
        let present = fs::read_dir(self.path).map(|present| present.flatten().collect::<Vec<_>>()).unwrap_or_default();
        let has_moved = written.iter().any(|path| path.parent() == Some(self.path) && !path.ends_with(TIMINGS));
        let known =
            |name: &std::ffi::OsStr| (name == page::FILE && !has_moved) || self.files.iter().any(|(known, _)| name.to_str() == Some(known));
        let stale = present.iter().filter(|item| !known(&item.file_name()) && !is_partial(&item.path()) && item.path().is_file());
        let mut stale: Vec<PathBuf> = stale.map(fs::DirEntry::path).collect();
        stale.sort();
        stale
    }
}

fn cannot_write(path: &Path, option: &str) -> String {
    format!("cannot write `{}`\nhint: choose another folder with `--{option} DIR`", path.display())
}

/// A row per stage of the plan that has a receipt, in the order of the plan: the only table that may differ between equal runs.
fn timings(plan: &Plan, store: &Store) -> String {
    let mut text = String::from("stage,kind,seconds,threads,device,fingerprint,work\n");
    for planned in &plan.stages {
        if let Ok(receipt) = store.receipt(&planned.fingerprint) {
            let cells = [
                planned.stage.id().to_string(),
                planned.stage.recipe().kind.to_owned(),
                number::csv(receipt.seconds),
                receipt.threads.to_string(),
                receipt.device,
                planned.fingerprint.short(),
                receipt.work.map(number::csv).unwrap_or_default(),
            ];
            text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
            text.push('\n');
        }
    }
    text
}

/// A cell as CSV writes it.
pub fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
