//! Ctrl-C and requests to terminate.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

struct Watch {
    interrupted: Arc<AtomicBool>,
    /// The signal that came last; 0 for none.
    signal: Arc<AtomicUsize>,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// Watches for Ctrl-C and the request to terminate. The first sets the flag that is returned, so that running stages stop after their
/// current step and nothing half-written stays; the second ends the process at once, which the store survives too.
///
/// May be called more than once.
pub fn install() -> &'static AtomicBool {
    &WATCH.get_or_init(watch).interrupted
}

/// As [`install`], but further signals change nothing: a scheduler may send several at once, and kills a process that takes too long.
pub fn install_patiently() -> &'static AtomicBool {
    &WATCH.get_or_init(|| watch_signals(false)).interrupted
}

fn watch() -> Watch {
    watch_signals(true)
}

fn watch_signals(second_ends: bool) -> Watch {
    let watch = Watch { interrupted: Arc::default(), signal: Arc::default() };
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        let ends = if second_ends { watch.interrupted.clone() } else { Arc::default() };
        let registered = flag::register_conditional_shutdown(signal, 128 + signal, ends)
            .and_then(|_| flag::register_usize(signal, watch.signal.clone(), signal as usize))
            .and_then(|_| flag::register(signal, watch.interrupted.clone()));
        if let Err(error) = registered {
            tracing::warn!(%error, signal, "signal is not watched");
        }
    }
    watch
}

/// A file that outgrows the limit of the process (`ulimit -f`) is then an error of writing it, and not the end of the process without a word.
pub fn outlive_file_limits() {
    if let Err(error) = flag::register(signal_hook::consts::SIGXFSZ, Arc::default()) {
        tracing::warn!(%error, "files that outgrow the limit end the process");
    }
}

/// 128 and the number of the signal that asked the process to end, as shells have it; `None` if none did.
pub fn exit_code() -> Option<u8> {
    let signal = WATCH.get()?.signal.load(Ordering::SeqCst);
    u8::try_from(signal).ok().filter(|&signal| signal > 0).map(|signal| 128 + signal)
}
