//! By which way a line leads from one model to another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The way between two models in a common frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// The straight line.
    #[default]
    Linear,
    /// The arc around the origin, which keeps the length of the weights.
    Spherical,
}

impl Interpolation {
    /// Whether it is the straight line.
    pub fn is_linear(self) -> bool {
        self == Interpolation::Linear
    }
}
