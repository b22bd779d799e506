//! When an ascent has stopped rising.

use serde::{Deserialize, Serialize};

use crate::MatchingError;
use crate::methods::{at_least_one, tolerance};

/// When to stop: after `patience` iterations in a row, none of which raised the best objective so far by at least a tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Stop {
    /// The tolerance is a number in the units of the objective, as published. Weights of another scale stop elsewhere.
    Absolute {
        /// Default 1e-6.
        #[serde(default = "absolute_tolerance")]
        tolerance: f64,
        /// Default 5.
        #[serde(default = "patience")]
        patience: usize,
    },
    /// The tolerance is a share of the best objective's magnitude, so that equal nets at another scale stop at the same iteration.
    Relative {
        /// Default 1e-7.
        #[serde(default = "relative_tolerance")]
        tolerance: f64,
        /// Default 5.
        #[serde(default = "patience")]
        patience: usize,
    },
}

impl Default for Stop {
    fn default() -> Stop {
        Stop::Relative { tolerance: relative_tolerance(), patience: patience() }
    }
}

impl Stop {
    /// Says whether the numbers make sense.
    pub(crate) fn check(self) -> Result<(), MatchingError> {
        let (Stop::Absolute { tolerance: limit, patience } | Stop::Relative { tolerance: limit, patience }) = self;
        tolerance("tolerance", limit)?;
        at_least_one("patience", patience)
    }

    /// A watch that has seen `objective`, the one of the start.
    pub(crate) fn watch(self, objective: f64) -> Watch {
        Watch { stop: self, best: objective, waited: 0 }
    }
}

fn absolute_tolerance() -> f64 {
    1e-6
}

fn relative_tolerance() -> f64 {
    1e-7
}

fn patience() -> usize {
    5
}

/// Follows the objective and says when to stop.
pub(crate) struct Watch {
    stop: Stop,
    best: f64,
    waited: usize,
}

impl Watch {
    /// Whether to stop, now that an iteration ended at `objective`.
    pub fn ended(&mut self, objective: f64) -> bool {
        let (least, patience) = match self.stop {
            Stop::Absolute { tolerance, patience } => (tolerance, patience),
            Stop::Relative { tolerance, patience } => (tolerance * self.best.abs(), patience),
        };
        if objective - self.best < least || objective <= self.best {
            self.waited += 1;
        } else {
            self.best = objective;
            self.waited = 0;
        }
        self.waited >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_spent_only_in_a_row() {
        let mut watch = Stop::Absolute { tolerance: 1.0, patience: 2 }.watch(0.0);
        let ended: Vec<bool> = [5.0, 5.5, 6.5, 7.0, 7.4].into_iter().map(|objective| watch.ended(objective)).collect();
        assert_eq!(ended, [false, false, false, false, true]);
    }

    #[test]
    fn the_relative_rule_does_not_know_the_scale() {
        let values = [10.0, 10.5, 10.9, 10.901, 10.9012, 10.90121];
        let ends = |stop: Stop, scale: f64| {
            let mut watch = stop.watch(scale);
            values.iter().position(|value| watch.ended(value * scale))
        };
        let relative = Stop::Relative { tolerance: 1e-2, patience: 2 };
        assert_eq!(ends(relative, 1.0), Some(4));
        assert_eq!(ends(relative, 1e3), Some(4));
        let absolute = Stop::Absolute { tolerance: 1e-2, patience: 2 };
        assert_eq!(ends(absolute, 1.0), Some(4));
        assert_eq!(ends(absolute, 1e3), None);
    }

    #[test]
    fn a_rule_alone_takes_its_own_defaults() {
        let absolute: Stop = serde_json::from_str(r#"{"rule": "absolute"}"#).unwrap();
        assert_eq!(absolute, Stop::Absolute { tolerance: 1e-6, patience: 5 });
        assert!(serde_json::from_str::<Stop>(r#"{"rule": "absolute", "patients": 5}"#).is_err());
    }
}
