//! Values and gradients against PyTorch's, for every operation and for whole networks.
//!
//! `tests/training/fixtures/make_pytorch_fixtures.py` says what the fixtures hold and makes them anew.
//!
//! A difference is taken relative to the largest value of its array; a gradient's at least to a hundredth of the largest gradient of the
//! network, because some are 0 but for rounding, as that of a bias in front of a batch norm. PyTorch's own `f32` differs from the
//! fixtures, which it computed in `f64`, by as much as each case records: sums of products in one order. Ours are summed in others, so a
//! few times that is allowed, and a few units in the last place.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use ndarray::ArrayD;
use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Architecture, Blueprint, Graph, Role, Weights};
use onebasin_repro::Stream;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::Deserialize;

use crate::evaluate::values;
use crate::forward::{BatchNormStats, Mode, Program};
use crate::kernels::cross_entropy;
use crate::tensors::{AnyTensor, Tensors};
use crate::{Device, Training, fit};

/// Times PyTorch's own difference; three were seen.
const TIMES: f64 = 8.0;
/// Eight units in the last place of 1.
const LEAST: f64 = 1e-6;
/// The smallest scale of an array, in shares of the largest value of its kind.
const SHARE: f64 = 0.01;
/// The share of a batch in running statistics that the fixtures were made with, PyTorch's own.
const MOMENTUM: f32 = 0.1;

#[derive(Deserialize)]
struct About {
    architecture: Architecture,
    blueprint: Option<Blueprint>,
    /// The difference of PyTorch's `f32` from the fixture, for each kind of part.
    float32: BTreeMap<String, f64>,
}

struct Case {
    name: String,
    about: About,
    graph: Graph,
    weights: Weights,
    shape: Vec<usize>,
    pixels: Vec<u8>,
    labels: Vec<u8>,
    /// By part.
    expected: BTreeMap<String, Vec<f32>>,
}

fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/training/fixtures").join(file);
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let abouts: BTreeMap<String, About> = serde_json::from_str(&header.metadata().as_ref().unwrap()["cases"]).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let case = |(name, about): (String, About)| {
        let graph = Graph::build(&about.architecture).unwrap();
        let (mut arrays, mut expected, mut shape) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let mut integers = BTreeMap::new();
        for (key, view) in tensors.iter() {
            let Some(part) = key.strip_prefix(&format!("{name}/")) else { continue };
            if view.dtype() == Dtype::U8 {
                integers.insert(part, view.data().to_vec());
                if part == "input" {
                    shape = view.shape().to_vec();
                }
                continue;
            }
            let numbers = view.data().chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
            match part.strip_prefix("weight/") {
                Some(parameter) => {
                    arrays.insert(parameter.to_owned(), ArrayD::from_shape_vec(view.shape(), numbers).unwrap());
                }
                None => {
                    expected.insert(part.to_owned(), numbers);
                }
            }
        }
        let weights = Weights::new(graph.spec(), arrays).unwrap();
        let mut take = |part| integers.remove(part).unwrap();
        Case { pixels: take("input"), labels: take("labels"), name, about, graph, weights, shape, expected }
    };
    abouts.into_iter().map(case).collect()
}

impl Case {
    fn images(&self, device: &burn::tensor::Device) -> Tensor<4> {
        let values: Vec<f32> = self.pixels.iter().map(|&pixel| (f32::from(pixel) - 128.0) / 128.0).collect();
        Tensor::from_data(TensorData::new(values, self.shape.clone()), device)
    }

    fn normalises_batches(&self) -> bool {
        self.graph.spec().parameters.iter().any(|parameter| parameter.role == Role::RunningMean)
    }

    /// The parts of a fixture as this crate computes them. Without a batch norm both modes must give those of training.
    fn parts(&self, device: &Device, mode: Mode) -> BTreeMap<String, Vec<f32>> {
        let parameters = &self.graph.spec().parameters;
        let leaves = Tensors::new(&self.graph, &self.weights, &device.burn());
        let leaves = Tensors(leaves.0.iter().map(AnyTensor::tracked).collect());
        let images = self.images(&device.burn().autodiff()).require_grad();
        let pass = Program::new(&self.graph, device).unwrap().run(&leaves, images.clone(), mode);
        let loss = cross_entropy(pass.logits.clone(), &self.labels, device.kernels());
        let mut gradients = loss.backward();
        let prefix = if mode == Mode::Infer && self.normalises_batches() { "infer" } else { "train" };
        let mut parts = BTreeMap::from([
            (format!("{prefix}/logits"), values(pass.logits.inner())),
            (format!("{prefix}/loss"), loss.inner().into_data().try_into_vec().unwrap()),
        ]);
        let images = AnyTensor::Kernel(images).take_gradient(&mut gradients);
        let all = parameters.iter().map(|parameter| parameter.name.as_str()).zip(&leaves.0);
        let all = all.map(|(name, leaf)| (name, leaf.take_gradient(&mut gradients))).chain([("input", images)]);
        parts.extend(all.filter_map(|(name, gradient)| Some((format!("{prefix}/gradient/{name}"), gradient?.into_values()))));
        for BatchNormStats { running: (mean, variance), mean: new_mean, variance: new_variance, .. } in pass.seen {
            for (place, new) in [(mean, new_mean), (variance, new_variance)] {
                let name = &parameters[place].name;
                let new: Vec<f32> = new.inner().into_data().try_into_vec().unwrap();
                let mixed = self.weights.values(name).iter().zip(new).map(|(old, new)| old * (1.0 - MOMENTUM) + new * MOMENTUM);
                parts.insert(format!("running/{name}"), mixed.collect());
            }
        }
        parts
    }

    /// The worst relative difference of each kind of part, with the part and what is allowed.
    fn differences(&self, device: &Device) -> BTreeMap<&str, (f64, String, f64)> {
        let greatest = |values: &[f32]| values.iter().fold(0.0, |greatest, value| f64::max(greatest, f64::from(value.abs())));
        let modes = [Mode::Train, Mode::Infer].map(|mode| self.parts(device, mode));
        let mut worst = BTreeMap::new();
        for (kind, float32) in &self.about.float32 {
            let parts = || self.expected.iter().filter(|(part, _)| part.contains(kind.as_str()));
            let floor = SHARE * parts().map(|(_, values)| greatest(values)).fold(0.0, f64::max);
            let entry = worst.entry(kind.as_str()).or_insert((0.0, String::new(), TIMES * float32 + LEAST));
            for (part, expected) in parts() {
                let came: Vec<&Vec<f32>> = modes.iter().filter_map(|parts| parts.get(part)).collect();
                assert!(!came.is_empty(), "{}: nothing gives `{part}`", self.name);
                for came in came {
                    assert_eq!(came.len(), expected.len(), "{}: `{part}`", self.name);
                    let difference: Vec<f32> = came.iter().zip(expected).map(|(came, expected)| came - expected).collect();
                    assert!(difference.iter().all(|value| value.is_finite()), "{}: `{part}`", self.name);
                    let relative = greatest(&difference) / greatest(expected).max(floor);
                    if relative > entry.0 {
                        (entry.0, entry.1) = (relative, part.clone());
                    }
                }
            }
        }
        worst
    }
}

fn devices() -> Vec<Device> {
    let own = Device::select("cpu").unwrap();
    let mut devices = vec![own.clone(), own.plain()];
    if cfg!(feature = "ndarray") {
        devices.push(Device::select("ndarray").unwrap());
    }
    devices
}

fn agree(file: &str) {
    let mut wrong = Vec::new();
    for case in cases(file) {
        for device in devices() {
            let place = format!("{}, {}, {:?}", case.name, device.name(), device.kernels());
            for (difference, part, allowed) in case.differences(&device).into_values() {
                if difference > allowed {
                    wrong.push(format!("{place}: `{part}` is off by {difference:.1e}, at most {allowed:.1e} was expected"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_operation_agrees_with_pytorch() {
    agree("operations.safetensors");
}

#[test]
fn whole_networks_agree_with_pytorch() {
    agree("networks.safetensors");
}

#[test]
fn families_are_the_networks_that_were_given_to_pytorch() {
    let cases = cases("networks.safetensors");
    for Case { name, about, .. } in &cases {
        let blueprint = about.blueprint.as_ref().expect("every whole network is of a family");
        let built = blueprint.build(about.architecture.input, about.architecture.classes).unwrap();
        assert_eq!(built, about.architecture.clone().resolved(), "{name}");
    }
}

#[test]
fn only_training_looks_at_the_statistics_of_the_batch() {
    for case in cases("networks.safetensors").into_iter().filter(Case::normalises_batches) {
        for device in devices() {
            let program = Program::new(&case.graph, &device).unwrap();
            let tensors = Tensors::new(&case.graph, &case.weights, &device.burn());
            let run = |images: Tensor<4>, mode| {
                let pass = program.run(&tensors, images, mode);
                (values(pass.logits), pass.seen.len())
            };
            let images = case.images(&device.burn());
            let half = images.clone().narrow(0, 0, case.shape[0] / 2);
            let norms = case.graph.spec().parameters.iter().filter(|parameter| parameter.role == Role::RunningMean).count();
            let off = |mode, seen| {
                let ((all, saw), (some, _)) = (run(images.clone(), mode), run(half.clone(), mode));
                assert_eq!(saw, seen, "{}, {mode:?}", case.name);
                let scale = all.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
                some.iter().zip(&all).map(|(some, all)| (some - all).abs()).fold(0.0, f32::max) / scale
            };
            // The same images with fewer beside them: the same to rounding, or not at all.
            let (inferred, trained) = (off(Mode::Infer, 0), off(Mode::Train, norms));
            assert!(inferred < 1e-5 && trained > 0.01, "{}, {}: {inferred} and {trained}", case.name, device.name());
        }
    }
}

/// A batch norm in front of everything sees the images alone, so that its running statistics after a whole training are known.
#[test]
fn a_training_mixes_running_statistics_as_pytorch_does() {
    let cases = cases("operations.safetensors");
    let case = cases.iter().find(|case| case.name == "batch norm of the input").unwrap();
    let [count, channels, height, width] = case.shape[..] else { panic!("{:?}", case.shape) };
    let classes = case.about.architecture.classes;
    let data = Split { shape: (channels, height, width), classes, pixels: case.pixels.clone(), labels: case.labels.clone() };
    let normalisation = Normalisation { mean: vec![128.0 / 255.0; channels], deviation: vec![128.0 / 255.0; channels] };
    for steps in [1, 3] {
        let text = format!(r#"{{ "epochs": {steps}, "batch": {count}, "optimizer": {{ "kind": "sgd", "learning-rate": 0.1 }} }}"#);
        let training: Training = serde_json::from_str(&text).unwrap();
        for device in devices() {
            let mut watch = |_: &crate::Progress| ControlFlow::Continue(());
            let trained = fit(&case.graph, &data, &normalisation, &training, &Stream::root(1), &device, &mut watch).unwrap().weights;
            for (name, start) in [("norm1.running-mean", 0.0), ("norm1.running-variance", 1.0)] {
                for ((&before, &after), &came) in
                    case.weights.values(name).iter().zip(&case.expected[&format!("running/{name}")]).zip(trained.values(name))
                {
                    let kept = 1.0 - MOMENTUM;
                    let statistic = (after - kept * before) / MOMENTUM;
                    let expected = statistic + kept.powi(steps) * (start - statistic);
                    // The statistic is a difference of numbers of size 1, ten times over.
                    assert!((came - expected).abs() < 2e-6, "{name} after {steps} steps: {came}, expected {expected}");
                }
            }
        }
    }
}
