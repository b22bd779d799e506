use std::collections::BTreeMap;
use std::ops::ControlFlow;

use burn::tensor::{Tensor, TensorData};
use ndarray::{ArrayD, Axis};
use onebasin_network::{Graph, Operation, RepairedLayers, Weights};

use crate::TrainingError;
use crate::layer_outputs::LayerHook;
use crate::statistics::{Moments, PassStatistics, Sample, Statistics, pass};

/// Added to variances: under the root of the goal, in the batch norms of the pass, and under the root of the fold.
const EPSILON: f32 = 1e-5;

/// What a repair restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restores {
    /// REPAIR: spread and mean.
    SpreadAndMean,
    /// RESCALE: the spread alone; the mean is multiplied along.
    Spread,
}

/// REPAIR: rescales and shifts every channel of these layers of a merged model so that its output has the mean and the variance that `goal`
/// says. RESCALE: only rescales.
///
/// Behind each layer stands, for one pass over the sample, a batch norm with the statistics of the batch, the scale `σ* = √(v* + ε)`
/// and the shift `μ*`; so every layer sees what the repaired layers before it give. The batch means and unbiased variances are averaged, each
/// batch weighed by its images, to `μ` and `v`, and the batch norm goes into the layer:
///
/// ```text
/// W' = W σ* / √(v + ε),   b' = μ* + (b - μ) σ* / √(v + ε),   ε = 1e-5      REPAIR
/// W' = W σ* / √(v + ε),   b' = b σ* / √(v + ε)                             RESCALE
/// ```
///
/// Running statistics of the network's own batch norms are replaced by those seen in the same pass. `graph` is the repairable form of an
/// architecture ([`Graph::repairable`]) and `goal` a mixture of statistics of models of that form. A network without such layers keeps
/// its weights. Cost: a forward pass.
///
/// Source: Jordan et al., REPAIR (2023); as C2M3 does it, `cycle-consistent-model-merging`. RESCALE: `rethink-re-basin`.
///
/// # Errors
/// When a layer has no bias, the goal is of another network, the data do not fit, or `watch` breaks off.
pub fn repair(
    graph: &Graph,
    layers: RepairedLayers,
    merged: &Weights,
    goal: &Statistics,
    restores: Restores,
    sample: &Sample<'_>,
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Weights, TrainingError> {
    let places = layers.places(graph);
    if places.is_empty() && !has_batch_norms(graph) {
        return Ok(merged.clone());
    }
    let mut folds = Vec::with_capacity(places.len());
    for &place in &places {
        let node = &graph.nodes[place];
        let (Operation::Conv { weight, bias: Some(bias), .. } | Operation::Linear { weight, bias: Some(bias) }) = node.operation else {
            let problem = "it is to be repaired and has no bias".to_owned();
            return Err(TrainingError::Unsupported { node: node.name.clone(), problem, hint: "repair the network's repairable form" });
        };
        let channels = graph.spec().parameters[bias].shape[0];
        folds.push((weight, bias, goal.of(&node.name, channels)?));
    }
    let burn = sample.device.burn();
    let vector = |values: Vec<f32>| {
        let channels = values.len();
        Tensor::<1>::from_data(TensorData::new(values, [channels]), &burn)
    };
    let vectors = folds.iter().map(|(.., goal)| {
        let scale = goal.variance.iter().map(|&variance| deviation(variance) as f32).collect();
        let shift = goal.mean.iter().map(|&mean| mean as f32).collect();
        [vector(scale), vector(shift)]
    });
    let keeps_mean = restores == Restores::Spread;
    let at_layers = LayerHook::Normalise { places, vectors: vectors.collect(), epsilon: EPSILON, keeps_mean };
    let seen = pass(graph, merged, sample, &at_layers, watch)?;
    let mut arrays = merged.clone().into_arrays();
    let name = |place: usize| &graph.spec().parameters[place].name;
    for ((weight, bias, goal), own) in folds.into_iter().zip(&seen.layers) {
        let factors: Vec<f64> = goal.variance.iter().zip(&own.variance).map(|(goal, own)| deviation(*goal) / deviation(*own)).collect();
        for (mut row, factor) in array(&mut arrays, name(weight)).axis_iter_mut(Axis(0)).zip(&factors) {
            row.mapv_inplace(|value| (f64::from(value) * factor) as f32);
        }
        let channels = goal.mean.iter().zip(&own.mean).zip(&factors);
        for (value, ((goal, own), factor)) in array(&mut arrays, name(bias)).iter_mut().zip(channels) {
            let (before, centre, shift) = (f64::from(*value), if keeps_mean { 0.0 } else { *own }, if keeps_mean { 0.0 } else { *goal });
            *value = (shift + (before - centre) * factor) as f32;
        }
    }
    with_running(graph, arrays, &seen)
}

/// Estimates the running statistics of a network's batch norms anew: one pass in training mode, each batch weighed by its images.
///
/// A merged or interpolated network needs it, because its activations are no mean of its parents' activations. A network without batch
/// norms keeps its weights. Cost: a forward pass.
///
/// Source: PyTorch, `torch.nn.BatchNorm2d` with `momentum=None` after `reset_running_stats`, where a smaller last batch counts like the others;
/// variances are unbiased.
///
/// # Errors
/// When the data do not fit the network, or `watch` breaks off.
pub fn reset_batch_norms(
    graph: &Graph,
    weights: &Weights,
    sample: &Sample<'_>,
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Weights, TrainingError> {
    if !has_batch_norms(graph) {
        return Ok(weights.clone());
    }
    let seen = pass(graph, weights, sample, &LayerHook::Nothing, watch)?;
    with_running(graph, weights.clone().into_arrays(), &seen)
}

fn deviation(variance: f64) -> f64 {
    (variance + f64::from(EPSILON)).sqrt()
}

fn has_batch_norms(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| matches!(node.operation, Operation::Norm { mean: Some(_), .. }))
}

fn array<'a>(arrays: &'a mut BTreeMap<String, ArrayD<f32>>, name: &str) -> &'a mut ArrayD<f32> {
    arrays.get_mut(name).expect("weights that went through the graph have all its parameters")
}

/// The same arrays with the running statistics of batch norms replaced.
fn with_running(graph: &Graph, mut arrays: BTreeMap<String, ArrayD<f32>>, seen: &PassStatistics) -> Result<Weights, TrainingError> {
    for ((mean, variance), Moments { mean: means, variance: variances }) in &seen.norms {
        for (place, values) in [(mean, means), (variance, variances)] {
            let name = &graph.spec().parameters[*place].name;
            array(&mut arrays, name).iter_mut().zip(values).for_each(|(running, &value)| *running = value as f32);
        }
    }
    Ok(Weights::new(graph.spec(), arrays)?)
}
