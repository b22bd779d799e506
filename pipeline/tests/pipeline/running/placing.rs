//! Which stages share a device, and what happens where its memory ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use onebasin::runner;

use super::world::{Record, World, mock, options, plan};

#[test]
fn stages_that_find_no_memory_beside_others_run_again_with_fewer_beside_them() {
    let world = World::new();
    let tries = Arc::new(AtomicUsize::new(0));
    // Both are there when the second says so; the first is still there when it has ended.
    let (met, told) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let first = {
        let (met, told) = (met.clone(), told.clone());
        mock("first", &[]).on("cpu").first(move |_| {
            met.wait();
            while told.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            Ok(())
        })
    };
    let second = {
        let tries = tries.clone();
        mock("second", &[]).on("cpu").first(move |_| {
            if tries.fetch_add(1, Ordering::SeqCst) == 0 {
                met.wait();
                panic!("out of device memory allocating 4096 bytes");
            }
            Ok(())
        })
    };
    let record = Arc::new(Record::default());
    let (plan, watched) = (plan(vec![first, second]), record.clone());
    let watcher = std::thread::spawn(move || {
        watched.wait_for("crowded");
        told.store(1, Ordering::SeqCst);
    });
    let outcome = world.run_watched(&plan, &record, |options| options.jobs = 2);
    watcher.join().unwrap();
    assert!(outcome.is_complete(), "{:?}", record.lines());
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    assert_eq!(record.count("crowded second: 1 on cpu"), 1, "{:?}", record.lines());
}

#[test]
fn a_stage_that_finds_no_memory_alone_has_failed() {
    let world = World::new();
    let alone = mock("alone", &[]).on("cpu").first(|_| anyhow::bail!("out of memory"));
    let (outcome, record) = world.run_with(&plan(vec![alone]), |_| ());
    assert_eq!(outcome.failed.len(), 1, "{:?}", record.lines());
    assert_eq!(record.count("crowded"), 0);
}

#[test]
fn nothing_runs_where_a_stage_wants_a_device_that_the_run_does_not_have() {
    let world = World::new();
    let plan = plan(vec![mock("here", &[]).on("cpu"), mock("there", &[]).on("cuda")]);
    let error = runner::run(&plan, &world.store, &options(), &Record::default()).unwrap_err().to_string();
    assert!(error.contains("`there`") && error.contains("`cuda`"), "{error}");
}
