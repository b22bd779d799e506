//! Batch norms taken into the layers before them.

use onebasin_network::{Graph, Operation, fold_batch_norms};

use crate::forward::forward;
use crate::samples::{Numbers, graph, small_networks};

#[test]
fn a_network_without_its_batch_norms_computes_the_same() {
    let mut folded = 0;
    for (name, graph) in small_networks() {
        let mut numbers = Numbers::new(5);
        let weights = numbers.weights(graph.spec());
        let image = numbers.image(graph.architecture.input);
        let (without, fused) = fold_batch_norms(&graph, &weights).unwrap();
        let norms =
            |graph: &Graph| graph.nodes.iter().filter(|node| matches!(node.operation, Operation::Norm { mean: Some(_), .. })).count();
        assert_eq!(norms(&without), 0);
        folded += norms(&graph);
        let (before, after) = (forward(&graph, &weights, &image), forward(&without, &fused, &image));
        let size = before.iter().map(|value| value.abs()).fold(1.0, f64::max);
        assert!(before.iter().zip(&after).all(|(one, other)| (one - other).abs() < 1e-4 * size), "{name}: {before:?}\n{after:?}");
    }
    assert!(folded > 0, "some of the networks have batch norms");
}

#[test]
fn a_network_without_batch_norms_stays_as_it_is() {
    let graph = graph("family = 'mlp'\nhidden = [4, 3]\nnorm = 'layer'", [1, 2, 2], 3);
    let weights = Numbers::new(1).weights(graph.spec());
    assert_eq!(fold_batch_norms(&graph, &weights).unwrap(), (graph, weights));
}

#[test]
fn a_batch_norm_behind_no_layer_with_weights_is_refused() {
    let graph = graph("layers = [{ op = 'norm', kind = 'batch' }, { op = 'flatten' }, { op = 'linear', out = 'classes' }]", [1, 2, 2], 3);
    let error = graph.architecture.without_batch_norms().unwrap_err().to_string();
    assert!(error.starts_with("layer `norm") && error.contains("\nhint: "), "{error}");
}
