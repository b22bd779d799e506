use onebasin_network::Graph;
use onebasin_repro::Stream;
use onebasin_training::{Device, Snapshot, Trained, Training, TrainingError, TrainingRun, fit};
use rand::Rng;

use crate::common::{cpu, graph, normalisation, stripes, training};

const MOMENTUM: &str = r#"{ "steps": 37, "batch": 24, "augmentation": "cifar-c2m3", "gradient-clip": 1.0,
    "schedule": { "kind": "cosine", "warmup-steps": 5 },
    "optimizer": { "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9, "weight-decay": 1e-3 } }"#;
const ADAM: &str = r#"{ "epochs": 4, "batch": 30, "optimizer": { "kind": "adam", "learning-rate": 1e-3 } }"#;
const PLAIN: &str = r#"{ "epochs": 3, "batch": 64, "drop-last": true, "optimizer": { "kind": "sgd", "learning-rate": 0.1 } }"#;

/// A run over the same images as ever, of which `snapshot`, if any, is where it goes on.
fn continued(graph: &Graph, options: &Training, device: &Device, snapshot: Option<&[u8]>, until: usize) -> Result<Trained, Vec<u8>> {
    let (data, stream) = (stripes(150, 1), Stream::root(1));
    let mut run = TrainingRun::new(graph, &data, &normalisation(), options, &stream, device).unwrap();
    if let Some(bytes) = snapshot {
        run.restore(Snapshot::from_bytes(bytes, "it").unwrap()).unwrap();
    }
    // Reading a snapshot changes nothing, however often.
    while !run.is_done() {
        let progress = run.advance().unwrap();
        let bytes = run.snapshot().to_bytes("it").unwrap();
        if progress.step >= until && !run.is_done() {
            return Err(bytes);
        }
    }
    Ok(run.finish().unwrap())
}

fn whole(graph: &Graph, options: &Training, device: &Device) -> Trained {
    let mut watch = |_: &_| std::ops::ControlFlow::Continue(());
    fit(graph, &stripes(150, 1), &normalisation(), options, &Stream::root(1), device, &mut watch).unwrap()
}

#[test]
fn a_training_interrupted_at_any_step_ends_with_the_bytes_of_one_that_was_not() {
    let batch_norms = r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch" }"#;
    let mlp = r#"{ "family": "mlp", "hidden": [32, 16] }"#;
    for (blueprint, options) in [(batch_norms, MOMENTUM), (mlp, ADAM), (mlp, PLAIN), (batch_norms, ADAM)] {
        for device in [cpu(), cpu().plain()] {
            let (graph, options) = (graph(blueprint), training(options));
            let uninterrupted = whole(&graph, &options, &device);
            let mut rng = Stream::root(7).child("cuts").rng();
            for _ in 0..7 {
                let mut snapshot: Option<Vec<u8>> = None;
                let mut done = 0;
                let ended = loop {
                    done += rng.random_range(1..12);
                    match continued(&graph, &options, &device, snapshot.as_deref(), done) {
                        Ok(trained) => break trained,
                        Err(bytes) => snapshot = Some(bytes),
                    }
                };
                assert!(ended == uninterrupted, "{blueprint}");
            }
        }
    }
}

#[test]
fn a_snapshot_of_another_training_or_a_damaged_one_is_refused() {
    let (small, large) = (graph(r#"{ "family": "mlp", "hidden": [8] }"#), graph(r#"{ "family": "mlp", "hidden": [9] }"#));
    let options = training(ADAM);
    let bytes = continued(&small, &options, &cpu(), None, 1).unwrap_err();
    let message = Snapshot::from_bytes(&bytes, "another").unwrap_err().to_string();
    assert!(message.contains("it is of `it`, expected `another`") && message.contains("hint: "), "{message}");
    for length in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(Snapshot::from_bytes(&bytes[..length], "it"), Err(TrainingError::Snapshot { .. })), "{length} bytes");
    }
    let (data, normalisation, device) = (stripes(150, 1), normalisation(), cpu());
    let mut other = TrainingRun::new(&large, &data, &normalisation, &options, &Stream::root(1), &device).unwrap();
    let snapshot = Snapshot::from_bytes(&bytes, "it").unwrap();
    assert!(matches!(other.restore(snapshot.clone()), Err(TrainingError::Snapshot { .. })));
    let short = Training { epochs: None, steps: Some(1), ..options };
    let mut shorter = TrainingRun::new(&small, &data, &normalisation, &short, &Stream::root(1), &device).unwrap();
    assert!(snapshot.step() > 1 && shorter.restore(snapshot).is_err());
}

#[test]
fn the_learning_curve_has_the_losses_of_the_training() {
    let trained = whole(&graph(r#"{ "family": "mlp", "hidden": [32] }"#), &training(MOMENTUM), &cpu());
    assert_eq!(trained.curve.len(), 37);
    assert_eq!(trained.curve.iter().map(|point| point.step).collect::<Vec<_>>(), (1..=37).collect::<Vec<_>>());
    assert_eq!(trained.curve[0].rate, 1e-6);
    assert!((trained.curve[0].loss - 4_f64.ln()).abs() < 0.4 && trained.curve[36].loss < 0.7 * trained.curve[0].loss);
}
