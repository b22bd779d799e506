//! Values of every two models as tables of coloured cells, one for each method.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::method_style::{BEFORE, MethodStyles};
use super::picture::{FONT, Picture, TEXT, backend, blend, list};
use crate::identity::MethodLabel;
use crate::number;

/// Tables beside each other.
const ACROSS: usize = 4;

/// More models than this have cells too small for numbers.
const MOST_NUMBERS: usize = 12;

/// A number of two models.
pub struct Metric {
    /// As headings call it.
    pub name: &'static str,
    /// What its greatest value means.
    pub kind: Kind,
    /// The values, in the order of the rows; none where there is nothing to say.
    pub values: Vec<Option<f64>>,
}

/// Which two models a row is about, and of which method.
pub struct PairValues<'a> {
    /// The method, or the models before matching.
    pub method: &'a MethodLabel,
    /// One model.
    pub first: &'a str,
    /// The other.
    pub second: &'a str,
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
}

struct Tables {
    title: String,
    models: Vec<String>,
    tables: Vec<Table>,
    rows: Vec<std::ops::Range<usize>>,
}

/// A table for each metric and method, the models before matching first; means over replicates.
pub fn pair_tables(rows: &[PairValues<'_>], metrics: &[Metric], title: String, styles: &MethodStyles) -> impl Picture + use<> {
    // The first model of a spec stands before all others in the rows, the second before all but it, and so on.
    let mut models: Vec<&str> = Vec::new();
    for model in rows.iter().flat_map(|row| [row.first, row.second]) {
        if !models.contains(&model) {
            models.push(model);
        }
    }
    let place = |name: &str| models.iter().position(|model| *model == name).unwrap_or_default();
    let methods: BTreeSet<(usize, &MethodLabel)> = rows.iter().map(|row| (styles.rank(row.method.name()), row.method)).collect();
    let mut tables = Vec::new();
    let mut ranges = Vec::new();
    for Metric { name: metric, values, kind } in metrics {
        let (full, colour, diagonal) = match kind {
            Kind::Likeness => (1.0, RGBColor(0, 114, 178), 1.0),
            Kind::Distance => {
                let full = values.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
                (full, RGBColor(213, 94, 0), 0.0)
            }
        };
        let start = tables.len();
        for (_, method) in &methods {
            let mut sums: BTreeMap<(usize, usize), (f64, usize)> = BTreeMap::new();
            for (row, value) in rows.iter().zip(values).filter(|(row, _)| row.method == *method) {
                if let Some(value) = value {
                    let (one, other) = (place(row.first), place(row.second));
                    let (sum, count) = sums.entry((one.min(other), one.max(other))).or_default();
                    *sum += value;
                    *count += 1;
                }
            }
            let values = sums.into_iter().map(|(key, (sum, count))| (key, sum / count as f64)).collect();
            let method = if method.is_endpoints() { BEFORE.to_owned() } else { method.to_string() };
            tables.push(Table { heading: format!("{metric}, {method}"), values, colour, full, diagonal });
        }
        ranges.extend((start..tables.len()).step_by(ACROSS).map(|from| from..(from + ACROSS).min(tables.len())));
    }
    let models = models.into_iter().map(str::to_owned).collect();
    Tables { title, models, tables, rows: ranges }
}

/// A number in a cell, beside others of which `full` is the greatest: three digits of that one.
fn in_cell(value: f64, full: f64) -> String {
    match full {
        _ if value == 0.0 => "0".to_owned(),
        0.1..10.0 => number::fixed(value, 2),
        10.0..100.0 => number::fixed(value, 1),
        100.0..10_000.0 => number::fixed(value, 0),
        _ => number::significant(value, 2),
    }
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

    /// Room above the cells: the heading, and the names of models, which stand upright where they are wider than a cell.
    fn top(&self) -> i32 {
        let longest = self.models.iter().map(|name| name.chars().count()).max().unwrap_or_default() as i32;
        if self.is_upright() { 44 + 9 * longest } else { 62 }
    }

    fn is_upright(&self) -> bool {
        self.models.iter().any(|name| 9 * name.chars().count() as i32 > self.side().max(24))
    }

    fn height(&self) -> i32 {
        self.side() * self.models.len() as i32 + self.top() + 30
    }
}

impl Picture for Tables {
    fn size(&self) -> (u32, u32) {
        let across = self.rows.iter().map(ExactSizeIterator::len).max().unwrap_or(1).max(2);
        ((across as i32 * self.width() + 24) as u32, (self.rows.len() as i32 * self.height() + 60) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let headings = list(self.tables.iter().map(|table| &table.heading));
        format!("A table of coloured cells, one for every two of the models {}, for each of: {headings}.", list(&self.models))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        for (row, range) in self.rows.iter().enumerate() {
            for (column, table) in self.tables[range.clone()].iter().enumerate() {
                self.table(area, table, (12 + column as i32 * self.width(), row as i32 * self.height() + 12))?;
            }
        }
        Ok(())
    }
}

impl Tables {
    fn table<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, table: &Table, (left, top): (i32, i32)) -> Result<()> {
        let (side, margin) = (self.side(), self.margin());
        let (left, top) = (left + margin, top + self.top());
        let centred = |size: u32, colour: &RGBColor| (FONT, size).into_font().color(colour).pos(Pos::new(HPos::Center, VPos::Center));
        let dark = RGBColor(30, 30, 30);
        let count = self.models.len();
        let heading = (FONT, TEXT).into_font().color(&dark);
        area.draw(&Text::new(table.heading.clone(), (left, top - self.top() + 8), heading)).map_err(backend)?;
        let size = (side / 3).clamp(9, 17) as u32;
        for (place, name) in self.models.iter().enumerate() {
            let middle = side * place as i32 + side / 2;
            let (lift, style) = if self.is_upright() {
                let upright = (FONT, size.max(12)).into_text_style(area).color(&dark).transform(FontTransform::Rotate270);
                (8, upright.pos(Pos::new(HPos::Left, VPos::Center)))
            } else {
                (14, centred(size.max(12), &dark).into_text_style(area))
            };
            area.draw(&Text::new(name.clone(), (left + middle, top - lift), style)).map_err(backend)?;
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
                    let number = in_cell(value, table.full);
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
    use super::super::picture::save;
    use super::*;

    #[test]
    fn a_value_is_shown_in_whichever_order_a_pair_is_listed() {
        let endpoints = MethodLabel::Endpoints;
        let rows =
            [("longest", "b"), ("longest", "aa"), ("b", "aa")].map(|(first, second)| PairValues { method: &endpoints, first, second });
        let metrics = [Metric { name: "cosine", values: vec![Some(0.25), Some(0.5), Some(0.75)], kind: Kind::Likeness }];
        let folder = tempfile::tempdir().unwrap();
        save(&pair_tables(&rows, &metrics, "weights".to_owned(), &MethodStyles::default()), folder.path(), "drawn").unwrap();
        let picture = std::fs::read_to_string(folder.path().join("drawn.svg")).unwrap();
        for value in ["0.25", "0.50", "0.75"] {
            assert_eq!(picture.matches(value).count(), 2, "{value}: once on each side of the diagonal");
        }
    }

    #[test]
    fn models_stand_in_the_order_of_the_rows_which_is_that_of_the_spec() {
        let endpoints = MethodLabel::Endpoints;
        let rows = [("left", "right-1"), ("left", "third"), ("right-1", "third")];
        let rows = rows.map(|(first, second)| PairValues { method: &endpoints, first, second });
        let metrics = [Metric { name: "cosine", values: vec![Some(0.25); 3], kind: Kind::Likeness }];
        let picture = pair_tables(&rows, &metrics, "weights".to_owned(), &MethodStyles::default());
        assert!(picture.description().contains("models left, right-1 and third"), "{}", picture.description());
    }

    #[test]
    fn numbers_in_cells_fit_the_greatest_whatever_its_size() {
        let of = [(0.9, 1.0), (12.34, 45.0), (1234.5, 4000.0), (3.4e-5, 5e-5), (6.2e7, 8e7), (-0.001, 1.0), (0.0, 5e-5)];
        assert_eq!(of.map(|(value, full)| in_cell(value, full)), ["0.90", "12.3", "1234", "3.4e-5", "6.2e7", "0.00", "0"]);
    }
}
