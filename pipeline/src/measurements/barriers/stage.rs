//! The stage that measures the line between two models.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_datasets::{Dataset, SearchPaths};
use onebasin_matching::{Alignment, UnitMaps, interpolate, interpolate_spherically, lambdas, to_frame_with};
use onebasin_network::Weights;
use onebasin_training::{Evaluation, evaluate, evaluate_line};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::dataset_cache;
use crate::demand;
use crate::identity::Part;
use crate::spec::{Interpolation, Repair};
use crate::stage::{Artifact, Context, Demand, Progress, Recipe, Stage, StageId, Words};
use crate::stages::EndpointStatistics;
use crate::stages::files::{self, Measured};
use crate::stages::repairer::Repairer;
use crate::task::Task;

/// The file of the stage.
pub const ARTIFACT: &str = "line.json";

/// Images between two checks whether the run should end: seconds of work.
const CHUNK: usize = 10_000;

/// Measures loss and accuracy along the line from a model, the fixed one, to another, the permutee, brought onto the fixed one's units:
/// `line.json`. The way from the one's units to the other's leads through the frame of an alignment.
pub struct LineStage {
    id: StageId,
    inputs: Vec<StageId>,
    positions: [usize; 2],
    task: Arc<Task>,
    lambdas: usize,
    parts: Vec<Part>,
    interpolation: Interpolation,
    repair: Option<Repair>,
    /// Whether the ends' statistics must be taken of the two in the common frame.
    measures_ends: bool,
}

/// A point of the line on one split: an item of `line.json`.
#[derive(Serialize, Deserialize)]
pub struct Point {
    pub split: Part,
    pub lambda: f64,
    pub loss: f64,
    pub accuracy: f64,
}

/// Measurements of several chunks of one split.
#[derive(Clone, Default)]
struct Sum {
    loss: f64,
    right: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, Evaluation { loss, accuracy, count }: Evaluation) {
        self.loss += loss * count as f64;
        // A share of so many images: back to how many they were.
        self.right += (accuracy * count as f64).round();
        self.count += count;
    }

    fn mean(self) -> Evaluation {
        let count = self.count.max(1) as f64;
        Evaluation { loss: self.loss / count, accuracy: self.right / count, count: self.count }
    }
}

impl LineStage {
    /// From the first of `ends` (λ = 0) to the second (λ = 1), at `lambdas` equally spaced points; `positions` are the two's places among
    /// the models of the alignment.
    pub fn new(
        id: StageId,
        alignment: StageId,
        ends: [StageId; 2],
        positions: [usize; 2],
        task: Arc<Task>,
        lambdas: usize,
        parts: Vec<Part>,
    ) -> LineStage {
        let [fixed, permutee] = ends;
        let inputs = vec![alignment, fixed, permutee];
        let interpolation = Interpolation::Linear;
        LineStage { id, inputs, positions, task, lambdas, parts, interpolation, repair: None, measures_ends: false }
    }

    /// The same by another way than the straight line.
    #[must_use]
    pub fn by(self, interpolation: Interpolation) -> LineStage {
        LineStage { interpolation, ..self }
    }

    /// The same with the network at each λ repaired before it is measured, towards the statistics of the two ends in shares `1 - λ` and
    /// `λ`; so the ends stay about what they are. A pass over the repair's images more for each λ; and for each end, unless `ends` are
    /// measured already or nothing.
    #[must_use]
    pub fn repaired(mut self, repair: Repair, ends: EndpointStatistics) -> LineStage {
        self.measures_ends = matches!(ends, EndpointStatistics::Mixed(_));
        if let EndpointStatistics::Measured(statistics) = ends {
            self.inputs.extend(statistics);
        }
        LineStage { repair: Some(repair), ..self }
    }

    /// Loss and accuracy at each λ, for each part in turn, of repaired networks. `maps` brought the permutee onto the fixed one's units, and
    /// `measured` are statistics of both as they were trained, if there are any.
    fn repaired_points(
        &self,
        context: &Context<'_>,
        dataset: &Dataset,
        ends: [&Weights; 2],
        repair: &Repair,
        (measured, maps): (&[Artifact], &UnitMaps),
    ) -> Result<Vec<Vec<Evaluation>>> {
        let lambdas = lambdas(self.lambdas);
        let normalisation = dataset_cache::normalisation(&self.task, dataset);
        let repairer = Repairer::new(context, &self.task, dataset, repair)?;
        let (mut statistics, unknown) = match (repair.renormalises(), measured) {
            (Some(_), [fixed, permutee]) => (vec![files::load_statistics(fixed)?, repairer.in_frame(permutee, maps)?], [].as_slice()),
            (Some(_), _) if self.measures_ends => (Vec::new(), ends.as_slice()),
            _ => (Vec::new(), [].as_slice()),
        };
        let total = (unknown.len() + lambdas.len()) * repairer.images() + lambdas.len() * total(&self.task, dataset, &self.parts);
        let mut done = 0;
        for end in unknown {
            statistics.push(repairer.statistics(end, done, total)?);
            done += repairer.images();
        }
        let mut measured = vec![Vec::with_capacity(lambdas.len()); self.parts.len()];
        for &lambda in &lambdas {
            let between = match self.interpolation {
                Interpolation::Linear => interpolate(ends[0], ends[1], lambda),
                Interpolation::Spherical => interpolate_spherically(self.task.graph.spec(), ends[0], ends[1], lambda),
            };
            let repaired = repairer.repair(&between, &statistics, &[1.0 - lambda, lambda][..statistics.len()], done, total)?;
            done += repairer.images();
            for (&part, measured) in self.parts.iter().zip(&mut measured) {
                context.check_interrupt()?;
                let split = dataset_cache::measured(&self.task, dataset, part);
                measured.push(context.compute(|| evaluate(repairer.graph(), &repaired, &split, normalisation, context.device))?);
                done += split.len();
                (context.progress)(Progress::Share { done, total });
            }
        }
        Ok(measured)
    }
}

impl Stage for LineStage {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn words(&self) -> Words {
        Words::MEASURE
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let mut settings = json!({
            "data": self.task.measured_recipe(),
            "parts": self.parts,
            "positions": self.positions,
            "lambdas": self.lambdas,
            "device": self.task.device,
        });
        if !self.interpolation.is_linear() {
            settings["interpolation"] = json!(self.interpolation);
        }
        // Lines without a repair keep the names they had before there was one.
        if let Some(repair) = &self.repair {
            settings["repair"] = json!(repair);
        }
        Recipe { kind: "line", version: self.repair.as_ref().map_or(1, Repair::version), settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let line = demand::of_measuring(&self.task, &self.parts, self.lambdas, places)?;
        let Some(repair) = &self.repair else { return Some(line) };
        // Statistics of the ends and of each point.
        Some(line.and(demand::of_first(&self.task, Part::Train, repair.images(), 2 + self.lambdas, places)?))
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let [alignment, fixed, permutee, statistics @ ..] = context.inputs else { bail!("a line needs an alignment and two models") };
        let alignment = Alignment::load(&alignment.directory)?;
        let [onto, from] = self.positions;
        let last = onto.max(from);
        alignment.maps.get(last).with_context(|| format!("no model {last} in an alignment of {}", alignment.maps.len()))?;
        let fixed = files::load(fixed, graph)?;
        let maps = alignment.pair_maps(from, onto);
        let (_, permutee) = files::load_model(permutee, &self.task)?;
        let permutee = to_frame_with(graph.spec(), &permutee, &maps, Some(&fixed));
        let dataset = context.datasets.of(&self.task)?;
        let ends = [&fixed, &permutee];
        let measured = match &self.repair {
            None => plain(context, &self.task, &dataset, &self.parts, self.lambdas, (self.interpolation, ends))?,
            Some(repair) => self.repaired_points(context, &dataset, ends, repair, (statistics, &maps))?,
        };
        let points = points(&self.parts, self.lambdas, measured)?;
        files::write_json(&context.out.join(ARTIFACT), &points)
    }
}

/// Measures the straight line between two networks on each split, at so many equally spaced points.
pub fn along(context: &Context<'_>, task: &Task, parts: &[Part], count: usize, ends: [&Weights; 2]) -> Result<Vec<Point>> {
    let dataset = context.datasets.of(task)?;
    points(parts, count, plain(context, task, &dataset, parts, count, (Interpolation::Linear, ends))?)
}

/// Loss and accuracy at each λ, for each part in turn, of the networks as they are.
fn plain(
    context: &Context<'_>,
    task: &Task,
    dataset: &Dataset,
    parts: &[Part],
    count: usize,
    (interpolation, [fixed, permutee]): (Interpolation, [&Weights; 2]),
) -> Result<Vec<Vec<Evaluation>>> {
    let lambdas = lambdas(count);
    let normalisation = dataset_cache::normalisation(task, dataset);
    let total = total(task, dataset, parts);
    let mut done = 0;
    let mut measured = Vec::with_capacity(parts.len());
    for &part in parts {
        let split = dataset_cache::measured(task, dataset, part);
        let mut sums = vec![Sum::default(); lambdas.len()];
        let indices: Vec<u32> = (0..split.len() as u32).collect();
        for indices in indices.chunks(CHUNK) {
            context.check_interrupt()?;
            (context.progress)(Progress::Share { done, total });
            let images = split.select(indices);
            let line = || match interpolation {
                Interpolation::Linear => evaluate_line(&task.graph, fixed, permutee, &lambdas, &images, normalisation, context.device),
                Interpolation::Spherical => {
                    let between = |&lambda: &f64| interpolate_spherically(task.graph.spec(), fixed, permutee, lambda);
                    let evaluated = |lambda: &f64| evaluate(&task.graph, &between(lambda), &images, normalisation, context.device);
                    lambdas.iter().map(evaluated).collect()
                }
            };
            let evaluations = context.compute(line)?;
            sums.iter_mut().zip(evaluations).for_each(|(sum, evaluation)| sum.add(evaluation));
            done += indices.len();
        }
        measured.push(sums.into_iter().map(Sum::mean).collect());
    }
    Ok(measured)
}

/// Images of all parts.
fn total(task: &Task, dataset: &Dataset, parts: &[Part]) -> usize {
    let most = |part: Part| task.measured.of(part).unwrap_or(usize::MAX);
    parts.iter().map(|&part| dataset_cache::part(dataset, part).len().min(most(part))).sum()
}

fn points(parts: &[Part], count: usize, measured: Vec<Vec<Evaluation>>) -> Result<Vec<Point>> {
    let mut points: Vec<Point> = Vec::with_capacity(parts.len() * count);
    for (&part, evaluations) in parts.iter().zip(measured) {
        for (lambda, evaluation) in lambdas(count).into_iter().zip(evaluations) {
            let Measured { split, loss, accuracy, .. } =
                Measured::new(part, evaluation, files::OVERFLOWED).with_context(|| format!("at λ = {lambda}"))?;
            points.push(Point { split, lambda, loss, accuracy });
        }
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_weigh_as_many_images_as_they_have() {
        let mut sum = Sum::default();
        sum.add(Evaluation { loss: 1.0, accuracy: 2.0 / 3.0, count: 3 });
        sum.add(Evaluation { loss: 3.0, accuracy: 0.0, count: 1 });
        assert_eq!(sum.mean(), Evaluation { loss: 1.5, accuracy: 0.5, count: 4 });
    }
}
