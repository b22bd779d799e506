//! The spread over the draws of a matching, in the middle between two models: `seeds.csv`, a picture of dots.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::Measurement;
use super::barriers::BarrierRow;
use crate::drawing::{Axis, Canvas, DotPlot, Legend, Picture, Scale, by_pair, list};
use crate::identity::{MethodLabel, Part, ResultKey};
use crate::plan::PairPlanner;
use crate::spec::{Asked, SpecError};
use crate::statistics::Summary;
use crate::table::{Row, Tables, row};

/// The measurement: it summarises barriers and has no stages.
pub struct Draws;

row! {
    /// The points of one line nearest to λ = ½ (the lower of two), over draws: a row of `seeds.csv`.
    struct SeedRow in "seeds.csv", order |a, b| {
        let key = |row: &Self| (row.key.clone(), row.fixed.clone(), row.permutee.clone(), row.split.name());
        key(a).cmp(&key(b))
    };
    {
        key: ResultKey,
        fixed: String,
        permutee: String,
        split: Part,
        lambda: f64,
        /// `loss` or `accuracy`.
        metric: String,
        /// Draws.
        seeds: usize,
        mean: f64,
        sd: Option<f64>,
        least: f64,
        greatest: f64,
        stage: String,
    }
}

impl Measurement for Draws {
    type Request = ();

    fn check(_: &Asked<'_>) -> Result<Option<()>, SpecError> {
        Ok(None)
    }

    fn plan((): &(), _: &mut PairPlanner<'_, '_>) {}

    fn derive(tables: &mut Tables) -> Result<()> {
        let rows = summarise(tables);
        if !rows.is_empty() {
            tables.extend(rows);
        }
        Ok(())
    }

    fn draw(canvas: &Canvas) -> Result<()> {
        draw(canvas)
    }
}

/// The spread of every line of methods that were drawn more than once.
fn summarise(tables: &Tables) -> Vec<SeedRow> {
    type Draws<'a> = BTreeMap<usize, Vec<&'a BarrierRow>>;
    let mut lines: BTreeMap<(ResultKey, &str, &str, &str), Draws<'_>> = BTreeMap::new();
    for row in tables.of::<BarrierRow>() {
        let Some(draw) = row.key.method.draw() else { continue };
        let key = ResultKey { method: row.key.method.undrawn(), ..row.key.clone() };
        let line = lines.entry((key, &row.fixed, &row.permutee, row.split.name())).or_default();
        line.entry(draw).or_default().push(row);
    }
    let mut rows = Vec::new();
    for ((key, fixed, permutee, _), draws) in lines {
        let middles: Vec<&BarrierRow> = draws.values().filter_map(|points| middle(points)).collect();
        for (metric, value) in [("loss", (|row| row.loss) as fn(&BarrierRow) -> f64), ("accuracy", |row| row.accuracy)] {
            let values: Vec<f64> = middles.iter().map(|row| value(row)).collect();
            let Some(summary) = Summary::of(&values) else { continue };
            rows.push(SeedRow {
                key: key.clone(),
                fixed: fixed.to_owned(),
                permutee: permutee.to_owned(),
                split: middles[0].split,
                lambda: middles[0].lambda,
                metric: metric.to_owned(),
                seeds: summary.count,
                mean: summary.mean,
                sd: summary.deviation,
                least: values.iter().copied().fold(f64::INFINITY, f64::min),
                greatest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                stage: tables.stage_of(middles.iter().map(|row| row.stage.as_str())),
            });
        }
    }
    rows
}

/// The point of a line nearest to λ = ½, the lower of two.
pub fn middle<'a>(points: &[&'a BarrierRow]) -> Option<&'a BarrierRow> {
    points.iter().copied().min_by(|a, b| off_middle(a).total_cmp(&off_middle(b)).then(a.lambda.total_cmp(&b.lambda)))
}

/// How far a point is from λ = ½, rounded, so that 1/3 and 2/3 are equally far.
fn off_middle(point: &BarrierRow) -> f64 {
    ((point.lambda - 0.5).abs() * 1e6).round()
}

struct Plots {
    title: String,
    legend: Legend,
    panels: Vec<DotPlot>,
}

/// Draws `seeds-<dataset>-<architecture>` where a method was drawn more than once: accuracy in the middle between two models, a dot a draw.
fn draw(canvas: &Canvas) -> Result<()> {
    for (pair, rows) in by_pair(BarrierRow::read_from(canvas.results())?, |row| &row.key.pair) {
        if rows.iter().all(|row| row.key.method.draw().is_none()) {
            continue;
        }
        // Of each line, the point nearest to the middle; the lower of two, which comes first.
        let mut middles: BTreeMap<(Part, &str, &str, &MethodLabel, usize), &BarrierRow> = BTreeMap::new();
        for row in &rows {
            let line = (row.split, row.fixed.as_str(), row.permutee.as_str(), &row.key.method, row.key.replicate);
            let middle = middles.entry(line).or_insert(row);
            if off_middle(row) < off_middle(middle) {
                *middle = row;
            }
        }
        // An even number of points has none in the middle.
        let off = middles.values().find(|row| off_middle(row) > 0.0);
        let at = off.map_or("½".to_owned(), |row| format!("{:.3}", row.lambda));
        let mut panels = Vec::new();
        for split in [Part::Train, Part::Test] {
            let mut categories: Vec<String> = Vec::new();
            let mut values: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
            for ((_, fixed, permutee, method, _), row) in middles.iter().filter(|((of, ..), _)| *of == split) {
                let name = format!("{fixed}-{permutee}");
                let place = categories.iter().position(|known| *known == name).unwrap_or_else(|| {
                    categories.push(name);
                    categories.len() - 1
                });
                values.entry((place, method.name().to_owned())).or_default().push(row.accuracy);
            }
            if !categories.is_empty() {
                let (heading, along, metric) = (split.to_string(), "pair of models".to_owned(), format!("accuracy at λ = {at}"));
                let open = BTreeMap::new();
                panels.push(DotPlot { heading, categories, along, metric, values, open, scale: Scale::Accuracy, spread: false });
            }
        }
        let title = format!("Halfway between two models, by the draw of the matching: {}, {}", pair.dataset, pair.architecture);
        let legend = canvas.legend_of(rows.iter().map(|row| &row.key.method));
        canvas.save(&Plots { title, legend, panels }, "seeds", &pair)?;
    }
    Ok(())
}

impl Picture for Plots {
    fn size(&self) -> (u32, u32) {
        (1400, 560)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let methods = list(self.legend.names());
        format!("Accuracy halfway between two models, a mark for each draw of the matching, for each pair of models. Methods: {methods}.")
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1170);
        let axis = Axis::showing(Scale::Accuracy, self.panels.iter().flat_map(DotPlot::all));
        for (panel, cell) in self.panels.iter().zip(charts.split_evenly((1, self.panels.len()))) {
            panel.draw(&cell, &self.legend, &axis)?;
        }
        self.legend.draw(&side, &["a mark: one draw (and", "replicate); bar: their", "mean; thin line: from", "least to greatest"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PairName;

    #[test]
    fn the_spread_is_that_of_the_midpoints_of_all_draws() {
        let point = |method: &str, lambda, loss| BarrierRow {
            key: ResultKey { pair: PairName::new("glyphs", "mlp"), method: method.parse().unwrap(), replicate: 0 },
            fixed: "a".to_owned(),
            permutee: "b".to_owned(),
            split: Part::Test,
            lambda,
            loss,
            accuracy: 0.5,
            stage: String::new(),
        };
        let line = |method: &str, loss| [point(method, 0.0, 9.0), point(method, 0.5, loss), point(method, 1.0, 9.0)];
        let tables = |rows: &[BarrierRow]| {
            let mut tables = Tables::default();
            tables.extend(rows.iter().cloned());
            tables
        };
        let rows = [line("plain", 7.0), line("drawn#1", 1.0), line("drawn#2", 2.0), line("drawn#10", 3.0)].concat();
        let text = String::from_utf8(SeedRow::table(&summarise(&tables(&rows))).bytes().unwrap()).unwrap();
        let expected = "dataset,architecture,method,replicate,fixed,permutee,split,lambda,metric,seeds,mean,sd,least,greatest,stage\n\
            glyphs,mlp,drawn,0,a,b,test,0.5,loss,3,2.0,1.0,1.0,3.0,\n\
            glyphs,mlp,drawn,0,a,b,test,0.5,accuracy,3,0.5,0.0,0.5,0.5,\n";
        assert_eq!(text, expected);
        assert!(summarise(&tables(&rows[..3])).is_empty(), "nothing is said without draws");
        for count in [4, 6, 10] {
            let points: Vec<BarrierRow> = (0..count).map(|place| point("plain", place as f64 / (count - 1) as f64, 1.0)).collect();
            let middle = middle(&points.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(middle, &points[count / 2 - 1], "the lower of two");
        }
    }
}
