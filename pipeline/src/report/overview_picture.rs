//! All pairs of data set and architecture at a glance: accuracy of the most models merged, ours beside the reported one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::architectures::ArchitectureRow;
use super::summary::{ByModelsRow, Figures};
use crate::drawing::{Axis, Canvas, FONT, Legend, Picture, TEXT, backend, by_pair, list, mark, names_width, shown_part};
use crate::identity::{PairName, Part};
use crate::number;
use crate::table::Row;

/// A method on a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Figure {
    ours: f64,
    deviation: Option<f64>,
    reported: Option<f64>,
}

impl Figure {
    /// Mean and standard deviation over all draws and replicates of a method.
    fn over(draws: &[&Figures]) -> Figure {
        let count: f64 = draws.iter().map(|figures| figures.replicates as f64).sum();
        let ours = draws.iter().map(|figures| figures.replicates as f64 * figures.mean).sum::<f64>() / count;
        // Squares about the mean of each draw, and of these means about that of all.
        let squares = draws.iter().map(|figures| {
            let replicates = figures.replicates as f64;
            (replicates - 1.0) * figures.sd.unwrap_or(0.0).powi(2) + replicates * (figures.mean - ours).powi(2)
        });
        let deviation = (count > 1.0).then(|| (squares.sum::<f64>() / (count - 1.0)).sqrt());
        Figure { ours, deviation, reported: draws.iter().find_map(|figures| figures.reported) }
    }
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
    let (panels, shown): (Vec<Panel>, Vec<PairName>) = panels(canvas.results())?.into_iter().unzip();
    if panels.len() < 2 {
        return Ok(());
    }
    let overview = Overview { legend: legend(canvas, &panels), panels };
    canvas.save_as(&overview, "table", &shown)
}

/// Draws `beside`: the pairs of several folders, each with its name, those of one pair beside each other.
pub fn draw_beside(canvas: &Canvas, folders: &[(String, PathBuf)]) -> Result<()> {
    let mut found: Vec<(Panel, PairName)> = Vec::new();
    let mut order: Vec<PairName> = Vec::new();
    for (name, folder) in folders {
        for (panel, pair) in panels(folder)? {
            if !order.contains(&pair) {
                order.push(pair.clone());
            }
            found.push((Panel { heading: format!("{name}: {}", panel.heading), ..panel }, pair));
        }
    }
    found.sort_by_key(|(_, pair)| order.iter().position(|known| known == pair));
    let panels: Vec<Panel> = found.into_iter().map(|(panel, _)| panel).collect();
    if panels.is_empty() {
        return Ok(());
    }
    canvas.save_as(&Overview { legend: legend(canvas, &panels), panels }, "beside", [])
}

fn legend(canvas: &Canvas, panels: &[Panel]) -> Legend {
    let names: BTreeSet<&String> = panels.iter().flat_map(|panel| panel.figures.keys()).collect();
    canvas.legend(names.into_iter().cloned())
}

/// A panel for each pair of a results folder.
fn panels(results: &Path) -> Result<Vec<(Panel, PairName)>> {
    let architectures = ArchitectureRow::read_if_present(results)?;
    let groups = by_pair(ByModelsRow::read_from(results)?, |row| &row.pair);
    let mut pairs: Vec<_> = groups.iter().collect();
    // In the order of the spec, as sections of `table.md` are.
    pairs.sort_by_key(|(pair, _)| architectures.iter().position(|row| row.pair == **pair).unwrap_or(usize::MAX));
    let mut panels = Vec::new();
    for (pair, rows) in pairs {
        let split = shown_part(rows.iter().map(|row| row.figures.split));
        let accuracies = || rows.iter().filter(|row| row.is_accuracy_of(pair, split));
        let merged = || accuracies().filter(|row| !row.method.is_endpoints());
        let Some(most) = merged().map(|row| row.models).max() else { continue };
        let mut draws: BTreeMap<String, Vec<&Figures>> = BTreeMap::new();
        for row in merged().filter(|row| row.models == most) {
            draws.entry(row.method.name().to_owned()).or_default().push(&row.figures);
        }
        let figures = draws.into_iter().map(|(name, draws)| (name, Figure::over(&draws))).collect();
        let stands_for = architectures.iter().find(|row| row.pair == *pair && !row.stands_for.is_empty());
        let other = stands_for.map(|row| format!(" for {}", row.stands_for)).unwrap_or_default();
        let endpoints = accuracies().find(|row| row.method.is_endpoints()).map(|row| row.figures.mean);
        let heading = format!("{}{other}, {}", pair.dataset, pair.architecture);
        panels.push((Panel { heading, models: most, split, figures, endpoints }, pair.clone()));
    }
    Ok(panels)
}

impl Overview {
    fn columns(&self) -> usize {
        self.panels.len().min(COLUMNS)
    }

    fn has_whiskers(&self) -> bool {
        self.panels.iter().flat_map(|panel| panel.figures.values()).any(|figure| figure.deviation.is_some())
    }

    /// Room for what marks mean.
    fn foot(&self) -> u32 {
        if self.has_whiskers() { 78 } else { 56 }
    }

    fn names(&self) -> u32 {
        names_width(self.legend.names())
    }
}

impl Picture for Overview {
    fn size(&self) -> (u32, u32) {
        let rows = self.panels.len().div_ceil(self.columns()) as u32;
        (self.names() + 400 * self.columns() as u32, 56 + self.foot() + rows * (FRAME + ROW * self.legend.names().len() as u32))
    }

    fn title(&self) -> String {
        let counts: BTreeSet<usize> = self.panels.iter().map(|panel| panel.models).collect();
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        let split = if self.panels[0].split == Part::Test { "Test" } else { "Train" };
        format!("{split} accuracy of {} models merged into one", counts.join(" or "))
    }

    fn description(&self) -> String {
        let panels = list(self.panels.iter().map(|panel| &panel.heading));
        format!("Bars of the accuracy of merged models, a chart each for {panels}. Methods: {}.", list(self.legend.names()))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let height = area.dim_in_pixel().1 as i32;
        let (body, foot) = area.split_vertically(height - self.foot() as i32);
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
        let text = "bars, first figures: ours; dashed: mean of the models before merging";
        foot.draw(&Text::new(text, (left, 5), style.clone())).map_err(backend)?;
        if self.has_whiskers() {
            let text = "bars: mean over draws and replicates; whiskers: one standard deviation";
            foot.draw(&Text::new(text, (left, 49), style.clone())).map_err(backend)?;
        }
        if self.panels.iter().flat_map(|panel| panel.figures.values()).any(|figure| figure.reported.is_some()) {
            diamond(foot, (left + 7, 34))?;
            foot.draw(&Text::new("and in brackets: as reported, at the published settings", (left + 21, 27), style)).map_err(backend)?;
        }
        Ok(())
    }

    /// One pair: a bar a method; the methods' names too, where there is an area for them.
    fn panel<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, panel: &Panel, names: Option<&DrawingArea<B, Shift>>) -> Result<()> {
        let all = panel.figures.values().flat_map(|figure| [Some(figure.ours), figure.reported]).flatten().chain(panel.endpoints);
        let high = (all.fold(0.01, f64::max) * 1.06).min(1.0);
        let rows = self.legend.names().len() as f64;
        let mut chart = ChartBuilder::on(cell)
            .caption(&panel.heading, (FONT, TEXT))
            .margin(8)
            .margin_right(112)
            .x_label_area_size(32)
            .y_label_area_size(1)
            .build_cartesian_2d(Axis::between(0.0..high), rows - 0.5..-0.5)
            .map_err(backend)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .label_style((FONT, TEXT - 3))
            .draw()
            .map_err(backend)?;
        let (origin, (_, line_origin)) = (cell.get_base_pixel(), names.map_or((0, 0), |names| names.get_base_pixel()));
        let right = cell.dim_in_pixel().0 as i32 - 104;
        for (index, name) in self.legend.names().iter().enumerate() {
            let y = index as f64;
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
                // No accuracy lies outside.
                let ends = [figure.ours - deviation, figure.ours + deviation].map(|end| (end.clamp(0.0, 1.0), y));
                chart.draw_series([PathElement::new(ends, DARK.stroke_width(2))]).map_err(backend)?;
            }
            let style = (FONT, TEXT - 3).into_text_style(cell).color(&DARK).pos(middle);
            cell.draw(&Text::new(number::fixed(figure.ours, 3), (right, pixel - origin.1), style)).map_err(backend)?;
            if let Some(reported) = figure.reported {
                let (x, _) = chart.backend_coord(&(reported, y));
                diamond(cell, (x - origin.0, pixel - origin.1))?;
                let style = (FONT, TEXT - 3).into_text_style(cell).color(&GREY).pos(middle);
                cell.draw(&Text::new(format!("({})", number::fixed(reported, 2)), (right + 48, pixel - origin.1), style))
                    .map_err(backend)?;
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
    use crate::statistics::Summary;

    fn figures(values: &[f64]) -> Figures {
        let Summary { count, mean, deviation, .. } = Summary::of(values).unwrap();
        Figures {
            metric: "accuracy".to_owned(),
            split: Part::Test,
            replicates: count,
            mean,
            sd: deviation,
            low: None,
            high: None,
            reported: None,
            reported_sd: None,
            verdict: String::new(),
            stage: String::new(),
            versus: String::new(),
            difference: None,
            difference_low: None,
            difference_high: None,
            p_holm: None,
        }
    }

    #[test]
    fn a_method_that_is_drawn_several_times_has_the_mean_and_spread_of_all_its_values() {
        let draws = [figures(&[0.5, 0.7]), figures(&[0.9, 0.95])];
        let found = Figure::over(&draws.iter().collect::<Vec<_>>());
        let all = Summary::of(&[0.5, 0.7, 0.9, 0.95]).unwrap();
        assert!((found.ours - all.mean).abs() < 1e-12 && (found.deviation.unwrap() - all.deviation.unwrap()).abs() < 1e-12);
        let single = [figures(&[0.5]), figures(&[0.9])];
        let found = Figure::over(&single.iter().collect::<Vec<_>>());
        assert!((found.ours - 0.7).abs() < 1e-12 && found.deviation.is_some());
        assert_eq!(Figure::over(&[&single[0]]).deviation, None);
    }
}
