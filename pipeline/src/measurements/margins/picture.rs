//! How sure matches are, group by group: a box for each method.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::MarginRow;
use crate::drawing::{Axis, Canvas, FONT, Legend, Picture, Scale, TEXT, backend, by_pair, list, methods_sharing_stages};
use crate::table::Row;

/// Groups beside each other; more go into further rows.
const ACROSS: usize = 8;

/// A box: the 5th, 25th, 50th, 75th and 95th percent of the units.
type Quantiles = [f64; 5];

struct Boxes {
    title: String,
    legend: Legend,
    groups: Vec<String>,
    /// By place of the group and of the method.
    boxes: BTreeMap<(usize, usize), Quantiles>,
}

/// Draws `margins-<dataset>-<architecture>`: over the units of all models and replicates.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(MarginRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let shared = methods_sharing_stages(rows.iter().map(|row| (&row.key.method, row.stage.as_str())), canvas.styles());
        let rows: Vec<&MarginRow> = rows.iter().filter(|row| !shared.contains(&row.key.method)).collect();
        let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
        let mut groups: Vec<String> = Vec::new();
        let mut values: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
        for row in rows {
            let group = groups.iter().position(|known| *known == row.group).unwrap_or_else(|| {
                groups.push(row.group.clone());
                groups.len() - 1
            });
            let method = legend.names().iter().position(|name| name == row.key.method.name()).unwrap_or_default();
            values.entry((group, method)).or_default().extend(row.margin);
        }
        let boxes: BTreeMap<(usize, usize), Quantiles> =
            values.into_iter().filter_map(|(place, values)| Some((place, quantiles(values)?))).collect();
        if boxes.is_empty() {
            continue;
        }
        let title = format!("What a unit's match is worth over the next best: {}, {}", pair.dataset, pair.architecture);
        canvas.save(&Boxes { title, legend, groups, boxes }, "margins", &pair)?;
    }
    Ok(())
}

/// The values at 5, 25, 50, 75 and 95 percent, between neighbours by their distances.
fn quantiles(mut values: Vec<f64>) -> Option<Quantiles> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| {
        let place = share * last as f64;
        let (low, rest) = (place.floor() as usize, place.fract());
        values[low] + rest * (values[(low + 1).min(last)] - values[low])
    };
    Some([0.05, 0.25, 0.5, 0.75, 0.95].map(at))
}

impl Picture for Boxes {
    fn size(&self) -> (u32, u32) {
        (1400, (380 * self.groups.len().div_ceil(ACROSS) as u32).max(51 * self.legend.names().len() as u32 + 200) + 60)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        format!("Boxes of the margins of units, group by group: {}. Methods: {}.", list(&self.groups), list(self.legend.names()))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1130);
        let rows = self.groups.len().div_ceil(ACROSS);
        // Groups spread over the rows evenly.
        let across = self.groups.len().div_ceil(rows.max(1));
        for (row, cell) in charts.split_evenly((rows, 1)).iter().enumerate() {
            self.row(cell, row * across..((row + 1) * across).min(self.groups.len()))?;
        }
        let notes = [
            "box: the middle half of",
            "all units of all models,",
            "bar: their median, line:",
            "5 to 95 %. Unit: mean",
            "agreement of a unit of",
            "the group. Below 0: the",
            "group matched anew gains",
        ];
        self.legend.draw(&side, &notes)
    }
}

impl Boxes {
    fn row<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, groups: std::ops::Range<usize>) -> Result<()> {
        let axis = Axis::showing(Scale::FromZero, self.boxes.values().flatten().copied());
        let bottom = axis.start();
        let (first, last) = (groups.start as f64 - 0.5, groups.end as f64 - 0.5);
        let mut chart = ChartBuilder::on(cell)
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(axis.width())
            .build_cartesian_2d(first..last, axis)
            .map_err(backend)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("group of units, from the input on")
            .y_desc("margin")
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        chart.draw_series([PathElement::new([(first, 0.0), (last, 0.0)], RGBColor(120, 120, 120).stroke_width(1))]).map_err(backend)?;
        let (left, top) = cell.get_base_pixel();
        for group in groups.clone() {
            let (x, y) = chart.backend_coord(&(group as f64, bottom));
            let style = (FONT, TEXT - 4).into_text_style(cell).pos(Pos::new(HPos::Center, VPos::Top));
            cell.draw(&Text::new(self.groups[group].clone(), (x - left, y - top + 7), style)).map_err(backend)?;
        }
        let step = 0.84 / self.legend.names().len().max(1) as f64;
        for (&(group, method), &[least, low, middle, high, most]) in self.boxes.iter().filter(|((group, _), _)| groups.contains(group)) {
            let x = group as f64 - 0.42 + step * (method as f64 + 0.5);
            let (from, to) = (x - 0.36 * step, x + 0.36 * step);
            let ink = self.legend.colour(method);
            let lines = [
                PathElement::new([(x, least), (x, low)], ink.stroke_width(2)),
                PathElement::new([(x, high), (x, most)], ink.stroke_width(2)),
            ];
            chart.draw_series(lines).map_err(backend)?;
            chart.draw_series([Rectangle::new([(from, low), (to, high)], ink.mix(0.35).filled())]).map_err(backend)?;
            chart.draw_series([Rectangle::new([(from, low), (to, high)], ink.stroke_width(1))]).map_err(backend)?;
            chart.draw_series([PathElement::new([(from, middle), (to, middle)], ink.stroke_width(3))]).map_err(backend)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantiles(vec![3.0, 1.0, 2.0, 0.0, 4.0]), Some([0.2, 1.0, 2.0, 3.0, 3.8]));
        assert_eq!(quantiles(vec![7.0]), Some([7.0; 5]));
        assert_eq!(quantiles(Vec::new()), None);
    }
}
