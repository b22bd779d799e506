//! The accuracy on each task over time, a panel a task, every method.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::TaskRow;
use crate::drawing::{Axis, Canvas, Curves, Legend, Picture, Scale, by_pair, list};
use crate::table::Row;

struct OverTime {
    title: String,
    legend: Legend,
    panels: Vec<Curves>,
}

/// Draws `tasks-<dataset>-<architecture>`: the accuracy on each task, and on all that were learned, over the tasks learned.
pub fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(TaskRow::read_if_present(canvas.results())?, |row| &row.key.pair) {
        let tasks: BTreeSet<(usize, &str)> = rows.iter().map(|row| (row.place, row.task.as_str())).collect();
        let mut panels: Vec<Curves> =
            tasks.iter().map(|&(place, task)| panel(&format!("task {place}: {task}"), of_task(&rows, place))).collect();
        panels.push(panel("all tasks learned so far", learned_so_far(&rows)));
        let title = format!("Accuracy on each task over time (test): {}, {}", pair.dataset, pair.architecture);
        let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
        canvas.save(&OverTime { title, legend, panels }, "tasks", &pair)?;
    }
    Ok(())
}

/// Values by method and number of tasks learned.
type Series = BTreeMap<String, BTreeMap<usize, Vec<f64>>>;

/// The accuracies on a task from when it is learned.
fn of_task(rows: &[TaskRow], place: usize) -> Series {
    let mut series = Series::new();
    for row in rows.iter().filter(|row| row.place == place && row.learned >= place) {
        let of_method = series.entry(row.key.method.name().to_owned()).or_default();
        of_method.entry(row.learned).or_default().push(row.accuracy);
    }
    series
}

/// The accuracies on the images of all tasks that are learned.
fn learned_so_far(rows: &[TaskRow]) -> Series {
    let mut series = Series::new();
    for of_step in rows.chunk_by(|a, b| (&a.key, a.learned) == (&b.key, b.learned)) {
        let learned: Vec<&TaskRow> = of_step.iter().filter(|row| row.place <= row.learned).collect();
        let images: usize = learned.iter().map(|row| row.images).sum();
        let right: f64 = learned.iter().map(|row| row.accuracy * row.images as f64).sum();
        if images > 0 {
            let of_method = series.entry(of_step[0].key.method.name().to_owned()).or_default();
            of_method.entry(of_step[0].learned).or_default().push(right / images as f64);
        }
    }
    series
}

fn panel(heading: &str, series: Series) -> Curves {
    Curves {
        heading: heading.to_owned(),
        along: "tasks learned".to_owned(),
        metric: "accuracy".to_owned(),
        doubling: false,
        scale: Scale::Share,
        series,
        beside: BTreeMap::new(),
        reported: BTreeMap::new(),
        straight: None,
    }
}

impl Picture for OverTime {
    fn size(&self) -> (u32, u32) {
        (1400, 60 + 400 * self.panels.len().div_ceil(2) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let methods = list(self.legend.names());
        format!("Accuracy on each task, from when it is learned, over the tasks learned, a mark a replicate. Methods: {methods}.")
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1170);
        let axis = Axis::showing(Scale::Share, [0.0, 1.0]);
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((self.panels.len().div_ceil(2), 2))) {
            panel.draw(&cell, &self.legend, &axis)?;
        }
        self.legend.draw(&side, &["a mark: one replicate;", "line: their mean"])
    }
}
