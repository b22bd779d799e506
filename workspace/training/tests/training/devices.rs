//! Devices beside `cpu`, each in the builds and on the machines that have it.

use std::ops::ControlFlow;

use onebasin_datasets::Split;
use onebasin_network::{Graph, Weights};
use onebasin_repro::Stream;
use onebasin_training::{Device, Evaluation, Progress, Training, TrainingError, evaluate, evaluate_line, fit, logits};

use crate::common::{cpu, distance, graph, normalisation, stripes, train, training};

const MLP: &str = r#"{ "family": "mlp", "hidden": [32, 16] }"#;
const RESNET: &str = r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch" }"#;

/// Devices that compute by another arithmetic than `cpu`, those that are here. A line says which are not.
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn others() -> Vec<Device> {
    let select = |name: &&str| Device::select(name).inspect_err(|error| eprintln!("skipped: {error}")).ok();
    ["ndarray", "cuda", "wgpu"].iter().filter_map(select).collect()
}

/// How much coarser than `f32` a device rounds products.
fn coarseness(device: &Device) -> f32 {
    if device.description().is_some_and(|description| description.contains("tf32")) { 1e3 } else { 1.0 }
}

/// The weights after a training and the losses that its watcher saw at the ends of epochs.
fn watched(graph: &Graph, data: &Split, options: &Training, device: &Device) -> (Weights, Vec<f64>) {
    let mut losses = Vec::new();
    let mut watch = |progress: &Progress| {
        if progress.step.is_multiple_of(12) {
            losses.push(progress.loss);
        }
        ControlFlow::Continue(())
    };
    let weights = fit(graph, data, &normalisation(), options, &Stream::root(3), device, &mut watch).unwrap().weights;
    (weights, losses)
}

#[test]
fn every_device_reaches_the_weights_and_losses_of_the_cpu_within_rounding() {
    let data = stripes(300, 1);
    // After as many steps as keep rounding small: a batch norm and a convolution multiply it.
    let cases = [(MLP, 2e-5), (r#"{ "family": "vgg", "stages": [[4], [8]], "head": [16], "norm": "layer" }"#, 2e-4), (RESNET, 2e-4)];
    for device in others() {
        let name = device.name();
        for (blueprint, tolerance) in cases {
            let (graph, tolerance) = (graph(blueprint), tolerance * coarseness(&device));
            for optimizer in [
                r#"{ "kind": "sgd", "learning-rate": 0.02, "momentum": 0.9, "weight-decay": 1e-3 }"#,
                r#"{ "kind": "adam", "learning-rate": 1e-3, "epsilon": 1e-4 }"#,
            ] {
                let options = training(&format!(r#"{{ "epochs": 2, "batch": 25, "gradient-clip": 0.5, "optimizer": {optimizer} }}"#));
                let (there, losses_there) = watched(&graph, &data, &options, &device);
                let (here, losses_here) = watched(&graph, &data, &options, &cpu().plain());
                let apart = distance(&there, &here);
                assert!(apart < tolerance, "{name}, {blueprint}, {optimizer}: weights {apart} apart");
                assert_eq!(losses_there.len(), 2);
                for (there, here) in losses_there.iter().zip(&losses_here) {
                    assert!((there - here).abs() < f64::from(tolerance), "{name}, {blueprint}, {optimizer}: losses {there} and {here}");
                }
                assert_says_the_same(&device, &graph, &there, &here, &data);
            }
        }
    }
}

/// Losses, logits and lines of the device are those of the CPU.
fn assert_says_the_same(device: &Device, graph: &Graph, a: &Weights, b: &Weights, data: &Split) {
    let coarseness = coarseness(device);
    let close = |what: &str, there: &Evaluation, here: &Evaluation| {
        let tolerance = 1e-6 * f64::from(coarseness) * (1.0 + here.loss);
        assert!((there.loss - here.loss).abs() < tolerance, "{}, {what}: {there:?} and {here:?}", device.name());
    };
    let evaluated = |device: &Device| evaluate(graph, b, data, &normalisation(), device).unwrap();
    close("the loss", &evaluated(device), &evaluated(&cpu().plain()));
    let said = |device: &Device| logits(graph, b, data, &normalisation(), device).unwrap();
    let worst = (said(device) - said(&cpu().plain())).iter().fold(0.0f32, |worst, difference| worst.max(difference.abs()));
    assert!(worst < 2e-5 * coarseness, "{}: logits {worst} apart", device.name());
    let line = |device: &Device| evaluate_line(graph, a, b, &[0.0, 0.5], data, &normalisation(), device).unwrap();
    for (there, here) in line(device).iter().zip(&line(&cpu().plain())) {
        close("a line", there, here);
    }
}

#[test]
fn a_device_of_a_graphics_interface_is_there_and_named_or_an_error_with_a_hint() {
    for kind in ["cuda", "wgpu"] {
        for index in ["", ":0", ":7", ":70000"] {
            let text = format!("{kind}{index}");
            match Device::select(&text) {
                Ok(device) => {
                    assert_eq!(device.name(), if index.is_empty() { format!("{kind}:0") } else { text });
                    let description = device.description().expect("what computes apart says what it is");
                    assert!(description.ends_with(" products"), "{description}");
                }
                Err(error) => {
                    assert!(matches!(error, TrainingError::DeviceUnavailable { .. }), "{error}");
                    let message = error.to_string();
                    let begin = format!("device `{text}` is not available: ");
                    assert!(message.starts_with(&begin) && message.contains("\nhint: "), "{message}");
                }
            }
        }
    }
}

#[test]
fn networks_learn_a_separable_set_on_every_device_as_well_as_on_the_cpu() {
    for device in others() {
        for blueprint in [MLP, RESNET] {
            let graph = graph(blueprint);
            let options =
                training(r#"{ "epochs": 8, "batch": 32, "optimizer": { "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9 } }"#);
            let learned = |on: &Device| train(&graph, &stripes(600, 1), &options, 5, on).unwrap();
            let judged = |weights: &Weights, on: &Device| evaluate(&graph, weights, &stripes(400, 2), &normalisation(), on).unwrap();
            let weights = learned(&device);
            let (there, here) = (judged(&weights, &device), judged(&weights, &cpu()));
            assert!((there.loss - here.loss).abs() < 2e-5 * f64::from(coarseness(&device)) * (1.0 + here.loss), "{there:?} and {here:?}");
            let reference = judged(&learned(&cpu()), &cpu());
            // Of 400 images, four: rounding grows along a training, and the two end at different weights.
            assert!(there.accuracy > 0.9 && (there.accuracy - reference.accuracy).abs() <= 0.01, "{blueprint}: {there:?}, {reference:?}");
        }
    }
}

#[test]
fn five_trainings_on_a_device_end_in_the_same_bytes() {
    for device in others() {
        for blueprint in [MLP, RESNET] {
            let graph = graph(blueprint);
            let options = training(
                r#"{ "epochs": 2, "batch": 32, "gradient-clip": 0.5, "optimizer": { "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9 } }"#,
            );
            let trained = || train(&graph, &stripes(300, 1), &options, 5, &device).unwrap().flat().to_vec();
            let first = trained();
            for _ in 1..5 {
                assert!(trained() == first, "{}, {blueprint}: two trainings differ", device.name());
            }
        }
    }
}

/// Kernels that are chosen by trying have given wrong results at such shapes.
#[test]
fn narrow_products_of_many_channels_are_those_of_the_cpu_on_every_device() {
    let data = stripes(20, 1);
    for device in others() {
        for (inner, outer) in [(104, 208), (208, 104), (16, 16)] {
            let layers = format!(
                r#"{{ "input": [1, 8, 8], "classes": 4, "layers": [{{ "op": "conv", "out": {inner}, "kernel": 3, "padding": 1 }}, {{ "op": "relu" }},
                {{ "op": "conv", "out": {outer}, "kernel": 1 }}, {{ "op": "relu" }}, {{ "op": "global-mean" }}, {{ "op": "linear", "out": "classes" }}] }}"#
            );
            let graph = Graph::build(&serde_json::from_str(&layers).unwrap()).unwrap();
            let options = training(r#"{ "steps": 3, "batch": 10, "optimizer": { "kind": "sgd", "learning-rate": 0.05 } }"#);
            let (there, here) = (train(&graph, &data, &options, 5, &device).unwrap(), train(&graph, &data, &options, 5, &cpu()).unwrap());
            let apart = distance(&there, &here);
            assert!(apart < 1e-6 * coarseness(&device), "{}, {inner} to {outer} channels: weights {apart} apart", device.name());
        }
    }
}
