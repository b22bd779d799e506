//! Numbers from 0 to 1 as coloured cells: a row for each thing, a column for each class or the like.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::picture::{FONT, Picture, TEXT, backend, blend, list};

/// Columns beyond this have cells too narrow for numbers.
const MOST_NUMBERS: usize = 30;

/// Longer names of columns are cut.
const LONGEST: usize = 16;

/// Height of a row, in pixels.
const ROW: i32 = 26;

const FULL: RGBColor = RGBColor(0, 114, 178);

/// Panels of cells below each other, of the same columns.
pub struct HeatMap {
    /// The heading of the picture.
    pub title: String,
    /// What columns are, as in `class`.
    pub along: String,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// Each with its heading.
    pub panels: Vec<HeatPanel>,
}

/// One block of cells.
pub struct HeatPanel {
    /// What it shows.
    pub heading: String,
    /// The name of each row, and its values, from 0 to 1; none where there is nothing to say.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

impl HeatMap {
    fn cell(&self) -> i32 {
        if self.columns.len() <= MOST_NUMBERS { 46 } else { (1380 / self.columns.len() as i32).max(5) }
    }

    fn margin(&self) -> i32 {
        let names = self.panels.iter().flat_map(|panel| &panel.rows).map(|(name, _)| name.chars().count());
        30 + 10 * names.max().unwrap_or_default() as i32
    }

    /// The names of columns as far as there is room.
    fn names(&self) -> impl Iterator<Item = String> {
        let short = |name: &String| match name.char_indices().nth(LONGEST) {
            Some(_) => name.chars().take(LONGEST - 1).chain(['…']).collect(),
            None => name.clone(),
        };
        self.columns.iter().map(short)
    }

    /// Room above the cells for names of columns that are wider than these and stand upright; nothing where all lie.
    fn upright(&self) -> Option<i32> {
        let longest = self.names().map(|name| name.chars().count()).max().unwrap_or_default() as i32;
        (longest > 3 && 9 * longest > self.cell()).then_some(8 * longest)
    }

    fn height_of(&self, panel: &HeatPanel) -> i32 {
        ROW * panel.rows.len() as i32 + 84 + self.upright().unwrap_or_default()
    }
}

impl Picture for HeatMap {
    fn size(&self) -> (u32, u32) {
        let width = self.margin() + self.cell() * self.columns.len() as i32 + 40;
        let height: i32 = self.panels.iter().map(|panel| self.height_of(panel)).sum();
        (width.max(700) as u32, (height + 60) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let headings = list(self.panels.iter().map(|panel| &panel.heading));
        let rows = list(self.panels.first().into_iter().flat_map(|panel| &panel.rows).map(|(name, _)| name));
        format!("Cells coloured by their value, a column for each {}: {headings}. Rows: {rows}.", self.along)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let mut top = 6;
        for panel in &self.panels {
            self.panel(area, panel, top)?;
            top += self.height_of(panel);
        }
        Ok(())
    }
}

impl HeatMap {
    fn panel<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, panel: &HeatPanel, top: i32) -> Result<()> {
        let (cell, left) = (self.cell(), self.margin());
        let dark = RGBColor(30, 30, 30);
        let at = |size: u32, colour: RGBColor, side: HPos| (FONT, size).into_font().color(&colour).pos(Pos::new(side, VPos::Center));
        let heading = format!("{}, by {}", panel.heading, self.along);
        area.draw(&Text::new(heading, (left, top + 10), at(TEXT, dark, HPos::Left))).map_err(backend)?;
        // With narrow cells every tenth column is named.
        let named = if self.columns.len() <= MOST_NUMBERS { 1 } else { 10 };
        let top = top + self.upright().unwrap_or_default();
        for (place, name) in self.names().enumerate().step_by(named) {
            let middle = left + cell * place as i32 + cell / 2;
            let (above, style) = match self.upright() {
                Some(_) => {
                    let upright = (FONT, 14).into_text_style(area).color(&dark).transform(FontTransform::Rotate270);
                    (44, upright.pos(Pos::new(HPos::Left, VPos::Center)))
                }
                None => (36, at(14, dark, HPos::Center).into_text_style(area)),
            };
            area.draw(&Text::new(name, (middle, top + above), style)).map_err(backend)?;
        }
        for (row, (name, values)) in panel.rows.iter().enumerate() {
            let y = top + 48 + ROW * row as i32;
            area.draw(&Text::new(name.clone(), (left - 9, y + ROW / 2), at(15, dark, HPos::Right))).map_err(backend)?;
            for (column, value) in values.iter().enumerate() {
                let x = left + cell * column as i32;
                let share = value.unwrap_or(0.0).clamp(0.0, 1.0);
                let gap = i32::from(self.columns.len() <= MOST_NUMBERS);
                let corners = [(x, y), (x + cell - gap, y + ROW - 1)];
                let fill = if value.is_some() { blend(FULL, share) } else { RGBColor(225, 225, 225) };
                area.draw(&Rectangle::new(corners, fill.filled())).map_err(backend)?;
                if let Some(value) = value
                    && self.columns.len() <= MOST_NUMBERS
                {
                    let text = if share > 0.6 { WHITE } else { dark };
                    let number = format!("{value:.2}");
                    area.draw(&Text::new(number, (x + cell / 2, y + ROW / 2), at(14, text, HPos::Center))).map_err(backend)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::save;
    use super::*;

    #[test]
    fn names_wider_than_a_cell_stand_upright_and_the_longest_are_cut() {
        let map = |names: &[&str]| HeatMap {
            title: "title".to_owned(),
            along: "class".to_owned(),
            columns: names.iter().map(|name| (*name).to_owned()).collect(),
            panels: vec![HeatPanel { heading: "test".to_owned(), rows: vec![("c2m3".to_owned(), vec![Some(0.25); names.len()])] }],
        };
        let (short, long) = (map(&["0", "1"]), map(&["0 aeroplane", "1 a-name-without-an-end"]));
        assert!(short.upright().is_none() && long.upright().is_some() && long.size().1 > short.size().1);
        assert_eq!(long.names().collect::<Vec<_>>(), ["0 aeroplane", "1 a-name-withou…"]);
        let folder = tempfile::tempdir().unwrap();
        save(&long, folder.path(), "drawn").unwrap();
        let picture = std::fs::read_to_string(folder.path().join("drawn.svg")).unwrap();
        assert!(picture.contains("rotate(270") && picture.contains("0 aeroplane"), "{picture}");
    }

    #[test]
    fn few_columns_show_their_numbers_and_many_only_colours() {
        let map = |columns: usize| HeatMap {
            title: "title".to_owned(),
            along: "class".to_owned(),
            columns: (0..columns).map(|column| column.to_string()).collect(),
            panels: vec![HeatPanel { heading: "test".to_owned(), rows: vec![("c2m3".to_owned(), vec![Some(0.25); columns])] }],
        };
        let folder = tempfile::tempdir().unwrap();
        for (columns, numbers) in [(10, 10), (100, 0)] {
            save(&map(columns), folder.path(), "drawn").unwrap();
            let picture = std::fs::read_to_string(folder.path().join("drawn.svg")).unwrap();
            assert_eq!(picture.matches("0.25").count(), numbers, "{columns} columns");
        }
    }
}
