//! The first soft matrices of an ascent, a panel each: how they harden.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{FONT, Picture, TEXT, backend, blend, save, titled};
use super::{Groups, file_name, twins};
use crate::report::table::Csv;

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

struct Iterates {
    title: String,
    rows: Vec<Row>,
}

/// Draws `iterates-<dataset>-<architecture>`, a row of panels for each method, of its first replicate.
///
/// # Errors
/// When `iterates.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("iterates.csv"))?;
    let (methods, replicates) = (csv.texts("method")?, csv.texts("replicate")?);
    let (models, model, group) = (csv.texts("models")?, csv.texts("model")?, csv.texts("group")?);
    let (units, iterations, steps) = (csv.required("units")?, csv.required("iteration")?, csv.numbers("step")?);
    let (places, columns, values) = (csv.required("row")?, csv.required("column")?, csv.required("value")?);
    let stages = csv.texts("stage")?;
    for (pair, rows) in Groups::of(&csv)?.iter() {
        let twins = twins(rows.iter().map(|&row| (methods[row].as_str(), stages[row].as_str())));
        let rows: Vec<usize> = rows.iter().copied().filter(|&row| !twins.contains(&methods[row])).collect();
        let mut of_methods: BTreeMap<&str, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
        let first = |row: usize| {
            rows.iter().find(|&&other| methods[other] == methods[row]).is_some_and(|&other| replicates[other] == replicates[row])
        };
        for &row in rows.iter().filter(|&&row| first(row)) {
            of_methods.entry(&methods[row]).or_default().entry(iterations[row] as usize).or_default().push(row);
        }
        let picture = of_methods.into_iter().flat_map(|(method, of_iterations)| {
            let all: Vec<usize> = of_iterations.values().flatten().copied().collect();
            let here = all[0];
            let shown = all.iter().map(|&row| places[row].max(columns[row]) as usize + 1).max().unwrap_or(1);
            let part = if shown < units[here] as usize { format!(", the first {shown} of {}", units[here]) } else { String::new() };
            let heading = format!("{method}, {} models: model {}, units of `{}`{part}", models[here], model[here], group[here]);
            let panel = |(iteration, entries): (usize, Vec<usize>)| {
                let step = steps[entries[0]].map(|step| format!(", step {step:.3}")).unwrap_or_default();
                let entries = entries.iter().map(|&row| (places[row] as usize, columns[row] as usize, values[row])).collect();
                Panel { heading: format!("iteration {iteration}{step}"), entries }
            };
            let panels: Vec<Panel> = of_iterations.into_iter().map(panel).collect();
            let mut rows = Vec::new();
            let mut heading = Some(heading);
            let mut panels = panels.into_iter().peekable();
            while panels.peek().is_some() {
                let panels = panels.by_ref().take(ACROSS).collect();
                rows.push(Row { heading: heading.take().unwrap_or_default(), panels, shown });
            }
            rows
        });
        let title = format!("Soft permutations of the first iterates: {}, {}", pair.0, pair.1);
        save(&Iterates { title, rows: picture.collect() }, out, &file_name("iterates", pair))?;
    }
    Ok(())
}

impl Picture for Iterates {
    fn size(&self) -> (u32, u32) {
        let across = self.rows.iter().map(|row| row.panels.len()).max().unwrap_or(1).max(3);
        (((SIDE + 30) * across as i32 + 40) as u32, ((SIDE + 92) * self.rows.len() as i32 + 84) as u32)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
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
