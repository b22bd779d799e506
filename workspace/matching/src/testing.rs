//! Small networks for the tests of this crate.

use std::collections::BTreeMap;

use ndarray::{Array, Array2, ArrayD, IxDyn};
use onebasin_network::{Blueprint, Graph, GroupMoments, Permutation, PermutationSpec, Shape, Weights, permute};
use onebasin_repro::Stream;
use rand::Rng;

use crate::loss::{Loss, LossError};

/// The graph of what a spec says, on images of `input` and with `classes` scores.
pub fn graph(blueprint: &str, input: (usize, usize, usize), classes: usize) -> Graph {
    let blueprint: Blueprint = serde_json::from_str(blueprint).unwrap();
    Graph::build(&blueprint.build(Shape::new(input.0, input.1, input.2), classes).unwrap()).unwrap()
}

/// Linear layers of the given widths, without biases, on one input.
pub fn chain(widths: &[usize]) -> Graph {
    let layers = widths.iter().map(|width| format!(r#"{{"op": "linear", "out": {width}, "bias": false}},"#)).collect::<String>();
    let text = format!(r#"{{"layers": [{{"op": "flatten"}}, {layers} {{"op": "linear", "out": "classes", "bias": false}}]}}"#);
    graph(&text, (1, 1, 1), 1)
}

/// Convolutions, norms with running statistics, a residual stream, and a flatten that makes blocks of four.
pub fn mixed() -> Graph {
    let text = r#"{"layers": [
        {"op": "conv", "out": 6, "kernel": 3, "bias": true},
        {"op": "norm", "kind": "batch"},
        {"op": "relu"},
        {"op": "residual", "body": [{"op": "conv", "out": 5, "kernel": 3}, {"op": "relu"}, {"op": "conv", "out": 6, "kernel": 3}], "shortcut": []},
        {"op": "max-pool", "size": 2},
        {"op": "flatten"},
        {"op": "linear", "out": 7},
        {"op": "relu"},
        {"op": "linear", "out": "classes"}
    ]}"#;
    graph(text, (2, 4, 4), 3)
}

/// Weights uniform in [-1, 1], from `seed`.
pub fn random(spec: &PermutationSpec, seed: u64) -> Weights {
    let arrays = spec.parameters.iter().map(|parameter| {
        let mut rng = Stream::root(seed).child(&parameter.name).rng();
        (parameter.name.clone(), Array::from_shape_simple_fn(parameter.shape.clone(), || rng.random_range(-1.0f32..1.0)))
    });
    Weights::new(spec, arrays.collect()).unwrap()
}

/// Weights of the given numbers, parameter after parameter in the order of the spec.
pub fn numbers(spec: &PermutationSpec, values: &[&[f32]]) -> Weights {
    let arrays = spec
        .parameters
        .iter()
        .zip(values)
        .map(|(parameter, values)| (parameter.name.clone(), ArrayD::from_shape_vec(IxDyn(&parameter.shape), values.to_vec()).unwrap()));
    Weights::new(spec, arrays.collect::<BTreeMap<_, _>>()).unwrap()
}

/// A random permutation for each group.
pub fn shuffles(spec: &PermutationSpec, seed: u64) -> Vec<Permutation> {
    let stream = Stream::root(seed);
    spec.groups.iter().map(|group| Permutation::new(stream.child(&group.name).shuffled(group.units)).unwrap()).collect()
}

/// The identity for each group.
pub fn identities(spec: &PermutationSpec) -> Vec<Permutation> {
    spec.groups.iter().map(|group| Permutation::identity(group.units)).collect()
}

/// So many copies of a model, each but the first shuffled, and the maps that made them.
pub fn copies(spec: &PermutationSpec, original: &Weights, count: usize) -> (Vec<Weights>, Vec<Vec<Permutation>>) {
    let maps: Vec<Vec<Permutation>> =
        (0..count as u64).map(|copy| if copy == 0 { identities(spec) } else { shuffles(spec, 100 + copy) }).collect();
    (maps.iter().map(|maps| permute(spec, original, maps)).collect(), maps)
}

/// Moments of copies whose units give what those of one model do, each with noise of its own.
pub fn activations(spec: &PermutationSpec, maps: &[Vec<Permutation>], noise: f64) -> Vec<GroupMoments> {
    const SAMPLES: usize = 60;
    let of_group = |group: usize| {
        let units = spec.groups[group].units;
        let mut rng = Stream::root(5).child(&spec.groups[group].name).rng();
        let mut draw = || Array2::from_shape_simple_fn((SAMPLES, units), || rng.random_range(-1.0..1.0));
        let original: Array2<f64> = draw();
        let values: Vec<Array2<f64>> = maps
            .iter()
            .map(|maps| {
                let order: Vec<usize> = maps[group].as_slice().iter().map(|&unit| unit as usize).collect();
                original.select(ndarray::Axis(1), &order) + noise * draw()
            })
            .collect();
        GroupMoments {
            samples: SAMPLES as u64,
            sums: values.iter().map(|values| values.sum_axis(ndarray::Axis(0))).collect(),
            squares: values.iter().map(|values| (values * values).sum_axis(ndarray::Axis(0))).collect(),
            products: GroupMoments::pairs(maps.len()).map(|(p, q)| values[p].t().dot(&values[q])).collect(),
        }
    };
    (0..spec.groups.len()).map(of_group).collect()
}

/// `½ ‖w − target‖²` on every image.
#[derive(Debug)]
pub struct Quadratic {
    pub target: Weights,
    pub images: usize,
    /// Where gradients lead instead.
    pub lure: Option<Weights>,
}

impl Quadratic {
    pub fn new(target: Weights, images: usize) -> Quadratic {
        Quadratic { target, images, lure: None }
    }
}

impl Loss for Quadratic {
    fn images(&self) -> usize {
        self.images
    }

    fn gradient(&self, weights: &Weights, images: &[u32]) -> Result<(f64, Weights), LossError> {
        let target = self.lure.as_ref().unwrap_or(&self.target);
        Ok((self.value(weights, images)?, weights.zip_map(target, |value, target| value - target)))
    }

    fn value(&self, weights: &Weights, images: &[u32]) -> Result<f64, LossError> {
        assert!(!images.is_empty() && images.iter().all(|&image| (image as usize) < self.images), "{images:?}");
        Ok(weights.flat().iter().zip(self.target.flat()).map(|(&value, target)| 0.5 * f64::from(value - target).powi(2)).sum())
    }
}
