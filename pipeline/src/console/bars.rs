//! Bars of running stages, on a terminal.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::stage::{Progress, StageId};

static SHARED: OnceLock<Bars> = OnceLock::new();

/// One bar for each running stage. There is one terminal, so there is one of these.
pub(super) struct Bars {
    area: MultiProgress,
    bars: Mutex<BTreeMap<StageId, ProgressBar>>,
}

impl Bars {
    pub fn shared() -> &'static Bars {
        SHARED.get_or_init(|| Bars { area: MultiProgress::new(), bars: Mutex::new(BTreeMap::new()) })
    }

    /// Does something while no bar is on the screen.
    pub fn aside<R>(something: impl FnOnce() -> R) -> R {
        match SHARED.get() {
            Some(bars) => bars.area.suspend(something),
            None => something(),
        }
    }

    pub fn start(&self, stage: &StageId, word: &'static str) {
        let bar = ProgressBar::new_spinner().with_style(style("{prefix:>9} [{elapsed:>6}] {spinner} {wide_msg}"));
        let bar = self.area.add(bar.with_prefix(word).with_message(stage.to_string()));
        bar.enable_steady_tick(Duration::from_millis(200));
        self.lock().insert(stage.clone(), bar);
    }

    pub fn advance(&self, stage: &StageId, progress: &Progress) {
        let bars = self.lock();
        let Some(bar) = bars.get(stage) else { return };
        let (done, total) = match *progress {
            Progress::Training { step, steps, .. } => (step, steps),
            Progress::Share { done, total } => (done, total),
        };
        if bar.length().is_none() {
            bar.set_length(total as u64);
            bar.set_style(style("{prefix:>9} [{elapsed:>6}] {bar:20} {percent:>3} %, {eta} left  {wide_msg}"));
            // Reading the data is not the work.
            bar.reset_eta();
        }
        bar.set_position(done as u64);
        if let Progress::Training { loss, rate, .. } = progress {
            bar.set_message(format!("{stage}: loss {loss:.4}, rate {rate:.1e}"));
        }
    }

    pub fn end(&self, stage: &StageId) {
        if let Some(bar) = self.lock().remove(stage) {
            bar.finish_and_clear();
            self.area.remove(&bar);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<StageId, ProgressBar>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of this file is well formed")
}
