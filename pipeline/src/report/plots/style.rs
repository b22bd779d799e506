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

/// Colours that stay apart for people with any colour vision, darkest uses first. Source: Okabe and Ito, Color Universal Design, 2008.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
    RGBColor(150, 120, 60),
];

/// In the names of methods: before it stands the name of the one that is repaired.
const REPAIRED: &str = "-repair";

/// Room for these names beside a chart, in pixels.
pub fn names_width(names: &[String]) -> u32 {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    26 + (9.4 * longest as f64) as u32
}

/// A name in lines of at most so many characters, broken behind hyphens; a longer part stays whole.
fn lines(name: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for part in name.split_inclusive('-') {
        if let Some(line) = lines.last_mut()
            && (line.is_empty() || line.chars().count() + part.chars().count() <= most)
        {
            line.push_str(part);
        } else {
            lines.push(part.to_owned());
        }
    }
    lines
}

/// A closed mark around the origin for the `index`-th method: a second sign beside the colour.
pub fn mark(index: usize, size: f64) -> Vec<(i32, i32)> {
    let corners = |count: usize, turn: f64, inner: f64| -> Vec<(i32, i32)> {
        let point = |corner: usize| {
            let radius = if inner < 1.0 && corner % 2 == 1 { size * inner } else { size };
            let angle = std::f64::consts::TAU * corner as f64 / count as f64 + turn;
            ((radius * angle.sin()).round() as i32, (-radius * angle.cos()).round() as i32)
        };
        (0..count).map(point).collect()
    };
    match index % 6 {
        0 => corners(24, 0.0, 1.0),
        1 => corners(4, std::f64::consts::FRAC_PI_4, 1.0),
        2 => corners(3, 0.0, 1.0),
        3 => corners(4, 0.0, 1.0),
        4 => corners(3, std::f64::consts::PI, 1.0),
        _ => corners(10, 0.0, 0.45),
    }
}

/// What a method is drawn with everywhere in one picture.
pub struct Legend {
    names: Vec<String>,
}

impl Legend {
    /// Methods in the order of their colours.
    pub fn new(names: Vec<String>) -> Legend {
        Legend { names }
    }

    /// The methods.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The method of which this one is a repaired twin, by their names; itself if of none.
    pub fn root(&self, index: usize) -> usize {
        let root = self.names[index].split_once(REPAIRED).and_then(|(root, _)| self.names.iter().position(|name| name == root));
        root.unwrap_or(index)
    }

    /// The colour of a method: of a repaired twin, a darker one than that of the method it is a twin of.
    pub fn colour(&self, index: usize) -> RGBColor {
        let root = self.root(index);
        let twins = (0..index).filter(|&other| other != root && self.root(other) == root).count();
        let shade = if index == root { 1.0 } else { 0.62f64.powi(twins as i32 + 1) };
        let place = (0..root).filter(|&other| self.root(other) == other).count();
        let RGBColor(red, green, blue) = COLOURS[place % COLOURS.len()];
        let [red, green, blue] = [red, green, blue].map(|part| (f64::from(part) * shade).round() as u8);
        RGBColor(red, green, blue)
    }

    /// Draws mark and name of each method, one below the other, then the notes.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, notes: &[&str]) -> Result<()> {
        let font = (FONT, TEXT).into_font();
        let most = (area.dim_in_pixel().0.saturating_sub(60) / 9) as usize;
        let mut y = 46;
        for (index, name) in self.names.iter().enumerate() {
            let colour = self.colour(index);
            area.draw(&PathElement::new(vec![(8, y), (44, y)], colour.stroke_width(3))).map_err(backend)?;
            let points: Vec<_> = mark(index, 7.0).into_iter().map(|(dx, dy)| (26 + dx, y + dy)).collect();
            area.draw(&Polygon::new(points, colour.filled())).map_err(backend)?;
            for line in lines(name, most) {
                area.draw(&Text::new(line, (54, y - 8), font.clone())).map_err(backend)?;
                y += 21;
            }
            y += 9;
        }
        y += 10;
        for note in notes {
            area.draw(&Text::new((*note).to_owned(), (8, y), (FONT, TEXT - 3).into_font().color(&RGBColor(90, 90, 90))))
                .map_err(backend)?;
            y += 20;
        }
        Ok(())
    }
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
        let _ = register_font(FONT, FontStyle::Normal, include_bytes!("../../../assets/DejaVuSans-subset.ttf"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_break_behind_hyphens_and_short_ones_do_not() {
        assert_eq!(lines("merge-many-repair-as-published", 18), ["merge-many-repair-", "as-published"]);
        assert_eq!(lines("c2m3", 18), ["c2m3"]);
        assert_eq!(lines("withoutanyhyphenatall-x", 5), ["withoutanyhyphenatall-", "x"]);
    }

    #[test]
    fn twins_share_a_hue_and_no_two_methods_a_colour() {
        let names =
            ["c2m3", "c2m3-repair", "git-re-basin", "git-re-basin-b", "merge-many", "merge-many-repair", "merge-many-repair-as-published"];
        let legend = Legend::new(names.map(str::to_owned).to_vec());
        assert_eq!((0..names.len()).map(|index| legend.root(index)).collect::<Vec<_>>(), [0, 0, 2, 3, 4, 4, 4]);
        let colours: Vec<RGBColor> = (0..names.len()).map(|index| legend.colour(index)).collect();
        assert_eq!((colours[0], colours[2]), (COLOURS[0], COLOURS[1]));
        assert!((0..names.len()).all(|one| (0..one).all(|other| colours[one] != colours[other])), "{colours:?}");
    }
}
