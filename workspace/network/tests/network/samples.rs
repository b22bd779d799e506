//! Architectures and numbers that the tests share.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use onebasin_network::{Architecture, Blueprint, Graph, NetworkError, Permutation, PermutationSpec, Role, Shape, Weights};

/// A TOML table as an experiment would hold it.
pub fn blueprint(table: &str) -> Result<Blueprint, String> {
    toml::from_str(table).map_err(|error| error.to_string())
}

pub fn build(table: &str, input: [usize; 3], classes: usize) -> Result<Architecture, NetworkError> {
    blueprint(table).unwrap().build(Shape::from(input), classes)
}

pub fn graph(table: &str, input: [usize; 3], classes: usize) -> Graph {
    Graph::build(&build(table, input, classes).unwrap()).unwrap()
}

/// A generator for tests alone: numbers that look random and never change.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1)
    }

    pub fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Between -1 and 1.
    pub fn number(&mut self) -> f32 {
        self.bits() as f32 / (1_u64 << 31) as f32 - 1.0
    }

    pub fn permutation(&mut self, length: usize) -> Permutation {
        let mut indices: Vec<u32> = (0..length as u32).collect();
        for last in (1..length).rev() {
            indices.swap(last, self.bits() as usize % (last + 1));
        }
        Permutation::new(indices).unwrap()
    }

    pub fn permutations(&mut self, spec: &PermutationSpec) -> Vec<Permutation> {
        spec.groups.iter().map(|group| self.permutation(group.units)).collect()
    }

    /// Weights scaled so that activations keep their size; variances positive.
    pub fn weights(&mut self, spec: &PermutationSpec) -> Weights {
        let arrays: BTreeMap<String, ArrayD<f32>> = (spec.parameters.iter())
            .map(|parameter| {
                let fan_in: usize = parameter.shape[1..].iter().product();
                let array = ArrayD::from_shape_simple_fn(IxDyn(&parameter.shape), || match parameter.role {
                    Role::Weight => self.number() * (6.0 / fan_in as f32).sqrt(),
                    Role::Bias | Role::Shift | Role::RunningMean => self.number() * 0.3,
                    Role::Scale | Role::RunningVariance => 1.0 + 0.5 * self.number(),
                });
                (parameter.name.clone(), array)
            })
            .collect();
        Weights::new(spec, arrays).unwrap()
    }

    pub fn image(&mut self, shape: Shape) -> Vec<f64> {
        (0..shape.volume()).map(|_| f64::from(self.number())).collect()
    }
}

/// Every operation in small networks: bias on and off, all norms, blocks, both stems, all kinds of shortcut.
pub fn small_networks() -> Vec<(&'static str, Graph)> {
    let list = |table: &str, input, classes| graph(table, input, classes);
    vec![
        ("mlp", list("family = 'mlp'\nhidden = [9, 7, 5]", [1, 4, 4], 3)),
        ("mlp without biases", list("family = 'mlp'\nhidden = [9, 7]\nbias = false", [1, 4, 4], 3)),
        ("mlp with batch norm", list("family = 'mlp'\nhidden = [9, 7]\nnorm = 'batch'", [2, 3, 3], 3)),
        ("mlp with layer norm", list("family = 'mlp'\nhidden = [9, 7]\nnorm = 'layer'", [2, 3, 3], 3)),
        ("vgg", list("family = 'vgg'\nstages = [[4], [5, 6]]\nhead = [7]\nnorm = 'layer'", [3, 8, 8], 4)),
        (
            "vgg with a one-pixel end",
            list("family = 'vgg'\nstages = [[4], [5], [6]]\nhead = []\nnorm = 'batch'\nbias = false", [3, 8, 8], 4),
        ),
        ("resnet", list("family = 'resnet'\ndepth = 8\nwidth = 4\nnorm = 'layer'", [3, 8, 8], 4)),
        ("resnet without norm", list("family = 'resnet'\ndepth = 8\nwidth = 4\nbias = true\nshortcut = 1", [3, 8, 8], 4)),
        ("resnet 18", list("family = 'resnet'\ndepth = 18\nwidth = 2\nnorm = 'batch'\nhead-bias = false", [3, 8, 8], 4)),
        ("bottleneck", list("family = 'resnet'\ndepth = 50\nwidth = 2\nnorm = 'batch'", [3, 32, 32], 4)),
        (
            "residual of a flattened image",
            list(
                "layers = [
                    { op = 'conv', out = 6, kernel = 2, stride = 2, padding = 0 },
                    { op = 'flatten' },
                    { op = 'norm', kind = 'layer' },
                    { op = 'residual', body = [{ op = 'linear', out = 5 }, { op = 'relu' }, { op = 'linear', out = 24 }] },
                    { op = 'linear', out = 'classes' },
                ]",
                [1, 4, 4],
                3,
            ),
        ),
        (
            "residual on the input",
            list(
                "layers = [
                    { op = 'residual', body = [{ op = 'conv', out = 4 }, { op = 'relu' }, { op = 'conv', name = 'back', out = 2 }] },
                    { op = 'max-pool', size = 3, stride = 2, padding = 1 },
                    { op = 'global-mean' },
                    { op = 'linear', out = 3 },
                ]",
                [2, 5, 5],
                3,
            ),
        ),
        (
            "padded channels and an adaptive mean",
            list(
                "layers = [
                    { op = 'conv', out = 4 },
                    { op = 'residual',
                      body = [{ op = 'conv', out = 5, stride = 2 }, { op = 'relu' }, { op = 'conv', out = 7 }],
                      shortcut = [{ op = 'pad-channels', before = 1, behind = 2, stride = 2 }] },
                    { op = 'conv', out = 6 },
                    { op = 'adaptive-mean', size = 2 },
                    { op = 'flatten' },
                    { op = 'linear', out = 3 },
                ]",
                [2, 5, 5],
                3,
            ),
        ),
    ]
}
