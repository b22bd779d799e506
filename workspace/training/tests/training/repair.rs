//! REPAIR and the re-estimation of batch norms, against sums by hand and against an equal network written another way.

use std::ops::ControlFlow;

use ndarray::ArrayD;
use onebasin_datasets::Split;
use onebasin_network::{
    Architecture, Graph, Layer, NormKind, Operation, Permutation, RepairedLayers, Weights, permute, repairable_weights,
};
use onebasin_repro::Stream;
use onebasin_training::{
    Device, Initialisation, Moments, Restores, Sample, Spread, Statistics, TrainingError, initialise, logits, repair, reset_batch_norms,
    statistics,
};
use rand::Rng;

use crate::common::{CLASSES, SIZE, cpu, distance, graph, normalisation, stripes};

mod rescale;

const NETWORKS: [&str; 8] = [
    r#"{ "family": "vgg", "stages": [[6], [8, 8]], "head": [10] }"#,
    r#"{ "family": "vgg", "stages": [[6], [8]], "head": [10], "norm": "layer" }"#,
    r#"{ "family": "vgg", "stages": [[6], [8]], "head": [10], "norm": "batch" }"#,
    r#"{ "family": "resnet", "depth": 8, "width": 8, "norm": "layer" }"#,
    r#"{ "family": "resnet", "depth": 14, "width": 4, "norm": "batch" }"#,
    r#"{ "family": "resnet", "depth": 8, "width": 8, "shortcut": 1 }"#,
    r#"{ "family": "mlp", "hidden": [9, 8], "bias": false }"#,
    r#"{ "family": "mlp", "hidden": [9, 8], "norm": "batch" }"#,
];

/// Each network with each choice of layers of which it has any.
fn cases() -> impl Iterator<Item = (&'static str, Case)> {
    let all = NETWORKS.iter().flat_map(|network| RepairedLayers::EVERY.map(|layers| (*network, Case::new(network, layers))));
    all.filter(|(_, case)| !case.layers.places(&case.graph).is_empty())
}

fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Random weights with norms and biases that are not all alike.
fn random(graph: &Graph, seed: u64) -> Weights {
    let weights = initialise(graph, Initialisation::Pytorch, &Stream::root(seed)).unwrap();
    let mut rng = Stream::root(seed).child("offsets").rng();
    let offsets: Vec<f32> = weights.flat().iter().map(|_| 0.1 * rng.random::<f32>()).collect();
    let place = std::cell::Cell::new(0);
    weights.map(|value| value + offsets[place.replace(place.get() + 1)])
}

/// Two models, their mean, and what repairs it, all in the repairable form.
struct Case {
    layers: RepairedLayers,
    plain: Graph,
    graph: Graph,
    ends: [Weights; 2],
    merged: Weights,
}

impl Case {
    fn new(blueprint: &str, layers: RepairedLayers) -> Case {
        let plain = graph(blueprint);
        let graph = plain.repairable(layers).unwrap();
        let ends = [1, 2].map(|seed| repairable_weights(&random(&plain, seed), graph.spec()).unwrap());
        let merged = ends[0].zip_map(&ends[1], |a, b| (a + b) / 2.0);
        Case { layers, plain, graph, ends, merged }
    }

    fn goal(&self, sample: &Sample<'_>) -> Statistics {
        let [a, b] = self.ends.each_ref().map(|end| self.statistics(end, sample));
        Statistics::mixture(&[&a, &b], &[0.5, 0.5], Spread::Variance).unwrap()
    }

    fn statistics(&self, weights: &Weights, sample: &Sample<'_>) -> Statistics {
        statistics(&self.graph, self.layers, weights, sample, &mut go_on).unwrap()
    }

    fn repaired(&self, sample: &Sample<'_>) -> Weights {
        self.repaired_towards(&self.merged, &self.goal(sample), Restores::SpreadAndMean, sample)
    }

    fn repaired_towards(&self, model: &Weights, goal: &Statistics, restores: Restores, sample: &Sample<'_>) -> Weights {
        repair(&self.graph, self.layers, model, goal, restores, sample, &mut go_on).unwrap()
    }
}

/// The greatest distance of two statistics: of means in deviations, of variances as a factor.
fn apart(goal: &Statistics, other: &Statistics) -> f64 {
    let mut worst = 0.0f64;
    for (name, goal) in &goal.layers {
        let other = &other.layers[name];
        for channel in 0..goal.mean.len() {
            let deviation = goal.variance[channel].sqrt();
            worst = worst.max((goal.mean[channel] - other.mean[channel]).abs() / deviation);
            worst = worst.max((goal.variance[channel] / other.variance[channel]).ln().abs());
        }
    }
    worst
}

fn apart_logits(a: &ndarray::Array2<f32>, b: &ndarray::Array2<f32>) -> f32 {
    let scale = a.iter().fold(1e-3f32, |scale, value| scale.max(value.abs()));
    (a - b).iter().fold(0.0f32, |worst, value| worst.max(value.abs())) / scale
}

fn sample<'a>(data: &'a Split, normalisation: &'a onebasin_datasets::Normalisation, batch: usize, device: &'a Device) -> Sample<'a> {
    Sample { data, normalisation, batch, device }
}

#[test]
fn after_repair_every_layer_shows_the_mean_and_variance_of_the_goal() {
    let (data, constants, device) = (stripes(240, 1), normalisation(), cpu());
    for (network, case) in cases() {
        // With one batch the pass sees what the folded network will see. Sixty images a batch differ from batch to batch.
        for (batch, tolerance) in [(240, 1e-2), (60, 0.1)] {
            let sample = sample(&data, &constants, batch, &device);
            let goal = case.goal(&sample);
            let of = |weights: &Weights| apart(&goal, &case.statistics(weights, &sample));
            let (before, after) = (of(&case.merged), of(&case.repaired(&sample)));
            assert!(after < tolerance && before > 0.3, "{network}, {:?}, batches of {batch}: {after} after {before}", case.layers);
        }
    }
}

/// A permutation of each group that is not its own inverse.
fn shuffles(graph: &Graph, seed: u64) -> Vec<Permutation> {
    let mut rng = Stream::root(seed).child("shuffles").rng();
    let mut shuffled = |units: usize| {
        let mut indices: Vec<u32> = (0..units as u32).collect();
        for place in (1..units).rev() {
            indices.swap(place, rng.random_range(0..place));
        }
        Permutation::new(indices).unwrap()
    };
    graph.spec().groups.iter().map(|group| shuffled(group.units)).collect()
}

#[test]
fn the_statistics_of_a_permuted_network_are_the_network_s_own_in_the_other_order() {
    let (data, constants, device) = (stripes(110, 1), normalisation(), cpu());
    let sample = sample(&data, &constants, 25, &device);
    for ((network, case), seed) in cases().zip(1..) {
        let Case { plain, graph: repairable, .. } = &case;
        let of = |weights: &Weights| case.statistics(&repairable_weights(weights, repairable.spec()).unwrap(), &sample);
        let (weights, maps) = (random(plain, seed), shuffles(plain, seed));
        let surveyed = of(&permute(plain.spec(), &weights, &maps));
        let own = of(&weights);
        let permuted = own.permuted(plain, repairable, &maps).unwrap();
        assert_eq!(permuted.layers.len(), own.layers.len());
        let difference = apart(&surveyed, &permuted);
        assert!(difference < 1e-4, "{network}: {difference}");
        // The other direction is another network, and so is none at all, at every convolution.
        let backwards: Vec<Permutation> = maps.iter().map(Permutation::inverse).collect();
        for other in [own.permuted(plain, repairable, &backwards).unwrap(), own] {
            let groups = plain.layer_groups(repairable);
            for name in surveyed.layers.keys().filter(|name| groups[*name].is_some()) {
                let of = |all: &Statistics| Statistics { layers: [(name.clone(), all.layers[name].clone())].into() };
                let difference = apart(&of(&surveyed), &of(&other));
                assert!(difference > 0.05, "{network}, {name}: {difference}");
            }
        }
    }
}

/// The same layers with a batch norm behind each convolution and the first so many linear layers.
fn with_norms(layers: &[Layer], count: &mut (usize, usize)) -> Vec<Layer> {
    let mut more = Vec::new();
    for layer in layers {
        match layer {
            Layer::Conv { .. } | Layer::Linear { .. } if count.1 > 0 || matches!(layer, Layer::Conv { .. }) => {
                count.1 = count.1.saturating_sub(usize::from(matches!(layer, Layer::Linear { .. })));
                count.0 += 1;
                more.push(layer.clone());
                more.push(Layer::Norm { name: Some(format!("goal{}", count.0)), kind: NormKind::Batch, epsilon: 1e-5 });
            }
            Layer::Residual { body, shortcut } => {
                let body = with_norms(body, count);
                more.push(Layer::Residual { body, shortcut: with_norms(shortcut, count) });
            }
            other => more.push(other.clone()),
        }
    }
    more
}

#[test]
fn the_repaired_network_is_the_one_with_batch_norms_in_it_folded() {
    let (data, constants, device) = (stripes(110, 1), normalisation(), cpu());
    for (network, case) in cases() {
        let is_linear = |place: &usize| matches!(case.graph.nodes[*place].operation, Operation::Linear { .. });
        let linears = case.layers.places(&case.graph).into_iter().filter(is_linear).count();
        for batch in [110, 25] {
            let sample = sample(&data, &constants, batch, &device);
            let goal = case.goal(&sample);
            let layers = with_norms(&case.graph.architecture.layers, &mut (0, linears));
            let normed = Graph::build(&Architecture { layers, ..case.graph.architecture.clone() }).unwrap();
            let mut arrays = case.merged.clone().into_arrays();
            for node in &normed.nodes {
                if let Operation::Norm { .. } = node.operation
                    && node.name.starts_with("goal")
                {
                    let Moments { mean, variance } = &goal.layers[&normed.nodes[node.inputs[0]].name];
                    let scale: ArrayD<f32> =
                        variance.iter().map(|variance| (variance + 1e-5).sqrt() as f32).collect::<ndarray::Array1<_>>().into_dyn();
                    let shift: ArrayD<f32> = mean.iter().map(|&mean| mean as f32).collect::<ndarray::Array1<_>>().into_dyn();
                    for (role, array) in
                        [("scale", scale), ("shift", shift.clone()), ("running-mean", shift.clone()), ("running-variance", shift)]
                    {
                        arrays.insert(format!("{}.{role}", node.name), array);
                    }
                }
            }
            let unfolded = Weights::new(normed.spec(), arrays).unwrap();
            let unfolded = reset_batch_norms(&normed, &unfolded, &sample, &mut go_on).unwrap();
            let expected = logits(&normed, &unfolded, &data, &constants, &device).unwrap();
            let folded = logits(&case.graph, &case.repaired(&sample), &data, &constants, &device).unwrap();
            let plain = logits(&case.graph, &case.merged, &data, &constants, &device).unwrap();
            assert!(apart_logits(&expected, &folded) < 1e-4, "{network}: {}", apart_logits(&expected, &folded));
            assert!(apart_logits(&expected, &plain) > 1e-2, "{network}");
        }
    }
}

#[test]
fn a_model_repaired_towards_itself_computes_what_it_did() {
    let (data, constants, device) = (stripes(200, 1), normalisation(), cpu());
    for (network, case) in cases() {
        let [end, _] = &case.ends;
        for (batch, tolerance) in [(200, 1e-2), (50, 0.1)] {
            let sample = sample(&data, &constants, batch, &device);
            // Running statistics that fit: otherwise a repair would change them for the better.
            let end = reset_batch_norms(&case.graph, end, &sample, &mut go_on).unwrap();
            let own = case.statistics(&end, &sample);
            let repaired = case.repaired_towards(&end, &own, Restores::SpreadAndMean, &sample);
            let [before, after] = [&end, &repaired].map(|weights| logits(&case.graph, weights, &data, &constants, &device).unwrap());
            assert!(apart_logits(&before, &after) < tolerance, "{network}, {batch}: {}", apart_logits(&before, &after));
        }
    }
}

/// The mean of all, and the unbiased variances of batches weighed by their degrees of freedom; `values` of one channel, so many of an image.
fn by_hand(values: &[Vec<f64>], batch: usize) -> (f64, f64) {
    let batches: Vec<Vec<f64>> = values.chunks(batch).map(|images| images.concat()).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let variance = |values: &[f64]| values.iter().map(|x| (x - mean(values)).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0);
    let known: Vec<&Vec<f64>> = batches.iter().filter(|batch| batch.len() > 1).collect();
    let pooled = known.iter().map(|batch| variance(batch) * (batch.len() - 1) as f64).sum::<f64>();
    (mean(&values.concat()), pooled / known.iter().map(|batch| batch.len() - 1).sum::<usize>() as f64)
}

fn pixel(data: &Split, image: usize, place: usize) -> f64 {
    (f64::from(data.pixels[image * SIZE * SIZE + place]) / 255.0 - f64::from(0.35f32)) / f64::from(0.2f32)
}

#[test]
fn statistics_are_means_over_images_and_a_smaller_last_batch_counts_by_its_images() {
    let (data, constants) = (stripes(20, 3), normalisation());
    let graph = graph(
        r#"{ "layers": [{ "op": "conv", "out": 3, "kernel": 1 }, { "op": "relu" }, { "op": "global-mean" }, { "op": "linear", "out": "classes" }] }"#,
    );
    let weights = random(&graph, 1);
    for device in [cpu(), cpu().plain()] {
        let seen = statistics(&graph, RepairedLayers::Convolutions, &weights, &sample(&data, &constants, 8, &device), &mut go_on).unwrap();
        for channel in 0..3 {
            let (weight, bias) = (f64::from(weights.values("conv1.weight")[channel]), f64::from(weights.values("conv1.bias")[channel]));
            let image = |image: usize| (0..SIZE * SIZE).map(|place| weight * pixel(&data, image, place) + bias).collect();
            let (mean, variance) = by_hand(&(0..20).map(image).collect::<Vec<Vec<f64>>>(), 8);
            let Moments { mean: means, variance: variances } = &seen.layers["conv1"];
            assert!(
                (means[channel] - mean).abs() < 2e-6 && (variances[channel] / variance - 1.0).abs() < 5e-6,
                "{mean} {variance} {seen:?}"
            );
        }
    }
}

#[test]
fn batch_norms_are_reset_to_the_mean_and_the_pooled_variance() {
    let (data, constants) = (stripes(20, 3), normalisation());
    let graph = graph(r#"{ "family": "mlp", "hidden": [5], "norm": "batch" }"#);
    let weights = random(&graph, 1);
    for device in [cpu(), cpu().plain()] {
        let reset = reset_batch_norms(&graph, &weights, &sample(&data, &constants, 8, &device), &mut go_on).unwrap();
        for unit in 0..5 {
            let row = &weights.values("fc1.weight")[unit * SIZE * SIZE..][..SIZE * SIZE];
            let value = |image: usize| row.iter().enumerate().map(|(place, &w)| f64::from(w) * pixel(&data, image, place)).sum::<f64>();
            let bias = f64::from(weights.values("fc1.bias")[unit]);
            let (mean, variance) = by_hand(&(0..20).map(|image| vec![value(image) + bias]).collect::<Vec<Vec<f64>>>(), 8);
            assert!((f64::from(reset.values("norm1.running-mean")[unit]) - mean).abs() < 5e-6);
            assert!((f64::from(reset.values("norm1.running-variance")[unit]) / variance - 1.0).abs() < 1e-5);
        }
        // Nothing else moves.
        for (name, array) in weights.iter().filter(|(name, _)| !name.contains("running")) {
            assert_eq!(array, reset.get(name), "{name}");
        }
    }
}

/// The last batch has one image; its variance is unknown where a channel has one value.
#[test]
fn one_image_more_hardly_matters() {
    let constants = normalisation();
    let device = cpu();
    let (even, odd) = (stripes(700, 3), stripes(701, 3));
    for network in [NETWORKS[1], NETWORKS[4], r#"{ "family": "mlp", "hidden": [5], "norm": "batch" }"#] {
        let case = Case::new(network, RepairedLayers::Convolutions);
        let [even, odd] = [&even, &odd].map(|data| case.repaired(&sample(data, &constants, 100, &device)));
        let scale = even.flat().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(distance(&even, &odd) < 0.03 * scale, "{network}: {} of {scale}", distance(&even, &odd));
    }
}

#[test]
fn a_variance_over_one_value_is_refused() {
    let (constants, device) = (normalisation(), cpu());
    let graph = graph(r#"{ "family": "mlp", "hidden": [5], "norm": "batch" }"#);
    let weights = random(&graph, 1);
    for (images, batch, key) in [(1, 10, "`images` is `1`"), (10, 1, "`batch` is `1`")] {
        let data = stripes(images, 3);
        let error = reset_batch_norms(&graph, &weights, &sample(&data, &constants, batch, &device), &mut go_on).unwrap_err().to_string();
        assert!(error.starts_with(key) && error.contains("hint: "), "{error}");
    }
}

#[test]
fn the_result_depends_on_no_number_of_threads_and_hardly_on_the_kernels() {
    let (data, constants) = (stripes(130, 2), normalisation());
    for network in [NETWORKS[1], NETWORKS[4], NETWORKS[5]] {
        let case = Case::new(network, RepairedLayers::Convolutions);
        let device = cpu();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| case.repaired(&sample(&data, &constants, 20, &device)))
        };
        let one = on(1);
        assert!(one == on(2) && one == on(3), "{network}");
        let plain = device.clone().plain();
        let plain = case.repaired(&sample(&data, &constants, 20, &plain));
        assert!(distance(&one, &plain) < 2e-3, "{network}: {}", distance(&one, &plain));
    }
}

#[test]
fn a_network_with_nothing_to_repair_keeps_its_weights() {
    let (data, constants, device) = (stripes(20, 1), normalisation(), cpu());
    let graph = graph(r#"{ "family": "mlp", "hidden": [9], "norm": "layer" }"#);
    assert_eq!(graph.repairable(RepairedLayers::Convolutions).unwrap(), graph);
    let weights = random(&graph, 1);
    let sample = sample(&data, &constants, 8, &device);
    let goal = statistics(&graph, RepairedLayers::Convolutions, &weights, &sample, &mut go_on).unwrap();
    assert!(goal.layers.is_empty());
    assert_eq!(
        repair(&graph, RepairedLayers::Convolutions, &weights, &goal, Restores::SpreadAndMean, &sample, &mut go_on).unwrap(),
        weights
    );
    assert_eq!(reset_batch_norms(&graph, &weights, &sample, &mut go_on).unwrap(), weights);
}

#[test]
fn what_cannot_be_repaired_is_told_and_a_pass_can_be_stopped() {
    let (data, constants, device) = (stripes(20, 1), normalisation(), cpu());
    let case = Case::new(NETWORKS[3], RepairedLayers::Convolutions);
    let here = sample(&data, &constants, 8, &device);
    let goal = case.goal(&here);
    let plain = graph(NETWORKS[3]);
    let message =
        repair(&plain, case.layers, &random(&plain, 1), &goal, Restores::SpreadAndMean, &here, &mut go_on).unwrap_err().to_string();
    assert!(message.contains("has no bias") && message.contains("hint: "), "{message}");
    let other = Case::new(NETWORKS[0], RepairedLayers::Convolutions).goal(&here);
    let message =
        repair(&case.graph, case.layers, &case.merged, &other, Restores::SpreadAndMean, &here, &mut go_on).unwrap_err().to_string();
    assert!(message.contains("missing") && message.contains("hint: "), "{message}");
    assert!(Statistics::mixture(&[&goal, &other], &[0.5, 0.5], Spread::Variance).is_err());
    assert!(
        statistics(&case.graph, case.layers, &random(&plain, 1), &here, &mut go_on).is_err(),
        "weights of the form before the rewriting"
    );
    assert!(statistics(&case.graph, case.layers, &case.merged, &sample(&data, &constants, 0, &device), &mut go_on).is_err());
    let stopped = statistics(&case.graph, case.layers, &case.merged, &here, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(TrainingError::Stopped { done: 0, total: 20 })), "{stopped:?}");
    assert_eq!(plain.architecture.classes, CLASSES);
}

#[test]
fn a_goal_of_deviations_is_below_one_of_variances_unless_ends_agree() {
    let moments =
        |variance: f64| Statistics { layers: [("conv1".to_owned(), Moments { mean: vec![0.0], variance: vec![variance] })].into() };
    let of = |one: f64, other: f64, spread: Spread| {
        Statistics::mixture(&[&moments(one), &moments(other)], &[0.5, 0.5], spread).unwrap().layers["conv1"].variance[0]
    };
    assert!((of(1.0, 9.0, Spread::Variance) - 5.0).abs() < 1e-12);
    assert!((of(1.0, 9.0, Spread::Deviation) - 4.0).abs() < 1e-12);
    assert!((of(4.0, 4.0, Spread::Deviation) - 4.0).abs() < 1e-12);
}
