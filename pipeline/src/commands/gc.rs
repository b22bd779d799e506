//! `onebasin store gc`: removes the artifacts that no spec needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use onebasin_datasets::SearchPaths;
use onebasin_repro::Fingerprint;
use onebasin_training::Device;
use serde_json::json;

use super::session::{Session, is_missing};
use super::store::{kind, size};
use super::{Failure, Verdict};
use crate::cli;
use crate::console::{self, columns};
use crate::error_text::error_text;
use crate::experiment;
use crate::input_file;
use crate::spec::Overrides;
use crate::store::{Entry, Holding, Store};

/// What specs need on each kind of device.
type ByKind = BTreeMap<&'static str, BTreeSet<Fingerprint>>;

/// Lists what no spec needs, and removes it if that is asked for. Whatever cannot be known stops it: then nothing is removed.
pub fn gc(options: &cli::Gc, store: &Store, as_json: bool) -> Result<Verdict, Failure> {
    let mut by_kind = ByKind::new();
    let specs = specs(&options.specs).map_err(Failure::Input)?;
    for spec in &specs {
        collect(spec, options, &mut by_kind)?;
    }
    let needed = with_mixed(&by_kind, &store.entries());
    let holdings = store.holdings().map_err(Failure::Running)?;
    let (kept, idle): (Vec<Holding>, Vec<Holding>) = holdings.into_iter().partition(|holding| needed.contains(&holding.fingerprint));
    let names: BTreeSet<Fingerprint> = idle.iter().map(|holding| holding.fingerprint).collect();
    let removed = if options.delete {
        store.remove(&names, |fingerprint| needed.contains(fingerprint)).map_err(Failure::Running)?
    } else {
        Default::default()
    };
    let gone: BTreeSet<&Fingerprint> = removed.entries.iter().collect();
    let of_bytes = |holdings: &[&Holding]| holdings.iter().map(|holding| holding.bytes).sum::<u64>();
    let listed: Vec<&Holding> = idle.iter().filter(|holding| !options.delete || gone.contains(&holding.fingerprint)).collect();
    let (bytes, kept_bytes) = (of_bytes(&listed), of_bytes(&kept.iter().collect::<Vec<_>>()));
    if as_json {
        let entries = listed.iter().map(|holding| {
            let stage = holding.made_by.as_ref().map(|(stage, _)| stage);
            json!({ "fingerprint": holding.fingerprint, "stage": stage, "kind": kind(holding), "bytes": holding.bytes })
        });
        let report = json!({
            "deleted": options.delete,
            "specs": specs.iter().map(|spec| spec.display().to_string()).collect::<Vec<_>>(),
            "entries": entries.collect::<Vec<_>>(),
            "bytes": bytes,
            "kept": kept.len(),
            "kept_bytes": kept_bytes,
            "claimed": removed.claimed,
        });
        console::data(&format!("{report:#}"))?;
    } else if !listed.is_empty() {
        let row = |holding: &&Holding| {
            let stage = holding.made_by.as_ref().map_or_else(|| "unreadable".to_owned(), |(stage, _)| stage.to_string());
            [holding.fingerprint.short(), size(holding.bytes), stage]
        };
        console::data(&columns(&listed.iter().map(row).collect::<Vec<_>>()).join("\n"))?;
    }
    if !removed.claimed.is_empty() {
        console::note(&format!("{} entries stay: another process is making them", removed.claimed.len()));
    }
    let done = if options.delete { "removed" } else { "would be removed" };
    console::error(&format!("{} entries, {} {done}; {} stay, {}", listed.len(), size(bytes), kept.len(), size(kept_bytes)));
    if !options.delete && !listed.is_empty() {
        console::note("hint: `--delete` removes them");
    }
    Ok(Verdict::Fine)
}

/// The specs themselves and those that lie in the folders.
fn specs(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut specs = Vec::new();
    for path in paths {
        if !path.is_dir() {
            specs.push(path.clone());
            continue;
        }
        let failure = || format!("cannot read the folder `{}`", path.display());
        let mut found = Vec::new();
        for item in fs::read_dir(path).with_context(failure)? {
            let file = item.with_context(failure)?.path();
            if file.extension().is_some_and(|extension| extension == "toml") {
                found.push(file);
            }
        }
        if found.is_empty() {
            bail!("no spec (`*.toml`) in the folder `{}`", path.display());
        }
        found.sort();
        specs.append(&mut found);
    }
    Ok(specs)
}

/// Adds every artifact that a spec could ask for: under each of its profiles, on each device, with and without the keys of the environment.
fn collect(spec: &Path, options: &cli::Gc, needed: &mut ByKind) -> Result<(), Failure> {
    let places = SearchPaths::standard(options.data.as_deref(), false);
    let layered = std::env::vars_os().any(|(name, value)| name.to_string_lossy().starts_with("ONEBASIN_") && !value.is_empty());
    let table = read(spec).map_err(Failure::Input)?;
    let stand_ins = stand_ins(&table);
    for profile in profiles(&table) {
        for environment in if layered { vec![false, true] } else { vec![false] } {
            let overrides = Overrides { profile: profile.clone(), environment, ..Overrides::default() };
            let mut session = Session::load(spec, &overrides, places.clone())?;
            for setting in session.experiment.sweep.settings() {
                let sets = session.experiment.sweep.sets(&setting);
                let mut swept = Session::load(spec, &Overrides { sets, ..overrides.clone() }, places.clone())?;
                let digests = swept.digests();
                if let Some(rest) = swept.with_data(&digests) {
                    keep(&rest, &digests.found, needed)?;
                }
            }
            let digests = session.digests();
            if !options.forget_absent_data {
                let absent = digests.absent.iter().map(|(name, error)| {
                    let standing = if is_missing(error) { "is not here" } else { "cannot be used" };
                    (name.clone(), standing, error_text(&anyhow!("{error}")))
                });
                let stand_ins = session.experiment.pairs.iter().filter(|pair| stand_ins.contains(&pair.dataset));
                let stand_ins = stand_ins
                    .filter_map(|pair| Some((pair.stands_for.clone()?, "is not here", format!("`{}` stands in for it", pair.dataset))));
                if let Some((name, standing, why)) = absent.chain(stand_ins).next() {
                    let hint = "fetch it, or let its artifacts go with `--forget-absent-data`";
                    let error =
                        anyhow!("cannot tell which artifacts `{}` needs: data set `{name}` {standing}\nhint: {hint}", spec.display());
                    return Err(Failure::Input(anyhow!("{}", why.trim_start_matches("error: ")).context(error)));
                }
            }
            if digests.absent.is_empty() {
                keep(&session, &digests.found, needed)?;
            } else if let Some(rest) = session.with_data(&digests) {
                keep(&rest, &digests.found, needed)?;
            }
        }
    }
    Ok(())
}

fn keep(session: &Session, digests: &BTreeMap<String, String>, needed: &mut ByKind) -> Result<(), Failure> {
    // Artifacts depend on the kind of device that networks run on.
    for device in Device::KINDS {
        let plan = experiment::plan(&session.experiment, digests, device).map_err(Failure::Running)?;
        needed.entry(device).or_default().extend(plan.stages.iter().map(|planned| planned.fingerprint));
    }
    Ok(())
}

/// All that is needed, and what is made of it on a list of several kinds of device, which no plan of one kind has: its inputs are all needed, though
/// not all by one kind.
fn with_mixed(by_kind: &ByKind, entries: &[Entry]) -> BTreeSet<Fingerprint> {
    let mut needed: BTreeSet<Fingerprint> = by_kind.values().flatten().copied().collect();
    let mut mixed = BTreeSet::new();
    loop {
        let is_mixed = |entry: &&Entry| {
            let inputs = || entry.inputs.iter().map(|input| input.fingerprint);
            !needed.contains(&entry.fingerprint)
                && !entry.inputs.is_empty()
                && inputs().all(|input| needed.contains(&input))
                && (inputs().any(|input| mixed.contains(&input))
                    || !by_kind.values().any(|of_kind| inputs().all(|input| of_kind.contains(&input))))
        };
        let found: Vec<Fingerprint> = entries.iter().filter(is_mixed).map(|entry| entry.fingerprint).collect();
        if found.is_empty() {
            return needed;
        }
        needed.extend(&found);
        mixed.extend(found);
    }
}

fn read(spec: &Path) -> Result<toml::Table> {
    let text = input_file::text(spec).with_context(|| format!("cannot read `{}`", spec.display()))?;
    text.parse().with_context(|| format!("cannot parse `{}`", spec.display()))
}

/// No profile, and each of a spec's.
fn profiles(spec: &toml::Table) -> Vec<Option<String>> {
    let names = spec.get("profiles").and_then(toml::Value::as_table).into_iter().flat_map(|profiles| profiles.keys().cloned());
    [None].into_iter().chain(names.map(Some)).collect()
}

/// The data sets that stand in for others while those are absent, under any profile.
fn stand_ins(spec: &toml::Table) -> BTreeSet<String> {
    let profiles = spec.get("profiles").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let tables = profiles.filter_map(toml::Value::as_table).chain([spec]);
    let pairs = tables.filter_map(|table| table.get("pairs")).filter_map(toml::Value::as_array).flatten();
    pairs.filter_map(|pair| Some(pair.get("stand-in")?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Recipe, StageId};
    use crate::store::Input;

    fn print(name: &str) -> Fingerprint {
        Fingerprint::of_bytes(name.as_bytes())
    }

    fn entry(name: &str, inputs: &[&str]) -> Entry {
        let id = StageId::new(name);
        let inputs = inputs.iter().map(|input| Input { stage: StageId::new(*input), fingerprint: print(input) }).collect();
        Entry::new(print(name), &id, Recipe { kind: "tabulate", version: 1, settings: json!({}) }, inputs)
    }

    #[test]
    fn tables_of_a_list_of_several_kinds_are_needed_and_old_ones_of_one_kind_are_not() {
        let of = |names: &[&str]| names.iter().map(|name| print(name)).collect::<BTreeSet<_>>();
        let by_kind = ByKind::from([("cpu", of(&["a-cpu", "b-cpu"])), ("wgpu", of(&["a-wgpu", "b-wgpu"]))]);
        let entries = [
            entry("plot-of-both", &["table-of-both"]),
            entry("table-of-both", &["a-cpu", "b-wgpu"]),
            entry("old-table", &["a-cpu"]),
            entry("table-of-what-is-gone", &["a-cpu", "c-wgpu"]),
            entry("old-training", &[]),
        ];
        let needed = with_mixed(&by_kind, &entries);
        assert!(needed.contains(&print("table-of-both")) && needed.contains(&print("plot-of-both")));
        assert_eq!(needed.len(), 6);
        assert!(with_mixed(&ByKind::new(), &entries).is_empty(), "where nothing is planned nothing is needed");
    }
}
