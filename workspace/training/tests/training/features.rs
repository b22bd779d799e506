use ndarray::{Array2, Axis, Ix1, Ix2};
use onebasin_network::{Graph, Operation, Permutation, permute};
use onebasin_repro::Stream;
use onebasin_training::{TrainingError, features, logits, penultimate};

use crate::common::{cpu, graph, normalisation, stripes, train, training};

const NETWORKS: [&str; 4] = [
    r#"{ "family": "mlp", "hidden": [12, 9] }"#,
    r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "layer" }"#,
    r#"{ "family": "vgg", "stages": [[4], [6]], "head": [], "norm": "batch" }"#,
    r#"{ "family": "mlp", "hidden": [] }"#,
];

/// The last linear layer of a graph: the places of its weight and bias.
fn last(graph: &Graph) -> (usize, Option<usize>) {
    match graph.nodes[graph.nodes[graph.output()].inputs[0]].operation {
        Operation::Linear { weight, bias } => (weight, bias),
        _ => panic!("no linear layer"),
    }
}

#[test]
fn features_are_what_the_last_layer_makes_logits_of_and_permuted_networks_have_them_permuted() {
    let data = stripes(130, 2);
    let options = training(r#"{ "epochs": 1, "batch": 20, "optimizer": { "kind": "adam", "learning-rate": 1e-3 } }"#);
    for text in NETWORKS {
        let graph = graph(text);
        let (spec, weights) = (graph.spec(), train(&graph, &stripes(60, 1), &options, 3, &cpu()).unwrap());
        let (weight, bias) = last(&graph);
        let matrix = weights.get(&spec.parameters[weight].name).clone().into_dimensionality::<Ix2>().unwrap();
        for device in [cpu(), cpu().plain()] {
            let seen = features(&graph, &weights, &data, &normalisation(), &device).unwrap();
            assert_eq!(seen.dim(), (130, matrix.ncols()), "{text}");
            let mut expected = seen.dot(&matrix.t());
            if let Some(bias) = bias {
                expected += &weights.get(&spec.parameters[bias].name).clone().into_dimensionality::<Ix1>().unwrap();
            }
            let logits = logits(&graph, &weights, &data, &normalisation(), &device).unwrap();
            assert!(near(&expected, &logits), "{text}");
            let Some(binding) = spec.parameters[weight].columns else { continue };
            assert!(seen.iter().all(|&value| value >= 0.0), "{text}: they come after the ReLU");

            let stream = Stream::root(7);
            let maps: Vec<Permutation> =
                spec.groups.iter().map(|group| Permutation::new(stream.child(&group.name).shuffled(group.units)).unwrap()).collect();
            let after = features(&graph, &permute(spec, &weights, &maps), &data, &normalisation(), &device).unwrap();
            let units = maps[binding.group].as_slice().iter().map(|&unit| unit as usize);
            let columns: Vec<usize> = units.flat_map(|unit| (0..binding.block).map(move |inner| unit * binding.block + inner)).collect();
            assert!(near(&seen.select(Axis(1), &columns), &after) && !near(&seen, &after), "{text}");
        }
    }
}

fn near(a: &Array2<f32>, b: &Array2<f32>) -> bool {
    let scale = a.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * scale)
}

#[test]
fn a_network_that_does_not_end_in_a_linear_layer_has_none() {
    let graph = graph(r#"{ "layers": [{ "op": "conv", "out": "classes" }, { "op": "global-mean" }] }"#);
    let error = penultimate(&graph).unwrap_err();
    assert!(matches!(error, TrainingError::Unsupported { .. }) && error.to_string().contains("hint: "), "{error}");
}
