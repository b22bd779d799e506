//! Small networks of every kind.

use ndarray::{Array, Array2, Axis};
use onebasin_matching::{Loss, LossError};
use onebasin_network::{Blueprint, Graph, GroupMoments, Parameter, Permutation, PermutationSpec, Role, Shape, Weights};
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

/// The identity for each group.
pub fn identities(spec: &PermutationSpec) -> Vec<Permutation> {
    spec.groups.iter().map(|group| Permutation::identity(group.units)).collect()
}

/// Moments of models whose units give what those of one model do in the order of `maps`, each with noise of its own; and those of layers,
/// each of which gives what its group does. Class scores stand in one order.
pub fn activations(spec: &PermutationSpec, maps: &[Vec<Permutation>], noise: f64) -> Vec<GroupMoments> {
    const SAMPLES: usize = 60;
    let of_units = |name: &str, units: usize, maps: &[Permutation]| {
        let mut rng = Stream::root(5).child(name).rng();
        let mut draw = || Array2::from_shape_simple_fn((SAMPLES, units), || rng.random_range(-1.0..1.0));
        let original: Array2<f64> = draw();
        let values: Vec<Array2<f64>> = maps
            .iter()
            .map(|map| {
                let order: Vec<usize> = map.as_slice().iter().map(|&unit| unit as usize).collect();
                original.select(Axis(1), &order) + noise * draw()
            })
            .collect();
        GroupMoments {
            samples: SAMPLES as u64,
            sums: values.iter().map(|values| values.sum_axis(Axis(0))).collect(),
            squares: values.iter().map(|values| (values * values).sum_axis(Axis(0))).collect(),
            products: GroupMoments::pairs(maps.len()).map(|(p, q)| values[p].t().dot(&values[q])).collect(),
        }
    };
    let of_group = |group: usize| {
        let maps: Vec<Permutation> = maps.iter().map(|maps| maps[group].clone()).collect();
        of_units(&spec.groups[group].name, spec.groups[group].units, &maps)
    };
    let groups: Vec<GroupMoments> = (0..spec.groups.len()).map(of_group).collect();
    let of_layer = |layer: &Parameter| match layer.rows {
        Some(rows) => groups[rows.group].clone(),
        None => of_units(&layer.name, layer.shape[0], &vec![Permutation::identity(layer.shape[0]); maps.len()]),
    };
    let layers: Vec<GroupMoments> = spec.parameters.iter().filter(|parameter| parameter.role == Role::Weight).map(of_layer).collect();
    groups.into_iter().chain(layers).collect()
}

/// `½ ‖w − target‖²` on each of ten images.
#[derive(Debug)]
pub struct Quadratic(pub Weights);

impl Loss for Quadratic {
    fn images(&self) -> usize {
        10
    }

    fn gradient(&self, weights: &Weights, images: &[u32]) -> Result<(f64, Weights), LossError> {
        Ok((self.value(weights, images)?, weights.zip_map(&self.0, |value, target| value - target)))
    }

    fn value(&self, weights: &Weights, _images: &[u32]) -> Result<f64, LossError> {
        Ok(weights.flat().iter().zip(self.0.flat()).map(|(&value, target)| 0.5 * f64::from(value - target).powi(2)).sum())
    }
}
