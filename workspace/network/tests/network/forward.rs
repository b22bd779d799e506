//! A reference forward pass in plain loops, and what it shows: any permutation of any group leaves the outputs as they are.

use ndarray::ArrayView4;
use onebasin_network::{Graph, Node, NormKind, Operation, Shape, Weights, permute};

use crate::samples::{Numbers, small_networks};

/// Sums in f64, so that what permuting changes is far below the tolerance.
pub fn forward(graph: &Graph, weights: &Weights, image: &[f64]) -> Vec<f64> {
    let name = |index: usize| graph.spec().parameters[index].name.as_str();
    let vector = |index: usize| weights.values(name(index)).iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let mut values: Vec<Vec<f64>> = Vec::new();
    for node in &graph.nodes {
        let input = node.inputs.first().map(|&input| (values[input].clone(), graph.nodes[input].shape));
        let value = match (&node.operation, input) {
            (Operation::Input, _) => image.to_vec(),
            (Operation::Linear { weight, bias }, Some((x, _))) => {
                let weight = vector(*weight);
                let mut y: Vec<f64> = weight.chunks(x.len()).map(|row| row.iter().zip(&x).map(|(w, x)| w * x).sum()).collect();
                bias.iter().for_each(|&bias| y.iter_mut().zip(vector(bias)).for_each(|(y, b)| *y += b));
                y
            }
            (Operation::Conv { weight, bias, stride, padding }, Some((x, shape))) => {
                let kernel = weights.get(name(*weight)).view().into_dimensionality().unwrap();
                convolve(&x, shape, kernel, bias.map(vector), (*stride, *padding), node)
            }
            (Operation::Norm { kind, scale, shift, mean, variance, epsilon }, Some((x, shape))) => {
                let running = mean.zip(*variance).map(|(mean, variance)| (vector(mean), vector(variance)));
                assert_eq!(running.is_some(), *kind == NormKind::Batch);
                normalise(&x, shape, running, &vector(*scale), &vector(*shift), f64::from(*epsilon))
            }
            (Operation::Relu, Some((x, _))) => x.iter().map(|x| x.max(0.0)).collect(),
            (Operation::MaxPool { size, stride, padding }, Some((x, shape))) => pool(&x, shape, (*size, *stride, *padding), node.shape),
            (Operation::GlobalMean, Some((x, shape))) => {
                x.chunks(shape.pixels()).map(|channel| channel.iter().sum::<f64>() / shape.pixels() as f64).collect()
            }
            (Operation::AdaptiveMean { size }, Some((x, shape))) => adaptive(&x, shape, *size),
            (Operation::PadChannels { before, behind, stride }, Some((x, shape))) => {
                let zeros = |channels: usize| vec![0.0; channels * node.shape.pixels()];
                let kept = (0..shape.volume()).filter(|at| at / shape.width % shape.height % stride == 0 && at % shape.width % stride == 0);
                [zeros(*before), kept.map(|at| x[at]).collect(), zeros(*behind)].concat()
            }
            (Operation::Flatten | Operation::Output, Some((x, _))) => x,
            (Operation::Add, Some((x, _))) => x.iter().zip(&values[node.inputs[1]]).map(|(x, y)| x + y).collect(),
            (operation, None) => panic!("{operation:?} has no input"),
        };
        assert_eq!(value.len(), node.shape.volume(), "the shape of `{}`", node.name);
        values.push(value);
    }
    values.swap_remove(graph.output())
}

fn convolve(
    x: &[f64],
    shape: Shape,
    kernel: ArrayView4<'_, f32>,
    bias: Option<Vec<f64>>,
    (stride, padding): (usize, usize),
    node: &Node,
) -> Vec<f64> {
    let (outs, ins, size, _) = kernel.dim();
    let mut y = Vec::new();
    for out in 0..outs {
        for row in 0..node.shape.height {
            for column in 0..node.shape.width {
                let mut sum = bias.as_ref().map_or(0.0, |bias| bias[out]);
                for (channel, down, right) in (0..ins).flat_map(|c| (0..size).flat_map(move |d| (0..size).map(move |r| (c, d, r)))) {
                    let (h, w) = ((row * stride + down).wrapping_sub(padding), (column * stride + right).wrapping_sub(padding));
                    if h < shape.height && w < shape.width {
                        sum += f64::from(kernel[[out, channel, down, right]]) * x[(channel * shape.height + h) * shape.width + w];
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

fn normalise(x: &[f64], shape: Shape, running: Option<(Vec<f64>, Vec<f64>)>, scale: &[f64], shift: &[f64], epsilon: f64) -> Vec<f64> {
    let (channels, pixels) = (shape.channels, shape.pixels());
    let mut y = vec![0.0; x.len()];
    for pixel in 0..pixels {
        let at = |channel: usize| x[channel * pixels + pixel];
        let mean = (0..channels).map(at).sum::<f64>() / channels as f64;
        let variance = (0..channels).map(|channel| (at(channel) - mean).powi(2)).sum::<f64>() / channels as f64;
        for channel in 0..channels {
            let (mean, variance) = running.as_ref().map_or((mean, variance), |(means, variances)| (means[channel], variances[channel]));
            y[channel * pixels + pixel] = (at(channel) - mean) / (variance + epsilon).sqrt() * scale[channel] + shift[channel];
        }
    }
    y
}

fn pool(x: &[f64], shape: Shape, (size, stride, padding): (usize, usize, usize), out: Shape) -> Vec<f64> {
    let mut y = Vec::new();
    for channel in 0..shape.channels {
        for row in 0..out.height {
            for column in 0..out.width {
                let rows = (row * stride..row * stride + size).filter_map(|h| h.checked_sub(padding)).filter(|&h| h < shape.height);
                let window = rows.flat_map(|h| {
                    let columns =
                        (column * stride..column * stride + size).filter_map(|w| w.checked_sub(padding)).filter(|&w| w < shape.width);
                    columns.map(move |w| (h, w))
                });
                y.push(window.map(|(h, w)| x[(channel * shape.height + h) * shape.width + w]).fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }
    y
}

fn adaptive(x: &[f64], shape: Shape, size: usize) -> Vec<f64> {
    let window = |place: usize, extent: usize| place * extent / size..((place + 1) * extent).div_ceil(size);
    let mut y = Vec::new();
    for (channel, row, column) in (0..shape.channels).flat_map(|c| (0..size).flat_map(move |h| (0..size).map(move |w| (c, h, w)))) {
        let columns = window(column, shape.width);
        let pixels: Vec<f64> = window(row, shape.height)
            .flat_map(|h| columns.clone().map(move |w| (h, w)))
            .map(|(h, w)| x[(channel * shape.height + h) * shape.width + w])
            .collect();
        y.push(pixels.iter().sum::<f64>() / pixels.len() as f64);
    }
    y
}

#[test]
fn permuting_any_group_leaves_the_outputs_equal() {
    for (name, graph) in small_networks() {
        let spec = graph.spec();
        let mut numbers = Numbers::new(7);
        let weights = numbers.weights(spec);
        let image = numbers.image(graph.architecture.input);
        let outputs = forward(&graph, &weights, &image);
        assert!(outputs.iter().any(|output| output.abs() > 1e-3), "{name}: a dead network shows nothing");
        for group in 0..spec.groups.len() {
            let mut maps: Vec<_> = spec.groups.iter().map(|group| onebasin_network::Permutation::identity(group.units)).collect();
            maps[group] = numbers.permutation(spec.groups[group].units);
            let permuted = permute(spec, &weights, &maps);
            same(&outputs, &forward(&graph, &permuted, &image), &format!("{name}, group `{}`", spec.groups[group].name));
        }
        let permuted = permute(spec, &weights, &numbers.permutations(spec));
        same(&outputs, &forward(&graph, &permuted, &image), name);
    }
}

/// The test above would pass if groups were missing parameters that do not matter; moving one axis alone must matter.
#[test]
fn permuting_one_axis_alone_changes_the_outputs() {
    for (name, graph) in small_networks() {
        let mut numbers = Numbers::new(11);
        let weights = numbers.weights(graph.spec());
        let image = numbers.image(graph.architecture.input);
        let outputs = forward(&graph, &weights, &image);
        let mut bound = 0;
        for parameter in 0..graph.spec().parameters.len() {
            let mut spec = graph.spec().clone();
            let Some(rows) = spec.parameters[parameter].rows else { continue };
            if spec.groups[rows.group].units < 2 {
                continue;
            }
            bound += 1;
            for (other, entry) in spec.parameters.iter_mut().enumerate() {
                entry.columns = None;
                entry.rows = entry.rows.filter(|_| other == parameter);
            }
            let maps: Vec<_> = (spec.groups.iter())
                .map(|group| onebasin_network::Permutation::new((0..group.units as u32).rev().collect()).unwrap())
                .collect();
            let changed = forward(&graph, &permute(&spec, &weights, &maps), &image);
            let difference = outputs.iter().zip(&changed).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(difference > 1e-7, "{name}: `{}` may be permuted alone", spec.parameters[parameter].name);
        }
        assert!(bound > 0, "{name}: nothing is bound");
    }
}

fn same(left: &[f64], right: &[f64], what: &str) {
    let difference = left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(difference < 1e-5, "{what}: outputs differ by {difference}");
}
