//! VGG networks.

use serde::Serialize;

use super::{NormChoice, dense, impossible};
use crate::{Layer, NetworkError, Width};

/// Stages of 3x3 convolutions (padding 1), each convolution with norm and ReLU and each stage with a 2x2 max pool behind it; then
/// flatten, the dense layers of `head` with ReLU, and one to the classes.
///
/// A spec says `depth` (11, 13, 16 or 19) and `width` (64: the first stage's channels; then twice, four times, eight and eight times
/// as many), or `stages` outright; `head` is then two layers as wide as the last stage unless given. The dense layers of the head
/// have no norm. Source: Git Re-Basin and C2M3, VGG16 for 32x32 images; OT fusion, VGG11 without biases and with an empty head.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Vgg {
    /// Channels of the convolutions, stage after stage.
    pub stages: Vec<Vec<usize>>,
    /// Units of the hidden dense layers.
    pub head: Vec<usize>,
    /// Whether convolutions and dense layers have biases. Default true.
    pub bias: bool,
    /// Behind each convolution. Default none.
    pub norm: NormChoice,
    /// Added to variances. Default 1e-5.
    pub epsilon: f64,
}

impl Vgg {
    /// The stages of a depth.
    ///
    /// # Errors
    /// If there is no such depth, or no channels.
    pub fn stages(depth: usize, width: usize) -> Result<Vec<Vec<usize>>, NetworkError> {
        let counts = match depth {
            11 => [1, 1, 2, 2, 2],
            13 => [2, 2, 2, 2, 2],
            16 => [2, 2, 3, 3, 3],
            19 => [2, 2, 4, 4, 4],
            _ => return Err(impossible(format!("depth `{depth}` is no VGG"), "use 11, 13, 16 or 19, or give `stages`")),
        };
        let widest = width.checked_mul(8).filter(|&widest| widest > 0);
        if widest.is_none() {
            return Err(impossible(format!("width `{width}` is no number of channels"), "leave it out for 64"));
        }
        Ok(counts.iter().zip([1, 2, 4, 8, 8]).map(|(&count, factor)| vec![factor * width; count]).collect())
    }

    pub(super) fn layers(&self) -> Result<Vec<Layer>, NetworkError> {
        let stages = &self.stages;
        if stages.is_empty() || stages.iter().any(|stage| stage.is_empty() || stage.contains(&0)) {
            let problem = format!("`stages` is {stages:?}, expected lists of positive numbers of channels, none of them empty");
            return Err(impossible(problem, "write one list for each stage, as in `[[64], [128], [256, 256]]`"));
        }
        if self.head.contains(&0) {
            return Err(impossible(format!("`head` is {:?}, expected positive numbers", self.head), "leave the empty layer out"));
        }
        let mut layers = Vec::new();
        for stage in stages {
            for &channels in stage {
                let (kernel, stride, padding, bias) = (3, 1, Some(1), self.bias);
                layers.push(Layer::Conv { name: None, out: Width::Count(channels), kernel, stride, padding, bias });
                layers.extend(self.norm.layer(None, self.epsilon));
                layers.push(Layer::Relu {});
            }
            layers.push(Layer::MaxPool { size: 2, stride: Some(2), padding: 0 });
        }
        layers.push(Layer::Flatten {});
        layers.extend(dense(&self.head, self.bias, NormChoice::None, self.epsilon));
        Ok(layers)
    }
}
