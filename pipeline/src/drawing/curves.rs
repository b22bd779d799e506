//! Values of methods along a number: a line each through the means, a dot for each value.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::{Axis, Scale};
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
    /// What others reported of a method, by number: a thin line with open marks.
    pub reported: BTreeMap<String, BTreeMap<usize, f64>>,
    /// A point to which a dotted line leads from the origin.
    pub straight: Option<(f64, f64)>,
}

/// The grey of what is no method.
const GREY: RGBColor = RGBColor(110, 110, 110);

impl Curves {
    /// The axis that shows these curves alone.
    pub fn axis(&self) -> Axis {
        Axis::showing(self.scale, self.values())
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = f64> + use<'_> {
        self.series
            .values()
            .flat_map(BTreeMap::values)
            .flatten()
            .chain(self.beside.values())
            .chain(self.reported.values().flat_map(BTreeMap::values))
            .copied()
    }

    /// Draws on an area, with an axis that shows all values.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn draw<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, legend: &Legend, axis: &Axis) -> Result<()> {
        let at = |value: f64| axis.at(value);
        let doubling = self.doubling;
        let along = |number: usize| if doubling { (number as f64).log2() } else { number as f64 };
        let mut numbers: Vec<usize> = self.series.values().flat_map(BTreeMap::keys).chain(self.beside.keys()).copied().collect();
        // What was reported of numbers that are not ours widens the chart and has no label.
        let reach: Vec<usize> = self.reported.values().flat_map(BTreeMap::keys).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let places: Vec<f64> = numbers.iter().map(|&number| along(number)).collect();
        let ends = range(places.iter().copied().chain(reach.iter().map(|&number| along(number))));
        let start = if doubling { ends.start } else { 0.0 };
        let named = places.iter().zip(&numbers).map(|(place, number)| (*place, number.to_string())).collect();
        let mut chart = ChartBuilder::on(cell)
            .caption(&self.heading, (FONT, TEXT))
            .margin(12)
            .margin_right(24)
            .x_label_area_size(46)
            .y_label_area_size(axis.width())
            .build_cartesian_2d(Axis::with(start..ends.end, named), axis.clone())
            .map_err(backend)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc(&self.along)
            .y_desc(axis.named(&self.metric))
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
            if let Some(reported) = self.reported.get(name) {
                let points: Vec<(f64, f64)> = reported.iter().map(|(&number, &value)| (along(number), at(value))).collect();
                chart
                    .draw_series(LineSeries::new(points.iter().copied(), legend.colour(index).mix(0.6).stroke_width(1)))
                    .map_err(backend)?;
                let open = |&point: &(f64, f64)| {
                    let corners = legend.mark(index, 6.0);
                    let outline: Vec<_> = corners.iter().chain(corners.first()).copied().collect();
                    EmptyElement::at(point) + PathElement::new(outline, legend.colour(index).stroke_width(1))
                };
                chart.draw_series(points.iter().map(open)).map_err(backend)?;
            }
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
