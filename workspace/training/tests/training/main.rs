//! Training seen from outside: results, repeatability, symmetry, errors.

mod common;
mod errors;
mod learning;
mod line;
mod permutation_invariance;
mod same_bytes;
