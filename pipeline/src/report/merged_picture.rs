//! Accuracy of merged models, per method and by their number, replicates as dots.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::summary::ByModelsRow;
use crate::drawing::{Axis, Canvas, FONT, Legend, Picture, Scale, TEXT, backend, by_pair, list, names_width, shown_part};
use crate::identity::Part;
use crate::measurements::{MergedRow, ModelRow};
use crate::number;
use crate::table::Row;

/// Accuracies by method and number of models, one a replicate.
type Merged = BTreeMap<String, BTreeMap<usize, Vec<f64>>>;

struct Accuracies {
    title: String,
    legend: Legend,
    most: usize,
    merged: Merged,
    endpoints: Vec<f64>,
    reported: BTreeMap<String, Vec<(f64, f64)>>,
}

/// Draws `merged-<dataset>-<architecture>`: accuracies of merged models on test, or on the only split there is.
pub fn draw(canvas: &Canvas) -> Result<()> {
    let ends = ModelRow::read_from(canvas.results())?;
    let cells = ByModelsRow::read_from(canvas.results())?;
    for (pair, rows) in by_pair(MergedRow::read_from(canvas.results())?, |row| &row.key.pair) {
        let split = shown_part(rows.iter().map(|row| row.split));
        let mut merged = Merged::new();
        for row in rows.iter().filter(|row| row.split == split) {
            let of_method = merged.entry(row.key.method.name().to_owned()).or_default();
            of_method.entry(row.models).or_default().push(row.accuracy);
        }
        let endpoints = ends.iter().filter(|row| row.pair == pair && row.split == split).map(|row| row.accuracy).collect();
        let mut reported: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| cell.is_accuracy_of(&pair, split) && !cell.method.is_endpoints()) {
            if let Some(value) = cell.figures.reported {
                reported.entry(cell.method.to_string()).or_default().push((cell.models as f64, value));
            }
        }
        let most = merged.values().flat_map(BTreeMap::keys).copied().max().unwrap_or_default();
        let split = if split == Part::Test { "Test" } else { "Train" };
        let picture = Accuracies {
            title: format!("{split} accuracy of merged models: {}, {}", pair.dataset, pair.architecture),
            legend: canvas.legend(merged.keys().cloned()),
            most,
            endpoints,
            merged,
            reported,
        };
        canvas.save(&picture, "merged", &pair)?;
    }
    Ok(())
}

impl Picture for Accuracies {
    fn size(&self) -> (u32, u32) {
        (self.left() + if self.counts().len() > 1 { 800 } else { 0 }, 140 + 60 * self.legend.names().len().clamp(6, 14) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let mean = |values: &Vec<f64>| number::share(values.iter().sum::<f64>() / values.len() as f64);
        let named = |name: &String| Some(format!("{name} {}", mean(self.merged[name].get(&self.most)?)));
        format!("Accuracy of {} models merged into one, by method: {}.", self.most, list(self.legend.names().iter().filter_map(named)))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        if self.counts().len() < 2 {
            return self.by_method(area);
        }
        let (left, right) = area.split_horizontally(self.left() as i32);
        self.by_method(&left)?;
        self.by_number(&right)
    }
}

impl Accuracies {
    fn counts(&self) -> BTreeSet<usize> {
        self.merged.values().flat_map(BTreeMap::keys).copied().collect()
    }

    /// Width of the chart of methods with their names, in pixels.
    fn left(&self) -> u32 {
        names_width(self.legend.names()) + if self.counts().len() > 1 { 560 } else { 700 }
    }

    /// A row a method at the largest number of models: dots for replicates, a bar at their mean, the models before merging as a band.
    fn by_method<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let names = self.legend.names();
        let at_most = |name: &str| self.merged[name].get(&self.most).cloned().unwrap_or_default();
        let reported = |name: &str| {
            let of = self.reported.get(name).into_iter().flatten();
            of.filter(|point| point.0 == self.most as f64).map(|point| point.1).next()
        };
        let any = names.iter().any(|name| reported(name).is_some());
        let all = names.iter().flat_map(|name| at_most(name).into_iter().chain(reported(name))).chain(self.endpoints.iter().copied());
        let (names_width, rows) = (names_width(names), names.len() as f64);
        let axis = Axis::showing(Scale::Accuracy, all);
        let place = |value: f64| axis.at(value);
        let mut chart = ChartBuilder::on(area)
            .caption(format!("{} models merged{}", self.most, if any { "; open marks: reported" } else { "" }), (FONT, TEXT))
            .margin(14)
            .margin_left(names_width)
            .margin_right(76)
            .x_label_area_size(50)
            .y_label_area_size(0)
            .build_cartesian_2d(axis.clone(), rows - 0.4..-0.6)
            .map_err(backend)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc(format!("{}; grey: before merging", axis.named("accuracy")))
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        let low = self.endpoints.iter().copied().map(place).fold(f64::INFINITY, f64::min);
        let high = self.endpoints.iter().copied().map(place).fold(f64::NEG_INFINITY, f64::max);
        if low <= high {
            let grey = RGBColor(120, 120, 120).mix(0.35);
            // Models that are alike are a band of no width: at least a line stands for them.
            let thin = chart.backend_coord(&(low, 0.0)).0 == chart.backend_coord(&(high, 0.0)).0;
            if thin {
                chart.draw_series([PathElement::new([(low, -0.6), (low, rows - 0.4)], grey.stroke_width(3))]).map_err(backend)?;
            } else {
                chart.draw_series([Rectangle::new([(low, -0.6), (high, rows - 0.4)], grey.filled())]).map_err(backend)?;
            }
        }
        for (index, name) in names.iter().enumerate() {
            let values = at_most(name);
            let y = index as f64;
            if !values.is_empty() {
                let mean = place(values.iter().sum::<f64>() / values.len() as f64);
                chart
                    .draw_series([PathElement::new([(mean, y - 0.28), (mean, y + 0.28)], self.legend.colour(index).stroke_width(3))])
                    .map_err(backend)?;
            }
            let dots = values.iter().map(|&value| {
                EmptyElement::at((place(value), y))
                    + Polygon::new(self.legend.mark(index, 8.0), self.legend.colour(index).mix(0.8).filled())
            });
            chart.draw_series(dots).map_err(backend)?;
            let open = reported(name).map(|value| EmptyElement::at((place(value), y)) + self.legend.outline(index, 9.0));
            chart.draw_series(open).map_err(backend)?;
            let (_, pixel) = chart.backend_coord(&(axis.start(), y));
            let style = (FONT, TEXT).into_font().color(&self.legend.colour(index));
            let (_, origin) = area.get_base_pixel();
            if !values.is_empty() {
                let mean = number::share(values.iter().sum::<f64>() / values.len() as f64);
                let right = area.dim_in_pixel().0 as i32 - 66;
                area.draw(&Text::new(mean, (right, pixel - origin - 7), (FONT, TEXT).into_font())).map_err(backend)?;
            }
            area.draw(&Text::new(name.clone(), (14, pixel - origin - 7), style)).map_err(backend)?;
        }
        Ok(())
    }

    /// Accuracy against the number of models, with reported figures as open marks.
    fn by_number<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let counts = self.counts();
        let reported = self.reported.values().flatten().map(|point| point.1);
        let all = self.merged.values().flat_map(BTreeMap::values).flatten().copied().chain(reported);
        let axis = Axis::showing(Scale::Accuracy, all);
        let place = |value: f64| axis.at(value);
        let (first, last) = (*counts.first().unwrap_or(&0) as f64, *counts.last().unwrap_or(&1) as f64);
        let caption = if self.reported.is_empty() { "by number of models" } else { "by number of models; open marks: reported" };
        let mut chart = ChartBuilder::on(area)
            .caption(caption, (FONT, TEXT))
            .margin(14)
            .margin_right(30)
            .x_label_area_size(50)
            .y_label_area_size(axis.width())
            .build_cartesian_2d(Axis::counting(first - 0.2..last + 0.2), axis.clone())
            .map_err(backend)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("models merged")
            .y_desc(axis.named("accuracy"))
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        for (index, name) in self.legend.names().iter().enumerate() {
            let series = &self.merged[name];
            let means = series.iter().map(|(&count, values)| (count as f64, place(values.iter().sum::<f64>() / values.len() as f64)));
            chart.draw_series(LineSeries::new(means, self.legend.colour(index).stroke_width(2))).map_err(backend)?;
            let dots = series.iter().flat_map(|(&count, values)| values.iter().map(move |&value| (count as f64, place(value))));
            chart
                .draw_series(
                    dots.map(|point| {
                        EmptyElement::at(point) + Polygon::new(self.legend.mark(index, 6.0), self.legend.colour(index).filled())
                    }),
                )
                .map_err(backend)?;
            let open = self.reported.get(name).into_iter().flatten();
            let open = open.map(|&(count, value)| EmptyElement::at((count, place(value))) + self.legend.outline(index, 9.0));
            chart.draw_series(open).map_err(backend)?;
        }
        Ok(())
    }
}
