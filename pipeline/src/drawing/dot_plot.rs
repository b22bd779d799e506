//! Values of methods side by side, a dot each, for some categories.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, Scale};
use super::legend::Legend;
use super::picture::{FONT, TEXT, backend};

/// Values by category and method.
pub struct DotPlot {
    /// Above the chart.
    pub heading: String,
    /// Names of the categories, from left to right.
    pub categories: Vec<String>,
    /// What the categories are.
    pub along: String,
    /// What the values are, with their unit.
    pub metric: String,
    /// Values by place of the category and name of the method; of a spread, the mean and then, where there are any, its ends.
    pub values: BTreeMap<(usize, String), Vec<f64>>,
    /// Further values, drawn with open marks to the right of a method's own; empty where nothing is told apart.
    pub open: BTreeMap<(usize, String), Vec<f64>>,
    /// How values lie on the axis.
    pub scale: Scale,
    /// Whether values are a mean with the ends of its whiskers, and not of one kind.
    pub spread: bool,
}

impl DotPlot {
    /// The axis that shows these values alone.
    pub fn axis(&self) -> Axis {
        Axis::showing(self.scale, self.all())
    }

    /// Every value.
    pub fn all(&self) -> impl Iterator<Item = f64> + use<'_> {
        self.values.values().chain(self.open.values()).flatten().copied()
    }

    /// Draws dots, a short line at their mean, and a thin one from the least to the greatest; of a spread, a dot and its whiskers.
    /// `axis` shows all values.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn draw<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, legend: &Legend, axis: &Axis) -> Result<()> {
        let at = |value: f64| axis.at(value);
        let bottom = axis.start();
        let mut chart = ChartBuilder::on(cell)
            .caption(&self.heading, (FONT, TEXT))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(axis.width())
            .build_cartesian_2d(-0.5..self.categories.len() as f64 - 0.5, axis.clone())
            .map_err(backend)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc(&self.along)
            .y_desc(axis.named(&self.metric))
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        let (left, top) = cell.get_base_pixel();
        for (index, name) in self.categories.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(index as f64, bottom));
            let style = (FONT, TEXT - 2).into_text_style(cell).pos(Pos::new(HPos::Center, VPos::Top));
            cell.draw(&Text::new(name.clone(), (x - left, y - top + 7), style)).map_err(backend)?;
        }
        // A method has a slot in each category, or one for filled and one for open marks.
        let slots = if self.open.is_empty() { 1 } else { 2 };
        let step = 0.8 / (slots * legend.names().len().max(1)) as f64;
        let filled = self.values.iter().map(|(key, values)| (key, values, false));
        for ((category, method), values, open) in filled.chain(self.open.iter().map(|(key, values)| (key, values, true))) {
            let Some(index) = legend.names().iter().position(|name| name == method) else { continue };
            let x = *category as f64 + step * ((slots * index + usize::from(open)) as f64 + 0.5) - 0.4;
            let low = at(values.iter().copied().fold(f64::INFINITY, f64::min));
            let high = at(values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            let mean = if self.spread { at(values[0]) } else { at(values.iter().sum::<f64>() / values.len() as f64) };
            let bar = |place: f64, half: f64, thick| {
                PathElement::new([(x - half * step, place), (x + half * step, place)], legend.colour(index).stroke_width(thick))
            };
            let trunk = PathElement::new([(x, low), (x, high)], legend.colour(index).stroke_width(if self.spread { 2 } else { 1 }));
            let bars = if self.spread { vec![bar(low, 0.22, 2), bar(high, 0.22, 2)] } else { vec![bar(mean, 0.4, 3)] };
            chart.draw_series(bars.into_iter().chain([trunk])).map_err(backend)?;
            let points = if self.spread { &values[..1] } else { &values[..] }.iter().map(|&value| (x, at(value)));
            if open {
                chart.draw_series(points.map(|point| EmptyElement::at(point) + legend.outline(index, 6.0))).map_err(backend)?;
            } else {
                let style = legend.colour(index).mix(0.7).filled();
                chart
                    .draw_series(points.map(|point| EmptyElement::at(point) + Polygon::new(legend.mark(index, 6.0), style)))
                    .map_err(backend)?;
            }
        }
        Ok(())
    }
}
