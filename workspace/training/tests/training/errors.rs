use std::ops::ControlFlow;

use onebasin_datasets::Normalisation;
use onebasin_network::Shape;
use onebasin_repro::Stream;
use onebasin_training::{TrainingError, evaluate, fit};

use crate::common::{cpu, graph, graph_for, normalisation, stripes, train, training};

const MLP: &str = r#"{ "family": "mlp", "hidden": [16] }"#;
const OPTIONS: &str = r#"{ "epochs": 3, "batch": 50, "optimizer": { "kind": "sgd", "learning-rate": 0.05 } }"#;

#[test]
fn a_training_that_diverges_says_where_and_what_to_do() {
    let wild = training(r#"{ "epochs": 50, "batch": 20, "optimizer": { "kind": "sgd", "learning-rate": 1e12, "momentum": 0.9 } }"#);
    for device in [cpu(), cpu().plain()] {
        let error = train(&graph(MLP), &stripes(200, 1), &wild, 1, &device).unwrap_err();
        assert!(matches!(error, TrainingError::Diverged { step: 1.., .. }), "{error}");
        assert!(error.to_string().contains("hint: lower `learning-rate`"), "{error}");
    }
}

#[test]
fn a_watcher_sees_every_epoch_and_can_stop() {
    let (graph, data, options) = (graph(MLP), stripes(120, 1), training(OPTIONS));
    let mut seen = Vec::new();
    let mut keep_going = |progress: &onebasin_training::Progress| {
        seen.push(*progress);
        ControlFlow::Continue(())
    };
    fit(&graph, &data, &normalisation(), &options, &Stream::root(1), &cpu(), &mut keep_going).unwrap();
    let ends: Vec<_> =
        seen.iter().filter(|progress| progress.step % 3 == 0).map(|progress| (progress.epoch, progress.step, progress.steps)).collect();
    assert_eq!(ends, [(0, 3, 9), (1, 6, 9), (2, 9, 9)]);
    assert!(seen.iter().all(|progress| progress.rate == 0.05 && progress.loss > 0.0));

    let mut stop = |_: &onebasin_training::Progress| ControlFlow::Break(());
    let error = fit(&graph, &data, &normalisation(), &options, &Stream::root(1), &cpu(), &mut stop).unwrap_err();
    assert!(matches!(error, TrainingError::Interrupted { steps: 9, .. }), "{error}");
}

#[test]
fn data_that_do_not_fit_the_network_are_refused() {
    let weights = train(&graph(MLP), &stripes(120, 1), &training(OPTIONS), 1, &cpu()).unwrap();
    let refuse = |graph: &onebasin_network::Graph, data: &onebasin_datasets::Split, normalisation: &Normalisation, what: &str| {
        let error = evaluate(graph, &weights, data, normalisation, &cpu()).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("hint: "), "{error}");
    };
    refuse(&graph_for(MLP, Shape::new(1, 4, 4), 4), &stripes(10, 1), &normalisation(), "the shape of an image is `1 × 8 × 8`");
    refuse(&graph_for(MLP, Shape::new(1, 8, 8), 3), &stripes(10, 1), &normalisation(), "the number of classes is `4`");
    refuse(&graph(MLP), &stripes(0, 1), &normalisation(), "the number of images is `0`");
    let two = Normalisation { mean: vec![0.0, 0.0], deviation: vec![1.0] };
    refuse(&graph(MLP), &stripes(10, 1), &two, "the number of means is `2`");
}

#[test]
fn an_impossible_option_stops_a_training_before_it_starts() {
    let wrong = training(r#"{ "epochs": 0, "optimizer": { "kind": "sgd", "learning-rate": 0.05 } }"#);
    let error = train(&graph(MLP), &stripes(10, 1), &wrong, 1, &cpu()).unwrap_err();
    assert!(matches!(error, TrainingError::Option { key: "epochs", .. }), "{error}");
}
