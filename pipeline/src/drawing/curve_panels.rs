//! Charts of curves side by side, two in a row, with one legend.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::Axis;
use super::curves::Curves;
use super::legend::Legend;
use super::picture::{Picture, list};

/// Charts that share methods. Those of one metric share an axis, so that train and test compare.
pub struct CurvePanels {
    pub title: String,
    /// What is shown, as a sentence for whoever does not see it.
    pub shows: &'static str,
    pub legend: Legend,
    pub panels: Vec<Curves>,
    /// Below the legend, line by line.
    pub note: &'static [&'static str],
}

impl Picture for CurvePanels {
    fn size(&self) -> (u32, u32) {
        (1400, 60 + 470 * self.panels.len().div_ceil(2) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        format!("{} Methods: {}.", self.shows, list(self.legend.names()))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1170);
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((self.panels.len().div_ceil(2), 2))) {
            let alike = self.panels.iter().filter(|other| other.metric == panel.metric);
            panel.draw(&cell, &self.legend, &Axis::showing(panel.scale, alike.flat_map(Curves::values)))?;
        }
        self.legend.draw(&side, self.note)
    }
}
