//! All pairs of data set and architecture at a glance: accuracy of the most models merged, ours beside the reported one.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::architectures::ArchitectureRow;
use super::summary::ByModelsRow;
use crate::drawing::{Canvas, FONT, Legend, Picture, TEXT, backend, by_pair, mark, names_width, shown_part, titled};
use crate::identity::{Part, by_length};
use crate::table::Row;

/// A method on a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Figure {
    ours: f64,
    deviation: Option<f64>,
    reported: Option<f64>,
}

struct Panel {
    heading: String,
    models: usize,
    split: Part,
    figures: BTreeMap<String, Figure>,
    endpoints: Option<f64>,
}

struct Overview {
    legend: Legend,
    /// Places in the legend, from top to bottom.
    order: Vec<usize>,
    panels: Vec<Panel>,
}

/// Height of a bar with the room around it, in pixels.
const ROW: u32 = 27;
/// Heading and axis of a panel, in pixels.
const FRAME: u32 = 104;
const COLUMNS: usize = 3;
const DARK: RGBColor = RGBColor(40, 40, 40);
const GREY: RGBColor = RGBColor(110, 110, 110);

/// Draws `table` where there are two pairs of data set and architecture or more.
pub fn draw(canvas: &Canvas) -> Result<()> {
    let architectures = ArchitectureRow::read_if_present(canvas.results())?;
    let groups = by_pair(ByModelsRow::read_from(canvas.results())?, |row| &row.pair);
    let mut pairs: Vec<_> = groups.iter().collect();
    // The narrower of `resnet20-4x` and `resnet20-16x` first.
    pairs.sort_by_key(|(pair, _)| (&pair.dataset, by_length(&pair.architecture)));
    let mut panels = Vec::new();
    for (pair, rows) in pairs {
        let split = shown_part(rows.iter().map(|row| row.figures.split));
        let shown = || rows.iter().filter(|row| row.is_accuracy_of(pair, split));
        let merged = || shown().filter(|row| !row.method.is_endpoints());
        let Some(most) = merged().map(|row| row.models).max() else { continue };
        let mut figures: BTreeMap<String, Figure> = BTreeMap::new();
        // Of a method that is drawn several times, the first.
        for row in merged().filter(|row| row.models == most && row.method.draw().is_none_or(|draw| draw == 1)) {
            let figure = Figure { ours: row.figures.mean, deviation: row.figures.sd, reported: row.figures.reported };
            figures.insert(row.method.name().to_owned(), figure);
        }
        let stands_for = architectures.iter().find(|row| row.pair == *pair && !row.stands_for.is_empty());
        let other = stands_for.map(|row| format!(" for {}", row.stands_for)).unwrap_or_default();
        let endpoints = shown().find(|row| row.method.is_endpoints()).map(|row| row.figures.mean);
        let heading = format!("{}{other}, {}", pair.dataset, pair.architecture);
        panels.push(Panel { heading, models: most, split, figures, endpoints });
    }
    if panels.len() < 2 {
        return Ok(());
    }
    let names: BTreeSet<&String> = panels.iter().flat_map(|panel| panel.figures.keys()).collect();
    let legend = canvas.legend(names.into_iter().cloned());
    let order = order(&legend, &panels);
    canvas.save_as(&Overview { legend, order, panels }, "table")
}

/// Methods with their repaired twins below them, those first whose best twin is worst over all panels.
fn order(legend: &Legend, panels: &[Panel]) -> Vec<usize> {
    let ours = |index: usize| {
        let found: Vec<f64> =
            panels.iter().filter_map(|panel| panel.figures.get(&legend.names()[index])).map(|figure| figure.ours).collect();
        found.iter().sum::<f64>() / found.len().max(1) as f64
    };
    let all = || 0..legend.names().len();
    let best = |root: usize| all().filter(|&index| legend.root(index) == root).map(ours).fold(f64::NEG_INFINITY, f64::max);
    let mut order: Vec<usize> = all().collect();
    order.sort_by(|&a, &b| {
        let (one, other) = (legend.root(a), legend.root(b));
        best(one).total_cmp(&best(other)).then(one.cmp(&other)).then(a.cmp(&b))
    });
    order
}

impl Overview {
    fn columns(&self) -> usize {
        self.panels.len().min(COLUMNS)
    }

    fn names(&self) -> u32 {
        names_width(self.legend.names())
    }
}

impl Picture for Overview {
    fn size(&self) -> (u32, u32) {
        let rows = self.panels.len().div_ceil(self.columns()) as u32;
        (self.names() + 400 * self.columns() as u32, 90 + rows * (FRAME + ROW * self.order.len() as u32))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (first, counts) = (&self.panels[0], self.panels.iter().map(|panel| panel.models).collect::<BTreeSet<_>>());
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        let split = if first.split == Part::Test { "Test" } else { "Train" };
        let area = titled(area, &format!("{split} accuracy of {} models merged into one", counts.join(" or ")))?;
        let height = area.dim_in_pixel().1 as i32;
        let (body, foot) = area.split_vertically(height - 34);
        self.note(&foot)?;
        let rows = self.panels.len().div_ceil(self.columns());
        for (line, panels) in body.split_evenly((rows, 1)).iter().zip(self.panels.chunks(self.columns())) {
            let (names, charts) = line.split_horizontally(self.names() as i32);
            for (place, (cell, panel)) in charts.split_evenly((1, self.columns())).iter().zip(panels).enumerate() {
                self.panel(cell, panel, (place == 0).then_some(&names))?;
            }
        }
        Ok(())
    }
}

impl Overview {
    /// What marks mean.
    fn note<B: DrawingBackend>(&self, foot: &DrawingArea<B, Shift>) -> Result<()> {
        let style = (FONT, TEXT - 3).into_font().color(&GREY);
        let left = self.names() as i32;
        let text = "bars and first figures: ours; dashed: mean of the models before merging";
        foot.draw(&Text::new(text, (left, 5), style.clone())).map_err(backend)?;
        if self.panels.iter().flat_map(|panel| panel.figures.values()).any(|figure| figure.reported.is_some()) {
            let (width, _) = foot.estimate_text_size(text, &style).map_err(backend)?;
            let next = left + width as i32 + 60;
            diamond(foot, (next, 12))?;
            foot.draw(&Text::new("and in brackets: as reported, at the published settings", (next + 14, 5), style)).map_err(backend)?;
        }
        Ok(())
    }

    /// One pair: a bar a method; the methods' names too, where there is an area for them.
    fn panel<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, panel: &Panel, names: Option<&DrawingArea<B, Shift>>) -> Result<()> {
        let all = panel.figures.values().flat_map(|figure| [Some(figure.ours), figure.reported]).flatten().chain(panel.endpoints);
        let high = all.fold(0.01, f64::max) * 1.06;
        let rows = self.order.len() as f64;
        let mut chart = ChartBuilder::on(cell)
            .caption(&panel.heading, (FONT, TEXT))
            .margin(8)
            .margin_right(112)
            .x_label_area_size(32)
            .y_label_area_size(1)
            .build_cartesian_2d(0.0..high, rows - 0.5..-0.5)
            .map_err(backend)?;
        let decimals = if high < 0.2 { 2 } else { 1 };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(6)
            .x_label_formatter(&|value| format!("{value:.decimals$}"))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .label_style((FONT, TEXT - 3))
            .draw()
            .map_err(backend)?;
        let (origin, (_, line_origin)) = (cell.get_base_pixel(), names.map_or((0, 0), |names| names.get_base_pixel()));
        let right = cell.dim_in_pixel().0 as i32 - 104;
        for (place, &index) in self.order.iter().enumerate() {
            let (name, y) = (&self.legend.names()[index], place as f64);
            let colour = self.legend.colour(index);
            let (_, pixel) = chart.backend_coord(&(0.0, y));
            let middle = Pos::new(HPos::Left, VPos::Center);
            if let Some(names) = names {
                let style = (FONT, TEXT - 1).into_text_style(names).color(&DARK).pos(Pos::new(HPos::Right, VPos::Center));
                names.draw(&Text::new(name.clone(), (self.names() as i32 - 6, pixel - line_origin), style)).map_err(backend)?;
            }
            let Some(figure) = panel.figures.get(name) else { continue };
            chart.draw_series([Rectangle::new([(0.0, y - 0.34), (figure.ours, y + 0.34)], colour.mix(0.85).filled())]).map_err(backend)?;
            if let Some(deviation) = figure.deviation {
                let ends = [(figure.ours - deviation, y), (figure.ours + deviation, y)];
                chart.draw_series([PathElement::new(ends, DARK.stroke_width(2))]).map_err(backend)?;
            }
            let style = (FONT, TEXT - 3).into_text_style(cell).color(&DARK).pos(middle);
            cell.draw(&Text::new(format!("{:.3}", figure.ours), (right, pixel - origin.1), style)).map_err(backend)?;
            if let Some(reported) = figure.reported {
                let (x, _) = chart.backend_coord(&(reported, y));
                diamond(cell, (x - origin.0, pixel - origin.1))?;
                let style = (FONT, TEXT - 3).into_text_style(cell).color(&GREY).pos(middle);
                cell.draw(&Text::new(format!("({reported:.2})"), (right + 48, pixel - origin.1), style)).map_err(backend)?;
            }
        }
        if let Some(endpoints) = panel.endpoints {
            let line = [(endpoints, -0.5), (endpoints, rows - 0.5)];
            chart.draw_series(DashedLineSeries::new(line, 6, 5, DARK.stroke_width(2))).map_err(backend)?;
        }
        Ok(())
    }
}

/// The mark of a reported figure: white, so that it is seen on and beside bars.
fn diamond<B: DrawingBackend>(area: &DrawingArea<B, Shift>, (x, y): (i32, i32)) -> Result<()> {
    let mut outline: Vec<(i32, i32)> = mark(3, 7.0).into_iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    area.draw(&Polygon::new(outline.clone(), WHITE.filled())).map_err(backend)?;
    outline.push(outline[0]);
    area.draw(&PathElement::new(outline, DARK.stroke_width(2))).map_err(backend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::{MethodRow, MethodStyles};

    #[test]
    fn twins_stay_together_and_the_best_come_last() {
        let row = |method: &str, plain: &str| {
            let [method, matching, merging, repair, plain] = [method, "c2m3", "mean", "repair", plain].map(str::to_owned);
            MethodRow { method, matching, merging, repair, plain }
        };
        let styles = MethodStyles::new(vec![row("c2m3-repair", "c2m3"), row("naive-repair", "naive")]);
        let names = ["c2m3", "c2m3-repair", "merge-many", "naive", "naive-repair"].map(str::to_owned);
        let legend = Legend::new(names.to_vec(), &styles);
        let figure = |ours| Figure { ours, ..Figure::default() };
        let figures = [("c2m3", 0.2), ("c2m3-repair", 0.9), ("merge-many", 0.5), ("naive", 0.1), ("naive-repair", 0.15)];
        let figures = figures.map(|(name, ours)| (name.to_owned(), figure(ours))).into();
        let panel = Panel { heading: String::new(), models: 5, split: Part::Test, figures, endpoints: None };
        assert_eq!(order(&legend, &[panel]), [3, 4, 2, 0, 1]);
    }
}
