//! The look of every plot: font, colours, marks, and drawing one picture as SVG and PNG.

use std::path::Path;
use std::sync::Once;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// Name under which the embedded font is known.
pub const FONT: &str = "sans-serif";
/// Size of axis labels and legends, in pixels.
pub const TEXT: u32 = 18;
/// Size of headings, in pixels.
const HEADING: u32 = 22;

static REGISTERED: Once = Once::new();

/// Room for these names beside a chart, in pixels.
pub fn names_width(names: &[String]) -> u32 {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    26 + (9.4 * longest as f64) as u32
}

/// Turns a backend's error, which may borrow, into one that can travel.
pub fn backend(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

/// A picture that can be drawn on any backend.
pub trait Picture {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);
    /// Draws everything on a white area of that size.
    ///
    /// # Errors
    /// When the backend fails.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()>;
}

/// Writes a picture as `<stem>.svg` and `<stem>.png`.
///
/// # Errors
/// When it cannot be drawn or a file cannot be written.
pub fn save(picture: &impl Picture, folder: &Path, stem: &str) -> Result<()> {
    REGISTERED.call_once(|| {
        // The only failure is an unreadable font; drawing text reports that as an error.
        let _ = register_font(FONT, FontStyle::Normal, include_bytes!("../../assets/DejaVuSans-subset.ttf"));
    });
    let svg = folder.join(format!("{stem}.svg"));
    {
        let area = SVGBackend::new(&svg, picture.size()).into_drawing_area();
        area.fill(&WHITE).map_err(backend)?;
        picture.draw(&area)?;
        area.present().map_err(backend)?;
    }
    let png = folder.join(format!("{stem}.png"));
    let area = BitMapBackend::new(&png, picture.size()).into_drawing_area();
    area.fill(&WHITE).map_err(backend)?;
    picture.draw(&area)?;
    area.present().map_err(backend)
}

/// From nearly white at 0 to the colour at 1.
pub fn blend(RGBColor(red, green, blue): RGBColor, share: f64) -> RGBColor {
    let mix = |channel: u8| (247.0 + (f64::from(channel) - 247.0) * share).round() as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}

/// The area below a heading.
///
/// # Errors
/// When the backend fails.
pub fn titled<B: DrawingBackend>(area: &DrawingArea<B, Shift>, title: &str) -> Result<DrawingArea<B, Shift>> {
    area.margin(12, 0, 0, 0).titled(title, (FONT, HEADING)).map_err(backend)
}

/// Ends of an axis that shows all values with a little room; never empty.
pub fn range(values: impl IntoIterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) = values
        .into_iter()
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return 0.0..1.0;
    }
    let room = if high > low { 0.05 * (high - low) } else { 0.05 * high.abs().max(0.1) };
    low - room..high + room
}
