//! Several runs on one store, and what runs that were killed leave behind.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use onebasin::plan::Plan;

use super::world::{World, diamond, fingerprint, mock, plan};

/// A diamond whose stages take a while and count themselves.
fn counted(runs: &Arc<AtomicUsize>) -> Plan {
    let count = |id: &str, inputs: &[&str]| {
        let runs = runs.clone();
        mock(id, inputs).first(move |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(120));
            Ok(())
        })
    };
    plan(vec![count("a", &[]), count("b", &["a"]), count("c", &["a"]), count("d", &["b", "c"])])
}

#[test]
fn two_runs_on_one_store_do_each_stage_once_and_both_complete() {
    let world = World::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let together = Barrier::new(2);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let run = || {
            together.wait();
            world.run(&counted(&runs))
        };
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().unwrap()).into_iter().collect()
    });
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    assert!(outcomes.iter().all(|(outcome, _)| outcome.is_complete()));
    assert_eq!(outcomes.iter().map(|(outcome, _)| outcome.ran).sum::<usize>(), 4);
    assert!(outcomes.iter().map(|(_, record)| record.count("waiting")).sum::<usize>() >= 1, "one waits for `a` of the other");
    assert!(world.unfinished().is_empty());
}

#[test]
fn a_run_does_other_work_before_it_waits() {
    let world = World::new();
    let plan = plan(vec![mock("a", &[]), mock("b", &[]), mock("c", &["a", "b"])]);
    world.store.prepare().unwrap();
    let claim = world.store.claim(&fingerprint(&plan, "a")).unwrap().unwrap();
    let record = std::thread::scope(|scope| {
        let run = scope.spawn(|| world.run(&plan));
        while !world.is_hit(&plan, "b") {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(150));
        drop(claim);
        run.join().unwrap().1
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
    assert_eq!(world.store.holder(&a), Some(std::process::id()));
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
