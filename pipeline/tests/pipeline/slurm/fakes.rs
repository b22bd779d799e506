//! Commands that look like Slurm's. `sbatch` runs a job at once, or does with it what the test planned for it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, SPEC, texts};

const SBATCH: &str = r#"#!/bin/bash
script="${@: -1}"
n=$(( $(cat "$FAKE/count" 2>/dev/null || echo 0) + 1 )); echo $n > "$FAKE/count"
plan=$(cat "$FAKE/plan/$n" 2>/dev/null || cat "$FAKE/plan/rest" 2>/dev/null || echo run)
cp "$script" "$FAKE/script-$n"
name=$(sed -n 's/^#SBATCH --job-name=//p' "$script")
last=$(sed -n 's/^#SBATCH --array=0-//p' "$script")
log=$(sed -n 's/^#SBATCH --output=//p' "$script")
id=$((100 + n))
case $plan in
  later) echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1 ;;
  never) echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1 ;;
esac
part() {
  key=$id${1:+_$1}
  case $plan in
    run) SLURM_JOB_ID=$id SLURM_ARRAY_TASK_ID=$1 bash "$script" > "${log//%a/$1}" 2>&1 && state=COMPLETED || state=FAILED ;;
    forget) SLURM_JOB_ID=$id SLURM_ARRAY_TASK_ID=$1 bash "$script" > "${log//%a/$1}" 2>&1; return ;;
    lose) return ;;
    requeue) state=PREEMPTED; echo "$script" > "$FAKE/again/$key" ;;
    stuck) state=PENDING; reason='|PartitionTimeLimit'; echo "$script" > "$FAKE/again/$key" ;;
    breaks) echo "module: command not found" > "${log//%a/$1}"; state=FAILED ;;
    *) state=$plan ;;
  esac
  echo "$key|$state|$name$reason" > "$FAKE/jobs/$key"
}
if [ -n "$last" ]; then for k in $(seq 0 "$last"); do part "$k"; done; else part; fi
if [ -e "$FAKE/banner" ]; then echo "Welcome to the cluster of 3 nodes!"; echo; fi
echo "$id;fake"
"#;

const SQUEUE: &str = r#"#!/bin/bash
n=$(( $(cat "$FAKE/asked" 2>/dev/null || echo 0) + 1 )); echo $n > "$FAKE/asked"
if [ "$n" -le "$(cat "$FAKE/refuse" 2>/dev/null || echo 0)" ]; then
  echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2; exit 1
fi
cat "$FAKE"/jobs/* 2>/dev/null
for file in "$FAKE"/again/*; do
  [ -e "$file" ] || continue
  key=$(basename "$file")
  script=$(cat "$file"); rm "$file"
  SLURM_JOB_ID=${key%_*} bash "$script" > /dev/null 2>&1
  sed -i 's/|[A-Z]*|/|COMPLETED|/' "$FAKE/jobs/$key"
done
exit 0
"#;

const SACCT: &str = r#"#!/bin/bash
if [ -e "$FAKE/accounting" ]; then cat "$FAKE/accounting"; exit 0; fi
echo "Slurm accounting storage is disabled" >&2; exit 1
"#;

const SCANCEL: &str = r#"#!/bin/bash
echo "$@" >> "$FAKE/cancelled"
"#;

/// A folder with the small spec, and a cluster that is none.
pub struct Fake {
    pub folder: tempfile::TempDir,
    fake: PathBuf,
}

/// How the small spec runs on it.
pub const EXECUTOR: &str = "\n[executor.slurm]\npoll = \"20ms\"\n";

impl Fake {
    pub fn new() -> Fake {
        Fake::with(EXECUTOR)
    }

    /// With other settings of the executor.
    pub fn with(executor: &str) -> Fake {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("small.toml"), format!("{SPEC}{executor}")).unwrap();
        let fake = folder.path().join("fake");
        for name in ["bin", "jobs", "plan", "again"] {
            fs::create_dir_all(fake.join(name)).unwrap();
        }
        for (name, text) in [("sbatch", SBATCH), ("squeue", SQUEUE), ("sacct", SACCT), ("scancel", SCANCEL)] {
            let file = fake.join("bin").join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Fake { folder, fake }
    }

    /// What is done with the job of a number, from 1: `run`, `later`, `never`, `forget`, `lose`, `requeue`, `stuck`, `breaks`, or a state.
    pub fn plan(&self, job: usize, what: &str) -> &Fake {
        self.write(&format!("plan/{job}"), what)
    }

    /// Writes a file of the cluster.
    pub fn write(&self, name: &str, text: &str) -> &Fake {
        fs::write(self.fake.join(name), text).unwrap();
        self
    }

    /// Reads a file of the cluster; empty where there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.fake.join(name)).unwrap_or_default()
    }

    /// How many jobs were asked for.
    pub fn jobs(&self) -> usize {
        self.read("count").trim().parse().unwrap_or(0)
    }

    /// The command with the cluster's commands first in its path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command::command(self.folder.path(), arguments);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.fake.join("bin").display())).env("FAKE", &self.fake);
        command
    }

    /// Exit code, standard output and standard error of the command.
    pub fn onebasin(&self, arguments: &[&str]) -> (i32, String, String) {
        texts(&self.command(arguments).output().unwrap())
    }

    /// Runs the small spec on the cluster.
    pub fn run(&self) -> (i32, String) {
        let (code, out, error) = self.onebasin(&["run", "small.toml", "--executor", "slurm"]);
        assert_eq!(out, "");
        (code, error)
    }

    /// Every table of the results.
    pub fn tables(&self) -> BTreeMap<String, Vec<u8>> {
        tables(&self.folder.path().join("results/small"))
    }
}

/// Every file of a results folder that is the same each time.
pub fn tables(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let own = |path: &PathBuf| !["timings.csv", "machine.json"].contains(&path.file_name().unwrap().to_str().unwrap());
    files.filter(own).map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}
