//! What keys of the method may say.

use serde::{Deserialize, Serialize};

/// How a transport plan is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// A plan of least cost.
    #[default]
    Exact,
    /// The plan of least cost less entropy.
    Sinkhorn,
    /// The same with marginals that may be missed at a price: see [`onebasin_transport::unbalanced`].
    Unbalanced,
    /// The plan of least cost that moves a share of the mass: see [`onebasin_transport::partial`].
    Partial,
}

/// What happens to the class scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OutputUnits {
    /// They stay.
    #[default]
    Fixed,
    /// They are transported like any layer, with uniform masses.
    Transported,
}

/// What of two units is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// The weights that they read with, those of the moving model brought into the order of the layer before.
    #[default]
    Weights,
    /// What they give for the same images in the models as trained, a number for each image and each pixel.
    Activations,
}

/// How much of the mass each unit has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Masses {
    /// All alike.
    #[default]
    Uniform,
    /// As the sum of the magnitudes of its incoming weights, as trained.
    L1,
    /// As the Euclidean length of its incoming weights, as trained.
    L2,
}

/// What all models are transported onto.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// One of the models.
    #[default]
    Reference,
    /// A network with fresh weights, which belongs to no model. It tells next to nothing about the order of units.
    ///
    /// Source: the program of Model Merging for Continual Learning.
    Random,
}

/// How a soft plan becomes weights; between equally many units of one mass both are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// A slot is divided by the mass it received, so it is a mean of units; what a unit gave is divided by the mass that it sent, so that
    /// it is shared out whole. A network in which every unit stands twice, each giving half, then becomes the network in which it stands
    /// once.
    #[default]
    Proper,
    /// Both are divided by what the slot received, as in algorithm 1 of the paper. From n units to m, what is given is multiplied by m / n.
    AsPublished,
}

/// What becomes of units that residual connections tie together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Residual {
    /// They have one plan. Not in the paper.
    #[default]
    Tied,
    /// Each layer has its own plan, as in the authors' program. Whoever reads the sum of two layers gets the mean of their plans; an
    /// identity skip does nothing, so that the plan of the last layer counts for the whole sum. A model so aligned does not compute what it
    /// did.
    Skips,
}

/// Defaults are not written: alignments made before the key was there keep their names.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// As [`is_default`], of numbers that are 1 by default.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
pub(super) fn is_one(value: &f64) -> bool {
    *value == 1.0
}
