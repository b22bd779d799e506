use std::ops::ControlFlow;

use burn::tensor::Tensor;
use ndarray::{Array2, ArrayView2};
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, GroupMoments, NodeId, StreamTaps, Tap, Threads, Weights, multiply_add};
use rayon::prelude::*;

use crate::error::impossible;
use crate::forward::{Mode, Program, Value};
use crate::inputs::Inputs;
use crate::tensors::Tensors;
use crate::{Device, TrainingError};

/// Values of all tapped tensors of all models that are held at once: 256 MiB.
const HELD: usize = 1 << 26;

/// Rows of a product whose entries are summed in single precision.
const ROWS: usize = 4096;

/// Which tensors of a network [`cross_moments`] looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    /// Before or after a ReLU.
    pub tap: Tap,
    /// Which tensors of a residual stream.
    pub stream: StreamTaps,
    /// Whether those of each layer too, class scores included, behind those of groups: [`Graph::layer_taps`].
    pub layers: bool,
}

/// The cross moments of every group of units, over the images of a split as they are, batch norms with their running statistics.
///
/// All models see a batch, then the products of each group and each two models are added in `f64`; so memory is that of the sums and of one
/// batch, whatever the number of images, and the result does not depend on how many threads there are. `watch` is told how many images are
/// done, now and then, and may stop the pass. Cost: a forward pass of each model, and for each two models two operations for each sample and
/// each two units of a group.
///
/// # Errors
/// When there is no image, the data do not fit the network, or `watch` breaks off.
pub fn cross_moments(
    graph: &Graph,
    models: &[&Weights],
    places: Places,
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<GroupMoments>, TrainingError> {
    let networks: Vec<(&Graph, &Weights)> = models.iter().map(|&weights| (graph, weights)).collect();
    cross_moments_of_widths(&networks, places, data, normalisation, device, watch)
}

/// As [`cross_moments`], of networks of the same layers in several widths.
///
/// # Errors
/// As [`cross_moments`]; and when the networks have other layers, or there is none.
pub fn cross_moments_of_widths(
    networks: &[(&Graph, &Weights)],
    places: Places,
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
    watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<GroupMoments>, TrainingError> {
    let Some(&(graph, _)) = networks.first() else {
        return Err(impossible("models", 0, "at least 1", "give the models that are compared"));
    };
    for (other, weights) in networks {
        weights.fits(other.spec())?;
        if other.nodes.len() != graph.nodes.len() {
            let hint = "models of several widths have the same layers";
            return Err(impossible("layers", other.nodes.len(), "those of the first model", hint));
        }
    }
    let total = data.labels.len();
    if total == 0 {
        return Err(impossible("images", 0, "at least 1", "1000 or more are usual"));
    }
    let Places { tap, stream, layers } = places;
    let mut taps = graph.taps(tap, stream);
    if layers {
        taps.extend(graph.layer_taps(tap).into_iter().map(|place| vec![place]));
    }
    let mut places: Vec<NodeId> = taps.iter().flatten().copied().collect();
    places.sort_unstable();
    places.dedup();
    let inputs = Inputs::new(graph, data, normalisation)?;
    let burn = device.burn();
    let mut models = Vec::with_capacity(networks.len());
    for &(graph, weights) in networks {
        let program = Program::new(graph, device)?.one_thread();
        let program = if tap == Tap::BeforeRelu { program.bare(&places) } else { program };
        models.push((graph, program, Tensors::new(graph, weights, &burn)));
    }
    let of_image = |graph: &Graph| places.iter().map(|&place| graph.nodes[place].shape.volume()).sum::<usize>();
    let of_images: usize = networks.iter().map(|(graph, _)| of_image(graph)).sum();
    let batch = (HELD / of_images.max(1)).clamp(1, 500);
    let units = |graph: &Graph, tap: &Vec<NodeId>| {
        let node = &graph.nodes[tap[0]];
        node.shape.channels / node.group.map_or(1, |binding| if node.flat { binding.block } else { 1 })
    };
    let widths = |tap: &Vec<NodeId>| networks.iter().map(|(graph, _)| units(graph, tap)).collect::<Vec<usize>>();
    let mut sums: Vec<GroupMoments> = taps.iter().map(|tap| GroupMoments::zero_of_widths(&widths(tap))).collect();
    for start in (0..total).step_by(batch) {
        if watch(start).is_break() {
            return Err(TrainingError::Stopped { done: start, total });
        }
        let images = start..total.min(start + batch);
        let see = |(graph, program, model): &(&Graph, Program<'_>, Tensors)| -> Vec<Array2<f32>> {
            let mut seen: Vec<Option<Array2<f32>>> = vec![None; places.len()];
            let mut hook = |place: usize, value: Value| {
                if let Ok(index) = places.binary_search(&place) {
                    let block = graph.nodes[place].group.map_or(1, |binding| binding.block);
                    seen[index] = Some(samples(value.clone(), block));
                }
                value
            };
            program.run_through(model, inputs.gather(images.clone(), &burn), Mode::Infer, &mut hook);
            seen.into_iter().map(|seen| seen.expect("the pass goes through every node")).collect()
        };
        let seen: Vec<Vec<Array2<f32>>> =
            if device.is_host() { models.par_iter().map(see).collect() } else { models.iter().map(see).collect() };
        sums.par_iter_mut().zip(&taps).for_each(|(sums, taps)| {
            for tap in taps {
                let index = places.binary_search(tap).expect("every tap is a place");
                add(sums, &seen.iter().map(|model| model[index].view()).collect::<Vec<_>>());
            }
        });
    }
    Ok(sums)
}

/// Adds samples `[samples, units]` of each model.
fn add(sums: &mut GroupMoments, models: &[ArrayView2<'_, f32>]) {
    sums.samples += models[0].nrows() as u64;
    for (values, (sums, squares)) in models.iter().zip(sums.sums.iter_mut().zip(&mut sums.squares)) {
        for row in values.rows() {
            for ((&value, sum), square) in row.iter().zip(sums.iter_mut()).zip(squares.iter_mut()) {
                let value = f64::from(value);
                *sum += value;
                *square += value * value;
            }
        }
    }
    let pairs: Vec<(usize, usize)> = GroupMoments::pairs(models.len()).collect();
    sums.products.par_iter_mut().zip(pairs).for_each(|(product, (p, q))| {
        let mut part = Array2::zeros(product.raw_dim());
        for start in (0..models[p].nrows()).step_by(ROWS) {
            let rows = ndarray::s![start..models[p].nrows().min(start + ROWS), ..];
            multiply_add(1.0, models[p].slice(rows).t(), models[q].slice(rows), 0.0, part.view_mut(), Threads::One);
            product.zip_mut_with(&part, |sum, &value| *sum += f64::from(value));
        }
    });
}

/// A value as samples `[samples, units]`; `block` consecutive entries of a row belong to one unit.
pub(crate) fn samples(value: Value, block: usize) -> Array2<f32> {
    let read = |values: Tensor<2>| {
        let [rows, units] = values.dims();
        let values = values.into_data().try_into_vec::<f32>().expect("activations are f32");
        Array2::from_shape_vec((rows, units), values).expect("as many values as the shape says")
    };
    match value {
        Value::Pixels(pixels) => {
            let [n, h, w, c] = pixels.dims();
            read(pixels.reshape([n * h * w, c]))
        }
        Value::Image(image) => {
            let [n, c, h, w] = image.dims();
            read(image.permute([0, 2, 3, 1]).reshape([n * h * w, c]))
        }
        Value::Flat(rows) if block > 1 => {
            let [n, entries] = rows.dims();
            read(rows.reshape([n, entries / block, block]).swap_dims(1, 2).reshape([n * block, entries / block]))
        }
        Value::Flat(rows) => read(rows),
    }
}
