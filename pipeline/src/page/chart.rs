//! A line chart as inline SVG.
//!
//! The script finds the value under the pointer from the path itself and the axes, which the chart carries as numbers. Without a script a line still
//! has its name as a tooltip.

use std::fmt::Write;

use maud::{Markup, html};

use crate::drawing::ticks;

/// Lines over one axis.
pub struct Chart {
    /// Above it.
    pub title: String,
    /// What runs from left to right.
    pub along: String,
    /// What runs upwards, with its unit.
    pub value: String,
    pub lines: Vec<Line>,
}

/// One line.
pub struct Line {
    /// The method by which it is switched off; empty where it has none.
    pub method: String,
    /// The class with its colour.
    pub class: String,
    /// What it is, as a tooltip says it.
    pub name: String,
    /// What made it.
    pub stage: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// From the least to the greatest, a little wider above and below; a range around a single value.
fn reach(values: impl Iterator<Item = f64>, margin: f64) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return None;
    }
    let spread = if high > low { (high - low) * margin } else { high.abs().max(1.0) * 0.1 };
    Some((low - spread, high + spread))
}

impl Chart {
    /// The figure; nothing where there is no finite point.
    pub fn draw(&self) -> Option<Markup> {
        let points = || self.lines.iter().flat_map(|line| line.points.iter().copied()).filter(|(x, y)| x.is_finite() && y.is_finite());
        let (x_low, x_high) = reach(points().map(|(x, _)| x), 0.0)?;
        let (y_low, y_high) = reach(points().map(|(_, y)| y), 0.05)?;
        let right = |x: f64| LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT);
        let down = |y: f64| HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM);
        let (across, upwards) = (ticks(x_low, x_high, 7), ticks(y_low, y_high, 6));
        let axes = format!("{x_low} {x_high} {y_low} {y_high} {LEFT} {} {TOP} {}", WIDTH - RIGHT, HEIGHT - BOTTOM);
        Some(html! {
            figure.chart {
                figcaption { (self.title) }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.described()) data-axes=(axes) data-along=(self.along) data-value=(self.value) {
                    @for tick in &upwards {
                        line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(place(down(tick.value))) y2=(place(down(tick.value))) {}
                        text.tick x=(LEFT - 6.0) y=(place(down(tick.value) + 4.0)) text-anchor="end" { (tick.label) }
                    }
                    @for tick in &across {
                        line.grid x1=(place(right(tick.value))) x2=(place(right(tick.value))) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                        text.tick x=(place(right(tick.value))) y=(HEIGHT - BOTTOM + 16.0) text-anchor="middle" { (tick.label) }
                    }
                    text.axis x=((LEFT + WIDTH - RIGHT) / 2.0) y=(HEIGHT - 8.0) text-anchor="middle" { (self.along) }
                    text.axis transform=(format!("translate(14 {}) rotate(-90)", (TOP + HEIGHT - BOTTOM) / 2.0)) text-anchor="middle" { (self.value) }
                    @for line in &self.lines {
                        path class={ "line " (line.class) } d=(path(&line.points, right, down)) data-method=(line.method) data-stage=(line.stage) {
                            title { (line.name) }
                        }
                    }
                }
            }
        })
    }

    /// For whoever does not see it.
    fn described(&self) -> String {
        format!("{}: {} over {}, {} lines", self.title, self.value, self.along, self.lines.len())
    }
}

/// A coordinate with one decimal, which is a tenth of a pixel.
fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// The path through finite points; where one is missing the line has a gap.
fn path(points: &[(f64, f64)], right: impl Fn(f64) -> f64, down: impl Fn(f64) -> f64) -> String {
    let mut text = String::new();
    let mut drawing = false;
    for &(x, y) in points {
        if !(x.is_finite() && y.is_finite()) {
            drawing = false;
            continue;
        }
        let _ = write!(text, "{}{} {}", if drawing { 'L' } else { 'M' }, place(right(x)), place(down(y)));
        drawing = true;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        let [title, along, value, method, class, name, stage] = ["t", "x", "y", "c2m3", "m0", "c2m3, a..b", "abc"].map(str::to_owned);
        Chart { title, along, value, lines: vec![Line { method, class, name, stage, points }] }
    }

    #[test]
    fn a_line_leaves_out_what_is_no_number_and_a_chart_of_nothing_is_none() {
        let drawn = chart(vec![(0.0, 1.0), (0.5, f64::NAN), (1.0, 2.0)]).draw().unwrap().into_string();
        assert!(drawn.contains("d=\"M62 244.9M546 23.1\""), "{drawn}");
        assert!(chart(vec![(0.0, f64::INFINITY)]).draw().is_none() && chart(Vec::new()).draw().is_none());
        // A single value has an axis too.
        assert!(chart(vec![(3.0, 7.0)]).draw().is_some());
    }

    #[test]
    fn names_are_text_and_never_markup() {
        let mut chart = chart(vec![(0.0, 0.0), (1.0, 1.0)]);
        chart.lines[0].name = "<script>alert(1)</script>".to_owned();
        assert!(!chart.draw().unwrap().into_string().contains("<script>"));
    }
}
