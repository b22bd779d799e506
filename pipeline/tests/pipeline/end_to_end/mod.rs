//! The command itself, on the smallest shipped experiment.

mod ends;
mod place;
mod repairing;
mod reruns;
