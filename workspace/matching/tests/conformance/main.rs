//! The conformance tests of the crate: what holds for every method on every architecture.

mod every_method;
mod networks;
mod refusals;
