//! How fast this machine multiplies: measured once, and kept in the store by the name of its processor.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use ndarray::Array2;
use onebasin_network::{Threads, multiply_add};

use crate::store::{Machine, Store};
use crate::whole_file;

const FILE: &str = "rates.json";
/// What a training gets of what a large product does: small products, activations, images.
const SHARE: f64 = 0.4;
/// Rows of the product that is timed.
const ROWS: usize = 256;

/// Operations per second of one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    product: f64,
}

impl Rate {
    /// As it was measured, or measured now, for a tenth of a second.
    pub fn of(store: &Store) -> Rate {
        Rate { product: kept(store).get(&machine()).copied().filter(|rate| *rate > 0.0).unwrap_or_else(measure) }
    }

    /// Keeps it for the next run on such a machine.
    pub fn keep(self, store: &Store) {
        let mut all = kept(store);
        if all.insert(machine(), self.product) != Some(self.product) {
            // Without it the next run measures again.
            let _ = serde_json::to_vec_pretty(&all).map(|bytes| whole_file::write(&path(store), &bytes));
        }
    }

    /// What a training or a forward pass does in a second.
    pub fn per_second(self) -> f64 {
        self.product * SHARE
    }
}

fn path(store: &Store) -> PathBuf {
    store.root().join(FILE)
}

fn kept(store: &Store) -> BTreeMap<String, f64> {
    fs::read(path(store)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn machine() -> String {
    let Machine { processor, architecture, vectors, .. } = Machine::here();
    [processor, architecture, vectors].map(String::as_str).join(", ")
}

fn measure() -> f64 {
    let a = Array2::from_elem((ROWS, ROWS), 0.5_f32);
    let mut c = Array2::zeros((ROWS, ROWS));
    let begun = Instant::now();
    let mut done = 0.0;
    // The first product also wakes the processor.
    while done == 0.0 || begun.elapsed().as_millis() < 100 {
        multiply_add(1.0, a.view(), a.view(), 0.0, c.view_mut(), Threads::One);
        done += 2.0 * (ROWS as f64).powi(3);
    }
    done / begun.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_once_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let measured = Rate::of(&store);
        assert!(measured.product > 1e6 && kept(&store).is_empty());
        measured.keep(&store);
        assert_eq!(Rate::of(&store), measured);
    }
}
