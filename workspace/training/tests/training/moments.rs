//! Cross moments of activations, against sums by hand.

use std::ops::ControlFlow;

use onebasin_network::RepairedLayers;
use onebasin_network::{GroupMoments, StreamTaps, Tap, Weights, permute};
use onebasin_repro::Stream;
use onebasin_training::{
    Initialisation, Places, Sample, TrainingError, cross_moments, cross_moments_of_widths, initialise, unit_correlations,
};

use crate::common::{SIZE, cpu, graph, normalisation, stripes};

fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn models(blueprint: &str, count: u64) -> (onebasin_network::Graph, Vec<Weights>) {
    let graph = graph(blueprint);
    let weights = (0..count).map(|seed| initialise(&graph, Initialisation::Pytorch, &Stream::root(seed)).unwrap()).collect();
    (graph, weights)
}

#[test]
fn moments_of_a_hidden_layer_are_the_sums_of_what_its_units_give() {
    let (graph, weights) = models(r#"{ "family": "mlp", "hidden": [3] }"#, 2);
    let (data, constants) = (stripes(37, 1), normalisation());
    let of = |tap: Tap| {
        let models: Vec<&Weights> = weights.iter().collect();
        cross_moments(&graph, &models, Places { tap, ..Places::default() }, &data, &constants, &cpu(), &mut go_on).unwrap().remove(0)
    };
    let unit = |model: usize, unit: usize, image: usize| -> f64 {
        let row = &weights[model].values("fc1.weight")[unit * SIZE * SIZE..][..SIZE * SIZE];
        let pixel = |place: usize| (f64::from(data.pixels[image * SIZE * SIZE + place]) / 255.0 - f64::from(0.35f32)) / f64::from(0.2f32);
        row.iter().enumerate().map(|(place, &weight)| f64::from(weight) * pixel(place)).sum::<f64>()
            + f64::from(weights[model].values("fc1.bias")[unit])
    };
    for (tap, act) in [(Tap::BeforeRelu, (|x| x) as fn(f64) -> f64), (Tap::AfterRelu, |x| x.max(0.0))] {
        let found = of(tap);
        assert_eq!(found.samples, 37);
        let sum = |of: &dyn Fn(usize) -> f64| (0..37).map(of).sum::<f64>();
        let is_near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{found} for {expected}");
        for a in 0..3 {
            for model in 0..2 {
                is_near(found.sums[model][a], sum(&|image| act(unit(model, a, image))));
                is_near(found.squares[model][a], sum(&|image| act(unit(model, a, image)).powi(2)));
            }
            for b in 0..3 {
                is_near(found.products[0][[a, b]], sum(&|image| act(unit(0, a, image)) * act(unit(1, b, image))));
            }
        }
    }
}

const NETWORKS: [&str; 3] = [
    r#"{ "family": "vgg", "stages": [[4], [5]], "head": [6], "norm": "layer" }"#,
    r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch" }"#,
    r#"{ "layers": [{ "op": "conv", "out": 4 }, { "op": "flatten" }, { "op": "relu" }, { "op": "linear", "out": 5 }, { "op": "relu" },
                    { "op": "linear", "out": "classes" }] }"#,
];

/// A permuted copy has the same activations in another order: its product with the original is a Gram matrix whose columns are permuted.
#[test]
fn a_permuted_copy_agrees_with_its_original_unit_by_unit() {
    let (data, constants) = (stripes(40, 2), normalisation());
    for network in NETWORKS {
        let (graph, weights) = models(network, 1);
        let maps: Vec<_> = graph
            .spec()
            .groups
            .iter()
            .map(|group| {
                onebasin_network::Permutation::new((0..group.units as u32).map(|unit| (unit + 1) % group.units as u32).collect()).unwrap()
            })
            .collect();
        let copy = permute(graph.spec(), &weights[0], &maps);
        for stream in [StreamTaps::Last, StreamTaps::All] {
            let found =
                cross_moments(&graph, &[&weights[0], &copy], Places { stream, ..Places::default() }, &data, &constants, &cpu(), &mut go_on)
                    .unwrap();
            for ((moments, map), group) in found.iter().zip(&maps).zip(&graph.spec().groups) {
                assert!(moments.samples >= 40, "{network}, {}", group.name);
                for (slot, &unit) in map.as_slice().iter().enumerate() {
                    let (product, square) = (moments.products[0][[unit as usize, slot]], moments.squares[0][unit as usize]);
                    assert!((product - square).abs() < 1e-3 * (1.0 + square), "{network}, {}: {product} for {square}", group.name);
                }
            }
        }
    }
}

#[test]
fn moments_depend_on_no_number_of_threads_and_hardly_on_the_kernels() {
    let (data, constants) = (stripes(130, 2), normalisation());
    let (graph, weights) = models(NETWORKS[1], 3);
    let models: Vec<&Weights> = weights.iter().collect();
    let of = |device| {
        cross_moments(&graph, &models, Places { stream: StreamTaps::All, ..Places::default() }, &data, &constants, &device, &mut go_on)
            .unwrap()
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| of(cpu()));
    let one = on(1);
    assert!(one == on(2) && one == on(3));
    let plain = of(cpu().plain());
    let pairs = one.iter().zip(&plain).flat_map(|(one, plain)| one.products.iter().flatten().zip(plain.products.iter().flatten()));
    for (one, plain) in pairs {
        assert!((one - plain).abs() < 1e-3 * (1.0 + one.abs()), "{one} and {plain}");
    }
    assert_eq!(one[0].products.len(), GroupMoments::pairs(3).count());
}

#[test]
fn a_pass_without_images_is_refused_and_one_can_be_stopped() {
    let (graph, weights) = models(NETWORKS[1], 2);
    let models: Vec<&Weights> = weights.iter().collect();
    let constants = normalisation();
    let of = |images: usize, watch: &mut dyn FnMut(usize) -> ControlFlow<()>| {
        cross_moments(&graph, &models, Places::default(), &stripes(images, 1), &constants, &cpu(), watch)
    };
    let error = of(0, &mut go_on).unwrap_err().to_string();
    assert!(error.starts_with("`images` is `0`") && error.contains("hint: "), "{error}");
    assert!(matches!(of(5, &mut |_| ControlFlow::Break(())), Err(TrainingError::Stopped { .. })));
}

#[test]
fn a_network_follows_itself_wholly_and_another_in_part() {
    for blueprint in NETWORKS {
        let (graph, weights) = models(blueprint, 2);
        let (data, constants, device) = (stripes(40, 1), normalisation(), cpu());
        let sample = Sample { data: &data, normalisation: &constants, batch: 16, device: &device };
        let of = |others: &[&Weights]| unit_correlations(&graph, RepairedLayers::All, (&weights[0], others), &sample, &mut go_on).unwrap();
        let (same, other, both) = (of(&[&weights[0]]), of(&[&weights[1]]), of(&[&weights[0], &weights[1]]));
        assert_eq!(same.len(), RepairedLayers::All.places(&graph).len());
        for (layer, &value) in &same {
            assert!((value - 1.0).abs() < 1e-6, "{blueprint}, {layer}: {value}");
            assert!(other[layer].abs() < 0.9, "{blueprint}, {layer}: {}", other[layer]);
            assert!((both[layer] - (value + other[layer]) / 2.0).abs() < 1e-9, "a mean over networks");
        }
        let none = unit_correlations(&graph, RepairedLayers::All, (&weights[0], &[]), &sample, &mut go_on);
        assert!(matches!(none, Err(TrainingError::Option { key: "models", .. })), "{none:?}");
    }
}

#[test]
fn moments_of_layers_stand_behind_those_of_groups_and_class_scores_are_the_last() {
    let (data, constants) = (stripes(60, 2), normalisation());
    for network in NETWORKS {
        let (graph, weights) = models(network, 2);
        let models: Vec<&Weights> = weights.iter().collect();
        for tap in [Tap::BeforeRelu, Tap::AfterRelu] {
            let of = |layers| {
                let places = Places { tap, layers, ..Places::default() };
                cross_moments(&graph, &models, places, &data, &constants, &cpu(), &mut go_on).unwrap()
            };
            let (groups, all) = (of(false), of(true));
            assert_eq!(all[..groups.len()], groups, "{network}");
            let layers = &all[groups.len()..];
            assert_eq!(layers.len(), graph.layer_taps(tap).len(), "{network}");
            let last = layers.last().unwrap();
            assert_eq!((last.samples, last.sums[0].len()), (60, graph.architecture.classes), "{network}");
            // They are read back as what they are, so every one has the units of its layer.
            let bytes = GroupMoments::to_bytes(&all, graph.spec()).unwrap();
            assert_eq!(GroupMoments::from_bytes(&bytes, graph.spec()).unwrap(), all, "{network}");
        }
        // The sum at the end of a block is what the group of its units is read by.
        if network.contains("resnet") {
            let all = cross_moments(&graph, &models, Places { layers: true, ..Places::default() }, &data, &constants, &cpu(), &mut go_on)
                .unwrap();
            assert!(all[graph.spec().groups.len()..].contains(&all[0]), "{network}");
        }
    }
}

#[test]
fn moments_of_two_widths_are_those_of_each_and_products_between_them() {
    let (narrow, small) = models(r#"{ "family": "vgg", "stages": [[3], [4]], "head": [5], "norm": "layer" }"#, 1);
    let (wide, large) = models(r#"{ "family": "vgg", "stages": [[6], [5]], "head": [7], "norm": "layer" }"#, 2);
    let (data, constants) = (stripes(40, 1), normalisation());
    let places = Places { layers: true, ..Places::default() };
    let networks = [(&narrow, &small[0]), (&wide, &large[0]), (&wide, &large[1])];
    let all = cross_moments_of_widths(&networks, places, &data, &constants, &cpu(), &mut go_on).unwrap();
    let alike = cross_moments(&wide, &[&large[0], &large[1]], places, &data, &constants, &cpu(), &mut go_on).unwrap();
    assert_eq!(all.len(), alike.len());
    for (group, alike) in all.iter().zip(&alike) {
        assert_eq!(&group.of_models(&[1, 2]), alike);
        assert_eq!(group.product(0, 1).dim(), (group.sums[0].len(), alike.sums[0].len()));
    }
    let same =
        cross_moments_of_widths(&[(&narrow, &small[0]), (&narrow, &small[0])], places, &data, &constants, &cpu(), &mut go_on).unwrap();
    for (group, same) in all.iter().zip(&same) {
        assert_eq!(group.squares[0], same.squares[1]);
    }
    let deep = graph(r#"{ "family": "mlp", "hidden": [3] }"#);
    let other = initialise(&deep, Initialisation::Pytorch, &Stream::root(1)).unwrap();
    let error = cross_moments_of_widths(&[(&narrow, &small[0]), (&deep, &other)], places, &data, &constants, &cpu(), &mut go_on);
    assert!(error.unwrap_err().to_string().contains("`layers` is"));
}
