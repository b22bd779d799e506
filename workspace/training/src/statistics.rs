use std::collections::BTreeMap;
use std::ops::ControlFlow;

use burn::tensor::Tensor;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, Permutation, RepairedLayers, Weights};
use serde::{Deserialize, Serialize};

use crate::error::impossible;
use crate::evaluate::map_batches;
use crate::forward::{Mode, Program, Value};
use crate::inputs::Inputs;
use crate::layer_outputs::{LayerHook, normalise, observe, rescale};
use crate::tensors::Tensors;
use crate::{Device, TrainingError};

/// The images that statistics are taken over: all of a split, in its order, as they are, in batches.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The images; labels are not looked at.
    pub data: &'a Split,
    /// What the network sees instead of bytes.
    pub normalisation: &'a Normalisation,
    /// Images in a batch. The last batch may be smaller; it counts by its images.
    pub batch: usize,
    /// Where the pass runs.
    pub device: &'a Device,
}

/// Mean and variance of each channel of one layer's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// The mean over images and pixels.
    pub mean: Vec<f64>,
    /// The variance over images and pixels within a batch, pooled over batches: each unbiased, and weighed by its degrees of freedom.
    pub variance: Vec<f64>,
}

/// The moments of the outputs of convolutions and linear layers, by the layer's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Statistics {
    /// In the order of the names.
    pub layers: BTreeMap<String, Moments>,
}

/// What the spread of a merged model's outputs is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// The mean of the variances, as C2M3 has it.
    #[default]
    Variance,
    /// The mean of the standard deviations, as REPAIR has it.
    Deviation,
}

impl Spread {
    /// Whether variances are averaged.
    pub fn is_variance(&self) -> bool {
        *self == Spread::Variance
    }
}

impl Statistics {
    /// `Σ share · statistics`, means and `spread` alike: what a merged model should show. No spread is below 0, which negative shares could
    /// give.
    ///
    /// Source: C2M3, `cycle-consistent-model-merging`, the repair of a merged model (the mean of variances, all shares equal); Jordan et
    /// al., REPAIR, with shares 1 - λ and λ (deviations).
    ///
    /// # Errors
    /// When they are not of one architecture.
    ///
    /// # Panics
    /// If there are not as many shares as statistics, at least one.
    pub fn mixture(all: &[&Statistics], shares: &[f64], spread: Spread) -> Result<Statistics, TrainingError> {
        assert!(!all.is_empty() && all.len() == shares.len(), "{} shares for statistics of {} models", shares.len(), all.len());
        let mut layers = BTreeMap::new();
        for (name, first) in &all[0].layers {
            let channels = first.mean.len();
            let mut mixed = Moments { mean: vec![0.0; channels], variance: vec![0.0; channels] };
            for (statistics, share) in all.iter().zip(shares) {
                let moments = statistics.of(name, channels)?;
                mixed.mean.iter_mut().zip(&moments.mean).for_each(|(sum, mean)| *sum += share * mean);
                mixed.variance.iter_mut().zip(&moments.variance).for_each(|(sum, variance)| {
                    *sum += share * if spread.is_variance() { *variance } else { variance.sqrt() };
                });
            }
            mixed.variance.iter_mut().for_each(|sum| {
                let least = sum.max(0.0);
                *sum = if spread.is_variance() { least } else { least * least };
            });
            layers.insert(name.clone(), mixed);
        }
        Ok(Statistics { layers })
    }

    /// What these statistics become when the network's units are permuted, without a pass: channel `i` has those of channel `p[i]`, as
    /// [`permute`](onebasin_network::permute) has its weights.
    ///
    /// `graph` is the network that is permuted, `repairable` its repairable form, of which the statistics are, and `maps` has one
    /// permutation for each group of `graph`. A batch's mean and variance of one channel know nothing of the others, so up to rounding
    /// these are the statistics of the permuted network.
    ///
    /// # Errors
    /// When the statistics are of another network.
    ///
    /// # Panics
    /// If `repairable` is another network's, or there is not one map for each group, of its length.
    pub fn permuted(&self, graph: &Graph, repairable: &Graph, maps: &[Permutation]) -> Result<Statistics, TrainingError> {
        assert_eq!(maps.len(), graph.spec().groups.len(), "one permutation for each group is expected");
        let groups = graph.layer_groups(repairable);
        let mut layers = BTreeMap::new();
        for (name, own) in &self.layers {
            let moments = match groups.get(name).ok_or_else(|| missing(name))? {
                None => own.clone(),
                Some(binding) => {
                    // Channels are units: only a flatten makes blocks of them, and it stands behind the layers.
                    let map = maps[binding.group].as_slice();
                    let moments = self.of(name, map.len())?;
                    let gather = |values: &[f64]| map.iter().map(|&unit| values[unit as usize]).collect();
                    Moments { mean: gather(&moments.mean), variance: gather(&moments.variance) }
                }
            };
            layers.insert(name.clone(), moments);
        }
        Ok(Statistics { layers })
    }

    /// Whether every mean and variance is a number.
    pub fn is_finite(&self) -> bool {
        self.layers.values().flat_map(|moments| moments.mean.iter().chain(&moments.variance)).all(|value| value.is_finite())
    }

    /// The moments of a layer with so many channels.
    pub(crate) fn of(&self, layer: &str, channels: usize) -> Result<&Moments, TrainingError> {
        let moments = self.layers.get(layer).ok_or_else(|| missing(layer))?;
        if [moments.mean.len(), moments.variance.len()] != [channels; 2] {
            let [means, variances] = [moments.mean.len(), moments.variance.len()];
            let problem = format!("{means} means and {variances} variances, expected {channels} of each");
            return Err(TrainingError::Statistics { layer: layer.to_owned(), problem });
        }
        Ok(moments)
    }
}

fn missing(layer: &str) -> TrainingError {
    TrainingError::Statistics { layer: layer.to_owned(), problem: "missing".to_owned() }
}

/// The statistics of the outputs of these layers, before whatever follows them, in one pass over a sample.
///
/// Batch norms use the statistics of the batch, as in training. Batches run on the threads of the current pool; the result does not depend
/// on how many there are. `watch` is told how many images are done, now and then, and may stop the pass. Cost: a forward pass.
///
/// # Errors
/// When the data do not fit the network, there is a single image, the batch size is 0 or leaves a channel a single value in each batch, or
/// `watch` breaks off.
pub fn statistics(
    graph: &Graph,
    layers: RepairedLayers,
    weights: &Weights,
    sample: &Sample<'_>,
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Statistics, TrainingError> {
    let places = layers.places(graph);
    if places.is_empty() {
        return Ok(Statistics::default());
    }
    let names: Vec<String> = places.iter().map(|&place| graph.nodes[place].name.clone()).collect();
    let seen = pass(graph, weights, sample, &LayerHook::Observe { places }, watch)?;
    Ok(Statistics { layers: names.into_iter().zip(seen.layers).collect() })
}

/// What one pass saw.
pub(crate) struct PassStatistics {
    /// In running order; empty if they were not looked at.
    pub(crate) layers: Vec<Moments>,
    /// Of the inputs of batch norms, with the places of their running mean and variance among the parameters.
    pub(crate) norms: Vec<((usize, usize), Moments)>,
}

/// Batches between two calls of the watcher: enough to share out among threads, and seconds of work.
const CHUNK: usize = 16;

/// One pass over a sample with batch norms in training mode. Means and variances of the batches are accumulated in `f64` in the order of the
/// batches, means weighed by images and variances by degrees of freedom, both as shares of the first batch's.
pub(crate) fn pass(
    graph: &Graph,
    weights: &Weights,
    sample: &Sample<'_>,
    at_layers: &LayerHook,
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<PassStatistics, TrainingError> {
    let Sample { data, normalisation, batch, device } = *sample;
    if batch == 0 {
        return Err(impossible("batch", 0, "at least 1", "100 is usual"));
    }
    weights.fits(graph.spec())?;
    let inputs = Inputs::new(graph, data, normalisation)?;
    let total = data.labels.len();
    if total == 1 {
        return Err(impossible("images", 1, "at least 2: one image has no variance from image to image", "1000 or more are usual"));
    }
    let places = at_layers.places();
    let program = Program::new(graph, device)?.one_thread().bare(places);
    let burn = device.burn();
    let tensors = Tensors::new(graph, weights, &burn);
    let mut sums = Sums::new(batch.min(total));
    for start in (0..total).step_by(batch.saturating_mul(CHUNK)) {
        if watch(start).is_break() {
            return Err(TrainingError::Stopped { done: start, total });
        }
        let length = (total - start).min(batch.saturating_mul(CHUNK));
        let parts = map_batches(length, batch, device, |range| {
            let images = range.len();
            let input = inputs.gather(range.start + start..range.end + start, &burn);
            let (mut vectors, mut looked_at) = (Vec::new(), Vec::new());
            let mut hook = |place: usize, value: Value| {
                let Ok(layer) = places.binary_search(&place) else { return value };
                let (value, statistics, count) = match at_layers {
                    LayerHook::Normalise { vectors: goals, epsilon, keeps_mean: false, .. } => normalise(value, &goals[layer], *epsilon),
                    LayerHook::Normalise { vectors: goals, epsilon, .. } => rescale(value, &goals[layer][0], *epsilon),
                    LayerHook::Observe { .. } | LayerHook::Nothing => observe(value),
                };
                looked_at.push(Entry { channels: statistics[0].dims()[0], values: count / images });
                vectors.extend(statistics);
                value
            };
            let seen = program.run_through(&tensors, input, Mode::Train, &mut hook).seen;
            let entry = |seen: &crate::forward::BatchNormStats| Entry { channels: seen.mean.dims()[0], values: seen.count / images };
            let layout = Layout { layers: looked_at, norms: seen.iter().map(|seen| (seen.running, entry(seen))).collect() };
            vectors.extend(seen.into_iter().flat_map(|seen| [seen.mean, seen.variance]));
            // One reading a batch: devices that compute on their own are waited for once.
            let values = if vectors.is_empty() {
                Vec::new()
            } else {
                Tensor::cat(vectors, 0).into_data().try_into_vec::<f32>().expect("statistics are f32")
            };
            (layout, images, values)
        });
        for (layout, images, values) in parts {
            sums.add(layout, images, &values)?;
        }
    }
    Ok(sums.into_means())
}

/// How many numbers of what a pass gives: a mean and a variance for each channel of each entry, one entry after the other.
#[derive(Default)]
struct Layout {
    layers: Vec<Entry>,
    norms: Vec<((usize, usize), Entry)>,
}

impl Layout {
    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.layers.iter().copied().chain(self.norms.iter().map(|(_, entry)| *entry))
    }
}

/// The output of a layer, or the input of a norm.
#[derive(Clone, Copy)]
struct Entry {
    channels: usize,
    /// Values of a channel in one image.
    values: usize,
}

/// Weighed sums over batches, all of one layout.
struct Sums {
    /// Images of the first batch; weights are shares of it, so that equal batches weigh exactly 1.
    first: usize,
    layout: Layout,
    values: Vec<f64>,
    /// The weight of all means, and of the variances of each entry.
    of_means: f64,
    of_variances: Vec<f64>,
}

impl Sums {
    fn new(first: usize) -> Sums {
        Sums { first, layout: Layout::default(), values: Vec::new(), of_means: 0.0, of_variances: Vec::new() }
    }

    /// # Errors
    /// The first batch, and so every batch, has a single value of a channel, whose variance is unknown.
    fn add(&mut self, layout: Layout, images: usize, values: &[f32]) -> Result<(), TrainingError> {
        if layout.entries().any(|entry| self.first * entry.values < 2) {
            let expected = "at least 2: a channel with one value in a batch has no variance";
            return Err(impossible("batch", self.first, expected, "100 is usual"));
        }
        self.values.resize(values.len(), 0.0);
        self.of_variances.resize(layout.entries().count(), 0.0);
        let of_mean = images as f64 / self.first as f64;
        self.of_means += of_mean;
        let mut places = self.values.iter_mut().zip(values);
        for (entry, total) in layout.entries().zip(&mut self.of_variances) {
            // 0 for a single value: its variance is unknown, and is none of the sum.
            let of_variance = (images * entry.values - 1) as f64 / (self.first * entry.values - 1) as f64;
            *total += of_variance;
            for weight in [of_mean, of_variance] {
                places.by_ref().take(entry.channels).for_each(|(sum, &value)| *sum += weight * f64::from(value));
            }
        }
        self.layout = layout;
        Ok(())
    }

    fn into_means(self) -> PassStatistics {
        let mut rest = self.values.iter();
        let mut weights = self.of_variances.iter();
        let mut moments = |entry: Entry| {
            let mut vector = |weight: f64| rest.by_ref().take(entry.channels).map(|sum| sum / weight).collect();
            let variances = *weights.next().expect("a weight for each entry");
            Moments { mean: vector(self.of_means), variance: vector(variances) }
        };
        PassStatistics {
            layers: self.layout.layers.iter().map(|&entry| moments(entry)).collect(),
            norms: self.layout.norms.iter().map(|&(running, entry)| (running, moments(entry))).collect(),
        }
    }
}
