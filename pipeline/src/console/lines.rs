//! The lines as text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Error;

use super::Failed;
use super::colour::{self, Stream};
use crate::error_text::error_text;
use crate::publish::Published;
use crate::runner::Outcome;
use crate::stage::Progress;

/// `  SKIPPED            train/a: ...`: a word, the room of a duration, what it is about.
pub(super) fn line(word: &str, text: &str) -> String {
    format!("{}           {text}", colour::word(&format!("{word:>9}"), Stream::Error))
}

/// `  TRAINED [  12.3s] train/a`.
pub(super) fn timed(word: &str, seconds: f64, text: &str) -> String {
    format!("{} [{seconds:>6.1}s] {text}", colour::word(&format!("{word:>9}"), Stream::Error))
}

/// How far a stage has come after so many seconds.
pub(super) fn progress(progress: &Progress, elapsed: f64) -> String {
    let share = |first: usize, done: usize, total: usize| {
        let left = match done.saturating_sub(first) {
            0 => String::new(),
            now => format!(", {:.0} s left", elapsed / now as f64 * total.saturating_sub(done) as f64),
        };
        (100 * done / total.max(1), left)
    };
    match *progress {
        Progress::Training { step, first, steps, loss, rate } => {
            let (percent, left) = share(first, step, steps);
            format!("{percent} %, loss {loss:.4}, rate {rate:.1e}{left}")
        }
        Progress::Share { done, total } => {
            let (percent, left) = share(0, done, total);
            format!("{percent} %{left}")
        }
    }
}

/// An error, its causes and its hints, below the line of the stage.
pub(super) fn chain(error: &Error) -> String {
    indented(&error_text(error))
}

fn indented(text: &str) -> String {
    text.lines().map(|row| format!("{:>20}{row}\n", "")).collect()
}

/// The causes of failures, each once with the stages that it stopped.
pub(super) fn causes(failures: &[Failed]) -> Vec<String> {
    let mut stages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Failed { stage, cause, .. } in failures {
        stages.entry(cause).or_default().push(stage.as_str());
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut texts = Vec::new();
    for Failed { cause, .. } in failures {
        if !seen.contains(&cause.as_str()) {
            seen.push(cause);
            texts.push(format!("{}\n{}", line("FAILED", &some(&stages[cause.as_str()])), indented(cause)));
        }
    }
    texts
}

/// The first few of many names.
fn some(names: &[&str]) -> String {
    match names {
        [a, b, c, rest @ ..] if rest.len() > 1 => format!("{a}, {b}, {c} and {} more", rest.len()),
        names => names.join(", "),
    }
}

/// Files by their folder, with the first few of their names.
pub(super) fn by_folder(files: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let mut folders: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        folders.entry(file.parent().unwrap_or(Path::new(""))).or_default().push(format!("`{name}`"));
    }
    let text = |names: &Vec<String>| some(&names.iter().map(String::as_str).collect::<Vec<_>>());
    folders.iter().map(|(folder, names)| ((*folder).to_owned(), text(names))).collect()
}

/// The last line of a run.
///
/// `place` says where the results are, or the artifacts where nothing is published.
pub(super) fn conclusion(name: &str, outcome: &Outcome, published: Option<&Published>, place: &str) -> String {
    let Outcome { ran, cached, shared, not_asked, failed, skipped, left, interrupted, seconds, different } = outcome;
    let mut counts = vec![format!("{ran} run"), format!("{cached} cached")];
    for (count, what) in [
        (*shared, "the same as others"),
        (different.len(), "different"),
        (failed.len(), "failed"),
        (skipped.len(), "skipped"),
        (*left, "not finished"),
        (*not_asked, "not asked for"),
    ] {
        if count > 0 {
            counts.push(format!("{count} {what}"));
        }
    }
    let word = match (outcome.is_complete(), interrupted) {
        (true, _) if *ran == 0 => "CACHED",
        (true, _) => "DONE",
        (false, true) => "STOPPED",
        (false, false) => "FAILED",
    };
    let place = match published {
        Some(published) => {
            let change = match published.written.len() {
                0 => "unchanged".to_owned(),
                1 => "1 file changed".to_owned(),
                count => format!("{count} files changed"),
            };
            format!("; {place}, {change}")
        }
        None if outcome.is_complete() => format!("; {place}"),
        None => "; what is finished is kept".to_owned(),
    };
    timed(word, *seconds, &format!("{name}: {}{place}", counts.join(", ")))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::stage::StageId;

    #[test]
    fn words_durations_and_names_stand_below_each_other() {
        assert_eq!(timed("TRAINED", 12.34, "train/a"), "  TRAINED [  12.3s] train/a");
        assert_eq!(line("SKIPPED", "train/a"), "  SKIPPED           train/a");
        assert_eq!(timed("FAILED", 9999.94, "").find(']'), timed("FAILED", 0.0, "").find(']'));
    }

    #[test]
    fn causes_stand_below_the_stage_they_stopped() {
        let error = anyhow!("no file").context("cannot open the data set");
        let room = " ".repeat(20);
        assert_eq!(chain(&error), format!("{room}error: cannot open the data set\n{room}  because no file\n"));
    }

    #[test]
    fn a_cause_that_stopped_several_stages_is_told_once() {
        let failed = |stage: &str, cause: &str| Failed { stage: StageId::new(stage), cause: cause.to_owned(), is_input: false };
        let failures = [failed("d", "error: z"), failed("a", "error: y\nhint: h"), failed("b", "error: z")];
        let room = " ".repeat(20);
        let expected =
            [format!("   FAILED           d, b\n{room}error: z\n"), format!("   FAILED           a\n{room}error: y\n{room}hint: h\n")];
        assert_eq!(causes(&failures), expected);
        assert_eq!(some(&["a", "b", "c", "d"]), "a, b, c, d");
        assert_eq!(some(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn stale_files_are_listed_by_folder() {
        let files = ["results/x/a.csv", "plots/x/b.svg", "results/x/c.csv"].map(PathBuf::from);
        let expected = [("plots/x", "`b.svg`"), ("results/x", "`a.csv`, `c.csv`")].map(|(folder, names)| (folder.into(), names.to_owned()));
        assert_eq!(by_folder(&files), expected);
    }

    #[test]
    fn progress_says_what_is_left() {
        let training = Progress::Training { step: 25, first: 0, steps: 100, loss: 0.5, rate: 1e-3 };
        assert_eq!(progress(&training, 10.0), "25 %, loss 0.5000, rate 1.0e-3, 30 s left");
        let resumed = Progress::Training { step: 75, first: 70, steps: 100, loss: 0.5, rate: 1e-3 };
        assert_eq!(progress(&resumed, 10.0), "75 %, loss 0.5000, rate 1.0e-3, 50 s left", "5 steps took 10 s");
        assert_eq!(progress(&Progress::Share { done: 0, total: 0 }, 10.0), "0 %");
    }

    #[test]
    fn the_last_line_counts_what_happened_and_says_where_the_results_are() {
        let place = "results in `results/x`, plots in `plots/x`";
        let cached = Outcome { cached: 7, ..Outcome::default() };
        let text = conclusion("x", &cached, Some(&Published::default()), place);
        assert_eq!(text, "   CACHED [   0.0s] x: 0 run, 7 cached; results in `results/x`, plots in `plots/x`, unchanged");
        let failed = Outcome { ran: 1, failed: vec![StageId::new("a")], skipped: vec![StageId::new("b")], left: 2, ..Outcome::default() };
        let text = conclusion("x", &failed, None, place);
        assert_eq!(text, "   FAILED [   0.0s] x: 1 run, 0 cached, 1 failed, 1 skipped, 2 not finished; what is finished is kept");
        let again = Outcome { ran: 1, cached: 2, shared: 3, different: vec![StageId::new("a")], ..Outcome::default() };
        let text = conclusion("x", &again, None, "artifacts in `.store`");
        assert_eq!(text, "     DONE [   0.0s] x: 1 run, 2 cached, 3 the same as others, 1 different; artifacts in `.store`");
    }
}
