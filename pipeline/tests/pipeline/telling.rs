//! How much the command tells, in which colours, and what it says of itself.

use std::process::Stdio;

use onebasin::console::Console;
use onebasin::dataset_cache::Changed;
use onebasin::events::{Event, Reporter};
use onebasin::stage::StageId;
use onebasin_datasets::DatasetError;

use super::command::{SPEC, command, folder, onebasin, texts};

#[test]
fn quiet_leaves_errors_and_the_last_line_and_verbose_adds_cached_stages() {
    let (folder, _) = folder();
    let (code, out, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--quiet"]));
    assert_eq!((code, out.as_str(), error.lines().count()), (0, "", 1), "{error}");
    assert!(error.starts_with("     DONE ["), "{error}");
    let (_, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "-v"]));
    assert!(error.contains("   CACHED           tabulate\n"), "{error}");
    let (_, _, plain) = texts(&onebasin(folder.path(), &["run", "small.toml"]));
    // Two steps train nothing, of which each run warns.
    assert_eq!(plain.lines().filter(|line| !line.starts_with("  WARNING ")).count(), 1, "{plain}");
    let (code, _, error) = texts(&onebasin(folder.path(), &["-q", "run", "none.toml"]));
    assert!(code == 2 && error.starts_with("error: "), "{error}");
    assert_eq!(texts(&onebasin(folder.path(), &["run", "small.toml", "-q", "-v"])).0, 2);
}

#[test]
fn a_stage_that_fails_over_a_file_of_data_is_told_from_others() {
    let [key, text] = ["classes", "x"];
    let setting = DatasetError::Setting { key, expected: text.to_owned(), got: text.to_owned(), hint: text.to_owned() };
    let changed = Changed { dataset: text.to_owned(), planned: text.to_owned(), found: text.to_owned() };
    let errors = [
        (anyhow::Error::new(setting).context("cannot open the data set"), true),
        (anyhow::Error::new(DatasetError::Interrupted { file: text.to_owned() }), false),
        (anyhow::anyhow!("the loss is no number"), false),
        (anyhow::Error::new(changed), true),
    ];
    for (error, is_input) in errors {
        let (console, stage) = (Console::new(), StageId::new("train/a-b/replicate-0/a"));
        console.event(&Event::Failed { stage: &stage, seconds: 0.0, error: &error });
        assert_eq!(console.failures()[0].is_input, is_input, "{error:#}");
    }
}

#[test]
fn files_of_earlier_runs_are_told_in_one_line_a_folder() {
    let (folder, _) = folder();
    let results = folder.path().join("results/small");
    std::fs::create_dir_all(&results).unwrap();
    for name in ["a.csv", "b.csv", "c.csv", "d.csv", "e.csv"] {
        std::fs::write(results.join(name), "").unwrap();
    }
    let (_, _, error) = texts(&onebasin(folder.path(), &["run", "small.toml"]));
    let stale: Vec<&str> = error.lines().filter(|line| line.contains("STALE")).collect();
    assert_eq!(stale, ["    STALE           `results/small`: written by an earlier run: `a.csv`, `b.csv`, `c.csv` and 2 more"]);
}

#[test]
fn colour_comes_on_demand_and_repeats_what_the_words_say() {
    let (folder, _) = folder();
    let run = |more: &[&str]| texts(&onebasin(folder.path(), &[&["explain", "small.toml", "none"], more].concat())).2;
    let (plain, coloured) = (run(&[]), run(&["--color", "always"]));
    assert!(plain.starts_with("error: unknown stage `none`"), "{plain}");
    assert!(coloured.starts_with("\u{1b}["), "{coloured:?}");
    let mut stripped = String::new();
    for (index, part) in coloured.split("\u{1b}[").enumerate() {
        stripped.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(stripped, plain);
    assert_eq!(run(&["--color=never"]), plain);
    let wrong = texts(&onebasin(folder.path(), &["--color=always", "rnu"])).2;
    assert!(wrong.contains("\u{1b}["), "{wrong:?}");
}

#[test]
fn the_version_tells_commit_and_devices() {
    let (folder, _) = folder();
    let (code, short, _) = texts(&onebasin(folder.path(), &["-V"]));
    assert!(code == 0 && short.starts_with(concat!("onebasin ", env!("CARGO_PKG_VERSION"), " (")), "{short}");
    let (code, long, _) = texts(&onebasin(folder.path(), &["--version"]));
    let lines: Vec<&str> = long.lines().collect();
    assert!(code == 0 && lines[0] == concat!("onebasin ", env!("CARGO_PKG_VERSION")), "{long}");
    let commit = lines[1].strip_prefix("commit:  ").unwrap();
    let digits = commit.strip_suffix("-dirty").unwrap_or(commit);
    assert!(digits == "unknown" || (digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())), "{long}");
    assert!(short.contains(commit), "{short}");
    assert!(lines[2].starts_with("devices: cpu"), "{long}");
}

#[test]
fn a_mistyped_command_gets_a_suggestion() {
    let (folder, _) = folder();
    for (wrong, right) in [("rnu", "run"), ("pln", "plan"), ("exlpain", "explain")] {
        let (code, out, error) = texts(&onebasin(folder.path(), &[wrong]));
        assert!(code == 2 && out.is_empty() && error.contains(&format!("did you mean `{right}`?")), "{error}");
    }
    let (code, _, error) = texts(&onebasin(folder.path(), &["frobnicate"]));
    assert!(code == 2 && !error.contains("did you mean"), "{error}");
}

#[test]
fn help_completions_and_manual_pages_are_printed() {
    let (folder, _) = folder();
    let (code, out, _) = texts(&onebasin(folder.path(), &["help", "run"]));
    assert!(code == 0 && out.starts_with("Run experiments") && out.contains("--keep-going"), "{out}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, error) = texts(&onebasin(folder.path(), &["completions", shell]));
        assert!(code == 0 && out.contains("onebasin") && out.contains("keep-going"), "{shell}: {error}");
    }
    let (code, out, _) = texts(&onebasin(folder.path(), &["man"]));
    assert!(code == 0 && out.contains(".TH onebasin 1") && out.contains("Exit codes"), "{out}");
    let (code, out, _) = texts(&onebasin(folder.path(), &["man", "run"]));
    assert!(code == 0 && out.contains(".TH onebasin-run 1") && out.contains("keep\\-going"), "{out}");
    let (code, _, error) = texts(&onebasin(folder.path(), &["man", "rnu"]));
    assert!(code == 2 && error.contains("did you mean `run`?"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_and_a_reader_that_went_away_is_none() {
    let (folder, _) = folder();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = command(folder.path(), &["plan", "small.toml", "--json"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).starts_with("error: cannot write to standard output\n  because "));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(command(folder.path(), &["plan", "small.toml", "--json"]).stdout(writer).output().unwrap().status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_not_utf_8_and_names_of_any_length_do_not_panic() {
    use std::os::unix::ffi::OsStrExt;
    let (folder, _) = folder();
    let odd = std::ffi::OsStr::from_bytes(b"\xfd");
    let ended = command(folder.path(), &["run", "small.toml", "--json", "--results"]).arg(odd).arg("--plots").arg(odd).output().unwrap();
    let (code, out, error) = texts(&ended);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("\u{fffd}/small") && folder.path().join(odd).join("small/merged.csv").exists(), "{out}");
    std::fs::write(folder.path().join("long.toml"), SPEC.replace("\"naive\"", &format!("\"{}\"", "n".repeat(70_000)))).unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["plan", "long.toml"]));
    assert!(code != 101, "{}", &error[..error.len().min(500)]);
}

#[test]
fn a_temporary_folder_that_is_not_there_keeps_nothing_from_being_published() {
    let (folder, _) = folder();
    let ended = command(folder.path(), &["run", "small.toml"]).env("TMPDIR", "/nonexistent").output().unwrap();
    let (code, _, error) = texts(&ended);
    assert_eq!(code, 0, "{error}");
    assert!(folder.path().join("plots/small").read_dir().unwrap().count() > 0);
}
