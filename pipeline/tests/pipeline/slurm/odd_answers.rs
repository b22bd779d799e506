//! What Slurm says of jobs that do not just run, and what it says when it says nothing.

use super::fakes::Fake;

#[test]
fn jobs_that_end_through_no_fault_of_their_stages_run_again() {
    for state in ["NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "TIMEOUT", "REVOKED"] {
        let fake = Fake::new();
        let (code, error) = fake.plan(1, state).run();
        assert_eq!((code, fake.jobs()), (0, 2), "{state}: {error}");
        assert!(error.contains("AGAIN"), "{state}: {error}");
    }
}

#[test]
fn a_job_that_slurm_puts_back_into_the_queue_is_waited_for() {
    let fake = Fake::new();
    let (code, error) = fake.plan(1, "requeue").run();
    assert_eq!((code, fake.jobs()), (0, 1), "{error}");
}

#[test]
fn why_a_job_waits_for_ever_is_told_once() {
    let fake = Fake::new();
    let (code, error) = fake.plan(1, "stuck").run();
    assert_eq!((code, fake.jobs()), (0, 1), "{error}");
    assert_eq!(error.matches("cannot start as it is: PartitionTimeLimit").count(), 1, "{error}");
    assert!(error.contains("hint: `onebasin status SPEC --cancel`"), "{error}");
}

#[test]
fn stages_that_ran_out_of_memory_get_twice_as_much_once() {
    let fake = Fake::with("\n[executor.slurm]\npoll = \"20ms\"\nmemory = \"1G\"\n");
    let (code, error) = fake.plan(1, "OUT_OF_MEMORY").run();
    assert_eq!((code, fake.jobs()), (0, 2), "{error}");
    assert!(error.contains("twice as much"), "{error}");
    assert!(fake.read("script-1").contains("--mem=1024M\n") && fake.read("script-2").contains("--mem=2048M\n"));
    let fake = Fake::new();
    let (code, error) = fake.write("plan/rest", "OUT_OF_MEMORY").run();
    assert_eq!((code, fake.jobs()), (1, 2), "{error}");
    assert!(error.contains("ran out of memory, also with twice as much"), "{error}");
}

#[test]
fn a_job_that_somebody_cancelled_or_that_missed_its_deadline_ends_the_run() {
    for (state, words) in [("CANCELLED by 1000", "was cancelled"), ("DEADLINE", "could not meet its deadline")] {
        let fake = Fake::new();
        let (code, error) = fake.plan(1, state).run();
        assert_eq!((code, fake.jobs()), (1, 1), "{error}");
        assert!(error.contains(words) && error.contains("hint: "), "{error}");
    }
}

#[test]
fn a_job_whose_script_breaks_fails_with_what_it_printed() {
    let fake = Fake::new();
    let (code, error) = fake.plan(1, "breaks").run();
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("module: command not found"), "{error}");
}

#[test]
fn a_job_that_nobody_knows_runs_again_and_one_that_was_forgotten_after_its_work_does_not() {
    let fake = Fake::new();
    let (code, error) = fake.plan(1, "lose").run();
    assert_eq!((code, fake.jobs()), (0, 2), "{error}");
    let fake = Fake::new();
    let (code, error) = fake.plan(1, "forget").run();
    assert_eq!((code, fake.jobs()), (0, 1), "{error}");
}

#[test]
fn the_accounting_is_asked_for_what_the_queue_forgot() {
    let fake = Fake::new();
    let (code, error) = fake.plan(1, "lose").write("accounting", "101|OUT_OF_MEMORY\n").run();
    assert_eq!((code, fake.jobs()), (0, 2), "{error}");
    assert!(error.contains("ran out of memory"), "{error}");
}

#[test]
fn a_controller_that_does_not_answer_for_a_while_and_a_banner_harm_nothing() {
    let fake = Fake::with("\n[executor.slurm]\npoll = \"20ms\"\ntarget = \"1us\"\n");
    let (code, error) = fake.plan(1, "later").plan(2, "later").write("refuse", "7").write("banner", "").run();
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("LATER"), "{error}");
}

#[test]
fn a_job_that_slurm_refuses_for_good_ends_the_run_with_what_it_says() {
    let fake = Fake::new();
    let (code, error) = fake.plan(1, "never").run();
    assert_eq!((code, fake.jobs()), (1, 1), "{error}");
    assert!(error.contains("invalid partition specified: nowhere\nhint: `partition` of `[executor.slurm]`"), "{error}");
}

#[test]
fn a_stage_that_fails_in_a_job_is_told_with_its_cause_and_its_log_is_found() {
    let fake = Fake::new();
    let run = ["run", "small.toml", "--executor", "slurm", "--set", "trainings.adam.optimizer.learning-rate=1e30"];
    let (code, _, error) = fake.onebasin(&run);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("FAILED") && error.contains("train/few-glyphs-mlp/replicate-0/"), "{error}");
    let set = ["--set", "trainings.adam.optimizer.learning-rate=1e30"];
    let stage = "train/few-glyphs-mlp/replicate-0/a";
    let (code, out, error) = fake.onebasin(&[&["logs", "small.toml", stage][..], &set].concat());
    assert!(code == 0 && out.contains("FAILED"), "{out} {error}");
    let (code, out, error) = fake.onebasin(&[&["status", "small.toml"][..], &set].concat());
    assert!(code == 0 && out.contains("failed: train/"), "{out} {error}");
    let (code, _, error) = fake.onebasin(&["logs", "small.toml", stage]);
    assert!(code == 2 && error.contains("no job of this run"), "{error}");
}

#[test]
fn without_slurm_it_is_said_what_is_missing() {
    let fake = Fake::new();
    let mut command = crate::command::command(fake.folder.path(), &["run", "small.toml", "--executor", "slurm"]);
    let (code, _, error) = crate::command::texts(&command.env("PATH", "/nonexistent").output().unwrap());
    assert!(code == 1 && error.contains("there is no `sbatch` here") && error.contains("--executor local"), "{error}");
}
