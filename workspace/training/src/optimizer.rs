use serde::{Deserialize, Serialize};

use crate::TrainingError;
use crate::error::impossible;

/// How gradients become updates, with PyTorch's meaning of every option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adaptive moments.
    Adam(Adam),
}

/// `d = g + weight-decay · w`; `b ← momentum · b + d`; `w ← w - rate · b`, or with Nesterov `w ← w - rate · (d + momentum · b)`.
/// Dampening is 0.
///
/// Source: PyTorch, `torch.optim.SGD`; a fresh optimiser in each epoch: the program of Model Merging for Continual Learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sgd {
    /// The peak learning rate.
    pub learning_rate: f64,
    /// Share of the last update kept; 0 by default.
    #[serde(default)]
    pub momentum: f64,
    /// Whether the gradient is looked at ahead of the momentum; no by default.
    #[serde(default)]
    pub nesterov: bool,
    /// L2 penalty, added to the gradient of every parameter; 0 by default.
    #[serde(default)]
    pub weight_decay: f64,
    /// Whether the momentum is forgotten when an epoch begins; no by default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reset_each_epoch: bool,
}

/// `g ← g + weight-decay · w`; `m ← β₁ m + (1 - β₁) g`; `v ← β₂ v + (1 - β₂) g²`;
/// `w ← w - rate / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)`.
///
/// Source: Kingma and Ba, Adam, algorithm 1; PyTorch, `torch.optim.Adam`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Adam {
    /// The peak learning rate.
    pub learning_rate: f64,
    /// Decay of the first and second moments; 0.9 and 0.999 by default.
    #[serde(default = "betas")]
    pub betas: [f64; 2],
    /// Added to the root of the second moment; 1e-8 by default.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// L2 penalty, added to the gradient of every parameter; 0 by default.
    #[serde(default)]
    pub weight_decay: f64,
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn epsilon() -> f64 {
    1e-8
}

impl Optimizer {
    /// The peak learning rate.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Optimizer::Sgd(sgd) => sgd.learning_rate,
            Optimizer::Adam(adam) => adam.learning_rate,
        }
    }

    /// Whether what is remembered of earlier gradients is forgotten when an epoch begins.
    pub(crate) fn forgets(&self) -> bool {
        matches!(self, Optimizer::Sgd(Sgd { reset_each_epoch: true, .. }))
    }

    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        let rate = self.learning_rate();
        if !(rate.is_finite() && rate > 0.0) {
            return Err(impossible("optimizer.learning-rate", rate, "a number above 0", "0.1 is usual for SGD, 1e-3 for Adam"));
        }
        let decay = match self {
            Optimizer::Sgd(sgd) => sgd.weight_decay,
            Optimizer::Adam(adam) => adam.weight_decay,
        };
        if !(decay.is_finite() && decay >= 0.0) {
            return Err(impossible("optimizer.weight-decay", decay, "a number, at least 0", "leave it out for none"));
        }
        match self {
            Optimizer::Sgd(sgd) => {
                if !(0.0..1.0).contains(&sgd.momentum) {
                    return Err(impossible("optimizer.momentum", sgd.momentum, "a share from 0 to below 1", "0.9 is usual"));
                }
                if sgd.reset_each_epoch && sgd.momentum == 0.0 {
                    return Err(impossible("optimizer.reset-each-epoch", true, "`false` without momentum", "set `momentum = 0.9`"));
                }
                if sgd.nesterov && sgd.momentum == 0.0 {
                    return Err(impossible("optimizer.nesterov", true, "`false` without momentum", "set `momentum = 0.9`"));
                }
            }
            Optimizer::Adam(adam) => {
                if let Some(beta) = adam.betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
                    return Err(impossible("optimizer.betas", beta, "two shares from 0 to below 1", "`[0.9, 0.999]` is usual"));
                }
                if !(adam.epsilon.is_finite() && adam.epsilon > 0.0) {
                    return Err(impossible("optimizer.epsilon", adam.epsilon, "a number above 0", "1e-8 is usual"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_optimisers_are_refused_by_key() {
        let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0, reset_each_epoch: false };
        let adam = Adam { learning_rate: 1e-3, betas: betas(), epsilon: epsilon(), weight_decay: 0.0 };
        let cases = [
            ("optimizer.learning-rate", Optimizer::Sgd(Sgd { learning_rate: 0.0, ..sgd.clone() })),
            ("optimizer.learning-rate", Optimizer::Adam(Adam { learning_rate: f64::INFINITY, ..adam.clone() })),
            ("optimizer.momentum", Optimizer::Sgd(Sgd { momentum: 1.0, ..sgd.clone() })),
            ("optimizer.nesterov", Optimizer::Sgd(Sgd { momentum: 0.0, nesterov: true, ..sgd.clone() })),
            ("optimizer.reset-each-epoch", Optimizer::Sgd(Sgd { momentum: 0.0, reset_each_epoch: true, ..sgd.clone() })),
            ("optimizer.weight-decay", Optimizer::Sgd(Sgd { weight_decay: -1e-4, ..sgd.clone() })),
            ("optimizer.betas", Optimizer::Adam(Adam { betas: [0.9, 1.0], ..adam.clone() })),
            ("optimizer.epsilon", Optimizer::Adam(Adam { epsilon: 0.0, ..adam.clone() })),
        ];
        for (key, optimizer) in cases {
            let message = optimizer.check().unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{key}`")), "{message}");
        }
        assert!(Optimizer::Sgd(sgd).check().is_ok());
        assert!(Optimizer::Adam(adam).check().is_ok());
    }
}
