//! Training seen from outside: results, repeatability, symmetry, errors.

mod batch_loss;
mod common;
mod devices;
mod errors;
mod features;
mod interpolation;
mod interruption;
mod learning;
mod moments;
mod permutation_invariance;
mod repair;
mod same_bytes;
