//! The objective of each matching, iterate by iterate.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{FONT, Legend, Picture, TEXT, backend, mark, range, save, titled};
use super::{Groups, file_name, twins};
use crate::report::seeds::draw_of;
use crate::report::table::Csv;

/// Objectives by iteration, for each replicate of a method.
type Traces = BTreeMap<String, BTreeMap<String, Vec<(f64, f64)>>>;

struct Objectives {
    title: String,
    legend: Legend,
    traces: Traces,
}

/// Draws `objectives-<dataset>-<architecture>`: the alignments of the most models.
///
/// # Errors
/// When `traces.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("traces.csv"))?;
    let (methods, replicates, models) = (csv.texts("method")?, csv.texts("replicate")?, csv.texts("models")?);
    let stages = csv.texts("stage")?;
    let (iterations, objectives) = (csv.required("iteration")?, csv.required("objective")?);
    for (pair, rows) in Groups::of(&csv)?.iter() {
        let counts = rows.iter().filter_map(|&row| models[row].parse::<usize>().ok());
        let Some(most) = counts.max() else { continue };
        let shown = || rows.iter().copied().filter(|&row| models[row].parse() == Ok(most));
        let twins = twins(shown().map(|row| (methods[row].as_str(), stages[row].as_str())));
        let mut traces = Traces::new();
        for row in shown().filter(|&row| !twins.contains(&methods[row])) {
            let (method, draw) = draw_of(&methods[row]);
            let line = format!("{} {}", replicates[row], draw.unwrap_or_default());
            let line = traces.entry(method.to_owned()).or_default().entry(line).or_default();
            line.push((iterations[row], objectives[row]));
        }
        let title = format!("Objective while matching {most} models: {}, {}", pair.0, pair.1);
        let legend = Legend::new(traces.keys().cloned().collect());
        save(&Objectives { title, legend, traces }, out, &file_name("objectives", pair))?;
    }
    Ok(())
}

impl Picture for Objectives {
    fn size(&self) -> (u32, u32) {
        (1200, 640)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let (left, side) = area.split_horizontally(970);
        let points = || self.traces.values().flat_map(BTreeMap::values).flatten();
        let longest = points().map(|point| point.0).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(&left)
            .margin(14)
            .x_label_area_size(50)
            .y_label_area_size(92)
            .build_cartesian_2d(-0.02 * longest..1.02 * longest, range(points().map(|point| point.1)))
            .map_err(backend)?;
        chart
            .configure_mesh()
            .x_label_formatter(&|value| if value.fract().abs() < 1e-9 { format!("{value:.0}") } else { String::new() })
            .y_label_formatter(&|value| format!("{value:.1}"))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("iteration (a sweep over all groups, a round over all models, or a Frank–Wolfe step)")
            .y_desc("objective")
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        for (index, name) in self.legend.names().iter().enumerate() {
            for line in self.traces[name].values() {
                chart.draw_series(LineSeries::new(line.iter().copied(), self.legend.colour(index).stroke_width(2))).map_err(backend)?;
                let ends = line.first().into_iter().chain(line.last());
                chart
                    .draw_series(
                        ends.map(|&point| EmptyElement::at(point) + Polygon::new(mark(index, 6.0), self.legend.colour(index).filled())),
                    )
                    .map_err(backend)?;
            }
        }
        self.legend.draw(
            &side,
            &[
                "marks: first and last",
                "iterate. Methods with a",
                "reference model: sum of",
                "the pairs with it alone.",
                "Repaired twins match as",
                "the method itself",
            ],
        )
    }
}
