//! Errors of the libraries as exceptions, with the texts of the command.

use onebasin::error_text::error_text;
use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};

fn text(error: anyhow::Error) -> String {
    let text = error_text(&error);
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// What came in is wrong: a `ValueError`, or an `OSError` where a file is to blame.
pub fn input(error: impl Into<anyhow::Error>) -> PyErr {
    let error = error.into();
    let is_file = error.chain().any(|cause| cause.is::<std::io::Error>());
    if is_file { PyOSError::new_err(text(error)) } else { PyValueError::new_err(text(error)) }
}

/// The work failed: a `RuntimeError`.
pub fn running(error: impl Into<anyhow::Error>) -> PyErr {
    PyRuntimeError::new_err(text(error.into()))
}
