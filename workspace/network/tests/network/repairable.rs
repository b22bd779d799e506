//! The repairable form of a network computes what the network does, and has a bias behind every convolution.

use onebasin_network::{Checkpoint, Graph, Operation, RepairedLayers, Weights, repairable_weights};

use crate::forward::forward;
use crate::samples::{Numbers, graph, small_networks};

#[test]
fn the_rewritten_network_computes_the_same() {
    for (name, graph) in small_networks() {
        for layers in RepairedLayers::EVERY {
            let repairable = graph.repairable(layers).unwrap();
            let mut numbers = Numbers::new(5);
            let weights = numbers.weights(graph.spec());
            let rewritten = repairable_weights(&weights, repairable.spec()).unwrap();
            for _ in 0..3 {
                let image = numbers.image(graph.architecture.input);
                let (before, after) = (forward(&graph, &weights, &image), forward(&repairable, &rewritten, &image));
                assert_eq!(before, after, "{name}, {layers:?}");
            }
        }
    }
}

#[test]
fn every_convolution_has_a_bias_and_every_skip_of_images_a_convolution() {
    let mut added = 0;
    for (name, graph) in small_networks() {
        let repairable = graph.repairable(RepairedLayers::Convolutions).unwrap();
        for node in &repairable.nodes {
            match node.operation {
                Operation::Conv { bias, .. } => assert!(bias.is_some(), "{name}, {}", node.name),
                Operation::Add if !node.flat => {
                    let short = &repairable.nodes[node.inputs[1]];
                    // A shortcut that pads has nothing that could be rescaled, and stays.
                    let is_repaired =
                        matches!(short.operation, Operation::Conv { .. } | Operation::Norm { .. } | Operation::PadChannels { .. });
                    assert!(is_repaired, "{name}, {}", node.name);
                    added += usize::from(short.name.starts_with("skip"));
                }
                _ => {}
            }
        }
        // What was there keeps its name, its shape and its order.
        let old: Vec<&str> = graph.spec().parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let kept = repairable.spec().parameters.iter().map(|parameter| parameter.name.as_str()).filter(|name| old.contains(name));
        assert_eq!(kept.collect::<Vec<_>>(), old, "{name}");
        assert_eq!(repairable.repairable(RepairedLayers::Convolutions).unwrap(), repairable, "{name}");
    }
    assert!(added >= 10, "{added}");
}

#[test]
fn a_network_without_convolutions_stays_as_it_is() {
    let graph = graph("family = 'mlp'\nhidden = [9]\nbias = false\nnorm = 'batch'", [1, 4, 4], 3);
    assert_eq!(graph.repairable(RepairedLayers::Convolutions).unwrap(), graph);
    let weights = Numbers::new(1).weights(graph.spec());
    assert_eq!(repairable_weights(&weights, graph.spec()).unwrap(), weights);
}

#[test]
fn linear_layers_get_biases_where_they_are_repaired() {
    let biases = |graph: &Graph| -> Vec<bool> {
        let has = |operation: &Operation| match operation {
            Operation::Linear { bias, .. } => Some(bias.is_some()),
            _ => None,
        };
        graph.nodes.iter().filter_map(|node| has(&node.operation)).collect()
    };
    let bare = graph("family = 'mlp'\nhidden = [9, 8]\nbias = false", [1, 4, 4], 3);
    let of = |layers: RepairedLayers| biases(&bare.repairable(layers).unwrap());
    assert_eq!(of(RepairedLayers::Convolutions), [false, false, false]);
    assert_eq!(of(RepairedLayers::Hidden), [true, true, false]);
    assert_eq!(of(RepairedLayers::All), [true, true, true]);
}

#[test]
fn class_scores_are_repaired_with_all_layers_alone() {
    let vgg = graph("family = 'vgg'\nstages = [[4], [5]]\nhead = [6]", [3, 8, 8], 4);
    let of = |layers: RepairedLayers| layers.places(&vgg).into_iter().map(|place| vgg.nodes[place].name.clone()).collect::<Vec<_>>();
    assert_eq!(of(RepairedLayers::Convolutions), ["conv1", "conv2"]);
    assert_eq!(of(RepairedLayers::Hidden), ["conv1", "conv2", "fc1"]);
    assert_eq!(of(RepairedLayers::All), ["conv1", "conv2", "fc1", "fc2"]);
}

#[test]
fn names_that_are_taken_are_passed_over() {
    let layers = "layers = [
        { op = 'conv', name = 'skip1', out = 2 },
        { op = 'residual', body = [{ op = 'conv', out = 2 }] },
        { op = 'global-mean' },
        { op = 'linear', out = 'classes' },
    ]";
    let repairable = graph(layers, [1, 4, 4], 3).repairable(RepairedLayers::Convolutions).unwrap();
    assert!(repairable.nodes.iter().any(|node| node.name == "skip2"));
    assert_eq!(repairable.spec().parameter("skip2.weight").unwrap().shape, [2, 2, 1, 1]);
}

#[test]
fn weights_of_another_network_are_refused() {
    let (small, large) = (graph("family = 'vgg'\nstages = [[4]]", [3, 8, 8], 4), graph("family = 'vgg'\nstages = [[5]]", [3, 8, 8], 4));
    let weights = Numbers::new(1).weights(small.spec());
    assert!(repairable_weights(&weights, large.repairable(RepairedLayers::Convolutions).unwrap().spec()).is_err());
    let none = Weights::zeros(graph("family = 'mlp'\nhidden = [3]", [3, 8, 8], 4).spec());
    assert!(repairable_weights(&none, small.spec()).is_err());
}

#[test]
fn a_checkpoint_of_the_rewritten_network_is_read_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let graph: Graph = graph("family = 'resnet'\ndepth = 8\nwidth = 4\nnorm = 'layer'", [3, 8, 8], 4);
    let repairable = graph.repairable(RepairedLayers::Convolutions).unwrap();
    let weights = repairable_weights(&Numbers::new(2).weights(graph.spec()), repairable.spec()).unwrap();
    let checkpoint = Checkpoint { architecture: repairable.architecture.clone(), weights };
    let path = folder.path().join("repaired.safetensors");
    checkpoint.save(&path).unwrap();
    let again = Checkpoint::load(&path).unwrap();
    assert_eq!((again.architecture, again.weights), (checkpoint.architecture, checkpoint.weights));
    assert!(repairable.describe().rows.iter().any(|row| row.name == "skip1" && row.operation.starts_with("conv 1x1")));
}
