//! Every picture of a results folder, drawn from its CSV files alone.

use std::path::Path;

use anyhow::{Context, Result};

use super::{merged_picture, overview_picture, seconds_picture, widths_picture};
use crate::drawing::Canvas;
use crate::measurements;

/// Draws every plot of a results folder into `out`.
///
/// # Errors
/// When a CSV is absent or malformed, or a file cannot be written.
pub fn draw_all(results: &Path, out: &Path) -> Result<()> {
    let canvas = Canvas::new(results, out)?;
    merged_picture::draw(&canvas).context("pictures of merged models")?;
    overview_picture::draw(&canvas).context("picture of the table")?;
    widths_picture::draw(&canvas).context("pictures over widths")?;
    for measurement in measurements::ALL {
        measurement.draw(&canvas)?;
    }
    Ok(())
}

/// Draws the plots of `timings.csv`, which, like that file, may differ between equal runs: no stage draws them.
///
/// # Errors
/// When a CSV is absent or malformed, or a file cannot be written.
pub fn draw_timings(results: &Path, out: &Path) -> Result<()> {
    seconds_picture::draw(&Canvas::new(results, out)?).context("pictures of seconds")
}
