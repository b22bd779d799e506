//! Numbers as a `bytearray` of Python, over which NumPy lays an array without a copy.

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// Numbers one after the other, as the machine has them.
pub fn bytes<'py, T: Copy, const N: usize>(
    py: Python<'py>,
    values: &[T],
    number: impl Fn(T) -> [u8; N],
) -> PyResult<Bound<'py, PyByteArray>> {
    PyByteArray::new_with(py, values.len() * N, |bytes| {
        bytes.as_chunks_mut::<N>().0.iter_mut().zip(values).for_each(|(chunk, &value)| *chunk = number(value));
        Ok(())
    })
}
