//! Weights under permutations.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use onebasin_network::{Permutation, Weights, permute};
use proptest::prelude::*;

use crate::samples::{Numbers, graph, small_networks};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn permuting_twice_is_permuting_by_then(seed in any::<u64>()) {
        for (_, graph) in small_networks() {
            let (spec, mut numbers) = (graph.spec(), Numbers::new(seed));
            let weights = numbers.weights(spec);
            let (first, second) = (numbers.permutations(spec), numbers.permutations(spec));
            let both: Vec<Permutation> = first.iter().zip(&second).map(|(first, second)| first.then(second)).collect();
            prop_assert_eq!(permute(spec, &permute(spec, &weights, &first), &second), permute(spec, &weights, &both));
        }
    }

    #[test]
    fn the_inverse_brings_everything_back(seed in any::<u64>()) {
        for (_, graph) in small_networks() {
            let (spec, mut numbers) = (graph.spec(), Numbers::new(seed));
            let weights = numbers.weights(spec);
            let there = numbers.permutations(spec);
            let back: Vec<Permutation> = there.iter().map(Permutation::inverse).collect();
            let identity: Vec<Permutation> = spec.groups.iter().map(|group| Permutation::identity(group.units)).collect();
            prop_assert_eq!(&permute(spec, &permute(spec, &weights, &there), &back), &weights);
            prop_assert_eq!(&permute(spec, &weights, &identity), &weights);
        }
    }
}

#[test]
fn slot_i_holds_unit_p_i_on_rows_and_columns() {
    let graph = graph("family = 'mlp'\nhidden = [3]", [1, 1, 2], 2);
    let array = |shape: &[usize], values: &[f32]| ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap();
    let weights = |first: &[f32], bias: &[f32], last: &[f32]| {
        let arrays = BTreeMap::from([
            ("fc1.weight".to_owned(), array(&[3, 2], first)),
            ("fc1.bias".to_owned(), array(&[3], bias)),
            ("fc2.weight".to_owned(), array(&[2, 3], last)),
            ("fc2.bias".to_owned(), array(&[2], &[7.0, 8.0])),
        ]);
        Weights::new(graph.spec(), arrays).unwrap()
    };
    let before = weights(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[10.0, 20.0, 30.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let after = weights(&[5.0, 6.0, 1.0, 2.0, 3.0, 4.0], &[30.0, 10.0, 20.0], &[3.0, 1.0, 2.0, 6.0, 4.0, 5.0]);
    assert_eq!(permute(graph.spec(), &before, &[Permutation::new(vec![2, 0, 1]).unwrap()]), after);
}

#[test]
fn blocks_behind_a_flatten_move_as_one() {
    let layers =
        "layers = [{ op = 'conv', out = 2, kernel = 1, bias = false }, { op = 'flatten' }, { op = 'linear', out = 1, bias = false }]";
    let graph = graph(layers, [1, 1, 3], 1);
    let column = &graph.spec().parameters[1];
    assert_eq!((column.name.as_str(), column.columns.unwrap().block), ("fc1.weight", 3));
    let weights = |kernel: [f32; 2], row: [f32; 6]| {
        let arrays = BTreeMap::from([
            ("conv1.weight".to_owned(), ArrayD::from_shape_vec(IxDyn(&[2, 1, 1, 1]), kernel.to_vec()).unwrap()),
            ("fc1.weight".to_owned(), ArrayD::from_shape_vec(IxDyn(&[1, 6]), row.to_vec()).unwrap()),
        ]);
        Weights::new(graph.spec(), arrays).unwrap()
    };
    let swap = Permutation::new(vec![1, 0]).unwrap();
    let before = weights([1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(permute(graph.spec(), &before, &[swap]), weights([2.0, 1.0], [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]));
}

#[test]
fn running_statistics_are_permuted_and_not_matched() {
    let graph = graph("family = 'mlp'\nhidden = [4]\nnorm = 'batch'", [1, 2, 2], 2);
    let weights = Numbers::new(1).weights(graph.spec());
    let turn = Permutation::new(vec![1, 2, 3, 0]).unwrap();
    let turned = permute(graph.spec(), &weights, &[turn]);
    for name in ["norm1.running-mean", "norm1.running-variance", "norm1.scale", "norm1.shift"] {
        let (before, after) = (weights.values(name), turned.values(name));
        assert_eq!(after, [before[1], before[2], before[3], before[0]], "{name}");
    }
    let matched: Vec<&str> =
        (graph.spec().parameters.iter()).filter(|parameter| parameter.role.is_matched()).map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(matched, ["fc1.weight", "fc1.bias", "norm1.scale", "norm1.shift", "fc2.weight", "fc2.bias"]);
    assert_eq!(graph.parameter_count(), 4 * 4 + 4 + 4 + 4 + 8 + 2);
}

#[test]
fn weights_in_any_memory_layout_are_the_same_weights() {
    let graph = graph("family = 'mlp'\nhidden = [3]", [1, 1, 2], 2);
    let weights = Numbers::new(3).weights(graph.spec());
    let mut arrays = weights.clone().into_arrays();
    let transposed = arrays["fc1.weight"].t().as_standard_layout().into_owned().reversed_axes();
    assert!(!transposed.is_standard_layout());
    arrays.insert("fc1.weight".to_owned(), transposed);
    let again = Weights::new(graph.spec(), arrays).unwrap();
    assert_eq!(again, weights);
    assert_eq!(again.flat(), weights.flat());
    assert_eq!(weights.zip_map(&weights, |a, b| a - b), Weights::zeros(graph.spec()));
    assert_eq!(weights.map(|value| 2.0 * value), weights.zip_map(&weights, |a, b| a + b));
}
