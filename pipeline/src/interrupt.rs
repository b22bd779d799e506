//! Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Watches for Ctrl-C and the request to terminate. The first sets the flag that is returned, so that running stages stop at their
/// next look and nothing half-written stays; the second ends the process at once, which the store survives too.
///
/// May be called more than once.
pub fn install() -> &'static AtomicBool {
    let watch = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(1);
        }
    });
    if let Err(error) = watch {
        tracing::debug!(%error, "the watch for Ctrl-C is not set");
    }
    &INTERRUPTED
}
