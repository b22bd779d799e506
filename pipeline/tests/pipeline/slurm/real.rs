//! On a real Slurm of two nodes on this machine: `make test-slurm` starts it. Where there is none, these tests say so and end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::fakes::tables;
use crate::command::{command, texts};

/// The folder of the Slurm that is running, if one is.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn slurm() -> Option<PathBuf> {
    let folder = std::env::var_os("SLURM_TEST_FOLDER").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: no Slurm is running; `make test-slurm` starts one");
    }
    folder
}

/// A folder with a spec, and the command in it.
struct Cluster {
    slurm: PathBuf,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// With the smoke spec, whose jobs are short, so that there are several.
    fn new(slurm: PathBuf, settings: &str) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let spec = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/smoke.toml")).unwrap();
        fs::write(folder.path().join("smoke.toml"), format!("{spec}\n[executor.slurm]\npoll = \"500ms\"\n{settings}\n")).unwrap();
        Cluster { slurm, folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path(), arguments);
        command.env("SLURM_CONF", self.slurm.join("slurm.conf"));
        command
    }

    fn onebasin(&self, arguments: &[&str]) -> (i32, String, String) {
        texts(&self.command(arguments).output().unwrap())
    }

    /// Starts a run, with what it says in a file.
    fn start(&self, more: &[&str]) -> Child {
        let log = fs::File::create(self.folder.path().join("head.log")).unwrap();
        let mut command = self.command(&[&["run", "smoke.toml", "--executor", "slurm"][..], more].concat());
        command.stderr(Stdio::from(log)).spawn().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("head.log")).unwrap_or_default()
    }

    fn run(&self) -> String {
        let (code, _, error) = self.onebasin(&["run", "smoke.toml", "--executor", "slurm"]);
        assert_eq!(code, 0, "{error}");
        error
    }

    /// A command of Slurm.
    fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).env("SLURM_CONF", self.slurm.join("slurm.conf")).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The numbers of the jobs that run, and where.
    fn running(&self) -> Vec<(String, String)> {
        let text = self.slurm("squeue", &["--noheader", "--array", "--states=RUNNING", "--format=%i %N"]);
        text.lines().filter_map(|line| line.split_once(' ')).map(|(job, node)| (job.trim().to_owned(), node.trim().to_owned())).collect()
    }

    /// Waits until a job has run for as long as its stages take to begin: until something is claimed.
    fn until_claimed(&self) {
        let locks = self.folder.path().join(".store/locks");
        let claims = || fs::read_dir(&locks).into_iter().flatten().flatten().filter(|file| file.file_name().len() == 64).count();
        while claims() == 0 || self.running().is_empty() {
            std::thread::yield_now();
        }
    }

    fn assert_bytes_of_a_run_here(&self) {
        let here = ["run", "smoke.toml", "--store", "here/store", "--results", "here/results", "--plots", "here/plots"];
        let (code, _, error) = self.onebasin(&here);
        assert_eq!(code, 0, "{error}");
        let found = tables(&self.folder.path().join("results/smoke"));
        assert!(found.len() > 10);
        assert!(found == tables(&self.folder.path().join("here/results/smoke")), "other bytes");
    }
}

#[test]
fn the_smoke_spec_has_the_bytes_of_a_run_here() {
    let Some(slurm) = slurm() else { return };
    let cluster = Cluster::new(slurm, "target = \"20s\"\n[executor.slurm.kinds.train]\ncpus = 2\n");
    let error = cluster.run();
    assert!(error.contains("SUBMITTED"), "{error}");
    cluster.assert_bytes_of_a_run_here();
}

#[test]
fn a_head_that_is_killed_finds_its_jobs() {
    let Some(slurm) = slurm() else { return };
    let cluster = Cluster::new(slurm, "target = \"4s\"\n");
    let mut head = cluster.start(&[]);
    cluster.until_claimed();
    head.kill().unwrap();
    head.wait().unwrap();
    let error = cluster.run();
    assert!(error.contains("FOUND"), "{error}");
    cluster.assert_bytes_of_a_run_here();
}

#[test]
fn a_job_that_is_put_back_into_the_queue_and_one_whose_node_dies_end_well() {
    let Some(slurm) = slurm() else { return };
    let cluster = Cluster::new(slurm.clone(), "target = \"4s\"\n");
    let mut head = cluster.start(&["--set", "trainings.adam.epochs=60", "--set", "checkpoint-seconds=1"]);
    cluster.until_claimed();
    let (job, _) = cluster.running().into_iter().next().unwrap();
    cluster.slurm("scontrol", &["requeue", &job]);
    // Slurm would wait for two minutes.
    cluster.slurm("scontrol", &["update", &format!("JobId={job}"), "StartTime=now"]);
    cluster.until_claimed();
    let (_, node) = cluster.running().into_iter().next().unwrap();
    let tool = |name: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/slurm").join(name);
        assert!(Command::new(script).arg(&slurm).arg(&node).status().unwrap().success());
    };
    tool("kill-node");
    tool("node");
    let delayed = || cluster.slurm("squeue", &["--noheader", "--array", "--states=PENDING", "--format=%i %r"]);
    while head.try_wait().unwrap().is_none() {
        for line in delayed().lines().filter(|line| line.contains("BeginTime")) {
            let job = line.split_whitespace().next().unwrap_or_default();
            cluster.slurm("scontrol", &["update", &format!("JobId={job}"), "StartTime=now"]);
        }
    }
    let code = head.wait().unwrap();
    assert!(code.success(), "{}", cluster.log());
}

#[test]
fn cancelled_jobs_end_the_run_and_the_next_one_goes_on() {
    let Some(slurm) = slurm() else { return };
    let cluster = Cluster::new(slurm, "target = \"4s\"\n");
    let mut head = cluster.start(&[]);
    cluster.until_claimed();
    let (code, _, error) = cluster.onebasin(&["status", "smoke.toml", "--cancel"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(head.wait().unwrap().code(), Some(1), "{}", cluster.log());
    assert!(cluster.log().contains("was cancelled"), "{}", cluster.log());
    cluster.run();
    cluster.assert_bytes_of_a_run_here();
}
