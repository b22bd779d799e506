//! Values of methods along a number: a line each through the means, a dot for each value.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use super::axis::{Axis, Scale, label, place, ratio};
use super::legend::Legend;
use super::picture::{FONT, TEXT, backend, range};

/// Values by method and number.
pub struct Curves {
    /// Above the chart.
    pub heading: String,
    /// What the number is.
    pub along: String,
    /// What the values are, with their unit.
    pub metric: String,
    /// Whether equal steps of the number are equal ratios; else it starts from 0.
    pub doubling: bool,
    /// How values lie on the axis.
    pub scale: Scale,
    /// Values by method and number.
    pub series: BTreeMap<String, BTreeMap<usize, Vec<f64>>>,
    /// Values of no method to compare with, by number: a dashed grey line.
    pub beside: BTreeMap<usize, f64>,
    /// A point to which a dotted line leads from the origin.
    pub straight: Option<(f64, f64)>,
}

/// The grey of what is no method.
const GREY: RGBColor = RGBColor(110, 110, 110);

impl Curves {
    /// Draws on an area.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn draw<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, legend: &Legend) -> Result<()> {
        let values = self.series.values().flat_map(BTreeMap::values).flatten().chain(self.beside.values()).copied();
        match self.scale {
            Scale::Accuracy => self.on(cell, legend, Axis::showing(values), &place, &|place| label(place)),
            Scale::Ratios => {
                let axis = Axis::of_ratios(values);
                self.on(cell, legend, axis, &ratio, &|place| format!("{}", (10f64.powf(place) * 1e4).round() / 1e4))
            }
            Scale::FromZero => {
                let high = range(values).end.max(1e-3);
                let decimals = match high {
                    ..0.02 => 4,
                    ..0.2 => 3,
                    ..2.0 => 2,
                    ..20.0 => 1,
                    _ => 0,
                };
                let axis = plotters::coord::types::RangedCoordf64::from(0.0..high);
                self.on(cell, legend, axis, &|value| value, &|value| format!("{value:.decimals$}"))
            }
        }
    }

    fn on<B: DrawingBackend, Y: Ranged<ValueType = f64> + ValueFormatter<f64>>(
        &self,
        cell: &DrawingArea<B, Shift>,
        legend: &Legend,
        axis: Y,
        at: &dyn Fn(f64) -> f64,
        show: &dyn Fn(f64) -> String,
    ) -> Result<()> {
        let doubling = self.doubling;
        let along = |number: usize| if doubling { (number as f64).log2() } else { number as f64 };
        let mut numbers: Vec<usize> = self.series.values().flat_map(BTreeMap::keys).chain(self.beside.keys()).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let places: Vec<f64> = numbers.iter().map(|&number| along(number)).collect();
        let ends = range(places.iter().copied());
        let start = if doubling { ends.start } else { 0.0 };
        let mut chart = ChartBuilder::on(cell)
            .caption(&self.heading, (FONT, TEXT))
            .margin(12)
            .margin_right(24)
            .x_label_area_size(46)
            .y_label_area_size(84)
            .build_cartesian_2d(Axis::with(start..ends.end, places), axis)
            .map_err(backend)?;
        chart
            .configure_mesh()
            .x_label_formatter(&|value| format!("{:.0}", if doubling { value.exp2() } else { *value }))
            .y_labels(8)
            .y_label_formatter(&|value| show(*value))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc(&self.along)
            .y_desc(&self.metric)
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        let beside: Vec<(f64, f64)> = self.beside.iter().map(|(&number, &value)| (along(number), at(value))).collect();
        chart.draw_series(DashedLineSeries::new(beside, 9, 6, GREY.stroke_width(2))).map_err(backend)?;
        if let Some((x, y)) = self.straight {
            let dots = (0..=60).map(|step| f64::from(step) / 60.0).map(|share| Circle::new((x * share, at(y * share)), 1, GREY.filled()));
            chart.draw_series(dots).map_err(backend)?;
        }
        for (index, name) in legend.names().iter().enumerate() {
            let Some(series) = self.series.get(name) else { continue };
            let means = series.iter().map(|(&number, values)| (along(number), at(values.iter().sum::<f64>() / values.len() as f64)));
            chart.draw_series(LineSeries::new(means, legend.colour(index).stroke_width(2))).map_err(backend)?;
            let points = series.iter().flat_map(|(&number, values)| values.iter().map(move |&value| (along(number), at(value))));
            let marks =
                points.map(|point| EmptyElement::at(point) + Polygon::new(legend.mark(index, 6.0), legend.colour(index).mix(0.8).filled()));
            chart.draw_series(marks).map_err(backend)?;
        }
        Ok(())
    }
}
