use std::ops::Range;

use ndarray::Array2;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, Weights};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::forward::{Mode, Program};
use crate::inputs::Inputs;
use crate::score::{Evaluation, Tally};
use crate::tensors::Tensors;
use crate::{Device, TrainingError};

/// Loss and accuracy of a network over a whole split, summed in `f64`.
///
/// Batches run on the threads of the current pool; the result does not depend on how many there are.
///
/// # Errors
/// When the data do not fit the network.
pub fn evaluate(
    graph: &Graph,
    weights: &Weights,
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
) -> Result<Evaluation, TrainingError> {
    let parts = over_batches(&[(graph, weights)], data, normalisation, device, |mut logits, labels| {
        let mut tally = Tally::default();
        tally.add(&logits.swap_remove(0), labels);
        tally
    })?;
    Ok(parts.into_iter().fold(Tally::default(), Tally::join).evaluation())
}

/// The logits of a network for every image of a split, `[images, classes]`.
///
/// # Errors
/// When the data do not fit the network.
pub fn logits(
    graph: &Graph,
    weights: &Weights,
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
) -> Result<Array2<f32>, TrainingError> {
    let parts = over_batches(&[(graph, weights)], data, normalisation, device, |mut logits, _| logits.swap_remove(0))?;
    let shape = (data.labels.len(), graph.architecture.classes);
    Ok(Array2::from_shape_vec(shape, parts.concat()).expect("one row of logits per image"))
}

/// How the predictions of several models become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Averaging {
    /// The mean of their probabilities.
    #[default]
    Probabilities,
    /// The mean of their log-probabilities, made to sum to 1 again.
    LogProbabilities,
}

/// The logarithm of the averaged prediction, up to a constant in each row; models count by `shares`, or alike.
pub(crate) fn average(logits: &[Vec<f32>], classes: usize, averaging: Averaging, shares: Option<&[f64]>) -> Vec<f32> {
    let count = logits.len() as f64;
    let mut means = vec![0.0f64; logits[0].len()];
    for (place, model) in logits.iter().enumerate() {
        let weigh = |value: f64| shares.map_or_else(|| value / count, |shares| value * shares[place]);
        for (sums, row) in means.chunks_exact_mut(classes).zip(model.chunks_exact(classes)) {
            let normaliser = crate::score::log_normaliser(row);
            for (sum, &logit) in sums.iter_mut().zip(row) {
                let log_probability = f64::from(logit) - normaliser;
                *sum += weigh(match averaging {
                    Averaging::Probabilities => log_probability.exp(),
                    Averaging::LogProbabilities => log_probability,
                });
            }
        }
    }
    let logarithm = |mean: f64| match averaging {
        // Far below any probability that f32 logits can give; keeps an exact 0 finite.
        Averaging::Probabilities => mean.max(f64::MIN_POSITIVE).ln(),
        Averaging::LogProbabilities => mean,
    };
    means.into_iter().map(|mean| logarithm(mean) as f32).collect()
}

/// Images in a batch of an evaluation: so many that the largest activation of a batch stays near a cache, whatever the network.
pub(crate) fn batch_size(graph: &Graph, device: &Device) -> usize {
    let largest = graph.nodes.iter().map(|node| node.shape.channels * node.shape.height * node.shape.width).max().unwrap_or(1);
    let values = if device.is_host() { 1 << 20 } else { 1 << 26 };
    (values / largest.max(1)).clamp(8, 1000)
}

/// The results of `work` for every batch, in the order of the batches. On the host, batches are shared out among the current threads.
pub(crate) fn map_batches<R: Send>(count: usize, size: usize, device: &Device, work: impl Fn(Range<usize>) -> R + Send + Sync) -> Vec<R> {
    let range = |batch: usize| batch * size..count.min((batch + 1) * size);
    let batches = 0..count.div_ceil(size);
    if device.is_host() {
        batches.into_par_iter().map(|batch| work(range(batch))).collect()
    } else {
        batches.map(|batch| work(range(batch))).collect()
    }
}

/// Runs several networks over all batches and hands their logits and the labels to `work`.
pub(crate) fn over_batches<R: Send>(
    networks: &[(&Graph, &Weights)],
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
    work: impl Fn(Vec<Vec<f32>>, &[u8]) -> R + Send + Sync,
) -> Result<Vec<R>, TrainingError> {
    let burn = device.burn();
    let mut models = Vec::with_capacity(networks.len());
    for (graph, weights) in networks {
        models.push((Program::new(graph, device)?.one_thread(), Tensors::new(graph, weights, &burn)));
    }
    let (first, _) = networks[0];
    let inputs = Inputs::new(first, data, normalisation)?;
    let size = networks.iter().map(|(graph, _)| batch_size(graph, device)).min().unwrap_or(1);
    Ok(map_batches(data.labels.len(), size, device, |range| {
        let images = inputs.gather(range.clone(), &burn);
        let logits = models.iter().map(|(program, tensors)| values(program.run(tensors, images.clone(), Mode::Infer).logits));
        work(logits.collect(), &data.labels[range])
    }))
}

/// The values of logits, row after row.
pub(crate) fn values(logits: burn::tensor::Tensor<2>) -> Vec<f32> {
    logits.into_data().try_into_vec::<f32>().expect("logits are f32")
}
