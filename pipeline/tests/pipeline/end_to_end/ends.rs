//! Runs that are killed, interrupted, or not alone.

use super::place::{Place, Running};
use super::shared::smoke;

/// A second pair whose trainings take far longer than any test waits. They are the last of all trainings to start.
fn endless() -> Place {
    let place = Place::new();
    place.edit("[[methods]]", "[[pairs]]\ndataset = \"tiny-glyphs\"\narchitecture = \"mlp-again\"\ntraining = \"endless\"\n\n[[methods]]");
    place.edit(
        "[[pairs]]",
        "[architectures.mlp-again]\nfamily = \"mlp\"\nhidden = [32, 32]\n\n\
         [trainings.endless]\nepochs = 1000000\noptimizer = { kind = \"adam\", learning-rate = 3e-3 }\n\n[[pairs]]",
    );
    place
}

/// A run that was interrupted in a training of about a second. Where the signal comes too late for that, the next
/// training is longer.
#[cfg(unix)]
fn interrupted_in_a_training() -> Place {
    for steps in [2000, 20_000, 200_000] {
        let place = endless();
        place.edit("epochs = 1000000", &format!("steps = {steps}"));
        let running = in_an_endless_training(&place);
        running.signal("INT");
        let ended = running.end();
        assert!(matches!(ended.code, Some(0 | 130)), "{}", ended.stderr);
        if !place.checkpoints().is_empty() {
            return place;
        }
    }
    panic!("what was begun is not kept");
}

/// A run with two jobs that is in an endless training: of the three others, the last is done while it goes on.
fn in_an_endless_training(place: &Place) -> Running {
    let mut running = place.start(&["--jobs", "2"]);
    assert!(running.says("TRAINED", 3), "{}", running.end().stderr);
    running
}

/// Takes the endless trainings away again.
fn mend(place: &Place) {
    std::fs::copy(smoke().place.path().join("smoke.toml"), place.path().join("smoke.toml")).unwrap();
}

#[test]
fn runs_killed_at_any_moment_lose_nothing_that_was_finished_and_end_in_the_same_bytes() {
    let place = Place::new();
    let mut finished = 0;
    // Each kill comes while the stages after those lines run.
    for lines in [1, 2, 4, 10, 25] {
        let mut running = place.start(&[]);
        assert!(running.says("s] ", lines), "the run ended before it was killed: {}", running.end().stderr);
        running.kill();
        let now = place.entries().len();
        assert!(now >= finished + lines, "{now} entries after {finished}");
        finished = now;
    }
    let last = place.complete(&[]);
    assert_eq!(last.number("ran") + finished as u64, smoke().ended.number("ran"), "{}", last.stderr);
    assert!(!last.stderr.contains("DAMAGED"), "{}", last.stderr);
    place.assert_same_bytes(&smoke().place);
    assert_eq!(place.unfinished(), 0);
}

#[test]
fn what_a_killed_training_left_behind_goes_with_the_next_run() {
    let place = endless();
    in_an_endless_training(&place).kill();
    assert!(place.unfinished() > 0);
    mend(&place);
    place.complete(&[]);
    assert_eq!(place.unfinished(), 0);
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_lets_stages_stop_leaves_nothing_half_written_and_is_told_by_the_exit_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let place = endless();
        let running = in_an_endless_training(&place);
        running.signal(signal);
        let ended = running.end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains("STOPPING") && ended.stderr.contains("STOPPED"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("FAILED"), "{}", ended.stderr);
        assert_eq!(place.unfinished(), 0);
        assert!(!place.result("models.csv").exists());
        assert!(place.entries().len() >= 3, "what was finished is kept");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_goes_on_where_it_was_and_ends_in_the_bytes_of_one_that_starts_anew() {
    let place = interrupted_in_a_training();
    let anew = place.copy();
    for checkpoint in anew.checkpoints() {
        let mut bytes = std::fs::read(&checkpoint).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&checkpoint, bytes).unwrap();
    }
    let (resumed, anew_ended) = (place.complete(&["-vv"]), anew.complete(&[]));
    assert!(resumed.stderr.contains("goes on from its checkpoint"), "{}", resumed.stderr);
    assert!(anew_ended.stderr.contains("a checkpoint cannot be used"), "{}", anew_ended.stderr);
    place.assert_same_bytes(&anew);
    assert!(place.checkpoints().is_empty() && anew.checkpoints().is_empty(), "what is finished needs none");
}

#[test]
fn two_processes_on_one_store_do_each_stage_once() {
    let place = Place::new();
    let ended = [place.start(&[]), place.start(&[])].map(Running::end);
    for run in &ended {
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    let [one, two] = ended.map(|run| (run.number("ran"), run.number("stages"), run.number("cached") + run.number("shared")));
    assert_eq!(one.0 + two.0, smoke().ended.number("ran"));
    assert_eq!((one.0 + one.2, two.0 + two.2), (one.1, two.1));
    place.assert_same_bytes(&smoke().place);
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
    assert!(!place.result("models.csv").exists());
}

#[test]
fn with_keep_going_the_tables_of_whole_pairs_are_written_and_say_what_is_missing() {
    let place = smoke().place.copy();
    place.edit("[[pairs]]", "[[pairs]]\ndataset = \"tiny-glyphs\"\narchitecture = \"other\"\ntraining = \"diverging\"\n\n[[pairs]]");
    place.edit(
        "[architectures.mlp]",
        "[trainings.diverging]\nepochs = 1\noptimizer = { kind = \"sgd\", learning-rate = 1e30 }\n\n\
         [architectures.other]\nfamily = \"mlp\"\nhidden = [8]\n\n[architectures.mlp]",
    );
    let failed = place.run(&["--keep-going"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let read = |name: &str| std::fs::read_to_string(place.result(name)).unwrap();
    let table = read("table.md");
    assert!(table.contains("**Incomplete**") && table.contains("- tiny-glyphs-other: `train/tiny-glyphs-other/replicate-0/"), "{table}");
    let lost = failed.stderr.lines().filter(|line| line.contains("FAILED [") && line.contains("train/tiny-glyphs-other/")).count();
    assert!(lost > 1, "{}", failed.stderr);
    assert_eq!(table.matches("\n- tiny-glyphs-other: `train/").count(), lost, "{table}");
    assert!(table.contains("## tiny-glyphs, mlp") && !table.contains("## tiny-glyphs, other"), "{table}");
    assert!(!read("merged.csv").contains(",other,"));
}
