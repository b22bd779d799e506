//! Runs that end early: failures, panics, interrupts.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, bail};
use onebasin::runner;
use onebasin::store::Store;

use super::world::{Mock, Record, World, diamond, flag, mock, options, plan};

/// `a` and `x` are independent; `b` and `c` need `a`.
fn branches(fail: bool) -> Vec<Mock> {
    let a = mock("a", &[]).first(move |_| if fail { Err(anyhow::anyhow!("no luck")).context("cannot do `a`") } else { Ok(()) });
    vec![a, mock("b", &["a"]), mock("c", &["b"]), mock("x", &[]), mock("y", &["x"])]
}

#[test]
fn a_failure_skips_its_dependents_by_name_and_nothing_else_starts() {
    let world = World::new();
    let (outcome, record) = world.run(&plan(branches(true)));
    let expected = ["surveyed 5: 0 cached, 5 to run", "started a", "failed a: cannot do `a`: no luck", "skipped b, c because of a"];
    assert_eq!(record.lines(), expected);
    let ids = |ids: &[onebasin::stage::StageId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((ids(&outcome.failed), ids(&outcome.skipped)), (vec!["a".to_owned()], vec!["b".to_owned(), "c".to_owned()]));
    assert_eq!((outcome.ran, outcome.left, outcome.is_complete()), (0, 2, false));
    assert!(world.unfinished().is_empty());
}

#[test]
fn with_keep_going_the_rest_goes_on_and_the_next_run_does_what_is_missing() {
    let world = World::new();
    let (outcome, record) = world.run_with(&plan(branches(true)), |options| options.keep_going = true);
    assert_eq!((outcome.ran, outcome.failed.len(), outcome.skipped.len(), outcome.left), (2, 1, 2, 0));
    assert_eq!(record.count("finished y"), 1);
    assert!(!outcome.is_complete());
    let (outcome, _) = world.run(&plan(branches(false)));
    assert_eq!((outcome.ran, outcome.cached, outcome.is_complete()), (3, 2, true));
}

#[test]
fn running_stages_finish_when_another_fails() {
    let world = World::new();
    let meeting = std::sync::Arc::new(std::sync::Barrier::new(2));
    let (here, there) = (meeting.clone(), meeting);
    let bad = mock("bad", &[]).first(move |_| {
        here.wait();
        bail!("on purpose")
    });
    let record = Arc::new(Record::default());
    let seen = record.clone();
    let good = mock("good", &[]).first(move |_| {
        there.wait();
        seen.wait_for("failed bad");
        Ok(())
    });
    let plan = plan(vec![bad, good, mock("next", &["good"])]);
    let outcome = world.run_watched(&plan, &record, |options| options.jobs = 2);
    assert_eq!((outcome.ran, outcome.failed.len(), outcome.left), (1, 1, 1));
    assert!(world.is_hit(&plan, "good"));
}

#[test]
fn a_panic_is_a_failure_that_says_what_the_panic_said() {
    let world = World::new();
    let stages = vec![mock("a", &[]).first(|_| panic!("index {} is out of range", 7)), mock("b", &["a"]), mock("x", &[])];
    let (outcome, record) = world.run_with(&plan(stages), |options| options.keep_going = true);
    assert_eq!((outcome.failed.len(), outcome.skipped.len(), outcome.ran), (1, 1, 1));
    assert_eq!(record.count("failed a: the stage panicked: index 7 is out of range"), 1);
    assert!(world.unfinished().is_empty());
}

#[test]
fn a_stage_that_writes_the_stores_own_files_or_links_fails() {
    let world = World::new();
    let stage = mock("a", &[]).first(|context| Ok(fs::write(context.out.join("receipt.json"), "{}")?));
    let (outcome, record) = world.run(&plan(vec![stage]));
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(record.count("failed a: a stage wrote `receipt.json`, which is the store's own"), 1);
    #[cfg(unix)]
    {
        let stage = mock("a", &[]).first(|context| Ok(std::os::unix::fs::symlink("/", context.out.join("link"))?));
        assert_eq!(world.run(&plan(vec![stage])).0.failed.len(), 1);
    }
    assert!(world.unfinished().is_empty());
}

#[test]
fn an_interrupt_stops_the_running_stage_and_the_next_run_completes_the_work() {
    let world = World::new();
    let interrupted = flag();
    let record = Arc::new(Record::default());
    let seen = record.clone();
    let mut stages = diamond();
    stages[1] = mock("b", &["a"]).first(move |context| {
        fs::write(context.out.join("half"), "half")?;
        interrupted.store(true, Ordering::SeqCst);
        // The watch notices while the stage still runs.
        seen.wait_for("stopping");
        context.check_interrupt()
    });
    let stopped = plan(stages);
    let outcome = world.run_watched(&stopped, &record, |options| options.interrupted = interrupted);
    let expected = ["surveyed 4: 0 cached, 4 to run", "started a", "finished a", "started b", "stopping", "stopped b"];
    assert_eq!(record.lines(), expected);
    assert_eq!((outcome.ran, outcome.left, outcome.interrupted, outcome.is_complete()), (1, 3, true, false));
    assert!(outcome.failed.is_empty() && world.unfinished().is_empty() && !world.entry(&stopped, "b").exists());
    let (outcome, _) = world.run(&plan(diamond()));
    assert_eq!((outcome.ran, outcome.cached, outcome.is_complete()), (3, 1, true));
}

#[test]
fn an_interrupt_before_the_start_runs_nothing() {
    let world = World::new();
    let interrupted = flag();
    interrupted.store(true, Ordering::SeqCst);
    let (outcome, _) = world.run_with(&plan(diamond()), |options| options.interrupted = interrupted);
    assert_eq!((outcome.ran, outcome.left, outcome.is_complete()), (0, 4, false));
}

#[test]
fn a_store_that_cannot_be_written_is_an_error_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let store = Store::new(file.join("store"));
    let record = Record::default();
    let error = runner::run(&plan(diamond()), &store, &options(), &record).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("cannot write into the store `") && text.contains("hint: ") && text.contains("--store"), "{text}");
    assert_eq!(record.count("started"), 0);
}

#[test]
fn a_run_that_finds_everything_writes_nothing() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    // Neither folder could be made again.
    for name in ["tmp", "locks"] {
        let path = world.store.root().join(name);
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "in the way").unwrap();
    }
    assert!(world.run(&plan).0.is_complete());
}
