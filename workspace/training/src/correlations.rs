use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ndarray::Array2;
use onebasin_network::{Graph, RepairedLayers, Weights};
use rayon::prelude::*;

use crate::error::impossible;
use crate::forward::{Mode, Program, Value};
use crate::inputs::Inputs;
use crate::moments::samples;
use crate::tensors::Tensors;
use crate::{Sample, TrainingError};

/// Sums over the outputs of one unit of the first network and of another.
#[derive(Clone, Copy, Default)]
struct Sums {
    first: f64,
    other: f64,
    first_squares: f64,
    other_squares: f64,
    products: f64,
}

impl Sums {
    fn add(&mut self, first: f32, other: f32) {
        let (first, other) = (f64::from(first), f64::from(other));
        self.first += first;
        self.other += other;
        self.first_squares += first * first;
        self.other_squares += other * other;
        self.products += first * other;
    }

    /// Pearson's correlation; 0 where either never changes.
    fn correlation(&self, count: f64) -> f64 {
        let variance = |squares: f64, sum: f64| squares - sum * sum / count;
        let (first, other) = (variance(self.first_squares, self.first), variance(self.other_squares, self.other));
        // What is left of equal numbers is rounding.
        let silent = first <= 1e-12 * self.first_squares || other <= 1e-12 * self.other_squares;
        if silent { 0.0 } else { (self.products - self.first * self.other / count) / (first * other).sqrt() }
    }
}

/// How far the outputs of the units of these layers follow those of other networks whose units stand in the same order: for each layer the
/// mean, over units and networks, of Pearson's correlation over images and pixels. A unit that never changes counts as 0.
///
/// Batch norms use the statistics of the batch, as in [`statistics`](crate::statistics). Sums are in `f64`, in the order of the batches, so the
/// result does not depend on the number of threads. `watch` is told how many images are done, and may stop the pass. Cost: a forward pass of
/// each network; memory: the outputs of one batch.
///
/// # Errors
/// When the data do not fit the network, there is no image or no other network, the batch size is 0, or `watch` breaks off.
pub fn unit_correlations(
    graph: &Graph,
    layers: RepairedLayers,
    (first, others): (&Weights, &[&Weights]),
    sample: &Sample<'_>,
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<BTreeMap<String, f64>, TrainingError> {
    let Sample { data, normalisation, batch, device } = *sample;
    let total = data.labels.len();
    for (what, number) in [("images", total), ("batch", batch), ("models", others.len())] {
        if number == 0 {
            return Err(impossible(what, 0, "at least 1", "100 is usual"));
        }
    }
    let networks: Vec<&Weights> = std::iter::once(first).chain(others.iter().copied()).collect();
    networks.iter().try_for_each(|weights| weights.fits(graph.spec()))?;
    let places = layers.places(graph);
    let inputs = Inputs::new(graph, data, normalisation)?;
    let program = Program::new(graph, device)?.one_thread().bare(&places);
    let burn = device.burn();
    let tensors: Vec<Tensors> = networks.iter().map(|weights| Tensors::new(graph, weights, &burn)).collect();
    // By layer, other network and unit.
    let units = |place: &usize| graph.nodes[*place].shape.channels;
    let mut sums: Vec<Vec<Vec<Sums>>> = places.iter().map(|place| vec![vec![Sums::default(); units(place)]; others.len()]).collect();
    let mut counts = vec![0.0; places.len()];
    for start in (0..total).step_by(batch) {
        if watch(start).is_break() {
            return Err(TrainingError::Stopped { done: start, total });
        }
        let images = start..total.min(start + batch);
        let see = |network: &Tensors| -> Vec<Array2<f32>> {
            let mut seen: Vec<Option<Array2<f32>>> = vec![None; places.len()];
            let mut hook = |place: usize, value: Value| {
                if let Ok(index) = places.binary_search(&place) {
                    seen[index] = Some(samples(value.clone(), 1));
                }
                value
            };
            program.run_through(network, inputs.gather(images.clone(), &burn), Mode::Train, &mut hook);
            seen.into_iter().map(|seen| seen.expect("the pass goes through every node")).collect()
        };
        let seen: Vec<Vec<Array2<f32>>> =
            if device.is_host() { tensors.par_iter().map(see).collect() } else { tensors.iter().map(see).collect() };
        let (first, others) = seen.split_first().expect("there is a first network");
        sums.par_iter_mut().zip(&mut counts).enumerate().for_each(|(layer, (sums, count))| {
            *count += first[layer].nrows() as f64;
            for (sums, other) in sums.iter_mut().zip(others) {
                for (row, theirs) in first[layer].rows().into_iter().zip(other[layer].rows()) {
                    for ((sums, &value), &their) in sums.iter_mut().zip(row).zip(theirs) {
                        sums.add(value, their);
                    }
                }
            }
        });
    }
    let mean = |(sums, count): (Vec<Vec<Sums>>, f64)| {
        let values: Vec<f64> = sums.iter().flatten().map(|sums| sums.correlation(count)).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    let names = places.iter().map(|&place| graph.nodes[place].name.clone());
    Ok(names.zip(sums.into_iter().zip(counts).map(mean)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(pairs: &[(f32, f32)]) -> f64 {
        let mut sums = Sums::default();
        pairs.iter().for_each(|&(first, other)| sums.add(first, other));
        sums.correlation(pairs.len() as f64)
    }

    #[test]
    fn correlations_are_those_worked_by_hand() {
        assert!((sums(&[(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]) - 1.0).abs() < 1e-12);
        assert!((sums(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]) + 1.0).abs() < 1e-12);
        // Means 2 and 2; deviations -1, 0, 1 and 1, -2, 1: nothing in common.
        assert!(sums(&[(1.0, 3.0), (2.0, 0.0), (3.0, 3.0)]).abs() < 1e-12);
        assert_eq!(sums(&[(1.0, 0.1), (2.0, 0.1), (3.0, 0.1)]), 0.0, "a unit that never changes");
    }
}
