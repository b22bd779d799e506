//! Which axes of which parameters move together when units are permuted.

use serde::Serialize;

/// The permutation symmetry of an architecture: its groups of units, and the axes of its parameters that are tied to them.
///
/// Groups and parameters are in graph order. In the families no group stands on both axes of one parameter; a residual whose body is
/// a single layer has one that does, and a method whose update needs otherwise must check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PermutationSpec {
    /// Units that must be permuted together.
    pub groups: Vec<Group>,
    /// Every array of the network.
    pub parameters: Vec<Parameter>,
}

impl PermutationSpec {
    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}

/// Neurons or channels that are permuted by one permutation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The name of the first layer, in graph order, that made these units.
    pub name: String,
    /// How many there are.
    pub units: usize,
}

/// One array of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// The layer's name and what it is there: `conv1.weight`.
    pub name: String,
    /// What it is there.
    pub role: Role,
    /// `[out, in]`, `[out, in, height, width]` or `[units]`.
    pub shape: Vec<usize>,
    /// The group of the first axis; `None` if its order is fixed.
    pub rows: Option<Binding>,
    /// The group of the second axis; `None` if its order is fixed or there is no second axis.
    pub columns: Option<Binding>,
}

impl Parameter {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never: every axis has at least one entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An axis tied to a group: entry `unit * block + offset` belongs to `unit`, so the axis is `units * block` long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Binding {
    /// Index into [`PermutationSpec::groups`].
    pub group: usize,
    /// Consecutive entries that move as one: height times width behind a flatten, else 1.
    pub block: usize,
}

/// What a parameter is in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The matrix of a linear layer or the kernel of a convolution.
    Weight,
    /// What is added to a linear layer's or a convolution's output.
    Bias,
    /// The factor of a normalisation.
    Scale,
    /// What a normalisation adds.
    Shift,
    /// The mean a batch normalisation has seen.
    RunningMean,
    /// The variance a batch normalisation has seen.
    RunningVariance,
}

impl Role {
    /// Whether a matching looks at it. Running statistics are permuted like the rest, and never matched or trained.
    pub fn is_matched(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVariance)
    }

    /// The last part of the parameter's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Role::Weight => "weight",
            Role::Bias => "bias",
            Role::Scale => "scale",
            Role::Shift => "shift",
            Role::RunningMean => "running-mean",
            Role::RunningVariance => "running-variance",
        }
    }
}
