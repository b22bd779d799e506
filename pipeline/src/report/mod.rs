//! Tables and pictures of what was measured: summaries over replicates, verdicts, `table.md`.

mod architectures;
pub mod beside;
mod check;
mod differences;
mod draw;
mod interchangeable;
mod line_sets;
mod main_columns;
mod markdown;
mod merged_picture;
mod methods;
mod notes;
pub mod off_lines;
mod orderings;
mod over_time;
mod overview_picture;
#[cfg(test)]
mod picture_label_tests;
#[cfg(test)]
mod picture_results;
#[cfg(test)]
mod picture_tests;
mod plot;
mod seconds_picture;
mod stopped;
mod summary;
mod sweep_picture;
mod tabulate;
mod to_lose;
mod trends;
mod verdicts;
mod widths_picture;

pub use architectures::ArchitectureRow;
pub use check::{Compared, check, check_reported, made, renewed};
pub use draw::draw_timings;
pub use methods::method_rows;
pub use plot::Plot;
pub use sweep_picture::draw_sweep;
pub use tabulate::{Known, Tabulate};
