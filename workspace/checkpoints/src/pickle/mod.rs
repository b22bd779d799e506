//! Pickles read as data.
//!
//! A [`Machine`] follows the opcodes and builds values in an arena; it imports nothing and calls nothing. Where a pickle asks for a call,
//! [`calls`] knows a short list of constructors whose result can be written down as data. Everything else is an error that names it.

mod calls;
mod machine;
mod value;

pub(crate) use machine::read;
pub(crate) use value::{Node, Pickled, QUANTISED, SPARSE, StorageId, StoragePlace, TensorPlace, Value};
