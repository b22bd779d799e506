//! Named random streams and fingerprints: the only source of chance and of hashes.
//!
//! Every random number of an experiment comes from a [`Stream`] reached by names from one root seed, so it does not depend on what else ran
//! before or beside it: `key(child) = BLAKE3_derive_key("onebasin stream", key(parent) ‖ name)`.
//! This crate does not read specs and does not decide what a stage's recipe holds.

mod fingerprint;
mod stream;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use rand_chacha::ChaCha8Rng;
pub use stream::Stream;
