//! `machine.json`: which programs and machines made the artifacts behind a results folder, and when.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::Plan;
use crate::store::{Machine, Store};
use crate::version::Build;

/// The name of the file.
pub const FILE: &str = "machine.json";

/// Stages that one program made on one machine.
#[derive(Debug, Serialize)]
struct Maker {
    /// How many.
    stages: usize,
    /// When the first of them ended; empty in receipts of earlier versions.
    first: String,
    last: String,
    program: String,
    build: Option<Build>,
    machine: Machine,
    device: String,
    threads: usize,
}

/// The file's bytes, from the receipts of all stages at hand. A run that finds everything at hand changes nothing in it.
pub fn bytes(plan: &Plan, store: &Store) -> Vec<u8> {
    let mut makers: BTreeMap<_, Maker> = BTreeMap::new();
    let receipts = plan.stages.iter().filter_map(|planned| store.receipt(&planned.fingerprint).ok());
    for receipt in receipts {
        let made = receipt.made.unwrap_or_default();
        let key = (receipt.program.clone(), receipt.build.clone(), receipt.machine.clone(), receipt.device.clone(), receipt.threads);
        let (program, build, machine, device, threads) = key.clone();
        let (first, last) = (made.clone(), made.clone());
        let maker = makers.entry(key).or_insert_with(|| Maker { stages: 0, first, last, program, build, machine, device, threads });
        maker.stages += 1;
        maker.first = maker.first.clone().min(made.clone());
        maker.last = maker.last.clone().max(made);
    }
    let makers: Vec<Maker> = makers.into_values().collect();
    format!("{:#}\n", serde_json::json!({ "made_by": makers })).into_bytes()
}
