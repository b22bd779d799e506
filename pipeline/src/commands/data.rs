//! `onebasin data`: the data sets known by name.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use indicatif::{ProgressBar, ProgressStyle};
use onebasin_datasets::{
    DatasetError, Fetching, Finding, Known, SearchPaths, Source, Transfer, Verified, fetch, fetch_missing, known, known_names,
};
use onebasin_datasets::{incomplete, open, verify, whereabouts};
use serde_json::{Value, json};

use super::session::{Session, is_missing};
use super::{Failure, Verdict};
use crate::cli::Data;
use crate::console::{self, Verbosity, columns};
use crate::interrupt;
use crate::spec::{Overrides, chain};

/// Lists, fetches or verifies.
pub fn data(command: &Data) -> Result<Verdict, Failure> {
    match command {
        Data::List { json, data } => list(*json, data.as_deref()),
        Data::Fetch { names } => fetch_all(names),
        Data::Verify { names, data } => verify_all(names, data.as_deref()),
    }
}

fn list(as_json: bool, data: Option<&Path>) -> Result<Verdict, Failure> {
    let places = SearchPaths::standard(data, false);
    let sets: Vec<(&Known, String)> = known_names().filter_map(known).map(|known| (known, standing(known, &places))).collect();
    if as_json {
        let rows: Vec<Value> = sets
            .iter()
            .map(|(known, standing)| {
                json!({
                    "name": known.name, "title": known.title, "format": known.format, "licence": known.licence,
                    "citation": known.citation, "shape": known.shape, "classes": known.classes, "train": known.train,
                    "test": known.test, "generated": known.files.is_empty(),
                    "folder": whereabouts(known, &places).map(|folder| folder.display().to_string()), "standing": standing,
                })
            })
            .collect();
        console::data(&format!("{:#}", Value::from(rows)))?;
        return Ok(Verdict::Fine);
    }
    let mut rows = vec![["name", "images", "shape", "classes", "licence", "where"].map(str::to_owned)];
    for (known, standing) in sets {
        let (channels, height, width) = known.shape;
        let images = format!("{} + {}", known.train, known.test);
        let shape = format!("{channels}x{height}x{width}");
        rows.push([known.name.to_owned(), images, shape, known.classes.to_string(), known.licence.to_owned(), standing]);
    }
    console::data(&columns(&rows).join("\n"))?;
    let here: Vec<(&str, PathBuf)> =
        known_names().filter_map(known).filter_map(|known| Some((known.name, whereabouts(known, &places)?))).collect();
    for (place, (name, folder)) in here.iter().enumerate() {
        if let Some((other, _)) = here[..place].iter().find(|(_, other)| other == folder) {
            console::note(&format!(
                "`{other}` and `{name}` have files of the same names: `onebasin data verify {other} {name}` tells which these are"
            ));
        }
    }
    let roots: Vec<String> = places.roots.iter().chain([&places.cache]).map(|root| format!("`{}`", root.display())).collect();
    console::note(&format!("looked below {}", roots.join(", ")));
    Ok(Verdict::Fine)
}

/// Where a set's files are, in words.
fn standing(known: &Known, places: &SearchPaths) -> String {
    if known.files.is_empty() {
        return "generated".to_owned();
    }
    if let Some(folder) = whereabouts(known, places) {
        return folder.display().to_string();
    }
    let found = match incomplete(known, places) {
        Some((folder, count)) => format!("{count} of {} files in {}", known.files.len(), folder.display()),
        None => "not found".to_owned(),
    };
    match known.archive {
        Some(archive) => format!("{found}; fetches {} MB", archive.bytes.div_ceil(1_000_000)),
        None => found,
    }
}

fn named(name: &str) -> Result<&'static Known, Failure> {
    match known(name) {
        Some(known) => Ok(known),
        None => Err(Source::named(name).err().map_or_else(|| Failure::Input(anyhow::anyhow!("unknown data set `{name}`")), Failure::input)),
    }
}

fn fetch_all(names: &[String]) -> Result<Verdict, Failure> {
    let sets = names.iter().map(|name| named(name)).collect::<Result<Vec<&Known>, Failure>>()?;
    let places = SearchPaths::standard(None, true);
    for known in sets {
        if known.files.is_empty() {
            console::note(&format!("{}: generated, there is nothing to fetch", known.name));
            continue;
        }
        // A copy that the user keeps is used as it is; what was fetched before is checked, and mended.
        if let Some(folder) = whereabouts(known, &places).filter(|folder| *folder != places.fetched(known.name)) {
            console::note(&format!("{}: already at `{}`; `onebasin data verify {}` checks it", known.name, folder.display(), known.name));
            console::data(&folder.display().to_string())?;
            continue;
        }
        let files = with_bar(|progress| fetch(known, &places, &Fetching::standard(known), progress)).map_err(Failure::running)?;
        console::data(&files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Verdict::Fine)
}

/// Fetches what a spec needs and no place has.
pub fn fetch_for(source: &Source, places: &SearchPaths) -> Result<(), DatasetError> {
    with_bar(|progress| fetch_missing(source, places, progress))
}

/// Hears how far a transfer has come, and says whether it goes on.
type Watch<'a> = dyn FnMut(&Transfer<'_>) -> ControlFlow<()> + 'a;

/// Reads a data set of one's own, whose content nobody states: whether it can be used, and what it holds.
fn own(name: &str, source: &Source, places: &SearchPaths, verdict: &mut Verdict) -> String {
    let line = |word: &str, text: String| format!("{}  {name}  {text}", console::word(&format!("{word:<10}")));
    match open(source, places) {
        Ok(set) => {
            let (train, test, classes) = (set.train.len(), set.test.len(), set.train.classes);
            line("readable", format!("{}: {train} + {test} images, {classes} classes, content {}", source.format(), set.digest.short()))
        }
        Err(error) => {
            let (word, found) = if is_missing(&error) { ("MISSING", Verdict::No) } else { ("UNREADABLE", Verdict::BadInput) };
            *verdict = (*verdict).max(found);
            line(word, chain(&error))
        }
    }
}

/// Shows a bar on a terminal, and a line for each file elsewhere, once something is fetched.
fn with_bar<T, E>(work: impl FnOnce(&mut Watch<'_>) -> Result<T, E>) -> Result<T, E> {
    let quiet = console::verbosity() == Verbosity::Quiet;
    let terminal = std::io::stderr().is_terminal() && !quiet;
    let interrupted = interrupt::install();
    let mut bar: Option<(usize, ProgressBar)> = None;
    let result = work(&mut |transfer| {
        let same = bar.as_ref().is_some_and(|(index, _)| *index == transfer.index);
        if !same {
            if let Some((_, finished)) = bar.take() {
                finished.finish_and_clear();
            }
            if !terminal {
                let doing = if transfer.unpacking { "unpacking" } else { "fetching" };
                let size = super::store::size(transfer.total);
                console::note(&format!("{doing} {}, {size} ({} of {})", transfer.file, transfer.index + 1, transfer.files));
            }
            let new = if terminal { ProgressBar::new(transfer.total) } else { ProgressBar::hidden() };
            if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
                new.set_style(style.progress_chars("=> "));
            }
            new.set_message(format!("{} ({} of {})", transfer.file, transfer.index + 1, transfer.files));
            bar = Some((transfer.index, new));
        }
        if let Some((_, bar)) = &bar {
            bar.set_position(transfer.bytes);
        }
        if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some((_, bar)) = bar {
        bar.finish_and_clear();
    }
    result
}

/// Checks known sets, and all sets of specs.
fn verify_all(names: &[String], data: Option<&Path>) -> Result<Verdict, Failure> {
    let is_spec = |name: &&String| Path::new(name).extension().is_some_and(|extension| extension == "toml");
    let (specs, names): (Vec<&String>, Vec<&String>) = names.iter().partition(is_spec);
    let mut sets = names.iter().map(|name| named(name)).collect::<Result<Vec<&'static Known>, Failure>>()?;
    let places = SearchPaths::standard(data, false);
    let mut verdict = Verdict::Fine;
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    for spec in specs {
        let session = Session::load(Path::new(spec), &Overrides { environment: true, ..Overrides::default() }, places.clone())?;
        for pair in session.experiment.pairs.iter().filter(|pair| seen.insert((spec, pair.dataset.clone()))) {
            match known(&pair.dataset).filter(|known| known.source() == pair.source) {
                Some(known) if !sets.iter().any(|other| other.name == known.name) => sets.push(known),
                Some(_) => {}
                None => lines.push(own(&pair.dataset, &pair.source, &session.places, &mut verdict)),
            }
        }
    }
    for known in sets {
        if known.files.is_empty() {
            lines.push(format!("{}: generated, there is nothing to verify", known.name));
        }
        for Verified { file, path, finding } in verify(known, &places) {
            let (word, more) = match finding {
                Finding::Official => ("official", String::new()),
                Finding::Different { expected, found } => ("DIFFERENT", format!(": SHA-256 {found}, expected {expected}")),
                Finding::Unstated { found } => ("unstated", format!(": SHA-256 {found}; no trusted source states the right one")),
                Finding::Unreadable { reason } => ("UNREADABLE", format!(": {reason}")),
                Finding::Missing => ("MISSING", String::new()),
            };
            if word.chars().all(char::is_uppercase) {
                let found = if word == "MISSING" { Verdict::No } else { Verdict::BadInput };
                verdict = verdict.max(found);
            }
            let place = path.map_or_else(|| file.to_owned(), |path| path.display().to_string());
            lines.push(format!("{}  {}  {place}{more}", console::word(&format!("{word:<10}")), known.name));
        }
    }
    console::data(&lines.join("\n"))?;
    Ok(verdict)
}
