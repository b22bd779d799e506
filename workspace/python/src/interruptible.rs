use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyResult, Python};

/// How often signals are looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Enough for deep networks.
const STACK: usize = 16 << 20;

/// Does work on another thread without the interpreter's lock, and comes back at once where a signal raises an exception, such as Ctrl-C's
/// `KeyboardInterrupt`. Work that cannot stop in the middle then goes on unheard until its end; the flag says so to the rest.
pub fn interruptible<T: Send + 'static>(py: Python<'_>, work: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> PyResult<T> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let (sender, mut receiver) = sync_channel(1);
    let flag = interrupted.clone();
    let worker = move || drop(sender.send(work(&flag)));
    thread::Builder::new().name("onebasin".to_owned()).stack_size(STACK).spawn(worker)?;
    loop {
        let outcome;
        (receiver, outcome) = py.detach(move || {
            let outcome = receiver.recv_timeout(LOOK);
            (receiver, outcome)
        });
        match outcome {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| interrupted.store(true, Ordering::Relaxed))?,
            Err(RecvTimeoutError::Disconnected) => return Err(PyRuntimeError::new_err("the work ended in a panic, please report it")),
        }
    }
}
