//! What is done to a merged model before it is measured.

use onebasin_network::RepairedLayers;
use onebasin_training::{Restores, Spread};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `repair` of a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Repair {
    /// REPAIR: the outputs of layers get the mean and the spread they have in the end points.
    Repair(Renormalise),
    /// RESCALE: they get the spread alone.
    Rescale(Renormalise),
    /// Running statistics of batch norms are estimated anew.
    BatchNorm(Reset),
}

/// Options of REPAIR and RESCALE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Renormalise {
    /// The layers whose outputs are brought to the goal. Repairs made before there was a choice keep their names.
    #[serde(default, skip_serializing_if = "RepairedLayers::are_convolutions")]
    pub layers: RepairedLayers,
    /// What of the end points' spreads is averaged.
    #[serde(default, skip_serializing_if = "Spread::is_variance")]
    pub spread: Spread,
    /// The models whose statistics are the goal.
    #[serde(default)]
    pub endpoints: Endpoints,
    /// The first so many training images; all if not given.
    #[serde(default)]
    pub images: Option<usize>,
    /// Images in a batch.
    #[serde(default = "hundred")]
    pub batch: usize,
}

/// Options of the re-estimation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reset {
    /// The first so many training images; all if not given.
    #[serde(default)]
    pub images: Option<usize>,
    /// Images in a batch.
    #[serde(default = "hundred")]
    pub batch: usize,
}

/// The models whose statistics the repaired model gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoints {
    /// The models in the merged model's frame.
    #[default]
    Aligned,
    /// The models as they were trained, so that statistics are averaged over channels that are not matched; and in place of the first
    /// the merged model itself. So MergeMany was repaired in C2M3's published table. Lines know nothing of it: their ends are aligned.
    AsPublished,
    /// The models as they were trained, all of them: statistics are averaged over channels that are not matched.
    Unaligned,
}

impl Repair {
    /// The first so many training images; all if `None`.
    pub fn images(&self) -> Option<usize> {
        match self {
            Repair::Repair(Renormalise { images, .. })
            | Repair::Rescale(Renormalise { images, .. })
            | Repair::BatchNorm(Reset { images, .. }) => *images,
        }
    }

    /// Images in a batch.
    pub fn batch(&self) -> usize {
        match self {
            Repair::Repair(Renormalise { batch, .. })
            | Repair::Rescale(Renormalise { batch, .. })
            | Repair::BatchNorm(Reset { batch, .. }) => *batch,
        }
    }

    /// The version of what it computes: RESCALE treats a last batch of one image another way since 2.
    pub fn version(&self) -> u32 {
        if matches!(self, Repair::Rescale(_)) { 2 } else { 1 }
    }

    /// The same for the points of a line, whose ends are always aligned.
    #[must_use]
    pub fn of_line(&self) -> Repair {
        let aligned = |options: &Renormalise| Renormalise { endpoints: Endpoints::Aligned, ..options.clone() };
        match self {
            Repair::Repair(options) => Repair::Repair(aligned(options)),
            Repair::Rescale(options) => Repair::Rescale(aligned(options)),
            Repair::BatchNorm(options) => Repair::BatchNorm(options.clone()),
        }
    }

    /// The options of REPAIR and RESCALE, and what it restores; `None` where batch norms alone are reset.
    pub fn renormalises(&self) -> Option<(&Renormalise, Restores)> {
        match self {
            Repair::Repair(options) => Some((options, Restores::SpreadAndMean)),
            Repair::Rescale(options) => Some((options, Restores::Spread)),
            Repair::BatchNorm(_) => None,
        }
    }
}

fn hundred() -> usize {
    100
}
