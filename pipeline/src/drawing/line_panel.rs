//! A chart of curves over the way from one model to another.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::Axis;
use super::legend::Legend;
use super::picture::{FONT, TEXT, backend};

/// The curve of one pair of models in one replicate.
type Curve = Vec<(f64, f64)>;

/// Curves by method and line, for one panel.
pub type LineCurves = BTreeMap<String, BTreeMap<String, Curve>>;

/// Every value of some curves.
pub fn curve_values(curves: &LineCurves) -> impl Iterator<Item = f64> + use<'_> {
    curves.values().flat_map(BTreeMap::values).flatten().map(|point| point.1)
}

/// Draws thin curves for each line, and a thick one for their mean. Axes are named `along` and `metric`; `axis` shows all values.
///
/// # Errors
/// When the backend fails.
pub fn line_panel<B: DrawingBackend>(
    legend: &Legend,
    cell: &DrawingArea<B, Shift>,
    heading: &str,
    (along, metric): (&str, &str),
    curves: &LineCurves,
    axis: &Axis,
) -> Result<()> {
    let mut chart = ChartBuilder::on(cell)
        .caption(heading, (FONT, TEXT))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(axis.width())
        .build_cartesian_2d(Axis::between(-0.02..1.02), axis.clone())
        .map_err(backend)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc(along)
        .y_desc(axis.named(metric))
        .axis_desc_style((FONT, TEXT))
        .label_style((FONT, TEXT - 2))
        .draw()
        .map_err(backend)?;
    for (index, name) in legend.names().iter().enumerate() {
        let Some(lines) = curves.get(name) else { continue };
        let colour = legend.colour(index);
        if lines.len() > 1 {
            for line in lines.values() {
                chart.draw_series(LineSeries::new(line.iter().copied(), colour.mix(0.3).stroke_width(1))).map_err(backend)?;
            }
        }
        let mean = mean_curve(lines.values());
        chart.draw_series(LineSeries::new(mean.iter().copied(), colour.stroke_width(3))).map_err(backend)?;
        // Marks at other places for each method, so that equal curves can be told apart.
        let offset = index * mean.len() / (3 * legend.names().len()).max(1);
        let marks = mean.iter().skip(offset).step_by((mean.len() / 3).max(1)).filter(|point| point.1.is_finite());
        chart
            .draw_series(marks.map(|&point| EmptyElement::at(point) + Polygon::new(legend.mark(index, 6.0), colour.filled())))
            .map_err(backend)?;
    }
    Ok(())
}

/// The mean of curves on one grid of λ.
fn mean_curve<'a>(curves: impl Iterator<Item = &'a Curve>) -> Curve {
    let mut sums: Vec<(f64, f64, usize)> = Vec::new();
    for curve in curves {
        for (place, &(lambda, value)) in curve.iter().enumerate() {
            if place == sums.len() {
                sums.push((lambda, 0.0, 0));
            }
            sums[place].1 += value;
            sums[place].2 += 1;
        }
    }
    sums.into_iter().map(|(lambda, sum, count)| (lambda, sum / count as f64)).collect()
}
