//! What stages demand of a machine, told by their settings alone: operations and bytes.

use onebasin_datasets::{Counts, SearchPaths, rough_counts};
use onebasin_network::{Binding, Graph};

use crate::identity::Part;
use crate::stage::Demand;
use crate::task::Task;

/// What a step of a training takes however small the network is, in operations: about half a millisecond.
const STEP: f64 = 2e7;
/// What the update of a parameter takes, in operations: it waits for memory.
const UPDATE: f64 = 100.0;
/// What an image of a forward pass takes besides.
const IMAGE: f64 = 1e4;
/// Passes over all groups of units that a matching takes, about.
const PASSES: f64 = 20.0;
/// What a merge does with each number of each network.
const MERGED: f64 = 50.0;
/// Images that a forward pass holds at once, about.
const BATCH: usize = 500;

/// Steps of a training: each a forward pass and two as long backward. Weights, gradients and two moments are held, and what a batch makes.
pub fn of_training(graph: &Graph, batch: usize, steps: usize, counts: &Counts) -> Demand {
    let memory = bytes_of_images(graph, counts) + 4 * (4 * parameters(graph) + 3 * values(graph) * batch);
    let of_step = 3.0 * graph.flops() as f64 * batch as f64 + UPDATE * parameters(graph) as f64 + STEP;
    Demand { operations: of_step * steps as f64, memory: memory as u64 }
}

/// A matching of so many networks by their weights: each two of them, each array in the order of its units, and an assignment of each group.
pub fn of_matching(graph: &Graph, networks: usize) -> Demand {
    let spec = graph.spec();
    let units = |binding: &Option<Binding>| binding.as_ref().map_or(0, |binding| spec.groups[binding.group].units);
    let products = spec.parameters.iter().map(|it| it.len() * (units(&it.rows) + units(&it.columns)));
    let assignments = spec.groups.iter().map(|group| group.units.pow(3));
    let pairs = networks * networks.saturating_sub(1) / 2;
    let of_pass: f64 = products.chain(assignments).map(|count| count as f64).sum();
    Demand { operations: PASSES * pairs as f64 * of_pass, memory: (8 * networks * parameters(graph)) as u64 }
}

/// The mean of so many networks.
pub fn of_mean(graph: &Graph, networks: usize) -> Demand {
    let numbers = networks * parameters(graph);
    Demand { operations: MERGED * numbers as f64, memory: 8 * numbers as u64 }
}

/// Forward passes of so many networks over the images that measurements look at.
pub fn of_measuring(task: &Task, parts: &[Part], networks: usize, places: &SearchPaths) -> Option<Demand> {
    let of = |part: &Part| of_first(task, *part, task.measured.of(*part), networks, places);
    parts.iter().map(of).try_fold(Demand::default(), |all, demand| Some(all.and(demand?)))
}

/// Forward passes of so many networks over the first images of a part, or all of them.
pub fn of_first(task: &Task, part: Part, images: Option<usize>, networks: usize, places: &SearchPaths) -> Option<Demand> {
    let counts = rough_counts(&task.source, places)?;
    let all = match part {
        Part::Train => counts.train,
        Part::Test => counts.test,
    };
    let graph = &task.graph;
    let images = images.unwrap_or(all).min(all).saturating_mul(networks);
    let memory = bytes_of_images(graph, &counts) + 4 * (3 * parameters(graph) + values(graph) * BATCH);
    Some(Demand { operations: (graph.flops() as f64 + IMAGE) * images as f64, memory: memory as u64 })
}

/// Statistics of so many networks on all training images, where they have batch norms.
pub fn of_batch_norms(task: &Task, networks: usize, places: &SearchPaths) -> Option<Demand> {
    match task.has_batch_norms() {
        true => of_first(task, Part::Train, None, networks, places),
        false => Some(Demand::default()),
    }
}

impl Demand {
    /// One piece of work after the other.
    #[must_use]
    pub fn and(self, other: Demand) -> Demand {
        Demand { operations: self.operations + other.operations, memory: self.memory.max(other.memory) }
    }
}

fn bytes_of_images(graph: &Graph, counts: &Counts) -> usize {
    (counts.train + counts.test) * graph.architecture.input.volume()
}

fn parameters(graph: &Graph) -> usize {
    graph.spec().parameters.iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum()
}

fn values(graph: &Graph) -> usize {
    graph.nodes.iter().map(|node| node.shape.volume()).sum()
}
