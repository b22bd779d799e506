//! `onebasin store`: what lies in the store.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use serde_json::{Value, json};

use super::gc::gc;
use super::{Failure, Verdict, folders};
use crate::cli::{self, StoreAction};
use crate::console::{self, columns};
use crate::store::{Holding, Store};

/// Shows the store, or removes something from it.
pub fn store(arguments: &cli::Store) -> Result<Verdict, Failure> {
    let store = Store::new(folders::store(arguments.store.as_deref()));
    if let Some(chosen) = arguments.store.as_ref().filter(|chosen| !chosen.is_dir()) {
        let error = anyhow!(
            "there is no store at `{}`\nhint: a run makes one; without `--store` the nearest `.store` above is meant",
            chosen.display()
        );
        return Err(Failure::Input(error));
    }
    match &arguments.action {
        None => summary(arguments, &store),
        Some(StoreAction::Gc(options)) => gc(options, &store, arguments.json),
    }
}

/// How many entries of a kind there are and how large they are.
#[derive(Default)]
struct Sum {
    entries: usize,
    bytes: u64,
}

fn summary(arguments: &cli::Store, store: &Store) -> Result<Verdict, Failure> {
    let holdings = store.holdings().map_err(Failure::Running)?;
    let mut kinds: BTreeMap<&str, Sum> = BTreeMap::new();
    for holding in &holdings {
        let sum = kinds.entry(kind(holding)).or_default();
        sum.entries += 1;
        sum.bytes += holding.bytes;
    }
    let bytes: u64 = holdings.iter().map(|holding| holding.bytes).sum();
    let times = || holdings.iter().filter_map(|holding| holding.modified);
    let (oldest, newest) = (times().min(), times().max());
    if arguments.json {
        let kinds: BTreeMap<&str, Value> =
            kinds.iter().map(|(kind, sum)| (*kind, json!({ "entries": sum.entries, "bytes": sum.bytes }))).collect();
        let report = json!({
            "store": store.root().display().to_string(),
            "entries": holdings.len(),
            "bytes": bytes,
            "kinds": kinds,
            "oldest": oldest.and_then(seconds),
            "newest": newest.and_then(seconds),
        });
        console::data(&format!("{report:#}"))?;
        return Ok(Verdict::Fine);
    }
    let mut rows = vec![["kind", "entries", "size"].map(str::to_owned)];
    rows.extend(kinds.iter().map(|(kind, sum)| [(*kind).to_owned(), sum.entries.to_string(), size(sum.bytes)]));
    rows.push(["all".to_owned(), holdings.len().to_string(), size(bytes)]);
    let mut lines = columns(&rows);
    if let (Some(oldest), Some(newest)) = (oldest, newest) {
        lines.push(format!("oldest {}, newest {}", age(oldest), age(newest)));
    }
    console::data(&lines.join("\n"))?;
    Ok(Verdict::Fine)
}

/// The kind of work that made an entry.
pub fn kind(holding: &Holding) -> &str {
    holding.made_by.as_ref().map_or("unreadable", |(_, kind)| kind)
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// `3 days ago`.
fn age(time: SystemTime) -> String {
    let seconds = time.elapsed().unwrap_or_default().as_secs();
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// `48.5 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sizes_and_ages_have_the_unit_that_fits() {
        assert_eq!([999, 1000, 48_500_000, 2_000_000_000].map(size), ["999 B", "1.0 kB", "48.5 MB", "2.0 GB"]);
        let before = |seconds| age(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!([3, 100, 7200, 200_000].map(before), ["just now", "1 minute ago", "2 hours ago", "2 days ago"]);
    }
}
