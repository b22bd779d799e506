use std::collections::BTreeMap;

use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Architecture, Graph};

use super::*;
use crate::{Device, Initialisation, Training, TrainingRun, evaluate, initialise};

const CURVE: ModePath = ModePath { kind: PathKind::Bezier, bends: 1 };
const CHAIN: ModePath = ModePath { kind: PathKind::Polygonal, bends: 1 };

#[test]
fn a_quadratic_curve_has_quarters_at_its_middle_and_its_ends_at_its_ends() {
    assert_eq!(CURVE.coefficients(0.0), [1.0, 0.0, 0.0]);
    assert_eq!(CURVE.coefficients(0.5), [0.25, 0.5, 0.25]);
    assert_eq!(CURVE.coefficients(1.0), [0.0, 0.0, 1.0]);
    assert_eq!(CURVE.coefficients(0.25), [0.5625, 0.375, 0.0625]);
}

#[test]
fn a_chain_goes_straight_from_one_control_point_to_the_next() {
    assert_eq!(CHAIN.coefficients(0.25), [0.5, 0.5, 0.0]);
    assert_eq!(CHAIN.coefficients(0.5), [0.0, 1.0, 0.0]);
    let long = ModePath { kind: PathKind::Polygonal, bends: 3 };
    assert_eq!(long.coefficients(0.375), [0.0, 0.5, 0.5, 0.0, 0.0]);
    assert_eq!(long.coefficients(1.0), [0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn coefficients_add_up_to_one() {
    for kind in [PathKind::Bezier, PathKind::Polygonal] {
        for bends in 1..6 {
            for step in 0..=20 {
                let sum: f64 = ModePath { kind, bends }.coefficients(f64::from(step) / 20.0).iter().sum();
                assert!((sum - 1.0).abs() < 1e-12, "{kind:?}, {bends} bends: {sum}");
            }
        }
    }
}

#[test]
fn paths_without_bends_are_refused() {
    for bends in [0, 101] {
        let message = ModePath { kind: PathKind::Bezier, bends }.check().unwrap_err().to_string();
        assert!(message.starts_with(&format!("`bends` is `{bends}`")), "{message}");
    }
    CURVE.check().unwrap();
}

#[test]
fn a_mean_by_length_counts_long_steps_more() {
    assert_eq!(length_weighted(&[1.0, 3.0, 5.0], &[1.0, 3.0]), Some(3.5));
    assert_eq!(length_weighted(&[1.0, 1.0], &[0.0]), None);
}

fn graph() -> Graph {
    let layers =
        r#"{ "op": "flatten" }, { "op": "linear", "out": 4, "bias": false }, { "op": "relu" }, { "op": "linear", "out": "classes" }"#;
    let text = format!(r#"{{ "input": [1, 2, 2], "classes": 3, "layers": [{layers}] }}"#);
    Graph::build(&serde_json::from_str::<Architecture>(&text).unwrap()).unwrap()
}

fn split() -> Split {
    let pixels = (0..6 * 4).map(|place| (place * 37 % 256) as u8).collect();
    Split { pixels, labels: vec![0, 1, 2, 1, 0, 2], shape: (1, 2, 2), classes: 3 }
}

fn normalisation() -> Normalisation {
    Normalisation { mean: vec![0.5], deviation: vec![0.3] }
}

fn networks(graph: &Graph, count: usize) -> Vec<Weights> {
    let network = |place: usize| initialise(graph, Initialisation::Pytorch, &Stream::root(3).child(format!("{place}"))).unwrap();
    (0..count).map(network).collect()
}

fn training(steps: usize) -> Training {
    serde_json::from_str(&format!(r#"{{ "steps": {steps}, "batch": 6, "optimizer": {{ "kind": "sgd", "learning-rate": 1.0 }} }}"#)).unwrap()
}

/// One step at rate 1 takes its gradient away from each bend.
#[test]
fn gradients_of_bends_are_the_slopes_of_the_loss_at_the_point() {
    let (graph, split, normalisation, device) = (graph(), split(), normalisation(), Device::select("cpu").unwrap());
    let spec = graph.spec();
    for (kind, bends) in [(PathKind::Bezier, 1), (PathKind::Bezier, 2), (PathKind::Polygonal, 1), (PathKind::Polygonal, 3)] {
        for penalty in [0.0, 0.1] {
            let path = ModePath { kind, bends };
            let stream = Stream::root(7).child("t");
            let t = stream.child("path").child("step-0").rng().random::<f64>();
            let controls = networks(&graph, bends + 2);
            let training = training(1);
            let mut run = TrainingRun::new(&graph, &split, &normalisation, &training, &stream, &device)
                .unwrap()
                .along(path, [&controls[0], &controls[bends + 1]], &controls[1..=bends], penalty, &stream)
                .unwrap();
            run.advance().unwrap();
            let (after, _) = run.finish_path().unwrap();
            assert_eq!((&after[0], &after[bends + 1]), (&controls[0], &controls[bends + 1]), "ends stay");
            let loss = |controls: &[Weights]| {
                let point = path.point(spec, controls, t).unwrap();
                let square: f64 = point.iter().flat_map(|(_, array)| array.iter()).map(|&value| f64::from(value).powi(2)).sum();
                evaluate(&graph, &point, &split, &normalisation, &device).unwrap().loss + 0.5 * penalty * square
            };
            for bend in 1..=bends {
                let gradient: BTreeMap<String, ArrayD<f32>> =
                    controls[bend].iter().map(|(name, before)| (name.to_owned(), before - after[bend].get(name))).collect();
                let length: f64 = gradient.values().flatten().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
                if path.coefficients(t)[bend] == 0.0 {
                    assert!(length < 1e-7, "a bend that is not at the point stays");
                    continue;
                }
                let moved = |step: f32| {
                    let mut controls = controls.clone();
                    let along = |(name, array): (&str, &ArrayD<f32>)| {
                        (name.to_owned(), array + &gradient[name].mapv(|value| value * step / length as f32))
                    };
                    controls[bend] = Weights::new(spec, controls[bend].iter().map(along).collect()).unwrap();
                    loss(&controls)
                };
                let slope = (moved(5e-3) - moved(-5e-3)) / 1e-2;
                assert!((slope - length).abs() < 1e-3 + 1e-2 * length, "{path:?}, bend {bend}: slope {slope}, gradient {length}");
            }
        }
    }
}

#[test]
fn a_path_that_is_cut_short_goes_on_to_the_same_bytes() {
    let (graph, split, normalisation, device) = (graph(), split(), normalisation(), Device::select("cpu").unwrap());
    let (stream, controls) = (Stream::root(7), networks(&graph, 4));
    let text =
        r#"{ "epochs": 5, "batch": 4, "optimizer": { "kind": "sgd", "learning-rate": 0.1, "momentum": 0.9, "reset-each-epoch": true } }"#;
    let training: Training = serde_json::from_str(text).unwrap();
    let path = ModePath { kind: PathKind::Polygonal, bends: 2 };
    let begin = || {
        let run = TrainingRun::new(&graph, &split, &normalisation, &training, &stream, &device).unwrap();
        run.along(path, [&controls[0], &controls[3]], &controls[1..3], 0.0, &stream).unwrap()
    };
    let mut whole = begin();
    let mut half = begin();
    while !whole.is_done() {
        whole.advance().unwrap();
    }
    while half.step() < 5 {
        half.advance().unwrap();
    }
    let mut rest = begin();
    rest.restore(half.snapshot()).unwrap();
    while !rest.is_done() {
        rest.advance().unwrap();
    }
    assert_eq!(rest.finish_path().unwrap(), whole.finish_path().unwrap());
}

#[test]
fn a_path_with_other_numbers_of_bends_is_refused() {
    let (graph, split, normalisation, device) = (graph(), split(), normalisation(), Device::select("cpu").unwrap());
    let (training, stream, controls) = (training(1), Stream::root(7), networks(&graph, 3));
    let run = TrainingRun::new(&graph, &split, &normalisation, &training, &stream, &device).unwrap();
    assert!(run.along(CURVE, [&controls[0], &controls[2]], &[], 0.0, &stream).is_err());
    assert!(CURVE.point(graph.spec(), &controls[..2], 0.5).is_err());
}

/// With momentum, two epochs of one step each differ from two steps without a memory only where the memory is kept.
#[test]
fn a_momentum_that_is_reset_each_epoch_is_none_in_epochs_of_one_step() {
    let (graph, split, normalisation, device) = (graph(), split(), normalisation(), Device::select("cpu").unwrap());
    let stream = Stream::root(7);
    let weights = |optimizer: &str| {
        let text = format!(r#"{{ "epochs": 4, "batch": 6, "optimizer": {{ "kind": "sgd", "learning-rate": 0.1 {optimizer} }} }}"#);
        let training: Training = serde_json::from_str(&text).unwrap();
        crate::fit(&graph, &split, &normalisation, &training, &stream, &device, &mut |_| std::ops::ControlFlow::Continue(()))
            .unwrap()
            .weights
    };
    let (reset, plain, kept) = (weights(r#", "momentum": 0.9, "reset-each-epoch": true"#), weights(""), weights(r#", "momentum": 0.9"#));
    let greatest = |other: &Weights| {
        let differences =
            reset.iter().map(|(name, array)| (array - other.get(name)).iter().fold(0.0f32, |most, value| most.max(value.abs())));
        differences.fold(0.0, f32::max)
    };
    assert!(greatest(&plain) < 1e-6 && greatest(&kept) > 1e-3);
}
