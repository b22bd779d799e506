//! A merged model that is a point of a curve between two models.

use figment::value::Value;
use onebasin_training::{ModePath, Training};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document;
use super::fault::fraction;
use super::resolve::{Resolver, Result, path};

/// A point of a curve whose ends are two models in the common frame, and whose bends are trained on the training images of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Curve {
    /// Its shape.
    pub path: ModePath,
    /// How the bends are trained.
    pub training: Training,
    /// Where they start.
    pub start: Bends,
    /// What stands at the ends.
    pub ends: Ends,
    /// An L2 penalty of the network at each point.
    pub penalty: f64,
    /// The point that is the merged model.
    pub at: At,
}

/// Where the bends of a curve start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bends {
    /// On the line between the ends, in equal steps.
    #[default]
    Linear,
    /// At fresh weights.
    Random,
}

/// What stands at the ends of a curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ends {
    /// The two models.
    #[default]
    Models,
    /// Their mean and the second model, as a published program has it, which averages in place.
    MeanFirst,
    /// Two networks with fresh weights: a control that knows nothing of the models.
    Random,
}

/// The point of a curve that is the merged model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// A given one, from 0 to 1.
    Point(f64),
    /// That of the least loss on the validation images, out of 61 in equal steps.
    Best,
}

impl Resolver<'_> {
    /// The curve at `here`.
    pub(super) fn curve(&self, here: &[String], written: &document::Curve) -> Result<Curve> {
        let at = |key: &str| [here, &path([key])].concat();
        let mode_path = ModePath { kind: written.kind, bends: written.bends };
        mode_path.check().map_err(|error| self.library(here, &error))?;
        let training = self.training_named(&at("training"), &written.training)?;
        if training.fold_norms {
            let message = format!("`trainings.{}` has `fold-norms`, but what lies on a curve keeps its norms", written.training);
            return Err(self.wrong(&at("training"), message).hint("name a training without it; a `fine-tuning` of the point may have it"));
        }
        if !(written.penalty.is_finite() && written.penalty >= 0.0) {
            let message = format!("`penalty` should be a number, at least 0, not `{}`", written.penalty);
            return Err(self.wrong(&at("penalty"), message).hint("leave it out for none; 5e-4 is usual"));
        }
        let point = match &written.at {
            None => At::Point(0.5),
            Some(Value::String(_, text)) if text == "best" => At::Best,
            Some(Value::Num(_, number)) if (0.0..=1.0).contains(&fraction(number)) => At::Point(fraction(number)),
            Some(_) => {
                let message = "`at` should be a number from 0 to 1, or \"best\"";
                return Err(self.wrong(&at("at"), message).hint("0.5 is the middle, and the default"));
            }
        };
        if point == At::Best && self.document.validation.is_none() {
            let message = "`at = \"best\"` looks for the best point on validation images, and there are none";
            return Err(self.wrong(&at("at"), message).hint("`validation = 0.1` at the top puts a tenth of the training images aside"));
        }
        let (start, ends, penalty) = (written.start, written.ends, written.penalty);
        Ok(Curve { path: mode_path, training, start, ends, penalty, at: point })
    }
}
