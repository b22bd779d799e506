//! Values of the parameters of a network, layer by layer: a chart for each kind of parameter, a line for each method.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, Scale};
use super::canvas::Canvas;
use super::legend::Legend;
use super::method_style::BEFORE;
use super::picture::{FONT, Picture, TEXT, backend, list};

/// Pixels between two parameters, and of two letters in their names.
const ROOM: u32 = 26;
const LETTERS: u32 = 14;

/// The parameters of one kind: matrices and vectors lie far apart, and one line through both would only go up and down.
struct Panel {
    kind: String,
    /// In the order of the network, without the kind; then parameters that are the only one of theirs, in full.
    names: Vec<String>,
    /// How many are of this kind: a line leads through them.
    of_kind: usize,
    /// Mean values by line and place of the parameter.
    lines: BTreeMap<String, BTreeMap<usize, f64>>,
}

/// A value of each parameter of a network, in the order of its layers: a line for each method.
pub struct LayerPanels {
    title: String,
    metric: String,
    notes: Vec<&'static str>,
    legend: Legend,
    panels: Vec<Panel>,
}

/// A value of one parameter, `conv1.weight`, for one line of the picture.
pub struct LayerValue<'a> {
    /// In the order of the network.
    pub parameter: &'a str,
    /// The name of the line.
    pub line: &'a str,
    /// Values of one line and parameter are averaged.
    pub value: f64,
}

impl LayerPanels {
    /// A chart for each kind of parameter. The models before matching come first in the legend, then methods by name.
    pub fn new(canvas: &Canvas, title: String, metric: &str, notes: &[&'static str], values: &[LayerValue<'_>]) -> LayerPanels {
        let mut panels: Vec<Panel> = Vec::new();
        let mut sums: BTreeMap<(usize, &str, usize), (f64, usize)> = BTreeMap::new();
        for LayerValue { parameter, line, value } in values {
            let (layer, kind) = parameter.rsplit_once('.').unwrap_or((parameter, "weight"));
            let panel = panels.iter().position(|panel| panel.kind == kind).unwrap_or_else(|| {
                panels.push(Panel { kind: kind.to_owned(), names: Vec::new(), of_kind: 0, lines: BTreeMap::new() });
                panels.len() - 1
            });
            let Panel { names, of_kind, .. } = &mut panels[panel];
            let place = names.iter().position(|name| name == layer).unwrap_or_else(|| {
                names.push(layer.to_owned());
                *of_kind += 1;
                *of_kind - 1
            });
            let (sum, count) = sums.entry((panel, line, place)).or_default();
            *sum += value;
            *count += 1;
        }
        let names: BTreeSet<(bool, &str)> = sums.keys().map(|(_, line, _)| (*line != BEFORE, *line)).collect();
        for ((panel, line, place), (sum, count)) in &sums {
            panels[*panel].lines.entry((*line).to_owned()).or_default().insert(*place, sum / *count as f64);
        }
        let legend = canvas.legend(names.into_iter().map(|(_, name)| name.to_owned()));
        LayerPanels { title, metric: metric.to_owned(), notes: notes.to_vec(), legend, panels: joined(panels) }
    }
}

/// The same without charts of a single layer: these stand at the end of the last chart of several.
fn joined(panels: Vec<Panel>) -> Vec<Panel> {
    let (single, mut several): (Vec<Panel>, Vec<Panel>) = panels.into_iter().partition(|panel| panel.of_kind == 1);
    let Some(last) = several.last_mut() else { return single };
    for Panel { kind, names, lines, .. } in single {
        let place = last.names.len();
        last.names.push(format!("{}.{kind}", names[0]));
        for (line, values) in lines {
            last.lines.entry(line).or_default().extend(values.into_values().map(|value| (place, value)));
        }
    }
    several
}

impl Panel {
    /// Height of the names under the chart.
    fn footing(&self) -> u32 {
        20 + LETTERS * self.names.iter().map(|name| name.chars().count()).max().unwrap_or_default() as u32 / 2
    }

    fn height(&self) -> u32 {
        270 + self.footing()
    }
}

impl Picture for LayerPanels {
    fn size(&self) -> (u32, u32) {
        let most = self.panels.iter().map(|panel| panel.names.len()).max().unwrap_or_default() as u32;
        let height = self.panels.iter().map(Panel::height).sum::<u32>().max(60 + 51 * self.legend.names().len() as u32 + 100);
        ((370 + ROOM * most).clamp(900, 4000), 44 + height)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let kinds = list(self.panels.iter().map(|panel| &panel.kind));
        format!(
            "The {} of each layer, from the input to the output, a chart each for {kinds}. Lines: {}.",
            self.metric,
            list(self.legend.names())
        )
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (mut charts, side) = area.split_horizontally(self.size().0 as i32 - 250);
        for panel in &self.panels {
            let (cell, rest) = charts.split_vertically(panel.height() as i32);
            self.panel(&cell, panel)?;
            charts = rest;
        }
        self.legend.draw(&side, &self.notes)
    }
}

impl LayerPanels {
    fn panel<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, panel: &Panel) -> Result<()> {
        let all = panel.lines.values().flat_map(BTreeMap::values).copied();
        let axis = Axis::showing(Scale::Even, all);
        let bottom = axis.start();
        let mut chart = ChartBuilder::on(cell)
            .caption(format!("{} of each layer, from the input to the output", panel.kind), (FONT, TEXT))
            .margin(12)
            .x_label_area_size(panel.footing())
            .y_label_area_size(axis.width())
            .build_cartesian_2d(-0.6..panel.names.len() as f64 - 0.4, axis.clone())
            .map_err(backend)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .y_desc(&self.metric)
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        let (left, top) = cell.get_base_pixel();
        for (place, name) in panel.names.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(place as f64, bottom));
            let style = (FONT, TEXT - 4).into_text_style(cell).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Right, VPos::Center));
            cell.draw(&Text::new(name.clone(), (x - left, y - top + 8), style)).map_err(backend)?;
        }
        for (index, name) in self.legend.names().iter().enumerate() {
            let points: Vec<(f64, f64)> =
                panel.lines.get(name).into_iter().flatten().map(|(&place, &cosine)| (place as f64, cosine)).collect();
            let of_kind = points.iter().copied().filter(|point| point.0 < panel.of_kind as f64);
            chart.draw_series(LineSeries::new(of_kind, self.legend.colour(index).stroke_width(2))).map_err(backend)?;
            let marks = points.iter().map(|&point| {
                EmptyElement::at(point) + Polygon::new(self.legend.mark(index, 5.0), self.legend.colour(index).mix(0.8).filled())
            });
            chart.draw_series(marks).map_err(backend)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_with_one_layer_stands_beside_another_kind_and_has_no_chart_of_its_own() {
        let panel = |kind: &str, names: &[&str]| Panel {
            kind: kind.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            of_kind: names.len(),
            lines: BTreeMap::from([("c2m3".to_owned(), (0..names.len()).map(|place| (place, 0.5)).collect())]),
        };
        let found = joined(vec![panel("weight", &["conv1", "fc"]), panel("scale", &["norm1", "norm2"]), panel("bias", &["fc"])]);
        assert_eq!(found.iter().map(|panel| (panel.kind.as_str(), panel.of_kind)).collect::<Vec<_>>(), [("weight", 2), ("scale", 2)]);
        assert_eq!(found[1].names, ["norm1", "norm2", "fc.bias"]);
        assert_eq!(found[1].lines["c2m3"].len(), 3);
        assert_eq!(joined(vec![panel("weight", &["fc"])]).len(), 1, "alone it is shown as it is");
    }
}
