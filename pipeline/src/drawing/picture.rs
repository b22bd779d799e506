//! The look of every plot: font, colours, marks, and drawing one picture as SVG and PNG.

use std::path::Path;
use std::sync::Once;

use anyhow::{Context, Result, anyhow};
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
    /// Width and height in pixels, with the title.
    fn size(&self) -> (u32, u32);
    /// The heading.
    fn title(&self) -> String;
    /// What it shows, in a sentence, for those who cannot see it.
    fn description(&self) -> String;
    /// Draws everything but the heading on a white area of that size, less the heading.
    ///
    /// # Errors
    /// When the backend fails.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()>;
}

/// A picture with a line or two below it.
pub struct Footed<'a, P> {
    pub picture: &'a P,
    /// What must be known to read it right.
    pub note: String,
}

/// Size of the letters of a note below a picture, and the height of its lines, in pixels.
const NOTE: (u32, u32) = (TEXT - 3, 22);
const WARNING: RGBColor = RGBColor(170, 30, 30);

impl<P: Picture> Footed<'_, P> {
    /// The note in lines that fit the width.
    fn lines(&self) -> Vec<String> {
        let most = self.picture.size().0 as usize / 9;
        let mut lines = vec![String::new()];
        for word in self.note.split(' ') {
            let line = lines.last_mut().expect("there is always a line");
            if !line.is_empty() && line.chars().count() + word.chars().count() >= most {
                lines.push(word.to_owned());
            } else {
                let gap = if line.is_empty() { "" } else { " " };
                line.push_str(gap);
                line.push_str(word);
            }
        }
        lines
    }

    fn foot(&self) -> u32 {
        NOTE.1 * self.lines().len() as u32 + 10
    }
}

impl<P: Picture> Picture for Footed<'_, P> {
    fn size(&self) -> (u32, u32) {
        let (width, height) = self.picture.size();
        (width, height + self.foot())
    }

    fn title(&self) -> String {
        self.picture.title()
    }

    fn description(&self) -> String {
        format!("{} {}.", self.picture.description(), self.note)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let height = area.dim_in_pixel().1 as i32;
        let (body, foot) = area.split_vertically(height - self.foot() as i32);
        self.picture.draw(&body)?;
        for (place, line) in self.lines().into_iter().enumerate() {
            let style = (FONT, NOTE.0).into_font().color(&WARNING);
            foot.draw(&Text::new(line, (16, 4 + (place as u32 * NOTE.1) as i32), style)).map_err(backend)?;
        }
        Ok(())
    }
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
    let mut svg = String::new();
    draw(picture, SVGBackend::with_string(&mut svg, picture.size()))?;
    let path = folder.join(format!("{stem}.svg"));
    std::fs::write(&path, described(&svg, picture)).with_context(|| format!("cannot write `{}`", path.display()))?;
    let png = folder.join(format!("{stem}.png"));
    draw(picture, BitMapBackend::new(&png, picture.size()))
}

fn draw<B: DrawingBackend>(picture: &impl Picture, backend_of: B) -> Result<()> {
    let area = backend_of.into_drawing_area();
    area.fill(&WHITE).map_err(backend)?;
    picture.draw(&titled(&area, &picture.title())?)?;
    area.present().map_err(backend)
}

/// An SVG with its title and description as its first elements, which is where readers aloud look for them.
fn described(svg: &str, picture: &impl Picture) -> String {
    let escaped = |text: String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let words = format!("<title>{}</title>\n<desc>{}</desc>", escaped(picture.title()), escaped(picture.description()));
    match svg.split_once(">\n") {
        Some((head, rest)) => format!("{head} role=\"img\">\n{words}\n{rest}"),
        None => svg.to_owned(),
    }
}

/// Some names as the end of a sentence: `a, b and c`.
pub fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) }
}

/// From nearly white at 0 to the colour at 1.
pub fn blend(RGBColor(red, green, blue): RGBColor, share: f64) -> RGBColor {
    let mix = |channel: u8| (247.0 + (f64::from(channel) - 247.0) * share).round() as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}

/// The area below a heading.
fn titled<B: DrawingBackend>(area: &DrawingArea<B, Shift>, title: &str) -> Result<DrawingArea<B, Shift>> {
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
    if low == 0.0 && high == 0.0 {
        return -0.05..1.0;
    }
    let room = 0.05 * if high - low > 1e-9 * high.abs().max(low.abs()) { high - low } else { high.abs().max(low.abs()) };
    low - room..high + room
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Blank;

    impl Picture for Blank {
        fn size(&self) -> (u32, u32) {
            (450, 100)
        }

        fn title(&self) -> String {
            "blank".to_owned()
        }

        fn description(&self) -> String {
            "Nothing.".to_owned()
        }

        fn draw<B: DrawingBackend>(&self, _: &DrawingArea<B, Shift>) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_note_below_a_picture_has_as_many_lines_as_its_width_needs() {
        let short = Footed { picture: &Blank, note: "not trained: d".to_owned() };
        assert_eq!((short.lines().len(), short.size()), (1, (450, 132)));
        let long = Footed { picture: &Blank, note: ["word"; 30].join(" ") };
        assert!(long.lines().iter().all(|line| line.chars().count() <= 50), "{:?}", long.lines());
        assert_eq!((long.lines().join(" "), long.size().1), (long.note.clone(), 100 + 10 + 22 * long.lines().len() as u32));
        assert_eq!(long.description(), format!("Nothing. {}.", long.note));
    }
}
