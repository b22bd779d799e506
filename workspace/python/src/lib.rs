//! The native half of the Python package `onebasin`. Everything here is said again, for people who write Python, in `python/onebasin`.
//!
//! Arrays come in by the buffer protocol and are read once; the interpreter's lock is given up for as long as the work takes.
#![cfg(feature = "extension")]

mod bytes;
mod failure;
mod interruptible;
mod matching;
mod transport;

use pyo3::prelude::*;

/// The module `onebasin._onebasin`.
#[pymodule]
fn _onebasin(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<matching::Match>()?;
    module.add_function(wrap_pyfunction!(transport::linear_sum_assignment, module)?)?;
    module.add_function(wrap_pyfunction!(transport::emd, module)?)
}
