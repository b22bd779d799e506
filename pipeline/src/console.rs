//! The only place that prints: data on standard output, all else on standard error.
//!
//! A finished stage is a line: a word, how long it took, its name. On a terminal, running stages have a bar below the lines, gone when
//! they end, and one line counts the stages of the run; in a log there is a line now and then instead. Nothing depends on colour.

mod bars;
mod colour;
mod columns;
mod lines;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use clap::ColorChoice;
use onebasin_datasets::DatasetError;

use crate::comparison::{Comparison, Deviation};
use crate::dataset_cache::Changed;
use crate::error_text::error_text;
use crate::events::{Event, Reporter};
use crate::publish::Published;
use crate::runner::Outcome;
use crate::slurm::record::Failure;
use crate::stage::{Progress, StageId, Words};
use crate::stages::UnusableFile;

use bars::Bars;
use colour::Stream;
use lines::{line, timed};

pub use columns::columns;

/// How often a log hears of a stage that runs long.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

static VERBOSITY: OnceLock<Verbosity> = OnceLock::new();

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors, and how it ended.
    Quiet,
    /// A line for what ran; what was at hand is only counted.
    #[default]
    Normal,
    /// A line for every stage.
    Verbose,
}

/// Settles once for the process how much is told, and in which colours.
pub fn configure(verbosity: Verbosity, colour: ColorChoice) {
    let _ = VERBOSITY.set(verbosity);
    colour::choose(colour);
}

/// How much is told.
pub fn verbosity() -> Verbosity {
    VERBOSITY.get().copied().unwrap_or_default()
}

/// Tells a person what happens in a run.
pub struct Console {
    /// Whether bars are shown.
    bars: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<StageId, Running>,
    failures: Vec<Failed>,
    /// Whether other lines have followed a failure.
    buried: bool,
    /// Stages to run, until the first of them starts.
    to_run: Option<usize>,
}

/// A stage that a log tells about.
struct Running {
    begun: Instant,
    reported: Instant,
    words: Words,
}

/// A stage that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Which.
    pub stage: StageId,
    /// The error with its causes and hints.
    pub cause: String,
    /// Whether a file of a data set is to blame.
    pub is_input: bool,
}

impl Console {
    /// On standard error; with bars if that is a terminal.
    pub fn new() -> Console {
        Console { bars: io::stderr().is_terminal() && verbosity() > Verbosity::Quiet, state: Mutex::default() }
    }

    /// Says, before a run, how its settings differ from those of the figures it is compared with.
    pub fn deviations(&self, comparison: &Comparison) {
        for (pair, other) in &comparison.stand_ins {
            note(&line("STANDS IN", &format!("{pair}: for {other}, whose files are not here or not asked for")));
        }
        for (pair, found) in &comparison.deviations {
            let found: Vec<String> = found.iter().map(Deviation::to_string).collect();
            note(&line("DEVIATES", &format!("{pair}: {}", found.join("; "))));
        }
    }

    /// Says how a run ended and where what it made is. `warnings` are of what it uses, made by it or at hand.
    pub fn conclude(&self, name: &str, outcome: &Outcome, published: Option<&Published>, place: &str, warnings: &[(StageId, String)]) {
        if self.bars {
            Bars::shared().end_run();
        }
        for (folder, files) in published.map(|published| lines::by_folder(&published.removed)).unwrap_or_default() {
            note(&line("REMOVED", &format!("`{}`: of an earlier run, and not of this one: {files}", folder.display())));
        }
        for (folder, files) in published.map(|published| lines::by_folder(&published.stale)).unwrap_or_default() {
            note(&line("STALE", &format!("`{}`: written by an earlier run: {files}", folder.display())));
        }
        for (stage, message) in warnings {
            note(&line("WARNING", &format!("{stage}: {message}")));
        }
        let state = self.lock();
        if state.buried {
            for text in lines::causes(&state.failures) {
                note(&text);
            }
        }
        error(&lines::conclusion(name, outcome, published, place));
    }

    /// The stages that failed, in that order.
    pub fn failures(&self) -> Vec<Failed> {
        self.lock().failures.clone()
    }

    /// A line in a log about a stage that runs long.
    fn log(&self, stage: &StageId, progress: &Progress) {
        let mut state = self.lock();
        let Some(running) = state.running.get_mut(stage) else { return };
        if running.reported.elapsed() >= LOG_INTERVAL {
            running.reported = Instant::now();
            let elapsed = running.begun.elapsed().as_secs_f64();
            note(&timed(running.words.present, elapsed, &format!("{stage}: {}", lines::progress(progress, elapsed))));
        }
    }

    fn start(&self, stage: &StageId, words: Words) {
        let now = Instant::now();
        let mut state = self.lock();
        state.running.insert(stage.clone(), Running { begun: now, reported: now, words });
        let to_run = state.to_run.take();
        drop(state);
        if self.bars {
            if let Some(stages) = to_run {
                Bars::shared().start_run(stages);
            }
            Bars::shared().start(stage, words.present);
        }
    }

    fn end(&self, stage: &StageId) {
        let mut state = self.lock();
        state.running.remove(stage);
        state.buried |= !state.failures.is_empty();
        drop(state);
        if self.bars {
            Bars::shared().end(stage);
            Bars::shared().advance_run(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Console {
    fn default() -> Console {
        Console::new()
    }
}

impl Reporter for Console {
    fn event(&self, event: &Event<'_>) {
        let verbose = verbosity() == Verbosity::Verbose;
        match *event {
            Event::Surveyed { stages, cached, to_run, shared, not_asked } => {
                self.lock().to_run = Some(to_run);
                if to_run > 0 && cached > 0 {
                    let shared = if shared > 0 { format!(", {shared} the same as others") } else { String::new() };
                    let rest = if not_asked > 0 { format!(", {not_asked} not asked for") } else { String::new() };
                    note(&line("CACHED", &format!("{cached} of {stages} stages, {to_run} to run{shared}{rest}")));
                }
            }
            Event::Cached { stage } => {
                // Another run has made what this one was to make.
                if self.bars && self.lock().to_run.is_none() {
                    Bars::shared().advance_run(1);
                }
                if verbose {
                    note(&line("CACHED", stage.as_str()));
                }
            }
            Event::Shared { stage, with } => {
                if verbose {
                    note(&line("SHARED", &format!("{stage}: the same work as {with}")));
                }
            }
            Event::Damaged { stage, problem } => note(&line("DAMAGED", &format!("{stage}: {problem}; it runs again"))),
            Event::Waiting { stage, holder } => {
                let holder = holder.map_or(String::new(), |holder| format!(" ({})", holder.text()));
                note(&line("WAITING", &format!("{stage}: another run is making it{holder}")));
            }
            Event::Started { stage, words } => self.start(stage, words),
            Event::Advanced { stage, progress } => {
                if self.bars {
                    Bars::shared().advance(stage, progress);
                } else if verbosity() > Verbosity::Quiet {
                    self.log(stage, progress);
                }
            }
            Event::Finished { stage, words, seconds } => {
                self.end(stage);
                note(&timed(words.past, seconds, stage.as_str()));
            }
            Event::Crowded { stage, device, most } => {
                self.end(stage);
                let most = if most == 1 { "one stage runs".to_owned() } else { format!("{most} stages run") };
                note(&line("CROWDED", &format!("{stage}: `{device}` is out of memory; {most} on it from now on, and this one again")));
            }
            Event::Compared { stage, same: true } => note(&line("SAME", &format!("{stage}: same bytes"))),
            Event::Compared { stage, same: false } => {
                error(&line("DIFFERENT", &format!("{stage}: other bytes than before, which are kept from now on")));
            }
            Event::Failed { stage, seconds, error: cause } => {
                self.end(stage);
                error(&format!("{}\n{}", timed("FAILED", seconds, stage.as_str()), lines::chain(cause)));
                let is_file = cause.downcast_ref::<UnusableFile>().is_some();
                let is_input = is_file
                    || cause.chain().any(|cause| match cause.downcast_ref() {
                        Some(error) => !matches!(error, DatasetError::Interrupted { .. }),
                        None => cause.is::<Changed>() || cause.downcast_ref::<Failure>().is_some_and(|failure| failure.is_input),
                    });
                self.lock().failures.push(Failed { stage: stage.clone(), cause: error_text(cause), is_input });
            }
            Event::Skipped { stages, because, work } => {
                if self.bars {
                    Bars::shared().advance_run(work);
                }
                let count =
                    if stages.len() == 1 { "1 stage that needs it".to_owned() } else { format!("{} stages that need it", stages.len()) };
                note(&line("SKIPPED", &count));
                if verbose {
                    stages.iter().for_each(|stage| note(&line("SKIPPED", &format!("{stage}: needs {because}"))));
                }
            }
            Event::Warned { stage, message } => note(&line("WARNING", &format!("{stage}: {message}"))),
            Event::Cluster { word, text } => note(&line(word, text)),
            Event::Stopping => note(&line("STOPPING", "finishing the current step of each stage; press Ctrl-C again to abort")),
            Event::Stopped { stage, seconds } => {
                self.end(stage);
                note(&timed("STOPPED", seconds, stage.as_str()));
            }
        }
    }
}

/// Says that results of other settings are about to go.
pub fn replaces(results: &Path, earlier: &str, now: &str) {
    note(&line("REPLACES", &format!("`{}`: results {earlier}; now {now}", results.display())));
}

/// Standard output could not be written.
#[derive(Debug)]
pub struct OutputError(pub io::Error);

/// Writes to standard output, which carries data only. A reader that went away is no failure.
///
/// # Errors
/// When the text cannot be written, for example because the disk is full.
pub fn data(text: &str) -> Result<(), OutputError> {
    let text = &colour::harmless(text, Stream::Output);
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_bytes()).and_then(|()| if text.ends_with('\n') { Ok(()) } else { output.write_all(b"\n") });
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError(error)),
        _ => Ok(()),
    }
}

/// Asks a question with yes or no on a terminal; an empty answer is a yes. `None` where nobody is there to answer.
pub fn confirm(question: &str) -> Option<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return None;
    }
    loop {
        write!(Stderr, "{question}").ok()?;
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer).ok()?;
        match answer_of(&answer) {
            Some(answer) => return Some(answer),
            // The terminal is gone.
            None if read == 0 => return Some(true),
            None => write!(Stderr, "`y` or `n`? ").ok()?,
        }
    }
}

/// What somebody typed, where nothing is a yes; `None` where it is neither.
fn answer_of(typed: &str) -> Option<bool> {
    match typed.trim().to_lowercase().as_str() {
        "" | "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

/// What a run will take.
pub fn estimate(text: &str) {
    note(&line("ESTIMATE", text));
}

/// A word for [`data`], in its colour where that is shown.
pub fn word(word: &str) -> String {
    colour::word(word, Stream::Output)
}

/// Writes a line, or several, to standard error, above any bars; not with `--quiet`.
pub fn note(text: &str) {
    if verbosity() > Verbosity::Quiet {
        error(text);
    }
}

/// Tells what is right and still worth a word.
pub fn notices(notices: &[String]) {
    for notice in notices {
        note(&line("NOTICE", notice));
    }
}

/// As [`note`], also with `--quiet`.
pub fn error(text: &str) {
    let _ = writeln!(Stderr, "{}", colour::message(&colour::harmless(text.trim_end_matches('\n'), Stream::Error), Stream::Error));
}

/// Standard error, above any bars.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Bars::aside(|| io::stderr().lock().write_all(bytes))
    }

    fn write_fmt(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        // One write for one line, so that lines of several threads do not mix.
        self.write_all(text.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::answer_of;

    #[test]
    fn an_answer_is_yes_no_or_none() {
        for (typed, answer) in [("\n", Some(true)), ("Y\n", Some(true)), (" no \n", Some(false)), ("cancel\n", None), ("nope\n", None)] {
            assert_eq!(answer_of(typed), answer, "{typed:?}");
        }
    }
}
