//! A folder to run the command in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// An empty folder with a copy of `smoke.toml`.
pub struct Place {
    folder: TempDir,
}

/// What a command did.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/smoke.toml");
        fs::copy(spec, folder.path().join("smoke.toml")).unwrap();
        Place { folder }
    }

    /// With another spec, which must be called `smoke` too.
    pub fn with(spec: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("smoke.toml"), spec).unwrap();
        Place { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes the spec's text.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.path().join("smoke.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` is not in the spec");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onebasin"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ONEBASIN_")) {
            command.env_remove(name);
        }
        command.env("ONEBASIN_CACHE", self.path().join("cache")).env_remove("RUST_LOG").current_dir(self.path());
        command.args(["run", "smoke.toml", "--offline", "--json"]).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self, more: &[&str]) -> Child {
        self.command(more).spawn().unwrap()
    }

    pub fn run(&self, more: &[&str]) -> Ended {
        Ended::of(self.start(more))
    }

    /// Runs to the end, which must be a good one.
    pub fn complete(&self, more: &[&str]) -> Ended {
        let ended = self.run(more);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    }

    /// Every published file but the timings and their pictures, by its path.
    pub fn published(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for folder in ["results/smoke", "plots/smoke"] {
            for item in fs::read_dir(self.path().join(folder)).unwrap() {
                let name = item.unwrap().file_name();
                let path = Path::new(folder).join(&name);
                if name != "timings.csv" && !name.to_string_lossy().starts_with("seconds-") {
                    files.insert(path.clone(), fs::read(self.path().join(&path)).unwrap());
                }
            }
        }
        assert!(files.len() >= 9, "{:?}", files.keys());
        files
    }

    /// Every file of every artifact but the receipts, by its path.
    pub fn artifacts(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(self.path().join(".store")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().len() == 64 {
                for file in fs::read_dir(entry.path()).unwrap() {
                    let file = file.unwrap();
                    if file.file_name() != "receipt.json" {
                        files.insert(Path::new(&entry.file_name()).join(file.file_name()), fs::read(file.path()).unwrap());
                    }
                }
            }
        }
        files
    }

    /// What is being written, or was when a run was killed.
    pub fn unfinished(&self) -> usize {
        fs::read_dir(self.path().join(".store/tmp")).map_or(0, Iterator::count)
    }
}

impl Ended {
    pub fn of(child: Child) -> Ended {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// A number of the answer on standard output.
    pub fn number(&self, key: &str) -> u64 {
        let answer: serde_json::Value = serde_json::from_str(&self.stdout).unwrap();
        answer[0][key].as_u64().unwrap_or_else(|| panic!("no `{key}` in {answer:#}"))
    }

    /// The stages that ran, with `tabulate` and `plot`.
    pub fn ran(&self) -> BTreeSet<String> {
        let words = ["TRAINED", "EVALUATED", "ALIGNED", "MERGED", "SURVEYED", "REPAIRED", "MEASURED", "TABULATED", "PLOTTED"];
        let lines = self.stderr.lines().filter(|line| words.iter().any(|word| line.trim_start().starts_with(&format!("{word} ["))));
        lines.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
    }
}
