//! Names beside a chart, each with its colour and mark.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::method_style::{MethodStyles, Style, mark};
use super::picture::{FONT, TEXT, backend};

/// Where the first name stands, the height of a line of a name and of a note, what parts names, and these from
/// notes, in pixels.
const TOP: f64 = 46.0;
const LINE: f64 = 21.0;
const NOTE: f64 = 20.0;
const GAP: f64 = 9.0;
const BREAK: f64 = 10.0;
/// How far letters reach below where a text begins.
const LETTERS: f64 = 14.0;

/// What is drawn in one picture, and how.
#[derive(Clone, Debug)]
pub struct Legend {
    names: Vec<String>,
    styles: Vec<Style>,
}

impl Legend {
    /// Methods, from top to bottom.
    pub fn new(names: Vec<String>, methods: &MethodStyles) -> Legend {
        let styles = names.iter().map(|name| methods.of(name)).collect();
        Legend { names, styles }
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The colour at a place.
    pub fn colour(&self, place: usize) -> RGBColor {
        self.styles[place].colour
    }

    /// The mark at a place, around the origin.
    pub fn mark(&self, place: usize, size: f64) -> Vec<(i32, i32)> {
        mark(self.styles[place].shape, size)
    }

    /// The outline of the mark at a place.
    pub fn outline(&self, place: usize, size: f64) -> PathElement<(i32, i32)> {
        let mut outline = self.mark(place, size);
        outline.push(outline[0]);
        PathElement::new(outline, self.colour(place).stroke_width(2))
    }

    /// Draws mark and name of each, one below the other, then the notes.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, notes: &[&str]) -> Result<()> {
        let font = (FONT, TEXT).into_font();
        let (width, height) = area.dim_in_pixel();
        let most = (width.saturating_sub(60) / 9) as usize;
        let names: Vec<Vec<String>> = self.names.iter().map(|name| lines(name, most)).collect();
        let needed = names.iter().map(|lines| LINE * lines.len() as f64 + GAP).sum::<f64>() + BREAK + NOTE * notes.len() as f64;
        // Closer together where all of it would not find room.
        let tight = ((f64::from(height) - TOP - LETTERS) / (needed - NOTE).max(1.0)).clamp(0.5, 1.0);
        let mut y = TOP;
        for (place, lines) in names.into_iter().enumerate() {
            let (colour, middle) = (self.colour(place), y as i32);
            area.draw(&PathElement::new(vec![(8, middle), (44, middle)], colour.stroke_width(3))).map_err(backend)?;
            let points: Vec<_> = self.mark(place, 7.0).into_iter().map(|(dx, dy)| (26 + dx, middle + dy)).collect();
            area.draw(&Polygon::new(points, colour.filled())).map_err(backend)?;
            for line in lines {
                area.draw(&Text::new(line, (54, y as i32 - 8), font.clone())).map_err(backend)?;
                y += LINE * tight;
            }
            y += GAP * tight;
        }
        y += BREAK * tight;
        for note in notes {
            area.draw(&Text::new((*note).to_owned(), (8, y as i32), (FONT, TEXT - 3).into_font().color(&RGBColor(90, 90, 90))))
                .map_err(backend)?;
            y += NOTE * tight;
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How far down the texts of a legend of so many names, with two notes, begin in a picture 530 high.
    fn depths(names: usize) -> Vec<i32> {
        let names = (0..names).map(|name| format!("method {name}")).collect();
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (250, 530)).into_drawing_area();
            Legend::new(names, &MethodStyles::default()).draw(&area, &["a mark: one replicate;", "line: their mean"]).unwrap();
            area.present().unwrap();
        }
        svg.split("<text ").skip(1).map(|text| text.split("y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn many_names_stand_closer_and_none_is_cut() {
        assert_eq!(depths(3), [38, 68, 98, 146, 166]);
        for count in [14, 15, 20, 25] {
            let found = depths(count);
            assert!(found.len() == count + 2 && found.is_sorted() && found.iter().all(|depth| *depth <= 530 - 14), "{found:?}");
        }
    }

    #[test]
    fn long_names_break_behind_hyphens_and_short_ones_do_not() {
        assert_eq!(lines("merge-many-repair-as-published", 18), ["merge-many-repair-", "as-published"]);
        assert_eq!(lines("c2m3", 18), ["c2m3"]);
        assert_eq!(lines("withoutanyhyphenatall-x", 5), ["withoutanyhyphenatall-", "x"]);
    }
}
