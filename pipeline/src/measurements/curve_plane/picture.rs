//! The error in the plane of a curve, as filled bands, with the curve and its chord.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::CurvePlaneRow;
use crate::drawing::{Canvas, FONT, Picture, TEXT, backend, by_pair, list};
use crate::identity::MethodLabel;
use crate::table::Row;

/// Bands of the error, equally wide in its logarithm.
const BANDS: usize = 9;

/// Pieces that a step of the grid is cut into, for smooth edges of bands.
const FINE: usize = 5;

/// Errors above this many times the least one are drawn as it.
const SPREAD: f64 = 8.0;

const SIZE: i32 = 560;

struct Planes {
    title: String,
    panels: Vec<Panel>,
    /// The least error, and the one from which on the last band goes.
    bounds: (f64, f64),
}

struct Panel {
    heading: String,
    /// Ascending places along and across.
    xs: Vec<f64>,
    ys: Vec<f64>,
    /// Errors, row after row from below.
    errors: Vec<f64>,
    marks: BTreeMap<String, (f64, f64)>,
}

/// Draws `curve-plane-<dataset>-<architecture>`.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(CurvePlaneRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let mut groups: BTreeMap<(usize, &MethodLabel), Vec<&CurvePlaneRow>> = BTreeMap::new();
        for row in &rows {
            groups.entry((canvas.styles().rank(row.key.method.name()), &row.key.method)).or_default().push(row);
        }
        let panels = groups.iter().map(|((_, method), rows)| Panel::of(method, rows)).collect::<Result<Vec<_>>>()?;
        let least = panels.iter().flat_map(|panel| &panel.errors).copied().fold(1.0, f64::min).max(1e-4);
        let greatest = panels.iter().flat_map(|panel| &panel.errors).copied().fold(0.0, f64::max);
        let bounds = (least, greatest.min(SPREAD * least).max(1.01 * least));
        let split = rows[0].split;
        let title = format!("Error in the plane of a curve ({split}): {}, {}", pair.dataset, pair.architecture);
        canvas.save(&Planes { title, panels, bounds }, "curve-plane", &pair)?;
    }
    Ok(())
}

impl Panel {
    fn of(method: &MethodLabel, rows: &[&CurvePlaneRow]) -> Result<Panel> {
        let mut marks = BTreeMap::new();
        let mut cells: Vec<(f64, f64, f64)> = Vec::new();
        for row in rows {
            if row.mark.is_empty() {
                cells.push((row.x, row.y, 1.0 - row.accuracy));
            } else {
                marks.insert(row.mark.clone(), (row.x, row.y));
            }
        }
        let side = (cells.len() as f64).sqrt().round() as usize;
        anyhow::ensure!(side > 1 && side * side == cells.len(), "`curve-plane.csv` has {} points of `{method}`: no square", cells.len());
        let xs = cells[..side].iter().map(|cell| cell.0).collect();
        let ys = cells.iter().step_by(side).map(|cell| cell.1).collect();
        Ok(Panel { heading: method.to_string(), xs, ys, errors: cells.iter().map(|cell| cell.2).collect(), marks })
    }

    /// The error between points of the grid, linear in both directions.
    fn error(&self, along: f64, across: f64) -> f64 {
        let side = self.xs.len();
        let (left, below) = ((along as usize).min(side - 2), (across as usize).min(side - 2));
        let (right_share, above_share) = (along - left as f64, across - below as f64);
        let at = |row: usize, column: usize| self.errors[row * side + column];
        let between = |row: usize| at(row, left) * (1.0 - right_share) + at(row, left + 1) * right_share;
        between(below) * (1.0 - above_share) + between(below + 1) * above_share
    }

    fn mark(&self, name: &str) -> Result<(f64, f64)> {
        self.marks.get(name).copied().with_context(|| format!("`curve-plane.csv` has no `{name}` of `{}`", self.heading))
    }
}

impl Picture for Planes {
    fn size(&self) -> (u32, u32) {
        let across = self.panels.len().clamp(1, 2) as i32;
        let down = self.panels.len().div_ceil(2) as i32;
        ((across * SIZE + 250) as u32, (down * SIZE + 50) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let methods = list(self.panels.iter().map(|panel| &panel.heading));
        format!(
            "The error over the plane through the control points of a curve, as filled bands, with the curve, its chord, both ends and the \
             middle, for {methods}."
        )
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let across = self.panels.len().clamp(1, 2);
        let (charts, side) = area.split_horizontally(across as i32 * SIZE);
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((self.panels.len().div_ceil(2), across))) {
            self.panel(&cell, panel)?;
        }
        self.scale(&side)
    }
}

impl Planes {
    /// The band of an error: 0 for the least.
    fn band(&self, error: f64) -> usize {
        let (least, greatest) = self.bounds;
        let share = (error.max(least) / least).ln() / (greatest / least).ln();
        ((share * BANDS as f64) as usize).min(BANDS - 1)
    }

    fn panel<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, panel: &Panel) -> Result<()> {
        let side = panel.xs.len();
        let (low, high) = ((panel.xs[0], panel.ys[0]), (panel.xs[side - 1], panel.ys[side - 1]));
        let mut chart = ChartBuilder::on(cell)
            .caption(&panel.heading, (FONT, TEXT))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(64)
            .build_cartesian_2d(low.0..high.0, low.1..high.1)
            .map_err(backend)?;
        let pieces = FINE * (side - 1);
        let place = |piece: usize, (low, high): (f64, f64)| low + (high - low) * piece as f64 / pieces as f64;
        let (wide, tall) = ((low.0, high.0), (low.1, high.1));
        let band = |column: usize, row: usize| {
            let middle = |piece: usize| (piece as f64 + 0.5) / FINE as f64;
            self.band(panel.error(middle(column), middle(row)))
        };
        for row in 0..pieces {
            // Neighbours of one band are one rectangle.
            let mut column = 0;
            while column < pieces {
                let here = band(column, row);
                let end = (column..pieces).find(|&next| band(next, row) != here).unwrap_or(pieces);
                let corners = [(place(column, wide), place(row, tall)), (place(end, wide), place(row + 1, tall))];
                chart.draw_series([Rectangle::new(corners, shade(here).filled())]).map_err(backend)?;
                column = end;
            }
        }
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("along the chord")
            .y_desc("across")
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        let (first, bend, last) = (panel.mark("first")?, panel.mark("bend")?, panel.mark("last")?);
        let on_curve = |step: usize| {
            let t = step as f64 / 60.0;
            let shares = [(1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t];
            let of = |coordinate: fn((f64, f64)) -> f64| {
                shares.iter().zip([first, bend, last]).map(|(share, point)| share * coordinate(point)).sum::<f64>()
            };
            (of(|point| point.0), of(|point| point.1))
        };
        chart.draw_series(DashedLineSeries::new([first, last], 9, 6, WHITE.stroke_width(2))).map_err(backend)?;
        chart.draw_series(LineSeries::new((0..=60).map(on_curve), WHITE.stroke_width(3))).map_err(backend)?;
        for end in [first, last] {
            chart.draw_series([Circle::new(end, 7, WHITE.filled())]).map_err(backend)?;
            chart.draw_series([Circle::new(end, 7, BLACK.stroke_width(2))]).map_err(backend)?;
        }
        let diamond = vec![(0, -9), (9, 0), (0, 9), (-9, 0)];
        let middle = panel.mark("middle")?;
        let red = RGBColor(213, 94, 0);
        chart.draw_series([EmptyElement::at(middle) + Polygon::new(diamond, red.filled())]).map_err(backend)?;
        let triangle = vec![(0, -8), (8, 7), (-8, 7)];
        chart.draw_series([EmptyElement::at(bend) + Polygon::new(triangle, BLACK.filled())]).map_err(backend)?;
        Ok(())
    }

    /// What colours and marks mean.
    fn scale<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let font = || (FONT, TEXT - 2).into_font();
        area.draw(&Text::new("error", (14, 24), (FONT, TEXT).into_font())).map_err(backend)?;
        let (least, greatest) = self.bounds;
        for band in 0..BANDS {
            let top = 52 + 26 * (BANDS - 1 - band) as i32;
            area.draw(&Rectangle::new([(14, top), (42, top + 26)], shade(band).filled())).map_err(backend)?;
            let from = least * (greatest / least).powf(band as f64 / BANDS as f64);
            let sign = if band + 1 == BANDS { "≥ " } else { "" };
            area.draw(&Text::new(format!("{sign}{:.2} %", 100.0 * from), (50, top + 8), font())).map_err(backend)?;
        }
        let notes =
            ["white: the curve;", "dashed: its chord", "discs: ends, t = 0 left", "diamond: middle", "triangle: bend", "first replicate"];
        for (place, note) in notes.into_iter().enumerate() {
            let style = (FONT, TEXT - 3).into_font().color(&RGBColor(90, 90, 90));
            area.draw(&Text::new(note, (14, 310 + 22 * place as i32), style)).map_err(backend)?;
        }
        Ok(())
    }
}

/// The colour of a band: dark for a small error.
fn shade(band: usize) -> RGBColor {
    let [low, high] = [(16.0, 52.0, 110.0), (236.0, 240.0, 170.0)];
    let share = band as f64 / (BANDS - 1) as f64;
    let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
    RGBColor(mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
}
