//! Runs that are killed, interrupted, or not alone.

use std::time::{Duration, Instant};

use super::place::{Ended, Place};

/// A training that would take far longer than any test waits.
const ENDLESS: [&str; 2] = ["--set", "trainings.adam.epochs=1000000"];

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn runs_killed_at_any_moment_lose_nothing_that_was_finished_and_end_in_the_same_bytes() {
    let reference = Place::new();
    let whole = reference.complete(&[]);
    let place = Place::new();
    let mut finished = 0;
    // Later and later; a run that ends before it is killed is fine too.
    for milliseconds in [10, 60, 120, 180, 240, 300] {
        let mut child = place.start(&[]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = place
            .path()
            .join(".store")
            .read_dir()
            .map_or(0, |entries| entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().len() == 64)).count());
        assert!(now >= finished, "{now} entries after {finished}");
        finished = now;
    }
    let last = place.complete(&[]);
    assert_eq!(last.number("ran") + finished as u64, whole.number("ran"), "{}", last.stderr);
    assert!(!last.stderr.contains("DAMAGED"), "{}", last.stderr);
    assert!(place.published() == reference.published(), "published bytes differ");
    assert!(place.artifacts() == reference.artifacts(), "artifacts differ");
    assert_eq!(place.unfinished(), 0);
}

#[test]
fn what_a_killed_training_left_behind_goes_with_the_next_run() {
    let place = Place::new();
    let mut child = place.start(&ENDLESS);
    wait_until("a training starts", || place.unfinished() > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(place.unfinished() > 0);
    place.complete(&[]);
    assert_eq!(place.unfinished(), 0);
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_lets_stages_stop_leaves_nothing_half_written_and_is_told_by_the_exit_code() {
    let place = Place::new();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let child = place.start(&ENDLESS);
        wait_until("a training starts", || place.unfinished() > 0);
        // Time for the first step.
        std::thread::sleep(Duration::from_millis(200));
        assert!(std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let ended = Ended::of(child);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains("STOPPING") && ended.stderr.contains("STOPPED"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("FAILED"), "{}", ended.stderr);
        assert_eq!(place.unfinished(), 0);
    }
    assert!(!place.path().join("results/smoke/models.csv").exists());
    place.complete(&[]);
}

#[test]
fn two_processes_on_one_store_do_each_stage_once() {
    let place = Place::new();
    let children = [place.start(&[]), place.start(&[])];
    let ended = children.map(Ended::of);
    for run in &ended {
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let [one, two] = ended.map(|run| (run.number("ran"), run.number("stages"), run.number("cached")));
    let alone = Place::new();
    assert_eq!(one.0 + two.0, alone.complete(&[]).number("ran"));
    assert_eq!((one.0 + one.2, two.0 + two.2), (one.1, two.1));
    assert!(place.published() == alone.published(), "published bytes differ");
}

#[test]
fn a_failed_stage_is_told_with_its_cause_and_what_it_takes_along() {
    let place = Place::new();
    // Far too fast: the loss stops being a number.
    let failed = place.run(&["--set", "trainings.adam.optimizer.learning-rate=1e30", "--keep-going"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    for text in ["FAILED", "train/tiny-glyphs-mlp/replicate-0/a", "SKIPPED", "hint: "] {
        assert!(failed.stderr.contains(text), "no `{text}` in {}", failed.stderr);
    }
    let lines = |start: &str| failed.stderr.lines().filter(|line| line.trim_start().starts_with(start)).count();
    assert!(lines("SKIPPED") <= 3, "a line for each failure, not for each stage: {}", failed.stderr);
    // All three models fail alike, and the cause stands before the last line once more.
    assert_eq!(lines("error: "), 4, "{}", failed.stderr);
    assert!(!place.path().join("results/smoke/models.csv").exists());
    place.complete(&[]);
}

#[test]
fn with_keep_going_the_tables_of_whole_pairs_are_written_and_say_what_is_missing() {
    let place = Place::new();
    place.edit("[[pairs]]", "[[pairs]]\ndataset = \"tiny-glyphs\"\narchitecture = \"other\"\ntraining = \"diverging\"\n\n[[pairs]]");
    place.edit(
        "[architectures.mlp]",
        "[trainings.diverging]\nepochs = 1\noptimizer = { kind = \"sgd\", learning-rate = 1e30 }\n\n\
         [architectures.other]\nfamily = \"mlp\"\nhidden = [8]\n\n[architectures.mlp]",
    );
    let failed = place.run(&["--keep-going"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let read = |name: &str| std::fs::read_to_string(place.path().join("results/smoke").join(name)).unwrap();
    let table = read("table.md");
    assert!(table.contains("**Incomplete**") && table.contains("- tiny-glyphs-other: `train/tiny-glyphs-other/replicate-0/"), "{table}");
    assert!(table.contains("## tiny-glyphs, mlp") && !table.contains("## tiny-glyphs, other"), "{table}");
    assert!(!read("merged.csv").contains(",other,"));
}
