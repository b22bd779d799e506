//! What merged models that are trained on learn from their teachers.

use onebasin_training::{Distillation, MeanOver};
use schemars::JsonSchema;
use serde::Deserialize;

use super::experiment::{Lesson, Method, Model};
use super::resolve::{Resolver, Result, path};
use super::text::End;

/// The `distillation` of a method.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Written {
    /// Names of models; all that are merged if not given.
    #[serde(default)]
    pub teachers: Option<Vec<String>>,
    /// What logits are divided by.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// The share of the teachers in the loss.
    #[serde(default)]
    pub weight: Option<f64>,
    /// What the divergence is a mean over.
    #[serde(default)]
    pub mean: Option<MeanOver>,
}

impl Resolver<'_> {
    /// What the method at an index learns, which is trained on or not.
    pub(super) fn lesson(&self, index: usize, written: &Written, is_trained: bool, models: &[Model]) -> Result<Lesson> {
        let here = path(["methods", &index.to_string(), "distillation"]);
        if !is_trained {
            let message = "`distillation` says what `fine-tuning` learns, and there is none";
            return Err(self.layers.fault(&here, End::Key, message).hint("write `fine-tuning = \"TRAINING\"`"));
        }
        let at = [here.as_slice(), &path(["teachers"])].concat();
        let teachers = written.teachers.as_ref().map(|names| self.positions(&at, names, models)).transpose()?;
        if teachers.as_ref().is_some_and(Vec::is_empty) {
            return Err(self.wrong(&at, "`teachers` names no model").hint("leave it out for all models that are merged"));
        }
        let default = Distillation::default();
        let options = Distillation {
            temperature: written.temperature.unwrap_or(default.temperature),
            weight: written.weight.unwrap_or(default.weight),
            mean: written.mean.unwrap_or(default.mean),
        };
        options.check().map_err(|error| self.library(&here, &error))?;
        Ok(Lesson { teachers, options })
    }

    /// Refuses lessons in a sequence.
    pub(super) fn lessons(&self, methods: &[Method]) -> Result<()> {
        match methods.iter().position(|method| method.lesson.is_some() && method.sequential.is_some()) {
            None => Ok(()),
            Some(index) => {
                let here = path(["methods", &index.to_string(), "distillation"]);
                let message = "what is merged in a sequence has no teachers: earlier models are gone";
                Err(self.layers.fault(&here, End::Key, message).hint("leave `distillation` or `sequential` out"))
            }
        }
    }
}
