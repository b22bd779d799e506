//! Where activations are read.

use onebasin_network::{Graph, Operation, StreamTaps, Tap};

use crate::samples::{graph, small_networks};

fn names(graph: &Graph, taps: &[Vec<usize>]) -> Vec<Vec<String>> {
    taps.iter().map(|places| places.iter().map(|&place| graph.nodes[place].name.clone()).collect()).collect()
}

#[test]
fn every_group_is_read_and_only_where_its_own_units_are() {
    for (name, graph) in small_networks() {
        for (tap, stream) in [(Tap::AfterRelu, StreamTaps::Last), (Tap::AfterRelu, StreamTaps::All), (Tap::BeforeRelu, StreamTaps::All)] {
            let taps = graph.taps(tap, stream);
            assert_eq!(taps.len(), graph.spec().groups.len(), "{name}");
            for (group, places) in taps.iter().enumerate() {
                assert!(!places.is_empty(), "{name}: group {group}");
                assert!(places.iter().all(|&place| graph.nodes[place].group.unwrap().group == group), "{name}: group {group}");
            }
        }
    }
}

#[test]
fn an_mlp_is_read_behind_or_before_its_activations() {
    let mlp = graph("family = 'mlp'\nhidden = [9, 7]\nnorm = 'layer'", [1, 4, 4], 3);
    let operation = |place: usize| &mlp.nodes[place].operation;
    let after = mlp.taps(Tap::AfterRelu, StreamTaps::Last);
    assert!(after.iter().flatten().all(|&place| matches!(operation(place), Operation::Relu)));
    assert_eq!(names(&mlp, &mlp.taps(Tap::BeforeRelu, StreamTaps::Last)), [["norm1"], ["norm2"]]);
}

#[test]
fn a_residual_stream_has_a_tensor_for_the_stem_and_each_block_of_which_the_last_may_stand_for_all() {
    let resnet = graph("family = 'resnet'\ndepth = 20\nwidth = 4\nnorm = 'layer'", [3, 8, 8], 4);
    let counts = |stream: StreamTaps| -> Vec<usize> { resnet.taps(Tap::AfterRelu, stream).iter().map(Vec::len).collect() };
    let all = counts(StreamTaps::All);
    // The stem and three blocks, then three blocks twice; nine inner groups.
    assert_eq!((all.iter().filter(|&&count| count > 1).count(), all.iter().sum::<usize>()), (3, 4 + 3 + 3 + 9));
    assert!(counts(StreamTaps::Last).iter().all(|&count| count == 1));
}

#[test]
fn a_group_without_activations_is_read_where_it_is_made() {
    let layers = "layers = [{ op = 'flatten' }, { op = 'linear', name = 'only', out = 5 }, { op = 'linear', out = 'classes' }]";
    let linear = graph(layers, [1, 2, 2], 3);
    assert_eq!(names(&linear, &linear.taps(Tap::AfterRelu, StreamTaps::Last)), [["only"]]);
}

#[test]
fn a_layer_is_read_behind_its_norm_and_behind_the_sum_that_it_ends() {
    let mlp = graph("family = 'mlp'\nhidden = [4, 3]\nnorm = 'layer'", [1, 4, 4], 3);
    let names = |graph: &Graph, taps: Vec<usize>| taps.into_iter().map(|node| graph.nodes[node].name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&mlp, mlp.layer_taps(Tap::BeforeRelu)), ["norm1", "norm2", "fc3"]);
    assert_eq!(names(&mlp, mlp.layer_taps(Tap::AfterRelu)), ["relu1", "relu2", "fc3"]);
    let resnet = graph("family = 'resnet'\ndepth = 8\nwidth = 4\nnorm = 'none'", [3, 8, 8], 4);
    let found = names(&resnet, resnet.layer_taps(Tap::BeforeRelu));
    // The stem, a block past an identity, a block past a layer on its shortcut, and another; the scores.
    let [first, second, third] = ["stage1.block1", "stage2.block1", "stage3.block1"];
    let inner = |block: &str| format!("{block}.conv1");
    let shortcut = |block: &str| format!("{block}.shortcut.conv");
    let sum = |number: usize| format!("add{number}");
    let blocks = [inner(first), sum(1), inner(second), sum(2), shortcut(second), inner(third), sum(3), shortcut(third)];
    let expected: Vec<String> = std::iter::once("stem.conv".to_owned()).chain(blocks).chain(["head".to_owned()]).collect();
    assert_eq!(found, expected);
    let weights = resnet.spec().parameters.iter().filter(|parameter| parameter.role == onebasin_network::Role::Weight);
    assert_eq!(found.len(), weights.count());
}
