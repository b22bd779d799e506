//! The process that follows jobs may end at any time.

use std::process::Stdio;

use super::fakes::Fake;

/// Waits until something holds. Whoever waits for ever is ended by the runner of the tests.
fn until(holds: impl Fn() -> bool) {
    while !holds() {
        std::thread::yield_now();
    }
}

#[test]
fn a_head_that_was_killed_finds_its_jobs_when_it_starts_again() {
    let fake = Fake::new();
    fake.plan(1, "PENDING");
    let mut head = fake.command(&["run", "small.toml", "--executor", "slurm"]).stderr(Stdio::null()).spawn().unwrap();
    until(|| fake.read("asked").trim().parse::<usize>().is_ok_and(|asked| asked >= 2));
    head.kill().unwrap();
    head.wait().unwrap();
    let (code, out, error) = fake.onebasin(&["status", "small.toml"]);
    assert!(code == 0 && out.contains("101") && out.contains("waiting"), "{out} {error}");
    // The job begins, and ends, while nobody looks.
    let folder = std::fs::read_dir(fake.folder.path().join(".store/jobs")).unwrap().next().unwrap().unwrap().path();
    fake.write("again/101", folder.join("0001.sh").to_str().unwrap());
    let (code, error) = fake.run();
    assert_eq!((code, fake.jobs()), (0, 1), "{error}");
    assert!(error.contains("FOUND"), "{error}");
}

#[test]
fn a_head_that_ended_between_asking_for_a_job_and_its_number_finds_it_by_its_name() {
    let fake = Fake::new();
    fake.plan(1, "PENDING");
    let mut head = fake.command(&["run", "small.toml", "--executor", "slurm"]).stderr(Stdio::null()).spawn().unwrap();
    until(|| fake.read("asked").trim().parse::<usize>().is_ok_and(|asked| asked >= 2));
    head.kill().unwrap();
    head.wait().unwrap();
    let folder = std::fs::read_dir(fake.folder.path().join(".store/jobs")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(folder.join("0001.job")).unwrap();
    fake.write("again/101", folder.join("0001.sh").to_str().unwrap());
    let (code, error) = fake.run();
    assert_eq!((code, fake.jobs()), (0, 1), "{error}");
}

#[test]
fn an_interrupted_head_leaves_its_jobs_alone_where_nobody_can_answer() {
    let fake = Fake::new();
    fake.plan(1, "PENDING");
    let head = fake.command(&["run", "small.toml", "--executor", "slurm"]).stderr(Stdio::piped()).spawn().unwrap();
    until(|| fake.read("asked").trim().parse::<usize>().is_ok_and(|asked| asked >= 2));
    let sent = std::process::Command::new("kill").args(["-INT", &head.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = head.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("left as they are: 1 job; the same command follows"), "{error}");
    assert_eq!(fake.read("cancelled"), "");
}

#[test]
fn two_heads_do_not_follow_one_run_and_jobs_are_cancelled_from_another_terminal() {
    let fake = Fake::new();
    fake.plan(1, "PENDING");
    let mut head = fake.command(&["run", "small.toml", "--executor", "slurm"]).stderr(Stdio::null()).spawn().unwrap();
    until(|| fake.read("asked").trim().parse::<usize>().is_ok_and(|asked| asked >= 2));
    let (code, error) = fake.run();
    assert!(code == 1 && error.contains(&format!("process {} follows the jobs of this run", head.id())), "{error}");
    let (code, _, error) = fake.onebasin(&["status", "small.toml", "--cancel"]);
    assert!(code == 0, "{error}");
    assert_eq!(fake.read("cancelled"), "101\n");
    head.kill().unwrap();
    head.wait().unwrap();
}
