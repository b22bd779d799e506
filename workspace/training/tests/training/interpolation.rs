use onebasin_network::Weights;
use onebasin_repro::Stream;
use onebasin_training::{Initialisation, evaluate, evaluate_line, initialise};

use crate::common::{cpu, graph, normalisation, stripes};

#[test]
fn a_line_is_the_evaluation_of_every_interpolated_network() {
    let data = stripes(300, 1);
    for blueprint in [
        r#"{ "family": "mlp", "hidden": [24, 16] }"#,
        r#"{ "family": "vgg", "stages": [[4], [8]], "head": [16], "norm": "layer" }"#,
        r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch" }"#,
        r#"{ "family": "mlp", "hidden": [] }"#,
    ] {
        let graph = graph(blueprint);
        let [a, b] = ["a", "b"].map(|name| {
            let weights = initialise(&graph, Initialisation::Pytorch, &Stream::root(9).child(name)).unwrap();
            weights.map(|value| 2.0 * value)
        });
        let lambdas = [0.0, 0.25, 0.6, 1.0];
        for device in [cpu(), cpu().plain()] {
            let line = evaluate_line(&graph, &a, &b, &lambdas, &data, &normalisation(), &device).unwrap();
            for (&lambda, point) in lambdas.iter().zip(&line) {
                let between: Weights = a.zip_map(&b, |a, b| ((1.0 - lambda) * f64::from(a) + lambda * f64::from(b)) as f32);
                let alone = evaluate(&graph, &between, &data, &normalisation(), &device).unwrap();
                assert!((alone.loss - point.loss).abs() < 2e-6 * (1.0 + alone.loss), "{blueprint}, {lambda}: {alone:?}, {point:?}");
                assert!((alone.accuracy - point.accuracy).abs() <= 1.0 / 300.0, "{blueprint}, {lambda}: {alone:?}, {point:?}");
            }
        }
    }
}
