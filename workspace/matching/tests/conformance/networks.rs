//! Small networks of every kind.

use ndarray::Array;
use onebasin_network::{Blueprint, Graph, Permutation, PermutationSpec, Shape, Weights};
use onebasin_repro::Stream;
use rand::Rng;

fn build(name: &'static str, text: &str, input: (usize, usize, usize), classes: usize) -> (&'static str, Graph) {
    let blueprint: Blueprint = serde_json::from_str(text).unwrap();
    (name, Graph::build(&blueprint.build(Shape::new(input.0, input.1, input.2), classes).unwrap()).unwrap())
}

/// Large enough that its matrix products are shared among threads.
pub fn large() -> (&'static str, Graph) {
    build("large mlp", r#"{"family": "mlp", "hidden": [150, 130]}"#, (1, 16, 16), 10)
}

/// A name for messages, and the graph.
pub fn all() -> Vec<(&'static str, Graph)> {
    vec![
        build("mlp", r#"{"family": "mlp", "hidden": [12, 9, 7]}"#, (1, 4, 4), 5),
        build("mlp without bias", r#"{"family": "mlp", "hidden": [10, 8], "bias": false}"#, (1, 4, 4), 5),
        build("vgg with layer norm", r#"{"family": "vgg", "stages": [[4], [6, 6]], "head": [8], "norm": "layer"}"#, (3, 8, 8), 4),
        build("resnet with batch norm", r#"{"family": "resnet", "depth": 8, "width": 4, "norm": "batch"}"#, (3, 8, 8), 4),
    ]
}

/// Uniform numbers in [-1, 1], from `seed`.
pub fn random(spec: &PermutationSpec, seed: u64) -> Weights {
    let arrays = spec.parameters.iter().map(|parameter| {
        let mut rng = Stream::root(seed).child(&parameter.name).rng();
        (parameter.name.clone(), Array::from_shape_simple_fn(parameter.shape.clone(), || rng.random_range(-1.0f32..1.0)))
    });
    Weights::new(spec, arrays.collect()).unwrap()
}

/// A random permutation for each group.
pub fn shuffles(spec: &PermutationSpec, seed: u64) -> Vec<Permutation> {
    let stream = Stream::root(seed);
    spec.groups.iter().map(|group| Permutation::new(stream.child(&group.name).shuffled(group.units)).unwrap()).collect()
}
