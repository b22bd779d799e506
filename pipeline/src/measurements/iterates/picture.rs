//! The first soft matrices of an ascent, a panel each: how they harden.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::IterateRow;
use crate::drawing::{Canvas, FONT, Picture, TEXT, backend, blend, by_pair, list, methods_sharing_stages};
use crate::identity::MethodLabel;
use crate::number;
use crate::table::Row as _;

/// Sides of a panel's matrix, in pixels, about.
const SIDE: i32 = 260;

/// Panels beside each other.
const ACROSS: usize = 6;

const INK: RGBColor = RGBColor(0, 64, 120);

struct Panel {
    heading: String,
    entries: Vec<(usize, usize, f64)>,
}

struct Row {
    heading: String,
    panels: Vec<Panel>,
    shown: usize,
}

struct Panels {
    title: String,
    rows: Vec<Row>,
}

/// Draws `iterates-<dataset>-<architecture>`, a row of panels for each method, of its first replicate.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(IterateRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let shared = methods_sharing_stages(rows.iter().map(|row| (&row.key.method, row.stage.as_str())), canvas.styles());
        let mut of_methods: BTreeMap<(usize, &MethodLabel), Vec<&IterateRow>> = BTreeMap::new();
        for row in rows.iter().filter(|row| !shared.contains(&row.key.method)) {
            let of_method = of_methods.entry((canvas.styles().rank(row.key.method.name()), &row.key.method)).or_default();
            if of_method.first().is_none_or(|first| first.key.replicate == row.key.replicate) {
                of_method.push(row);
            }
        }
        let rows = of_methods.into_iter().flat_map(|((_, method), rows)| rows_of(method, &rows)).collect();
        let title = format!("Soft permutations of the first iterates: {}, {}", pair.dataset, pair.architecture);
        canvas.save(&Panels { title, rows }, "iterates", &pair)?;
    }
    Ok(())
}

/// The panels of one method, in as many rows as they need.
fn rows_of(method: &MethodLabel, rows: &[&IterateRow]) -> Vec<Row> {
    let Some(first) = rows.first() else { return Vec::new() };
    let shown = rows.iter().map(|row| row.row.max(row.column) + 1).max().unwrap_or(1);
    let part = if shown < first.units { format!(", the first {shown} of {}", first.units) } else { String::new() };
    let heading = format!("{method}, {} models: model {}, units of `{}`{part}", first.models, first.model, first.group);
    let mut of_iterations: BTreeMap<usize, Vec<&IterateRow>> = BTreeMap::new();
    for row in rows {
        of_iterations.entry(row.iteration).or_default().push(row);
    }
    let panel = |(iteration, entries): (usize, Vec<&IterateRow>)| {
        let step = entries[0].step.map(|step| format!(", step {}", number::significant(step, 3))).unwrap_or_default();
        let entries = entries.iter().map(|row| (row.row, row.column, row.value)).collect();
        Panel { heading: format!("iteration {iteration}{step}"), entries }
    };
    let mut panels = of_iterations.into_iter().map(panel).peekable();
    let mut heading = Some(heading);
    let mut found = Vec::new();
    while panels.peek().is_some() {
        let panels = panels.by_ref().take(ACROSS).collect();
        found.push(Row { heading: heading.take().unwrap_or_default(), panels, shown });
    }
    found
}

impl Picture for Panels {
    fn size(&self) -> (u32, u32) {
        let across = self.rows.iter().map(|row| row.panels.len()).max().unwrap_or(1).max(3);
        (((SIDE + 30) * across as i32 + 40) as u32, ((SIDE + 92) * self.rows.len() as i32 + 84) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let headings = self.rows.iter().map(|row| &row.heading).filter(|heading| !heading.is_empty());
        format!("The first soft permutations on the way of a matching, as matrices of shaded cells: {}.", list(headings))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let dark = RGBColor(30, 30, 30);
        let font = |size: u32| (FONT, size).into_font().color(&dark);
        for (index, row) in self.rows.iter().enumerate() {
            let top = (SIDE + 92) * index as i32 + 8;
            area.draw(&Text::new(row.heading.clone(), (24, top), font(TEXT))).map_err(backend)?;
            let side = (SIDE / row.shown.max(1) as i32).max(1);
            let whole = side * row.shown as i32;
            for (place, panel) in row.panels.iter().enumerate() {
                let (left, top) = ((SIDE + 30) * place as i32 + 24, top + 58);
                area.draw(&Text::new(panel.heading.clone(), (left, top - 24), font(TEXT - 3))).map_err(backend)?;
                for &(unit, slot, value) in &panel.entries {
                    let (x, y) = (left + side * slot as i32, top + side * unit as i32);
                    let cell = [(x, y), (x + side - 1, y + side - 1)];
                    area.draw(&Rectangle::new(cell, blend(INK, value.clamp(0.0, 1.0).sqrt()).filled())).map_err(backend)?;
                }
                let frame = [(left - 1, top - 1), (left + whole, top + whole)];
                area.draw(&Rectangle::new(frame, RGBColor(150, 150, 150).stroke_width(1))).map_err(backend)?;
            }
        }
        let note = "rows: units of the model; columns: slots of the universe; white 0, full colour 1 (root scale)";
        let bottom = (SIDE + 92) * self.rows.len() as i32 + 4;
        area.draw(&Text::new(note, (24, bottom), font(TEXT - 3))).map_err(backend)
    }
}
