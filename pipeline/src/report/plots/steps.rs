//! The step sizes of each ascent, even and odd iterations apart: one step lands near a vertex, the next takes the middle of two.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::style::{FONT, Legend, Picture, TEXT, backend, mark, save, titled};
use super::{Groups, file_name, twins};
use crate::report::seeds::draw_of;
use crate::report::table::Csv;

/// Panels beside each other.
const ACROSS: usize = 2;

/// More iterations than this are drawn without marks.
const MOST_MARKS: f64 = 120.0;

/// Step sizes by iteration, for each replicate and draw.
type Courses = BTreeMap<String, Vec<(f64, f64)>>;

struct Panel {
    heading: String,
    courses: Courses,
}

struct Steps {
    title: String,
    panels: Vec<Panel>,
}

/// Draws `steps-<dataset>-<architecture>`, a panel for each method that tells steps, of its alignment of the most models. Where it tells them for
/// pairs only, of its first pair.
///
/// # Errors
/// When `traces.csv` is malformed or a file cannot be written.
pub fn draw(results: &Path, out: &Path) -> Result<()> {
    let csv = Csv::read(&results.join("traces.csv"))?;
    let (methods, replicates, models) = (csv.texts("method")?, csv.texts("replicate")?, csv.texts("models")?);
    let stages = csv.texts("stage")?;
    let (iterations, steps) = (csv.required("iteration")?, csv.numbers("step")?);
    for (pair, rows) in Groups::of(&csv)?.iter() {
        let mut of_methods: BTreeMap<&str, BTreeMap<(usize, &str), Courses>> = BTreeMap::new();
        let twins = twins(rows.iter().map(|&row| (methods[row].as_str(), stages[row].as_str())));
        for &row in rows.iter().filter(|&&row| !twins.contains(&methods[row])) {
            let Some(step) = steps[row] else { continue };
            let (method, draw) = draw_of(&methods[row]);
            // More models come first, then pairs by their names.
            let rank = usize::MAX - models[row].parse::<usize>().unwrap_or(0);
            let alignment = of_methods.entry(method).or_default().entry((rank, &models[row])).or_default();
            let course = alignment.entry(format!("{} {}", replicates[row], draw.unwrap_or_default())).or_default();
            course.push((iterations[row], step));
        }
        let panel = |(method, alignments): (&str, BTreeMap<(usize, &str), Courses>)| {
            let ((_, models), courses) = alignments.into_iter().next()?;
            let models = if models.parse::<usize>().is_ok() { format!("{models} models") } else { models.to_owned() };
            Some(Panel { heading: format!("{method}, {models}"), courses })
        };
        let panels: Vec<Panel> = of_methods.into_iter().filter_map(panel).collect();
        if !panels.is_empty() {
            let title = format!("Step sizes while matching: {}, {}", pair.0, pair.1);
            save(&Steps { title, panels }, out, &file_name("steps", pair))?;
        }
    }
    Ok(())
}

impl Picture for Steps {
    fn size(&self) -> (u32, u32) {
        let rows = self.panels.len().div_ceil(ACROSS) as u32;
        let across = self.panels.len().min(ACROSS) as u32;
        (620 * across + 230, 380 * rows + 60)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let area = titled(area, &self.title)?;
        let across = self.panels.len().min(ACROSS);
        let (charts, side) = area.split_horizontally(620 * across as u32);
        let cells = charts.split_evenly((self.panels.len().div_ceil(ACROSS), across));
        let legend = Legend::new(vec!["even iterations".to_owned(), "odd iterations".to_owned()]);
        for (panel, cell) in self.panels.iter().zip(&cells) {
            panel.draw(cell, &legend)?;
        }
        legend.draw(&side, &["iterations count from 0;", "a line for each replicate", "and draw"])
    }
}

impl Panel {
    fn draw<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, legend: &Legend) -> Result<()> {
        let longest = self.courses.values().flatten().map(|point| point.0).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(cell)
            .caption(&self.heading, (FONT, TEXT))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(70)
            .build_cartesian_2d(-0.02 * longest..1.02 * longest, -0.03..1.03)
            .map_err(backend)?;
        chart
            .configure_mesh()
            .x_label_formatter(&|value| if value.fract().abs() < 1e-9 { format!("{value:.0}") } else { String::new() })
            .y_label_formatter(&|value| format!("{value:.1}"))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("iteration")
            .y_desc("step size")
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        for course in self.courses.values() {
            for parity in [0, 1] {
                let points = || course.iter().copied().filter(|point| point.0 as usize % 2 == parity);
                chart.draw_series(LineSeries::new(points(), legend.colour(parity).stroke_width(2))).map_err(backend)?;
                if longest <= MOST_MARKS {
                    let shape = |point| EmptyElement::at(point) + Polygon::new(mark(parity, 5.0), legend.colour(parity).filled());
                    chart.draw_series(points().map(shape)).map_err(backend)?;
                }
            }
        }
        Ok(())
    }
}
