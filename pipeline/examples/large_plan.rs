//! What a plan of a hundred thousand stages costs before its jobs run: `cargo run --release --example large_plan -- [REPLICATES]`.
//!
//! Plans the smoke spec with many replicates, compares it with an empty store and with a full one, packs it into jobs, and prints the seconds.
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use onebasin::cost::Costs;
use onebasin::experiment;
use onebasin::runner::{self, Status};
use onebasin::slurm::packing::{Class, Piece, arrays, pack};
use onebasin::spec::Overrides;
use onebasin::store::Store;
use onebasin_datasets::{SearchPaths, digest};

fn main() -> anyhow::Result<()> {
    let replicates = std::env::args().nth(1).unwrap_or_else(|| "1000".to_owned());
    let places = SearchPaths::offline([], "/nonexistent");
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/smoke.toml");
    let overrides = Overrides { sets: vec![format!("replicates={replicates}")], ..Overrides::default() };
    let timed = |what: &str, begun: Instant| println!("{:>8.2} s  {what}", begun.elapsed().as_secs_f64());

    let begun = Instant::now();
    let experiment = experiment::load(&spec, &overrides, &places)?;
    let digests: Result<BTreeMap<String, String>, _> = experiment
        .pairs
        .iter()
        .map(|pair| Ok::<_, anyhow::Error>((pair.dataset.clone(), digest(&pair.source, &places)?.to_string())))
        .collect();
    let plan = experiment::plan(&experiment, &digests?, "cpu")?;
    timed(&format!("plan of {} stages", plan.stages.len()), begun);

    let folder = tempfile::tempdir()?;
    let store = Store::new(folder.path());
    drop(store.prepare()?);
    let begun = Instant::now();
    let statuses = runner::survey(&plan, &store, &[], false)?;
    let due = statuses.iter().filter(|status| matches!(status, Status::Run(_))).count();
    timed(&format!("compare with an empty store: {due} due"), begun);

    let begun = Instant::now();
    let bill = Costs::of(&store, places).bill(&plan, &statuses);
    timed("estimate each", begun);
    let begun = Instant::now();
    let forecast = bill.forecast(100, 100);
    timed(&format!("simulate 100 cores: {}", forecast.text()), begun);

    let begun = Instant::now();
    let piece = |item: &onebasin::cost::Item| Piece { class: Class::default(), seconds: item.seconds.likely, inputs: item.inputs.clone() };
    let parts = pack(&bill.items.iter().map(piece).collect::<Vec<_>>(), 1800.0);
    let batches = arrays(&parts, 1000);
    timed(&format!("pack into {} jobs of half an hour, {} calls of sbatch", parts.len(), batches.len()), begun);

    let begun = Instant::now();
    for planned in &plan.stages {
        std::fs::create_dir(folder.path().join(planned.fingerprint.to_string()))?;
    }
    timed("make as many folders, as a full store has", begun);
    let begun = Instant::now();
    let found = store.listing().len();
    timed(&format!("one look at the store: {found} entries; each poll of the head is one"), begun);
    Ok(())
}
