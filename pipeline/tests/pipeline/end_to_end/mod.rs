//! The command itself, on the smallest shipped experiment.

mod columns;
mod ends;
mod golden;
mod measurements;
mod place;
mod repairing;
mod reruns;
mod rows;
mod shared;
mod transporting;
