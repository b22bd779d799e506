//! Residual networks.

use serde::{Deserialize, Serialize};

use super::{NormChoice, impossible};
use crate::{Layer, NetworkError, Width};

/// Stem, stages of residual blocks, global mean, one dense layer.
///
/// | depth | stages (blocks) | channels | block | default width, stem, shortcut |
/// | --- | --- | --- | --- | --- |
/// | 6n + 2 (8, 14, 20, 26, 32 ..) | n, n, n | w, 2w, 4w | basic | 16, cifar, 3 |
/// | 22 | 3, 3, 3 | w, 2w, 4w | basic | 16, cifar, 3 |
/// | 18 | 2, 2, 2, 2 | w, 2w, 4w, 8w | basic | 64, cifar, 1 |
/// | 34 | 3, 4, 6, 3 | w, 2w, 4w, 8w | basic | 64, cifar, 1 |
/// | 50 | 3, 4, 6, 3 | 4w, 8w, 16w, 32w | bottleneck | 64, imagenet, 1 |
///
/// A basic block is conv 3x3, norm, ReLU, conv 3x3, norm; a bottleneck conv 1x1, 3x3, 1x1 with norms, a quarter as wide inside and its
/// stride in the 3x3. Sum with the shortcut, then ReLU. The first block of each stage but the first has stride 2. Where stride or
/// width change, the shortcut is a convolution with a kernel of `shortcut` and a norm; else it is the identity. 50 is always the
/// bottleneck network, although it is 6n + 2.
///
/// Padding is the same on all sides, as in PyTorch (Flax pads even images by nothing before and one behind at stride 2).
/// 22 is C2M3's name for the network of depth 20: it counts the two shortcuts that have weights. Both are written as depth 20.
///
/// Source: Git Re-Basin and C2M3, ResNet20 with 3x3 shortcuts and layer norm; OT fusion, ResNet18 with 1x1 shortcuts, no norm and no
/// biases.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resnet {
    /// Layers with weights, shortcuts not counted (but 22 is 20).
    pub depth: usize,
    /// Channels of the stem.
    pub width: usize,
    /// How images come in.
    pub stem: Stem,
    /// Kernel of the shortcuts' convolutions: 1 or 3.
    pub shortcut: usize,
    /// Behind each convolution. Default none.
    pub norm: NormChoice,
    /// Whether convolutions have biases. Default false.
    pub bias: bool,
    /// Whether the last, dense layer has a bias. Default true.
    pub head_bias: bool,
    /// Added to variances. Default 1e-5.
    pub epsilon: f64,
}

/// The first layers of a residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// Conv 3x3, norm, ReLU.
    Cifar,
    /// Conv 7x7 with stride 2, norm, ReLU, max pool 3x3 with stride 2.
    Imagenet,
}

/// More blocks than this in a stage are a slip of the pen.
const MOST_BLOCKS: usize = 500;

/// What a depth stands for.
pub(super) struct Plan {
    /// Shortcuts not counted: the one name of networks that have two.
    pub(super) depth: usize,
    blocks: Vec<usize>,
    bottleneck: bool,
    pub(super) width: usize,
    pub(super) stem: Stem,
    pub(super) shortcut: usize,
}

impl Plan {
    pub(super) fn of(depth: usize) -> Result<Plan, NetworkError> {
        let large =
            |blocks: [usize; 4], bottleneck, stem| Plan { depth, blocks: blocks.to_vec(), bottleneck, width: 64, stem, shortcut: 1 };
        match depth {
            18 => Ok(large([2, 2, 2, 2], false, Stem::Cifar)),
            34 => Ok(large([3, 4, 6, 3], false, Stem::Cifar)),
            50 => Ok(large([3, 4, 6, 3], true, Stem::Imagenet)),
            22 => Plan::of(20),
            _ if depth > 2 && (depth - 2).is_multiple_of(6) && (depth - 2) / 6 <= MOST_BLOCKS => {
                let blocks = vec![(depth - 2) / 6; 3];
                Ok(Plan { depth, blocks, bottleneck: false, width: 16, stem: Stem::Cifar, shortcut: 3 })
            }
            _ if depth > 6 * MOST_BLOCKS + 2 => {
                Err(impossible(format!("depth `{depth}` is more than any machine trains"), format!("use at most {}", 6 * MOST_BLOCKS + 2)))
            }
            _ => {
                let below = depth.saturating_sub(2) / 6 * 6 + 2;
                let hint = if below < 8 { "use 8 or 14".to_owned() } else { format!("use {below} or {}", below + 6) };
                Err(impossible(format!("depth `{depth}` is not of the form 6n + 2"), hint + "; 18, 34 and 50 are known too"))
            }
        }
    }
}

impl Resnet {
    pub(super) fn layers(&self) -> Result<Vec<Layer>, NetworkError> {
        let plan = Plan::of(self.depth)?;
        if ![1, 3].contains(&self.shortcut) {
            return Err(impossible(
                format!("`shortcut` is `{}`, expected a kernel of 1 or 3", self.shortcut),
                "use 3 for 6n + 2, 1 for 18, 34 and 50",
            ));
        }
        if self.width == 0 || self.width > 1 << 20 {
            return Err(impossible(format!("width `{}` is no number of channels", self.width), format!("leave it out for {}", plan.width)));
        }
        let mut layers = self.stem_layers();
        let mut channels = self.width;
        for (stage, &blocks) in plan.blocks.iter().enumerate() {
            let inner = self.width << stage;
            let out = if plan.bottleneck { 4 * inner } else { inner };
            for block in 0..blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("stage{}.block{}", stage + 1, block + 1);
                let kernels: &[(usize, usize, usize)] =
                    if plan.bottleneck { &[(inner, 1, 1), (inner, 3, stride), (out, 1, 1)] } else { &[(out, 3, stride), (out, 3, 1)] };
                let shortcut = if stride == 1 && channels == out {
                    Vec::new()
                } else {
                    self.conv(&format!("{name}.shortcut."), "", (out, self.shortcut, stride))
                };
                layers.push(Layer::Residual { body: self.body(&name, kernels), shortcut });
                layers.push(Layer::Relu {});
                channels = out;
            }
        }
        layers.push(Layer::GlobalMean {});
        layers.push(Layer::Linear { name: Some("head".to_owned()), out: Width::Classes, bias: self.head_bias });
        Ok(layers)
    }

    fn stem_layers(&self) -> Vec<Layer> {
        let (kernel, stride) = match self.stem {
            Stem::Cifar => (3, 1),
            Stem::Imagenet => (7, 2),
        };
        let mut layers = self.conv("stem.", "", (self.width, kernel, stride));
        layers.push(Layer::Relu {});
        if self.stem == Stem::Imagenet {
            layers.push(Layer::MaxPool { size: 3, stride: Some(2), padding: 1 });
        }
        layers
    }

    /// Convolutions with norms, ReLU between them.
    fn body(&self, block: &str, kernels: &[(usize, usize, usize)]) -> Vec<Layer> {
        let mut layers = Vec::new();
        for (position, &kernel) in kernels.iter().enumerate() {
            if position > 0 {
                layers.push(Layer::Relu {});
            }
            layers.extend(self.conv(&format!("{block}."), &(position + 1).to_string(), kernel));
        }
        layers
    }

    /// A convolution and its norm, named `PREFIXconvNUMBER` and `PREFIXnormNUMBER`.
    fn conv(&self, prefix: &str, number: &str, (out, kernel, stride): (usize, usize, usize)) -> Vec<Layer> {
        let name = Some(format!("{prefix}conv{number}"));
        let conv = Layer::Conv { name, out: Width::Count(out), kernel, stride, padding: Some(kernel / 2), bias: self.bias };
        let norm = self.norm.layer(Some(format!("{prefix}norm{number}")), self.epsilon);
        std::iter::once(conv).chain(norm).collect()
    }
}
