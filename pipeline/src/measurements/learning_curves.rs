//! How the loss fell while models were trained: `learning-curves.csv`, a picture of loss and learning rate; `untrained.csv` where it did
//! not.

use std::collections::BTreeMap;

use anyhow::Result;
use onebasin_training::CurvePoint;
use plotters::coord::Shift;
use plotters::prelude::*;
use serde::Serialize;

use super::{ClassRow, Measurement};
use crate::drawing::{Axis, Canvas, FONT, Legend, Picture, Scale, TEXT, backend, by_pair, list};
use crate::identity::{PairName, ResultKey};
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::Artifact;
use crate::stages::files;
use crate::table::{Row, Tables, row};
use crate::untrained::{UntrainedRow, untrained};

/// The measurement: it reads what trainings write and has no stages of its own.
pub struct LearningCurves;

row! {
    /// A part of a training: a row of `learning-curves.csv`. Models stay in the order of the spec, parts in that of time.
    pub struct LearningCurveRow in "learning-curves.csv", order |a, b| (&a.pair, a.replicate).cmp(&(&b.pair, b.replicate));
    {
        pair: PairName,
        replicate: usize,
        model: String,
        /// Done so far.
        steps: usize,
        /// Done so far.
        epochs: f64,
        /// Mean over the steps since the row before, in nats.
        loss: f64,
        /// Learning rate of the last step.
        rate: f64,
        stage: String,
    }
}

/// Which model an artifact is about.
#[derive(Serialize)]
struct LearningCurveRecord {
    pair: PairName,
    replicate: usize,
    model: String,
}

impl Record for LearningCurveRecord {
    const OF: &'static str = "learning-curve";

    fn collect(&self, artifact: &Artifact, stage: &str, tables: &mut Tables) -> Result<()> {
        tables.extend(files::load_learning_curve(artifact)?.into_iter().map(|CurvePoint { step, epoch, loss, rate }| LearningCurveRow {
            pair: self.pair.clone(),
            replicate: self.replicate,
            model: self.model.clone(),
            steps: step,
            epochs: epoch,
            loss,
            rate,
            stage: stage.to_owned(),
        }));
        Ok(())
    }
}

impl Measurement for LearningCurves {
    type Request = ();

    fn check(_: &Asked<'_>) -> Result<Option<()>, SpecError> {
        Ok(Some(()))
    }

    fn plan((): &(), planner: &mut PairPlanner<'_, '_>) {
        for (index, model) in planner.experiment().models.iter().enumerate() {
            if planner.checkpoint(index).is_some() || model.pruned.is_some() {
                continue;
            }
            let ResultKey { pair, replicate, .. } = planner.key(None);
            let record = LearningCurveRecord { pair, replicate, model: model.name.clone() };
            planner.record(planner.model(index), record);
        }
    }

    fn derive(tables: &mut Tables) -> Result<()> {
        tables.declare::<LearningCurveRow>();
        let found = without_effect(tables);
        if !found.is_empty() {
            tables.extend(found);
        }
        Ok(())
    }

    /// Draws `learning-curves-<dataset>-<architecture>`.
    fn draw(canvas: &Canvas) -> Result<()> {
        for (pair, rows) in by_pair(LearningCurveRow::read_if_present(canvas.results())?, |row| &row.pair) {
            let mut curves = Curves::new();
            let mut names: Vec<String> = Vec::new();
            for row in &rows {
                if !names.contains(&row.model) {
                    names.push(row.model.clone());
                }
                let of_model = curves.entry(row.model.clone()).or_default();
                of_model.entry(row.replicate).or_default().push((row.steps as f64, row.loss, row.rate));
            }
            let title = format!("Training loss and learning rate: {}, {}", pair.dataset, pair.architecture);
            canvas.save(&Trainings { title, legend: canvas.legend(names), curves }, "learning-curves", &pair)?;
        }
        Ok(())
    }
}

/// The networks that did not train.
fn without_effect(tables: &Tables) -> Vec<UntrainedRow> {
    let mut found = Vec::new();
    let is_one = |a: &LearningCurveRow, b: &LearningCurveRow| (&a.pair, a.replicate, &a.model) == (&b.pair, b.replicate, &b.model);
    for rows in tables.of::<LearningCurveRow>().chunk_by(is_one) {
        let point = |row: &LearningCurveRow| CurvePoint { step: row.steps, epoch: row.epochs, loss: row.loss, rate: row.rate };
        let curve: Vec<CurvePoint> = rows.iter().map(point).collect();
        let LearningCurveRow { pair, replicate, model, stage, .. } = rows[0].clone();
        let classes = tables.of::<ClassRow>().iter().filter(|row| row.dataset == pair.dataset).count();
        if let Some(loss) = untrained(&curve, classes) {
            found.push(UntrainedRow { pair, replicate, model, loss, classes, stage });
        }
    }
    found
}

/// Step, loss and rate, by model and replicate.
type Curves = BTreeMap<String, BTreeMap<usize, Vec<(f64, f64, f64)>>>;

struct Trainings {
    title: String,
    legend: Legend,
    curves: Curves,
}

impl Picture for Trainings {
    fn size(&self) -> (u32, u32) {
        (1400, 560.max(160 + 30 * self.legend.names().len() as u32))
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        format!(
            "Curves of the training loss and of the learning rate over the steps of each training. Models: {}.",
            list(self.legend.names())
        )
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()> {
        let (charts, side) = area.split_horizontally(1200);
        let (losses, rates) = charts.split_horizontally(720);
        self.chart(&losses, "training loss", |point| point.1)?;
        self.chart(&rates, "learning rate", |point| point.2)?;
        self.legend.draw(&side, &["a line for each", "replicate; each point", "the mean since the", "one before"])
    }
}

impl Trainings {
    fn chart<B: DrawingBackend>(&self, cell: &DrawingArea<B, Shift>, metric: &str, of: fn(&(f64, f64, f64)) -> f64) -> Result<()> {
        let points = || self.curves.values().flat_map(BTreeMap::values).flatten();
        let axis = Axis::showing(Scale::Excess, points().map(of));
        let last = points().map(|point| point.0).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(cell)
            .margin(12)
            .margin_right(24)
            .x_label_area_size(46)
            .y_label_area_size(axis.width())
            .build_cartesian_2d(Axis::counting(0.0..1.02 * last), axis.clone())
            .map_err(backend)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("steps")
            .y_desc(axis.named(metric))
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT - 2))
            .draw()
            .map_err(backend)?;
        for (index, name) in self.legend.names().iter().enumerate() {
            let colour = self.legend.colour(index);
            for curve in self.curves.get(name).into_iter().flat_map(BTreeMap::values) {
                let line: Vec<(f64, f64)> = curve.iter().map(|point| (point.0, axis.at(of(point)))).collect();
                // A mark at another place for each model, so that equal curves can be told apart.
                let marked = line.get((index + 1) * line.len() / (self.legend.names().len() + 1)).copied();
                chart.draw_series(LineSeries::new(line, colour.stroke_width(2))).map_err(backend)?;
                let mark = marked.map(|point| EmptyElement::at(point) + Polygon::new(self.legend.mark(index, 6.0), colour.filled()));
                chart.draw_series(mark).map_err(backend)?;
            }
        }
        Ok(())
    }
}
