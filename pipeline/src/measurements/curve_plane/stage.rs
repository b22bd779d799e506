//! The stage that measures the plane of a curve.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onebasin_datasets::SearchPaths;
use onebasin_matching::mean;
use onebasin_network::{PermutationSpec, Weights};
use onebasin_training::{ModePath, evaluate, reset_batch_norms};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::dataset_cache;
use crate::demand;
use crate::identity::Part;
use crate::stage::{Context, Demand, Progress, Recipe, Stage, StageId, Words};
use crate::stages::files::{self, Measured};
use crate::stages::path_point::sample;
use crate::task::Task;

/// The file of the stage.
pub const ARTIFACT: &str = "curve-plane.json";

/// Measures loss and accuracy of networks in the plane through the control points of a curve: `curve-plane.json`.
pub struct CurvePlaneStage {
    id: StageId,
    inputs: [StageId; 1],
    task: Arc<Task>,
    path: ModePath,
    /// On each side, and how far beyond the control points.
    grid: (usize, f64),
    part: Part,
}

/// One network: an item of `curve-plane.json`.
#[derive(Serialize, Deserialize)]
pub struct Place {
    pub split: Part,
    /// What it is besides a point of the grid.
    pub mark: String,
    pub x: f64,
    pub y: f64,
    pub loss: f64,
    pub accuracy: f64,
}

/// The plane through three networks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plane {
    /// From the first end to the last.
    across: f64,
    /// Of the bend from the line through both ends.
    up: f64,
    /// Where on that line the bend stands, as a share.
    foot: f64,
}

impl Plane {
    /// Through an end, the bend and the other end.
    fn through(spec: &PermutationSpec, [first, bend, last]: [&Weights; 3]) -> Plane {
        let (mut chord, mut along, mut slant) = (0.0, 0.0, 0.0);
        for parameter in spec.parameters.iter().filter(|parameter| parameter.role.is_matched()) {
            let [first, bend, last] = [first, bend, last].map(|weights| weights.get(&parameter.name));
            for ((&first, &bend), &last) in first.iter().zip(bend).zip(last) {
                let (to_last, to_bend) = (f64::from(last) - f64::from(first), f64::from(bend) - f64::from(first));
                chord += to_last * to_last;
                along += to_last * to_bend;
                slant += to_bend * to_bend;
            }
        }
        let foot = if chord > 0.0 { along / chord } else { 0.0 };
        Plane { across: chord.sqrt(), up: (slant - foot * along).max(0.0).sqrt(), foot }
    }

    /// Whether the bend lies on the line through both ends, but for rounding; two equal ends span no plane either.
    fn is_a_line(&self) -> bool {
        self.up <= 1e-6 * self.across
    }

    /// The shares of the three networks at a place: `along` the chord, where the ends are 0 and 1, and across, where the bend is 1.
    fn shares(&self, along: f64, across: f64) -> [f64; 3] {
        let last = along - across * self.foot;
        [1.0 - last - across, across, last]
    }
}

impl CurvePlaneStage {
    /// Of the curve that `curve` trains, on a grid of so many points a side, which goes so far beyond the control points.
    pub fn new(id: StageId, curve: StageId, task: Arc<Task>, path: ModePath, grid: (usize, f64), part: Part) -> CurvePlaneStage {
        CurvePlaneStage { id, inputs: [curve], task, path, grid, part }
    }
}

impl Stage for CurvePlaneStage {
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
        let (points, margin) = self.grid;
        let settings = json!({
            "data": self.task.measured_recipe(),
            "points": points,
            "margin": margin,
            "part": self.part,
            "device": self.task.device,
        });
        Recipe { kind: "curve-plane", version: 1, settings }
    }

    fn demand(&self, places: &SearchPaths) -> Option<Demand> {
        let networks = self.grid.0 * self.grid.0;
        let plane = demand::of_measuring(&self.task, &[self.part], networks, places)?;
        Some(plane.and(demand::of_batch_norms(&self.task, networks, places)?))
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let graph = &self.task.graph;
        let controls = files::load_controls(context.inputs.first().context("a plane of no curve")?, graph, self.path.bends + 2)?;
        let [first, bend, last] = controls.as_slice() else { bail!("a plane has three control points, not {}", controls.len()) };
        let plane = Plane::through(graph.spec(), [first, bend, last]);
        if plane.is_a_line() {
            return files::write_json(&context.out.join(ARTIFACT), &Vec::<Place>::new());
        }
        let dataset = context.datasets.of(&self.task)?;
        let normalisation = dataset_cache::normalisation(&self.task, &dataset);
        let images = dataset_cache::measured(&self.task, &dataset, self.part);
        let (points, margin) = self.grid;
        let side: Vec<f64> = (0..points).map(|place| (1.0 + 2.0 * margin) * place as f64 / (points - 1) as f64 - margin).collect();
        let grid = side.iter().flat_map(|&across| side.iter().map(move |&along| ("", along, across)));
        // The middle of a Bézier curve lies halfway up, and halfway between the middle of the chord and the foot of the bend.
        let marks = [("first", 0.0, 0.0), ("bend", plane.foot, 1.0), ("last", 1.0, 0.0), ("middle", 0.25 + 0.5 * plane.foot, 0.5)];
        let places: Vec<(&str, f64, f64)> = grid.chain(marks).collect();
        let mut measured = Vec::with_capacity(places.len());
        for &(mark, along, across) in &places {
            context.check_interrupt()?;
            (context.progress)(Progress::Share { done: measured.len(), total: places.len() });
            let (x, y) = (along * plane.across, across * plane.up);
            let network = mean(&[first, bend, last], Some(&plane.shares(along, across)))?;
            let sample = sample(&dataset.train, normalisation, context.device);
            let network = reset_batch_norms(graph, &network, &sample, &mut |_| std::ops::ControlFlow::Continue(()))?;
            let evaluation = context.compute(|| evaluate(graph, &network, &images, normalisation, context.device))?;
            let Measured { split, loss, accuracy, .. } =
                Measured::new(self.part, evaluation, files::OVERFLOWED).with_context(|| format!("at ({x}, {y})"))?;
            measured.push(Place { split, mark: mark.to_owned(), x, y, loss, accuracy });
        }
        files::write_json(&context.out.join(ARTIFACT), &measured)
    }
}

#[cfg(test)]
mod tests {
    use onebasin_network::{Architecture, Graph};

    use super::*;

    /// A network of two weights.
    fn network(graph: &Graph, values: [f32; 2]) -> Weights {
        let array = ndarray::ArrayD::from_shape_vec(vec![2, 1], values.to_vec()).unwrap();
        Weights::new(graph.spec(), [(graph.spec().parameters[0].name.clone(), array)].into()).unwrap()
    }

    #[test]
    fn a_plane_has_the_ends_on_its_axis_and_the_bend_above_its_foot() {
        let layers = r#"{ "op": "flatten" }, { "op": "linear", "out": "classes", "bias": false }"#;
        let text = format!(r#"{{ "input": [1, 1, 1], "classes": 2, "layers": [{layers}] }}"#);
        let graph = Graph::build(&serde_json::from_str::<Architecture>(&text).unwrap()).unwrap();
        let controls = [[1.0, 1.0], [2.0, 4.0], [5.0, 1.0]].map(|values| network(&graph, values));
        let plane = Plane::through(graph.spec(), controls.each_ref());
        assert_eq!(plane, Plane { across: 4.0, up: 3.0, foot: 0.25 });
        assert!(!plane.is_a_line());
        let on_a_line = [[1.0, 1.0], [2.0, 1.0], [5.0, 1.0]].map(|values| network(&graph, values));
        assert!(Plane::through(graph.spec(), on_a_line.each_ref()).is_a_line());
        assert!(Plane::through(graph.spec(), [&controls[0]; 3]).is_a_line());
        assert_eq!(plane.shares(0.0, 0.0), [1.0, 0.0, 0.0]);
        assert_eq!(plane.shares(1.0, 0.0), [0.0, 0.0, 1.0]);
        assert_eq!(plane.shares(0.25, 1.0), [0.0, 1.0, 0.0]);
        // The middle of the curve.
        assert_eq!(plane.shares(0.375, 0.5), [0.25, 0.5, 0.25]);
    }
}
