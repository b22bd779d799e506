//! The command itself, on the smallest shipped experiment.

mod columns;
mod combinations;
mod continual;
mod curves;
mod ends;
mod epochs;
mod golden;
mod measurements;
mod pictures;
mod place;
mod repairing;
mod reruns;
mod rounds;
mod rows;
mod shared;
mod splits;
mod starting;
mod transporting;
mod tuning;
mod widths;

pub use place::Place;
pub use shared::{everything, smoke};
