//! Tests of the public surface, in one binary.

mod checkpoints;
mod errors;
mod families;
mod folding;
mod forward;
mod golden;
mod inference;
mod order;
mod permuting;
mod repairable;
mod samples;
mod taps;
mod telling_apart;
