//! Values of every two models as tables of coloured cells, one for each method.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style::{FONT, Picture, TEXT, backend, blend, save, titled};
use crate::report::summary::ENDPOINTS;
use crate::report::table::Csv;

/// Tables beside each other.
const ACROSS: usize = 4;

/// More models than this have cells too small for numbers.
const MOST_NUMBERS: usize = 12;

/// A number of two models.
pub struct Metric<'m> {
    /// As headings call it.
    pub name: &'static str,
    /// By row; none where there is nothing to say.
    pub values: &'m [Option<f64>],
    /// What its greatest value means.
    pub kind: Kind,
}

/// What a number of two models says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1 for a model and itself.
    Likeness,
    /// 0 for a model and itself.
    Distance,
}

/// One table: values by the places of two models.
struct Table {
    heading: String,
    values: BTreeMap<(usize, usize), f64>,
    colour: RGBColor,
    /// The value drawn in the full colour.
    full: f64,
    /// Of a model with itself.
    diagonal: f64,
    decimals: usize,
}

struct Tables {
    title: String,
    models: Vec<String>,
    tables: Vec<Table>,
    rows: Vec<std::ops::Range<usize>>,
}

/// Draws the rows of one pair of data set and architecture: a table for each metric and method, the models before matching first, means
/// over replicates.
///
/// # Errors
/// When the CSV is malformed or a file cannot be written.
pub fn draw(csv: &Csv, rows: &[usize], metrics: &[Metric<'_>], title: String, out: &Path, stem: &str) -> Result<()> {
    let methods = csv.texts("method")?;
    let (first, second) = (csv.texts("first")?, csv.texts("second")?);
    let mut models: Vec<String> = rows.iter().flat_map(|&row| [first[row].clone(), second[row].clone()]).collect();
    models.sort_by_key(|name| (name.len(), name.clone()));
    models.dedup();
    let place = |name: &str| models.iter().position(|model| model == name).unwrap_or_default();
    let mut names: Vec<&str> = rows.iter().map(|&row| methods[row].as_str()).collect();
    names.sort_by_key(|name| (*name != ENDPOINTS, *name));
    names.dedup();
    let mut tables = Vec::new();
    let mut ranges = Vec::new();
    for Metric { name: metric, values, kind } in metrics {
        let (full, colour, diagonal, decimals) = match kind {
            Kind::Likeness => (1.0, RGBColor(0, 114, 178), 1.0, 2),
            Kind::Distance => {
                let full = rows.iter().filter_map(|&row| values[row]).fold(1e-9, f64::max);
                (full, RGBColor(213, 94, 0), 0.0, if full < 10.0 { 2 } else { 1 })
            }
        };
        let start = tables.len();
        for name in &names {
            let mut sums: BTreeMap<(usize, usize), (f64, usize)> = BTreeMap::new();
            for &row in rows.iter().filter(|&&row| methods[row] == *name) {
                if let Some(value) = values[row] {
                    let (one, other) = (place(&first[row]), place(&second[row]));
                    let (sum, count) = sums.entry((one.min(other), one.max(other))).or_default();
                    *sum += value;
                    *count += 1;
                }
            }
            let values = sums.into_iter().map(|(key, (sum, count))| (key, sum / count as f64)).collect();
            let before = if *name == ENDPOINTS { "before matching" } else { name };
            tables.push(Table { heading: format!("{metric}, {before}"), values, colour, full, diagonal, decimals });
        }
        ranges.extend((start..tables.len()).step_by(ACROSS).map(|from| from..(from + ACROSS).min(tables.len())));
    }
    save(&Tables { title, models, tables, rows: ranges }, out, stem)
}

impl Tables {
    /// Sides of a cell, in pixels.
    fn side(&self) -> i32 {
        (300 / self.models.len().max(1) as i32).clamp(14, 62)
    }

    /// Width of the names of models.
    fn margin(&self) -> i32 {
        24 + 10 * self.models.iter().map(|name| name.chars().count()).max().unwrap_or_default() as i32
    }

    fn width(&self) -> i32 {
        (self.side() * self.models.len() as i32 + self.margin() + 24).max(330)
    }

    fn height(&self) -> i32 {
        self.side() * self.models.len() as i32 + 92
    }
}

impl Picture for Tables {
    fn size(&self) -> (u32, u32) {
        let across = self.rows.iter().map(ExactSizeIterator::len).max().unwrap_or(1).max(2);
        ((across as i32 * self.width() + 24) as u32, (self.rows.len() as i32 * self.height() + 60) as u32)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        for (row, range) in self.rows.iter().enumerate() {
            for (column, table) in self.tables[range.clone()].iter().enumerate() {
                self.table(&area, table, (12 + column as i32 * self.width(), row as i32 * self.height() + 12))?;
            }
        }
        Ok(())
    }
}

impl Tables {
    fn table<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, table: &Table, (left, top): (i32, i32)) -> Result<()> {
        let (side, margin) = (self.side(), self.margin());
        let (left, top) = (left + margin, top + 62);
        let centred = |size: u32, colour: &RGBColor| (FONT, size).into_font().color(colour).pos(Pos::new(HPos::Center, VPos::Center));
        let dark = RGBColor(30, 30, 30);
        let count = self.models.len();
        let heading = (FONT, TEXT).into_font().color(&dark);
        area.draw(&Text::new(table.heading.clone(), (left, top - 54), heading)).map_err(backend)?;
        let size = (side / 3).clamp(9, 17) as u32;
        for (place, name) in self.models.iter().enumerate() {
            let middle = side * place as i32 + side / 2;
            area.draw(&Text::new(name.clone(), (left + middle, top - 14), centred(size.max(12), &dark))).map_err(backend)?;
            let right = (FONT, size.max(12)).into_font().color(&dark).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.clone(), (left - 9, top + middle), right)).map_err(backend)?;
        }
        for one in 0..count {
            for other in 0..count {
                let value = match one == other {
                    true => Some(table.diagonal),
                    false => table.values.get(&(one.min(other), one.max(other))).copied(),
                };
                let (x, y) = (left + side * other as i32, top + side * one as i32);
                let share = value.map_or(0.0, |value| (value / table.full).clamp(0.0, 1.0));
                let fill = blend(table.colour, share);
                let cell = [(x, y), (x + side - 1, y + side - 1)];
                area.draw(&Rectangle::new(cell, fill.filled())).map_err(backend)?;
                if count <= MOST_NUMBERS
                    && let Some(value) = value
                {
                    let text = if share > 0.6 { WHITE } else { dark };
                    let number = format!("{value:.*}", table.decimals);
                    area.draw(&Text::new(number, (x + side / 2, y + side / 2), centred(size, &text))).map_err(backend)?;
                }
            }
        }
        let frame = [(left - 1, top - 1), (left + side * count as i32, top + side * count as i32)];
        area.draw(&Rectangle::new(frame, RGBColor(150, 150, 150).stroke_width(1))).map_err(backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_in_whichever_order_a_pair_is_listed() {
        let rows = b"method,first,second,cosine\nendpoints,longest,b,0.25\nendpoints,longest,aa,0.5\nendpoints,b,aa,0.75\n";
        let csv = Csv::parse(rows, "similarity.csv").unwrap();
        let values = csv.numbers("cosine").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let metrics = [Metric { name: "cosine", values: &values, kind: Kind::Likeness }];
        draw(&csv, &[0, 1, 2], &metrics, "weights".to_owned(), folder.path(), "drawn").unwrap();
        let picture = std::fs::read_to_string(folder.path().join("drawn.svg")).unwrap();
        for value in ["0.25", "0.50", "0.75"] {
            assert_eq!(picture.matches(value).count(), 2, "{value}: once on each side of the diagonal");
        }
    }
}
