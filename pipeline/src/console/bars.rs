//! Bars of running stages and a line for the whole run, on a terminal.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use terminal_size::{Width, terminal_size_of};

use crate::stage::{Progress, StageId};

static SHARED: OnceLock<Bars> = OnceLock::new();

/// Below this many columns there is no room for a bar beside a name.
const NARROW: u16 = 90;

/// One bar for each running stage. There is one terminal, so there is one of these.
pub(super) struct Bars {
    area: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stages: BTreeMap<StageId, ProgressBar>,
    /// The line below the bars of the stages.
    run: Option<ProgressBar>,
}

impl Bars {
    pub fn shared() -> &'static Bars {
        SHARED.get_or_init(|| Bars { area: MultiProgress::new(), state: Mutex::default() })
    }

    /// Does something while no bar is on the screen.
    pub fn aside<R>(something: impl FnOnce() -> R) -> R {
        match SHARED.get() {
            Some(bars) => bars.area.suspend(something),
            None => something(),
        }
    }

    /// Shows how many stages of a run are done.
    pub fn start_run(&self, stages: usize) {
        let bar = ProgressBar::new(stages as u64).with_style(style("{prefix:>9} [{elapsed:>6}] {pos} of {len} stages, about {eta} left"));
        let bar = self.area.add(bar.with_prefix("running"));
        bar.enable_steady_tick(Duration::from_millis(200));
        self.lock().run = Some(bar);
    }

    /// So many stages more are done with, however they ended.
    pub fn advance_run(&self, stages: usize) {
        if let Some(run) = &self.lock().run {
            run.inc(stages as u64);
        }
    }

    pub fn end_run(&self) {
        if let Some(bar) = self.lock().run.take() {
            bar.finish_and_clear();
            self.area.remove(&bar);
        }
    }

    pub fn start(&self, stage: &StageId, word: &'static str) {
        let mut state = self.lock();
        let bar = ProgressBar::new_spinner().with_style(style("{prefix:>9} [{elapsed:>6}] {spinner} {wide_msg}"));
        let bar = bar.with_prefix(word).with_message(stage.to_string());
        let bar = match &state.run {
            Some(run) => self.area.insert_before(run, bar),
            None => self.area.add(bar),
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        state.stages.insert(stage.clone(), bar);
    }

    pub fn advance(&self, stage: &StageId, progress: &Progress) {
        let state = self.lock();
        let Some(bar) = state.stages.get(stage) else { return };
        let (first, done, total) = match *progress {
            Progress::Training { first, step, steps, .. } => (first, step, steps),
            Progress::Share { done, total } => (0, done, total),
        };
        if bar.length().is_none() {
            bar.set_length(total as u64);
            // The name comes first, and is cut last.
            bar.set_style(match terminal_size_of(std::io::stderr()) {
                Some((Width(width), _)) if width < NARROW => style("{prefix:>9} [{elapsed:>6}] {wide_msg} {percent:>3} %"),
                _ => style("{prefix:>9} [{elapsed:>6}] {wide_msg} {bar:16} {percent:>3} %, {eta} left"),
            });
            // Neither reading the data nor what an earlier run did is the work.
            bar.set_position(first as u64);
            bar.reset_eta();
        }
        bar.set_position(done as u64);
        if let Progress::Training { loss, .. } = progress {
            bar.set_message(format!("{stage}: loss {loss:.4}"));
        }
    }

    pub fn end(&self, stage: &StageId) {
        if let Some(bar) = self.lock().stages.remove(stage) {
            bar.finish_and_clear();
            self.area.remove(&bar);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of this file is well formed")
}
