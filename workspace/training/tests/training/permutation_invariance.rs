//! Permuting the units of a group leaves what a network computes: for each family, norm and bias, each group alone and all at once.
//!
//! A group from which any one axis of a parameter is left out must change the outputs, or equal outputs would show nothing.

use ndarray::{Array2, ArrayD, IxDyn};
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, Group, Operation, Permutation, PermutationSpec, Role, Shape, Weights, permute};
use onebasin_repro::Stream;
use onebasin_training::{Device, logits};
use rand::Rng;

use crate::common::{cpu, graph_for};

/// The same numbers summed in another order, through up to fifty layers; relative to the largest logit. At most 3e-6 was seen.
const EQUAL: f32 = 1e-5;
/// What the slightest of thousands of wrong permutations does at least.
const CHANGED: f32 = 5e-5;

struct Subject {
    name: String,
    graph: Graph,
    weights: Weights,
    data: Split,
    normalisation: Normalisation,
}

impl Subject {
    fn new(name: String, graph: Graph) -> Subject {
        let stream = Stream::root(3).child(&name);
        let Shape { channels, height, width } = graph.architecture.input;
        let mut rng = stream.child("pixels").rng();
        let images = 2;
        let pixels = (0..images * channels * height * width).map(|_| rng.random()).collect();
        let data = Split { shape: (channels, height, width), classes: graph.architecture.classes, pixels, labels: vec![0; images] };
        let normalisation = Normalisation { mean: vec![0.5; channels], deviation: vec![0.3; channels] };
        Subject { weights: lively(&graph, &stream), name, graph, data, normalisation }
    }

    fn outputs(&self, weights: &Weights, device: &Device) -> Array2<f32> {
        logits(&self.graph, weights, &self.data, &self.normalisation, device).unwrap()
    }

    /// How far outputs move under `maps` read by `spec`, relative to the largest of them.
    fn moved(&self, before: &Array2<f32>, spec: &PermutationSpec, maps: &[Permutation], device: &Device) -> f32 {
        let permuted = permute(spec, &self.weights, maps);
        assert!(permuted != self.weights, "{}: nothing moved", self.name);
        let after = self.outputs(&permuted, device);
        let scale = before.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
        assert!(before.iter().chain(&after).all(|value| value.is_finite()) && scale > 1e-3, "{}: outputs that show nothing", self.name);
        (&after - before).iter().fold(0.0f32, |worst, value| worst.max(value.abs())) / scale
    }

    fn check(&self) {
        let (spec, device) = (self.graph.spec(), cpu());
        assert!(!spec.groups.is_empty(), "{}", self.name);
        let before = self.outputs(&self.weights, &device);
        let stream = Stream::root(5).child(&self.name);
        for (place, group) in spec.groups.iter().enumerate() {
            let mut maps: Vec<Permutation> = spec.groups.iter().map(|group| Permutation::identity(group.units)).collect();
            maps[place] = cycle(group.units, &stream.child(&group.name));
            let moved = self.moved(&before, spec, &maps, &device);
            assert!(moved <= EQUAL, "{}, group {}: {moved}", self.name, group.name);

            for (parameter, entry) in spec.parameters.iter().enumerate() {
                for (rows, binding) in [(true, entry.rows), (false, entry.columns)] {
                    if binding.is_none_or(|binding| binding.group != place) {
                        continue;
                    }
                    let mut wrong = spec.clone();
                    let wrong_entry = &mut wrong.parameters[parameter];
                    *(if rows { &mut wrong_entry.rows } else { &mut wrong_entry.columns }) = None;
                    let moved = self.moved(&before, &wrong, &maps, &device);
                    let axis = if rows { "rows" } else { "columns" };
                    assert!(moved >= CHANGED, "{}, group {} without the {axis} of {}: {moved}", self.name, group.name, entry.name);
                }
            }
        }
        let shuffled = |group: &Group| Permutation::new(stream.child("all").child(&group.name).shuffled(group.units)).unwrap();
        let maps: Vec<Permutation> = spec.groups.iter().map(shuffled).collect();
        for device in [cpu(), cpu().plain()] {
            let moved = self.moved(&before, spec, &maps, &device);
            assert!(moved <= EQUAL, "{}, all groups, {:?}: {moved}", self.name, device.kernels());
        }
    }
}

/// Weights that keep activations at their size through any depth, and nothing at the value that it starts with: norms alike in all
/// channels would hide a group that is not carried through them.
fn lively(graph: &Graph, stream: &Stream) -> Weights {
    // Sums grow by themselves: half the power, lest what comes in late counts for nothing.
    let power = if graph.nodes.iter().any(|node| node.operation == Operation::Add) { 1.0 } else { 2.0 };
    let arrays = graph.spec().parameters.iter().map(|parameter| {
        let mut rng = stream.child(&parameter.name).rng();
        let fan_in: usize = parameter.shape[1..].iter().product();
        let array = ArrayD::from_shape_simple_fn(IxDyn(&parameter.shape), || {
            let number = 2.0 * rng.random::<f32>() - 1.0;
            match parameter.role {
                Role::Weight => number * (3.0 * power / fan_in as f32).sqrt(),
                Role::Bias | Role::Shift | Role::RunningMean => 0.5 * number,
                Role::Scale | Role::RunningVariance => 1.0 + 0.5 * number,
            }
        });
        (parameter.name.clone(), array)
    });
    Weights::new(graph.spec(), arrays.collect()).unwrap()
}

/// A random permutation that leaves no unit in its place.
fn cycle(units: usize, stream: &Stream) -> Permutation {
    let order = stream.shuffled(units);
    let mut map = vec![0; units];
    for (place, &unit) in order.iter().enumerate() {
        map[unit as usize] = order[(place + 1) % units];
    }
    Permutation::new(map).unwrap()
}

/// Every norm with and without biases, added to the keys of a family.
fn hold(input: [usize; 3], families: &[&str]) {
    for keys in families {
        for norm in ["layer", "batch", "none"] {
            for bias in [true, false] {
                check_blueprint(&format!(r#"{{ {keys}, "norm": "{norm}", "bias": {bias} }}"#), Shape::from(input));
            }
        }
    }
}

fn check_blueprint(blueprint: &str, input: Shape) {
    Subject::new(blueprint.to_owned(), graph_for(blueprint, input, 5)).check();
}

#[test]
fn multi_layer_perceptrons_do_not_depend_on_the_order_of_their_units() {
    hold([1, 6, 6], &[r#""family": "mlp", "hidden": [12]"#, r#""family": "mlp", "hidden": [12, 9, 7]"#]);
}

#[test]
fn vggs_do_not_depend_on_the_order_of_their_units() {
    let families = [11, 13, 16, 19].map(|depth| format!(r#""family": "vgg", "depth": {depth}, "width": 4"#));
    hold([3, 32, 32], &families.each_ref().map(String::as_str));
}

#[test]
fn vggs_that_end_in_larger_images_move_blocks_of_pixels() {
    hold([2, 12, 8], &[r#""family": "vgg", "stages": [[4], [6, 5]], "head": [7]"#, r#""family": "vgg", "stages": [[4], [6]], "head": []"#]);
}

#[test]
fn residual_networks_of_basic_blocks_do_not_depend_on_the_order_of_their_units() {
    let families = [18, 20, 22, 32].map(|depth| format!(r#""family": "resnet", "depth": {depth}, "width": 4"#));
    hold([3, 8, 8], &families.each_ref().map(String::as_str));
}

#[test]
fn residual_networks_of_bottlenecks_do_not_depend_on_the_order_of_their_units() {
    hold([3, 32, 32], &[r#""family": "resnet", "depth": 50, "width": 4"#]);
}

#[test]
fn other_stems_and_shortcuts_change_nothing_of_it() {
    hold(
        [3, 16, 16],
        &[
            r#""family": "resnet", "depth": 8, "width": 4, "stem": "imagenet", "shortcut": 1"#,
            r#""family": "resnet", "depth": 18, "width": 4, "shortcut": 3, "head-bias": false"#,
        ],
    );
}

#[test]
fn layers_outright_do_not_depend_on_the_order_of_their_units() {
    let lists = [
        // Each operation once, and rows that are normalised and summed.
        r#"{ "op": "conv", "out": 6, "kernel": 5, "stride": 2 }, { "op": "norm", "kind": "batch" }, { "op": "relu" },
           { "op": "residual", "body": [{ "op": "conv", "out": 6, "bias": false }, { "op": "relu" }, { "op": "conv", "out": 6 }] },
           { "op": "max-pool", "size": 3, "stride": 2, "padding": 1 }, { "op": "flatten" },
           { "op": "linear", "out": 10 }, { "op": "norm", "kind": "layer" }, { "op": "relu" },
           { "op": "residual", "body": [{ "op": "linear", "out": 7 }, { "op": "relu" }, { "op": "linear", "out": 10, "bias": false }] },
           { "op": "norm", "kind": "batch" }, { "op": "linear", "out": "classes" }"#,
        // A residual whose body is one layer: its group stands on both axes.
        r#"{ "op": "conv", "out": 6, "kernel": 2, "stride": 2, "padding": 0 }, { "op": "residual", "body": [{ "op": "conv", "out": 6 }] },
           { "op": "relu" }, { "op": "global-mean" }, { "op": "linear", "out": "classes", "bias": false }"#,
        // A residual inside a residual, with a shortcut that normalises.
        r#"{ "op": "conv", "out": 5 }, { "op": "residual",
             "body": [{ "op": "conv", "out": 8, "stride": 2 }, { "op": "residual", "body": [{ "op": "relu" }, { "op": "conv", "out": 8 }] }],
             "shortcut": [{ "op": "conv", "name": "shortcut", "out": 8, "kernel": 1, "stride": 2 }, { "op": "norm", "kind": "layer" }] },
           { "op": "global-mean" }, { "op": "linear", "out": "classes" }"#,
    ];
    for layers in lists {
        check_blueprint(&format!(r#"{{ "layers": [{layers}] }}"#), Shape::new(2, 9, 8));
    }
}
