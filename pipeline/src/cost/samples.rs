//! What stages took before, by what they did.

use std::collections::BTreeMap;
use std::fs;

use onebasin_repro::Fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Basis, Estimate};
use crate::store::Store;
use crate::whole_file;

const FILE: &str = "costs.json";
/// Fewer than so many of one kind say little of how they spread.
const FEW: usize = 4;
/// How far off the few may be.
const FEW_WITHIN: f64 = 1.25;
/// Keys of settings that name a seed, and change no time.
const SEEDS: [&str; 6] = ["stream", "shared-stream", "subset-stream", "first-weights", "digest", "seed"];

/// Every receipt of a store, in short.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// By fingerprint.
    all: BTreeMap<Fingerprint, Sample>,
    same: BTreeMap<String, Vec<f64>>,
    kinds: BTreeMap<String, Vec<f64>>,
}

/// A receipt in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    kind: String,
    /// Of kind, pair and settings but for seeds and lengths.
    like: String,
    /// How long it was: epochs or steps; 1 where it has none.
    length: f64,
    /// Of one core.
    seconds: f64,
}

impl Samples {
    /// Those of a store. What an earlier run put together is taken from it, so that one look at the folder and few files are read.
    pub fn read(store: &Store) -> Samples {
        let kept: BTreeMap<Fingerprint, Sample> =
            fs::read(store.root().join(FILE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let mut samples = Samples::default();
        for fingerprint in store.listing() {
            let sample = kept.get(&fingerprint).cloned().or_else(|| {
                let (entry, receipt) = (store.entry(&fingerprint)?, store.receipt(&fingerprint).ok()?);
                let slug = entry.stage.pair_slug().unwrap_or_default();
                let (like, length) = likeness(&entry.kind, slug, &entry.settings);
                Some(Sample { kind: entry.kind, like, length, seconds: receipt.seconds * receipt.threads as f64 })
            });
            samples.all.extend(sample.map(|sample| (fingerprint, sample)));
        }
        for sample in samples.all.values() {
            samples.same.entry(sample.like.clone()).or_default().push(sample.seconds / sample.length);
            samples.kinds.entry(sample.kind.clone()).or_default().push(sample.seconds);
        }
        samples.same.values_mut().chain(samples.kinds.values_mut()).for_each(|all| all.sort_by(f64::total_cmp));
        samples
    }

    /// Keeps them for the next time.
    pub fn keep(&self, store: &Store) {
        // Without it the next run reads the receipts again.
        let _ = serde_json::to_vec(&self.all).map(|bytes| whole_file::write(&store.root().join(FILE), &bytes));
    }

    /// How long stages of the same settings took, but for seeds; a training of another length is taken for its part.
    pub fn same(&self, kind: &str, slug: &str, settings: &Value) -> Option<Estimate> {
        let (like, length) = likeness(kind, slug, settings);
        let all = self.same.get(&like)?;
        let (first, last) = (all.first()? * length, all.last()? * length);
        let within = if all.len() < FEW { FEW_WITHIN } else { 1.0 };
        Some(Estimate { low: first / within, likely: median(all)? * length, high: last * within, basis: Basis::Same })
    }

    /// How long half of the stages of a kind took at most.
    pub fn kind(&self, kind: &str) -> Option<f64> {
        median(self.kinds.get(kind)?)
    }
}

/// The middle of ascending numbers.
fn median(all: &[f64]) -> Option<f64> {
    all.get(all.len() / 2).copied()
}

/// What names stages that take as long for each unit of their length, and that length.
fn likeness(kind: &str, slug: &str, settings: &Value) -> (String, f64) {
    let mut settings = settings.clone();
    let mut length = 1.0;
    strip(&mut settings);
    if let Some(training) = settings.get_mut("training").and_then(Value::as_object_mut) {
        for unit in ["epochs", "steps"] {
            if let Some(number) = training.get(unit).and_then(Value::as_f64).filter(|number| *number > 0.0) {
                length = number;
                training.insert(unit.to_owned(), Value::from("some"));
                break;
            }
        }
    }
    let name = Fingerprint::of_bytes(format!("{kind}\n{slug}\n{settings}").as_bytes()).to_string();
    (name[..16].to_owned(), length)
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            SEEDS.iter().for_each(|seed| drop(entries.remove(*seed)));
            entries.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seeds_do_not_count_and_a_longer_training_is_like_a_shorter_one() {
        let of = |stream: &str, epochs: usize, width: usize| json!({ "architecture": [width], "training": { "epochs": epochs, "batch": 100 }, "stream": stream });
        let (one, length) = likeness("train", "glyphs-mlp", &of("a", 3, 4));
        assert_eq!(length, 3.0);
        assert_eq!(likeness("train", "glyphs-mlp", &of("b", 6, 4)), (one.clone(), 6.0));
        assert_ne!(likeness("train", "glyphs-mlp", &of("a", 3, 5)).0, one);
        assert_ne!(likeness("train", "other", &of("a", 3, 4)).0, one);
        assert_ne!(likeness("curve", "glyphs-mlp", &of("a", 3, 4)).0, one);
    }

    #[test]
    fn few_samples_make_a_wider_range() {
        let (like, _) = likeness("merge", "x", &json!({}));
        let with = |all: Vec<f64>| Samples { same: [(like.clone(), all)].into(), ..Samples::default() };
        let of = |all: Vec<f64>| with(all).same("merge", "x", &json!({})).map(|it| [it.low, it.likely, it.high]);
        assert_eq!(of(vec![4.0]), Some([3.2, 4.0, 5.0]));
        assert_eq!(of(vec![1.0, 2.0, 3.0, 4.0]), Some([1.0, 3.0, 4.0]));
        assert_eq!(with(vec![1.0]).same("train", "x", &json!({})), None);
    }
}
