//! The only place that prints: data on standard output, all else on standard error.
//!
//! A finished stage is a line: a word, how long it took, its name. On a terminal, running stages have a bar below the lines, gone when
//! they end; in a log there is a line now and then instead. Nothing depends on colour.

mod bars;
mod lines;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::comparison::Comparison;
use crate::events::{Event, Reporter};
use crate::publish::Published;
use crate::runner::Outcome;
use crate::stage::{Progress, StageId, Words};

use bars::Bars;
use lines::{line, timed};

/// How often a log hears of a stage that runs long.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// A line for what ran; what was at hand is only counted.
    #[default]
    Normal,
    /// A line for every stage.
    Verbose,
}

/// Tells a person what happens.
pub struct Console {
    verbosity: Verbosity,
    terminal: bool,
    running: Mutex<BTreeMap<StageId, Running>>,
}

/// A stage that a log tells about.
struct Running {
    begun: Instant,
    told: Instant,
    words: Words,
}

impl Console {
    /// On standard error; with bars if that is a terminal.
    pub fn new(verbosity: Verbosity) -> Console {
        Console { verbosity, terminal: io::stderr().is_terminal(), running: Mutex::new(BTreeMap::new()) }
    }

    /// Says, before a run, how its settings differ from those of the figures it is compared with.
    pub fn deviations(&self, comparison: &Comparison) {
        for (pair, other) in &comparison.stand_ins {
            note(&line("STANDS IN", &format!("{pair}: for {other}, whose files are not here or not asked for")));
        }
        for (pair, found) in &comparison.deviations {
            note(&line("DEVIATES", &format!("{pair}: {}", found.join("; "))));
        }
    }

    /// Says how a run ended and where its results are.
    pub fn conclude(&self, name: &str, outcome: &Outcome, published: Option<&Published>, results: &Path, plots: &Path) {
        for leftover in published.iter().flat_map(|published| &published.leftovers) {
            note(&line("LEFTOVER", &format!("`{}` is not of this run", leftover.display())));
        }
        note(&lines::conclusion(name, outcome, published, results, plots));
    }

    /// A line in a log about a stage that runs long.
    fn log(&self, stage: &StageId, progress: &Progress) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = running.get_mut(stage) else { return };
        if running.told.elapsed() >= LOG_INTERVAL {
            running.told = Instant::now();
            let elapsed = running.begun.elapsed().as_secs_f64();
            note(&timed(running.words.present, elapsed, &format!("{stage}: {}", lines::progress(progress, elapsed))));
        }
    }
}

impl Reporter for Console {
    fn event(&self, event: &Event<'_>) {
        let verbose = self.verbosity == Verbosity::Verbose;
        match *event {
            Event::Surveyed { stages, cached, to_run } => {
                if to_run > 0 && cached > 0 {
                    note(&line("CACHED", &format!("{cached} of {stages} stages, {to_run} to run")));
                }
            }
            Event::Cached { stage } => {
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
                let holder = holder.map_or(String::new(), |process| format!(" (process {process})"));
                note(&line("WAITING", &format!("{stage}: another run is making it{holder}")));
            }
            Event::Started { stage, words } => {
                let now = Instant::now();
                self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(stage.clone(), Running { begun: now, told: now, words });
                if self.terminal {
                    Bars::shared().start(stage, words.present);
                }
            }
            Event::Advanced { stage, progress } => {
                if self.terminal {
                    Bars::shared().advance(stage, progress);
                } else {
                    self.log(stage, progress);
                }
            }
            Event::Finished { stage, words, seconds } => {
                self.end(stage);
                note(&timed(words.past, seconds, stage.as_str()));
            }
            Event::Failed { stage, seconds, error } => {
                self.end(stage);
                note(&format!("{}\n{}", timed("FAILED", seconds, stage.as_str()), lines::chain(error)));
            }
            Event::Skipped { stage, because } => note(&line("SKIPPED", &format!("{stage}: needs {because}"))),
            Event::Stopping => note(&line("STOPPING", "running stages stop at their next look; once more to end at once")),
            Event::Stopped { stage, seconds } => {
                self.end(stage);
                note(&timed("STOPPED", seconds, stage.as_str()));
            }
        }
    }
}

impl Console {
    fn end(&self, stage: &StageId) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(stage);
        if self.terminal {
            Bars::shared().end(stage);
        }
    }
}

/// Writes to standard output, which carries data only. A reader that went away is no failure.
pub fn data(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| if text.ends_with('\n') { Ok(()) } else { output.write_all(b"\n") });
    let _ = output.flush();
}

/// Writes a line, or several, to standard error, above any bars.
pub fn note(text: &str) {
    let _ = writeln!(Stderr, "{}", text.trim_end_matches('\n'));
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
