//! Training seen from outside: results, repeatability, symmetry, errors.

mod common;
mod devices;
mod errors;
mod features;
mod learning;
mod line;
mod permutation_invariance;
mod repair;
mod same_bytes;
