//! A folder to run the command in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use tempfile::TempDir;

use crate::command;

/// A folder with a spec called `smoke`.
pub struct Place {
    path: PathBuf,
    _kept: Kept,
}

/// What keeps the folder for the test.
enum Kept {
    /// It goes with the test.
    Here(#[expect(dead_code, reason = "removes the folder when it is dropped")] TempDir),
    /// It stays, for people to look at, until the next tests make it anew. Only one process of tests has it.
    Lasting(#[expect(dead_code, reason = "unlocks the folder when the process ends")] File),
}

/// What a command did.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A command that has not ended, with what it said so far.
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/smoke.toml")
}

impl Place {
    /// With a copy of the shipped spec.
    pub fn new() -> Place {
        Place::with(&fs::read_to_string(shipped()).unwrap())
    }

    /// With another spec, which must be called `smoke` too.
    pub fn with(spec: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("smoke.toml"), spec).unwrap();
        Place { path: folder.path().to_owned(), _kept: Kept::Here(folder) }
    }

    /// A folder of this name below `target/tmp`, emptied, with this spec or the shipped one.
    pub fn lasting(name: &str, spec: Option<&str>) -> Place {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let lock = File::create(path.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        // A store of its own, so that one of the project above is not used.
        fs::create_dir_all(path.join(".store/locks")).unwrap();
        let text = spec.map_or_else(|| fs::read_to_string(shipped()).unwrap(), str::to_owned);
        fs::write(path.join("smoke.toml"), text).unwrap();
        Place { path, _kept: Kept::Lasting(lock) }
    }

    /// A copy of everything that is here.
    pub fn copy(&self) -> Place {
        let folder = tempfile::tempdir().unwrap();
        self.copy_into(folder.path());
        Place { path: folder.path().to_owned(), _kept: Kept::Here(folder) }
    }

    /// Copies everything that is here into a folder.
    pub fn copy_into(&self, folder: &Path) {
        fn copy(from: &Path, to: &Path) {
            fs::create_dir_all(to).unwrap();
            for entry in fs::read_dir(from).unwrap() {
                let entry = entry.unwrap();
                let target = to.join(entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    copy(&entry.path(), &target);
                } else {
                    fs::copy(entry.path(), target).unwrap();
                }
            }
        }
        copy(&self.path, folder);
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A published table or text.
    pub fn result(&self, name: &str) -> PathBuf {
        self.path.join("results/smoke").join(name)
    }

    /// A published picture.
    pub fn plot(&self, name: &str) -> PathBuf {
        self.path.join("plots/smoke").join(name)
    }

    /// Changes the spec's text.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.path().join("smoke.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` is not in the spec");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = command::command(self.path(), &[&["run", "smoke.toml", "--offline", "--json"], more].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self, more: &[&str]) -> Running {
        let mut child = self.command(more).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr, said: String::new() }
    }

    pub fn run(&self, more: &[&str]) -> Ended {
        self.start(more).end()
    }

    /// Runs to the end, which must be a good one.
    pub fn complete(&self, more: &[&str]) -> Ended {
        let ended = self.run(more);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    }

    /// Every published file but the timings, their pictures and the machine, by its path.
    pub fn published(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for folder in ["results/smoke", "plots/smoke"] {
            for item in fs::read_dir(self.path().join(folder)).unwrap() {
                let name = item.unwrap().file_name();
                let path = Path::new(folder).join(&name);
                if name != "timings.csv" && name != "machine.json" && !name.to_string_lossy().starts_with("seconds-") {
                    files.insert(path.clone(), fs::read(self.path().join(&path)).unwrap());
                }
            }
        }
        assert!(files.len() >= 9, "{:?}", files.keys());
        files
    }

    /// The folders of all artifacts.
    pub fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join(".store")).into_iter().flatten().map(|entry| entry.unwrap());
        entries.filter(|entry| entry.file_name().len() == 64).map(|entry| entry.path()).collect()
    }

    /// Every file of every artifact but the receipts, by its path.
    pub fn artifacts(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in self.entries() {
            for file in fs::read_dir(&entry).unwrap() {
                let file = file.unwrap();
                if file.file_name() != "receipt.json" {
                    files.insert(Path::new(entry.file_name().unwrap()).join(file.file_name()), fs::read(file.path()).unwrap());
                }
            }
        }
        files
    }

    /// Whether the published files and the artifacts of two places are the same.
    #[track_caller]
    pub fn assert_same_bytes(&self, other: &Place) {
        for (what, ours, theirs) in [("published", self.published(), other.published()), ("artifacts", self.artifacts(), other.artifacts())]
        {
            let differing: BTreeSet<&PathBuf> =
                ours.keys().chain(theirs.keys()).filter(|path| ours.get(*path) != theirs.get(*path)).collect();
            assert!(differing.is_empty(), "{what} files differ: {differing:#?}");
        }
    }

    /// What trainings that were cut short go on from.
    pub fn checkpoints(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path().join(".store/checkpoints")).into_iter().flatten();
        files.map(|file| file.unwrap().path()).collect()
    }

    /// What is being written, or was when a run was killed.
    pub fn unfinished(&self) -> usize {
        fs::read_dir(self.path().join(".store/tmp")).map_or(0, Iterator::count)
    }
}

impl Running {
    /// Waits until the command has said so many lines with this word on standard error. False if it ended before.
    pub fn says(&mut self, word: &str, times: usize) -> bool {
        let count = |said: &str| said.lines().filter(|line| line.contains(word)).count();
        while count(&self.said) < times {
            if self.stderr.read_line(&mut self.said).unwrap() == 0 {
                return false;
            }
        }
        true
    }

    /// Sends a signal by its name.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        // The answer is smaller than a pipe, so both streams can be read one after the other.
        self.stderr.read_to_string(&mut self.said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Ended { code: output.status.code(), stdout: String::from_utf8(output.stdout).unwrap(), stderr: self.said }
    }
}

impl Ended {
    /// A number of the answer on standard output.
    pub fn number(&self, key: &str) -> u64 {
        let answer: serde_json::Value = serde_json::from_str(&self.stdout).unwrap();
        answer[0][key].as_u64().unwrap_or_else(|| panic!("no `{key}` in {answer:#}"))
    }

    /// The stages that ran, with `tabulate` and `plot`.
    pub fn ran(&self) -> BTreeSet<String> {
        let lines = self.stderr.lines().filter(|line| line.contains(" [") && line.contains("s] ") && !line.contains(';'));
        lines.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
    }
}
