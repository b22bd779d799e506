//! What is done to a merged model before it is measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `repair` of a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Repair {
    /// REPAIR: every convolution's output gets the mean and the variance it has in the end points.
    Repair(Renormalise),
    /// Running statistics of batch norms are estimated anew.
    BatchNorm(Reset),
}

/// Options of REPAIR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Renormalise {
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
}

impl Repair {
    /// The first so many training images; all if `None`.
    pub fn images(&self) -> Option<usize> {
        match self {
            Repair::Repair(Renormalise { images, .. }) | Repair::BatchNorm(Reset { images, .. }) => *images,
        }
    }

    /// Images in a batch.
    pub fn batch(&self) -> usize {
        match self {
            Repair::Repair(Renormalise { batch, .. }) | Repair::BatchNorm(Reset { batch, .. }) => *batch,
        }
    }

    /// The same for the points of a line, whose ends are always aligned.
    #[must_use]
    pub fn of_line(&self) -> Repair {
        match self {
            Repair::Repair(options) => Repair::Repair(Renormalise { endpoints: Endpoints::Aligned, ..options.clone() }),
            Repair::BatchNorm(options) => Repair::BatchNorm(options.clone()),
        }
    }
}

fn hundred() -> usize {
    100
}
