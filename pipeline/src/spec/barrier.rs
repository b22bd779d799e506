//! What a barrier is measured over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The height from which the highest loss on a line between two models counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BarrierOver {
    /// At each point the straight line between the losses of the ends. Source: Frankle et al. (arXiv 1912.05671), Entezari et al. (arXiv
    /// 2110.06296).
    Line,
    /// The mean of the losses of the ends. Source: Git Re-Basin (arXiv 2209.04836), definition 2.2; C²M³ (arXiv 2405.17897).
    Mean,
}

impl BarrierOver {
    /// What `summary.csv` and files of reported figures call it.
    pub fn metric(self) -> &'static str {
        match self {
            BarrierOver::Line => "barrier_line",
            BarrierOver::Mean => "barrier_mean",
        }
    }

    /// What headings call it.
    pub fn words(self) -> &'static str {
        match self {
            BarrierOver::Line => "barrier over line",
            BarrierOver::Mean => "barrier over mean",
        }
    }
}
