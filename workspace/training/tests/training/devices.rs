//! Devices beside `cpu`, each in the builds that have it.

#[cfg(feature = "ndarray")]
use std::ops::ControlFlow;

use onebasin_training::{Device, TrainingError};

#[cfg(feature = "ndarray")]
use {
    crate::common::{cpu, distance, graph, normalisation, stripes, training},
    onebasin_datasets::Split,
    onebasin_network::{Graph, Weights},
    onebasin_repro::Stream,
    onebasin_training::{Progress, Training, evaluate, evaluate_line, fit, logits},
};

/// The weights after a training and the losses that its watcher saw at the ends of epochs.
#[cfg(feature = "ndarray")]
fn watched(graph: &Graph, data: &Split, options: &Training, device: &Device) -> (Weights, Vec<f64>) {
    let mut losses = Vec::new();
    let mut watch = |progress: &Progress| {
        if progress.step % 12 == 0 {
            losses.push(progress.loss);
        }
        ControlFlow::Continue(())
    };
    let weights = fit(graph, data, &normalisation(), options, &Stream::root(3), device, &mut watch).unwrap().weights;
    (weights, losses)
}

#[cfg(feature = "ndarray")]
#[test]
fn burns_older_backend_reaches_the_weights_and_losses_of_the_cpu_within_rounding() {
    let device = Device::select("ndarray").unwrap();
    assert_eq!(device.name(), "ndarray");
    let data = stripes(300, 1);
    // After as many steps as keep rounding small: a batch norm and a convolution multiply it.
    let cases = [
        (r#"{ "family": "mlp", "hidden": [32, 16] }"#, 2e-5),
        (r#"{ "family": "vgg", "stages": [[4], [8]], "head": [16], "norm": "layer" }"#, 2e-4),
        (r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch" }"#, 2e-4),
    ];
    for (blueprint, tolerance) in cases {
        let graph = graph(blueprint);
        for optimizer in [
            r#"{ "kind": "sgd", "learning-rate": 0.02, "momentum": 0.9, "weight-decay": 1e-3 }"#,
            r#"{ "kind": "adam", "learning-rate": 1e-3, "epsilon": 1e-4 }"#,
        ] {
            let options = training(&format!(r#"{{ "epochs": 2, "batch": 25, "gradient-clip": 0.5, "optimizer": {optimizer} }}"#));
            let (older, older_losses) = watched(&graph, &data, &options, &device);
            let (plain, plain_losses) = watched(&graph, &data, &options, &cpu().plain());
            let apart = distance(&older, &plain);
            assert!(apart < tolerance, "{blueprint}, {optimizer}: weights {apart} apart");
            assert_eq!(older_losses.len(), 2);
            for (older, plain) in older_losses.iter().zip(&plain_losses) {
                assert!((older - plain).abs() < f64::from(tolerance), "{blueprint}, {optimizer}: losses {older} and {plain}");
            }

            let ours = evaluate(&graph, &plain, &data, &normalisation(), &device).unwrap();
            let theirs = evaluate(&graph, &plain, &data, &normalisation(), &cpu().plain()).unwrap();
            assert!((ours.loss - theirs.loss).abs() < 1e-6 * (1.0 + theirs.loss), "{blueprint}: {ours:?} and {theirs:?}");
            let ours = logits(&graph, &plain, &data, &normalisation(), &device).unwrap();
            let theirs = logits(&graph, &plain, &data, &normalisation(), &cpu().plain()).unwrap();
            let worst = (ours - theirs).iter().fold(0.0f32, |worst, difference| worst.max(difference.abs()));
            assert!(worst < 2e-5, "{blueprint}: logits {worst} apart");
            let line = |device: &Device| evaluate_line(&graph, &older, &plain, &[0.0, 0.5], &data, &normalisation(), device).unwrap();
            for (ours, theirs) in line(&device).iter().zip(line(&cpu().plain())) {
                assert!((ours.loss - theirs.loss).abs() < 1e-6 * (1.0 + theirs.loss), "{blueprint}: {ours:?} and {theirs:?}");
            }
        }
    }
}

#[test]
fn a_cuda_device_is_there_and_named_or_an_error_with_a_hint() {
    for text in ["cuda", "cuda:0", "cuda:7", "cuda:70000"] {
        match Device::select(text) {
            Ok(device) => assert_eq!(device.name(), if text == "cuda" { "cuda:0" } else { text }),
            Err(error) => {
                assert!(matches!(error, TrainingError::DeviceUnavailable { .. }), "{error}");
                let message = error.to_string();
                assert!(message.starts_with(&format!("device `{text}` is not available: ")) && message.contains("\nhint: "), "{message}");
            }
        }
    }
}

#[cfg(feature = "cuda")]
#[test]
fn a_small_network_learns_a_separable_set_on_a_cuda_device() {
    use crate::common::{graph, normalisation, stripes, train, training};

    let device = match Device::select("cuda") {
        Ok(device) => device,
        Err(error) => return skip(&error),
    };
    for blueprint in [r#"{ "family": "mlp", "hidden": [32, 16] }"#, r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch" }"#] {
        let graph = graph(blueprint);
        let options = training(r#"{ "epochs": 8, "batch": 32, "optimizer": { "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9 } }"#);
        let weights = train(&graph, &stripes(600, 1), &options, 5, &device).unwrap();
        let evaluate = |device: &Device| onebasin_training::evaluate(&graph, &weights, &stripes(400, 2), &normalisation(), device).unwrap();
        let (there, here) = (evaluate(&device), evaluate(&crate::common::cpu()));
        assert!(there.accuracy > 0.9, "{blueprint}: {there:?}");
        // Products in tensor cores may round to ten bits.
        assert!((there.loss - here.loss).abs() < 0.02 * (1.0 + here.loss), "{blueprint}: {there:?} and {here:?}");
    }
}

#[cfg(feature = "cuda")]
#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn skip(reason: &TrainingError) {
    eprintln!("skipped: {reason}");
}
