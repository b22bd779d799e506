//! Multi-layer perceptrons.

use serde::Serialize;

use super::{NormChoice, dense, impossible};
use crate::{Layer, NetworkError};

/// Flatten, then for each entry of `hidden` a dense layer, the norm and a ReLU, then a dense layer to the classes.
///
/// Parameters are `fc1.weight`, `fc1.bias` and so on. Source: Git Re-Basin section 5 (three layers of 512) and C2M3
/// (512, 512, 512, 256) with biases and no norm; OT fusion (400, 200, 100) without biases.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mlp {
    /// Units of the hidden layers; may be empty.
    pub hidden: Vec<usize>,
    /// Whether dense layers have biases. Default true.
    pub bias: bool,
    /// Behind each hidden dense layer. Default none.
    pub norm: NormChoice,
    /// Added to variances. Default 1e-5.
    pub epsilon: f64,
}

impl Mlp {
    pub(super) fn layers(&self) -> Result<Vec<Layer>, NetworkError> {
        if self.hidden.contains(&0) {
            return Err(impossible(format!("`hidden` is {:?}, expected positive numbers", self.hidden), "leave the empty layer out"));
        }
        let mut layers = vec![Layer::Flatten {}];
        layers.extend(dense(&self.hidden, self.bias, self.norm, self.epsilon));
        Ok(layers)
    }
}
