//! Several runs on one store, and what runs that were killed leave behind.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use onebasin::plan::Plan;

use super::world::{Record, World, diamond, fingerprint, mock, plan};

/// A diamond whose stages count themselves; `a` runs until the other run waits for it.
fn counted(runs: &Arc<AtomicUsize>, record: &Arc<Record>) -> Plan {
    let count = |id: &'static str, inputs: &[&str]| {
        let (runs, record) = (runs.clone(), record.clone());
        mock(id, inputs).first(move |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            if id == "a" {
                record.wait_for("waiting a");
            }
            Ok(())
        })
    };
    plan(vec![count("a", &[]), count("b", &["a"]), count("c", &["a"]), count("d", &["b", "c"])])
}

#[test]
fn two_runs_on_one_store_do_each_stage_once_and_both_complete() {
    let world = World::new();
    let (runs, record) = (Arc::new(AtomicUsize::new(0)), Arc::new(Record::default()));
    let together = Barrier::new(2);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let run = || {
            together.wait();
            world.run_watched(&counted(&runs, &record), &record, |_| {})
        };
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().unwrap()).into_iter().collect()
    });
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    assert!(outcomes.iter().all(|outcome| outcome.is_complete()));
    assert_eq!(outcomes.iter().map(|outcome| outcome.ran).sum::<usize>(), 4);
    assert!(record.count("waiting a") >= 1, "one waits for `a` of the other");
    assert!(world.unfinished().is_empty());
}

#[test]
fn a_run_does_other_work_before_it_waits() {
    let world = World::new();
    let plan = plan(vec![mock("a", &[]), mock("b", &[]), mock("c", &["a", "b"])]);
    world.store.prepare().unwrap();
    let claim = world.store.claim(&fingerprint(&plan, "a")).unwrap().unwrap();
    let record = Record::default();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| world.run_watched(&plan, &record, |_| {}));
        record.wait_for("waiting a");
        drop(claim);
        run.join().unwrap();
    });
    let expected =
        ["surveyed 3: 0 cached, 3 to run", "started b", "finished b", "waiting a", "started a", "finished a", "started c", "finished c"];
    assert_eq!(record.lines(), expected);
}

#[test]
fn only_one_holds_a_claim_and_its_process_is_known() {
    let world = World::new();
    let plan = plan(diamond());
    let a = fingerprint(&plan, "a");
    world.store.prepare().unwrap();
    let claim = world.store.claim(&a).unwrap().unwrap();
    assert!(world.store.claim(&a).unwrap().is_none());
    assert_eq!(world.store.holder(&a).map(|holder| holder.process), Some(std::process::id()));
    drop(claim);
    assert!(world.store.claim(&a).unwrap().is_some());
}

#[test]
fn the_lock_file_of_a_killed_process_does_not_block() {
    let world = World::new();
    let plan = plan(diamond());
    let locks = world.store.root().join("locks");
    fs::create_dir_all(&locks).unwrap();
    fs::write(locks.join(fingerprint(&plan, "a").to_string()), "4000000").unwrap();
    let (outcome, record) = world.run(&plan);
    assert!(outcome.is_complete());
    assert_eq!(record.count("waiting"), 0);
}

#[test]
fn folders_of_killed_processes_are_removed_and_those_of_living_ones_stay() {
    let world = World::new();
    let plan = plan(diamond());
    world.store.prepare().unwrap();
    let tmp = world.store.root().join("tmp");
    let (dead, living) = (fingerprint(&plan, "b"), fingerprint(&plan, "c"));
    for fingerprint in [dead, living] {
        let folder = tmp.join(format!("{fingerprint}.4000000.0"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("half"), "half").unwrap();
    }
    fs::write(tmp.join("README"), "not ours").unwrap();
    let claim = world.store.claim(&living).unwrap().unwrap();
    world.store.prepare().unwrap();
    assert_eq!(world.unfinished().into_iter().filter(|name| name != "README").collect::<Vec<_>>(), [format!("{living}.4000000.0")]);
    drop(claim);
    world.run(&plan);
    assert_eq!(world.unfinished(), ["README"]);
}
