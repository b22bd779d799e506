//! Names beside a chart, each with its colour and mark.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::method_style::{MethodStyles, Style, mark};
use super::picture::{FONT, TEXT, backend};

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
        let most = (area.dim_in_pixel().0.saturating_sub(60) / 9) as usize;
        let mut y = 46;
        for (place, name) in self.names.iter().enumerate() {
            let colour = self.colour(place);
            area.draw(&PathElement::new(vec![(8, y), (44, y)], colour.stroke_width(3))).map_err(backend)?;
            let points: Vec<_> = self.mark(place, 7.0).into_iter().map(|(dx, dy)| (26 + dx, y + dy)).collect();
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

    #[test]
    fn long_names_break_behind_hyphens_and_short_ones_do_not() {
        assert_eq!(lines("merge-many-repair-as-published", 18), ["merge-many-repair-", "as-published"]);
        assert_eq!(lines("c2m3", 18), ["c2m3"]);
        assert_eq!(lines("withoutanyhyphenatall-x", 5), ["withoutanyhyphenatall-", "x"]);
    }
}
