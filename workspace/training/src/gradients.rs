//! Gradients of every operation against differences of the loss.

use burn::tensor::Tensor;
use ndarray::ArrayD;
use onebasin_network::{Architecture, Graph, Weights};
use onebasin_repro::Stream;
use rand::Rng;

use crate::forward::{Mode, Program};
use crate::kernels::cross_entropy;
use crate::score::Tally;
use crate::tensors::{AnyTensor, Tensors};
use crate::{Device, Initialisation, initialise};

const COUNT: usize = 6;
const CLASSES: usize = 3;

fn graph(layers: &str) -> Graph {
    let text = format!(r#"{{ "input": [2, 6, 6], "classes": {CLASSES}, "layers": [{layers}] }}"#);
    Graph::build(&serde_json::from_str::<Architecture>(&text).unwrap()).unwrap()
}

const HEAD: &str = r#"{ "op": "linear", "out": "classes" }"#;

/// One case per operation, each with parameters before and after it.
fn cases() -> Vec<(&'static str, Graph)> {
    let conv = r#"{ "op": "conv", "out": 4, "kernel": 3, "padding": 1 }"#;
    let flatten = r#"{ "op": "flatten" }"#;
    let relu = r#"{ "op": "relu" }"#;
    let case = |name, layers: &[&str]| (name, graph(&layers.join(", ")));
    vec![
        case("linear", &[flatten, r#"{ "op": "linear", "out": 5 }"#, HEAD]),
        case(
            "linear without bias",
            &[flatten, r#"{ "op": "linear", "out": 5, "bias": false }"#, relu, r#"{ "op": "linear", "out": "classes", "bias": false }"#],
        ),
        case("relu", &[flatten, r#"{ "op": "linear", "out": 5 }"#, relu, r#"{ "op": "linear", "out": 4 }"#, relu, HEAD]),
        case("norm of rows", &[flatten, r#"{ "op": "linear", "out": 5 }"#, r#"{ "op": "norm", "kind": "layer" }"#, HEAD]),
        case("conv", &[conv, relu, r#"{ "op": "conv", "out": 3, "kernel": 3, "stride": 2, "bias": false }"#, flatten, HEAD]),
        case("layer norm", &[conv, r#"{ "op": "norm", "kind": "layer" }"#, relu, flatten, HEAD]),
        case("batch norm", &[conv, r#"{ "op": "norm", "kind": "batch" }"#, relu, flatten, HEAD]),
        case("max pool", &[conv, r#"{ "op": "max-pool", "size": 2 }"#, flatten, HEAD]),
        case("global mean", &[conv, relu, r#"{ "op": "global-mean" }"#, HEAD]),
        case(
            "residual",
            &[
                conv,
                r#"{ "op": "residual", "body": [{ "op": "conv", "out": 4, "kernel": 3, "padding": 1 }, { "op": "relu" }], "shortcut": [] }"#,
                r#"{ "op": "residual", "body": [{ "op": "conv", "out": 5, "kernel": 3, "stride": 2, "padding": 1 }], "shortcut": [{ "op": "conv", "out": 5, "kernel": 1, "stride": 2 }] }"#,
                flatten,
                HEAD,
            ],
        ),
    ]
}

struct Setting {
    graph: Graph,
    weights: Weights,
    images: Vec<f32>,
    labels: Vec<u8>,
}

impl Setting {
    fn new(name: &str, graph: Graph) -> Setting {
        let stream = Stream::root(8).child(name);
        let weights = initialise(&graph, Initialisation::Pytorch, &stream).unwrap();
        // Away from the special values that norms and biases start with.
        let mut rng = stream.child("shake").rng();
        let shaken = weights.iter().map(|(name, array)| {
            let shift = if name.ends_with("variance") { 0.2 } else { 0.0 };
            (name.to_owned(), array.mapv(|value| value + shift + 0.2 * (rng.random::<f32>() - 0.5)))
        });
        let weights = Weights::new(graph.spec(), shaken.collect()).unwrap();
        let mut rng = stream.child("images").rng();
        let images = (0..COUNT * 72).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
        Setting { graph, weights, images, labels: (0..COUNT).map(|image| (image % CLASSES) as u8).collect() }
    }

    fn loss(&self, weights: &Weights, device: &Device, mode: Mode) -> f64 {
        let tensors = Tensors::new(&self.graph, weights, &device.burn());
        let images = Tensor::from_data(burn::tensor::TensorData::new(self.images.clone(), [COUNT, 2, 6, 6]), &device.burn());
        let logits = Program::new(&self.graph, device).unwrap().run(&tensors, images, mode).logits;
        let mut tally = Tally::default();
        tally.add(&crate::evaluate::values(logits), &self.labels);
        tally.evaluation().loss
    }

    fn gradients(&self, device: &Device, mode: Mode) -> Vec<ArrayD<f32>> {
        let tape = device.burn().autodiff();
        let leaves = Tensors::new(&self.graph, &self.weights, &device.burn());
        let leaves = Tensors(leaves.0.iter().map(AnyTensor::tracked).collect());
        let images = Tensor::from_data(burn::tensor::TensorData::new(self.images.clone(), [COUNT, 2, 6, 6]), &tape);
        let pass = Program::new(&self.graph, device).unwrap().run(&leaves, images, mode);
        let mut gradients = cross_entropy(pass.logits, &self.labels, device.kernels()).backward();
        let parameters = self.graph.spec().parameters.iter();
        let gradient = |leaf: &AnyTensor| leaf.take_gradient(&mut gradients).map(AnyTensor::into_values);
        parameters
            .zip(leaves.0.iter().map(gradient).collect::<Vec<_>>())
            .map(|(parameter, gradient)| {
                let values = gradient.unwrap_or_else(|| vec![0.0; parameter.len()]);
                ArrayD::from_shape_vec(parameter.shape.as_slice(), values).unwrap()
            })
            .collect()
    }
}

#[test]
fn gradients_of_every_operation_are_the_slopes_of_the_loss() {
    let mut devices = vec![Device::select("cpu").unwrap(), Device::select("cpu").unwrap().plain()];
    devices.extend(["ndarray", "cuda", "wgpu"].iter().filter_map(|other| Device::select(other).ok()));
    for (name, graph) in cases() {
        let setting = Setting::new(name, graph);
        for device in &devices {
            for mode in [Mode::Train, Mode::Infer] {
                let gradients = setting.gradients(device, mode);
                for (parameter, gradient) in setting.graph.spec().parameters.iter().zip(&gradients) {
                    if !parameter.role.is_matched() {
                        continue;
                    }
                    let mut rng = Stream::root(1).child(name).child(&parameter.name).rng();
                    // Half along the gradient, where a wrong length shows, half anywhere.
                    let random = gradient.mapv(|_| rng.random::<f32>() - 0.5);
                    let unit = |array: &ArrayD<f32>| array / array.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
                    let direction = unit(gradient) + unit(&random);
                    let slope: f64 = gradient.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
                    let step = 5e-4;
                    let moved = |sign: f32| {
                        let arrays = setting.weights.iter().map(|(name, array)| {
                            let moved = if name == parameter.name { array + &(&direction * (sign * step)) } else { array.clone() };
                            (name.to_owned(), moved)
                        });
                        setting.loss(&Weights::new(setting.graph.spec(), arrays.collect()).unwrap(), device, mode)
                    };
                    let (ahead, here, behind) = (moved(1.0), moved(0.0), moved(-1.0));
                    let difference = (ahead - behind) / f64::from(2.0 * step);
                    // Where an activation changed sides the slope bends, and the difference may lie anywhere between both slopes.
                    let bend = ((ahead - 2.0 * here + behind) / f64::from(step)).abs();
                    let kernels = device.kernels();
                    assert!(
                        (slope - difference).abs() < 4e-4 + 2e-3 * difference.abs() + bend,
                        "{name}, {}, {kernels:?}, {mode:?}, {}: gradient {slope}, difference {difference}",
                        device.name(),
                        parameter.name
                    );
                }
            }
        }
    }
}

#[test]
fn own_operations_have_the_gradients_of_burns() {
    let own = Device::select("cpu").unwrap();
    for (name, graph) in cases() {
        let setting = Setting::new(name, graph);
        let (own_gradients, plain_gradients) = (setting.gradients(&own, Mode::Train), setting.gradients(&own.clone().plain(), Mode::Train));
        for (parameter, (own, plain)) in setting.graph.spec().parameters.iter().zip(own_gradients.iter().zip(&plain_gradients)) {
            let scale = plain.iter().fold(1e-3f32, |greatest, value| greatest.max(value.abs()));
            let worst = own.iter().zip(plain).map(|(own, plain)| (own - plain).abs()).fold(0.0, f32::max);
            assert!(worst <= 3e-6 * scale.max(1.0) + 1e-5 * scale, "{name}, {}: {worst} of {scale}", parameter.name);
        }
    }
}
