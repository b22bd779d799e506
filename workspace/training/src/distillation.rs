use burn::tensor::Tensor;
use onebasin_network::{Graph, Weights};
use serde::{Deserialize, Serialize};

use crate::error::impossible;
use crate::evaluate::values;
use crate::forward::{Mode, Program};
use crate::kernels::SoftTargets;
use crate::tensors::Tensors;
use crate::{Device, TrainingError};

/// Distillation: a student also learns what teachers say of the images that it sees. Its loss is
/// `(1 - α) · CE + α T² · KL(softmax(teacher / T) ‖ softmax(student / T))`, with the mean of the probabilities of several teachers.
///
/// Source: Hinton, Vinyals and Dean (arXiv 1503.02531), section 2; the program of OT fusion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Distillation {
    /// T, by which the logits of both are divided; default 20.
    pub temperature: f64,
    /// α, the share of the teachers in the loss; default 0.7.
    pub weight: f64,
    /// What the divergence is a mean over; default the images.
    pub mean: MeanOver,
}

/// What a divergence is a mean over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MeanOver {
    /// The images of a batch.
    #[default]
    Images,
    /// Images and classes, as in the program of OT fusion: so many times less as there are classes.
    Elements,
}

impl Default for Distillation {
    fn default() -> Distillation {
        Distillation { temperature: 20.0, weight: 0.7, mean: MeanOver::Images }
    }
}

impl Distillation {
    /// Whether the options make sense.
    ///
    /// # Errors
    /// A temperature that is not above 0, a weight outside of 0 to 1.
    pub fn check(self) -> Result<(), TrainingError> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(impossible("temperature", self.temperature, "a finite number above 0", "20 is that of OT fusion's program"));
        }
        if !(self.weight > 0.0 && self.weight <= 1.0) {
            let hint = "0.7 is that of OT fusion's program; without teachers leave `distillation` out";
            return Err(impossible("weight", self.weight, "a share above 0, at most 1", hint));
        }
        Ok(())
    }
}

/// Networks that a student learns from.
pub(crate) struct Teachers<'a> {
    networks: Vec<(Program<'a>, Tensors)>,
    options: Distillation,
}

impl<'a> Teachers<'a> {
    pub(crate) fn new(
        networks: &[(&'a Graph, &Weights)],
        student: &Graph,
        options: Distillation,
        device: &Device,
    ) -> Result<Teachers<'a>, TrainingError> {
        options.check()?;
        if networks.is_empty() {
            return Err(impossible("teachers", 0, "at least 1", "name a model that knows the classes"));
        }
        let burn = device.burn();
        let mut teachers = Vec::with_capacity(networks.len());
        for &(graph, weights) in networks {
            weights.fits(graph.spec())?;
            let (ours, theirs) = (&student.architecture, &graph.architecture);
            if (ours.input, ours.classes) != (theirs.input, theirs.classes) {
                return Err(TrainingError::Data {
                    what: "what a teacher sees and tells",
                    got: format!("{:?} and {} classes", theirs.input, theirs.classes),
                    expected: format!("{:?} and {} classes", ours.input, ours.classes),
                    hint: "a teacher sees the student's images and knows its classes",
                });
            }
            teachers.push((Program::new(graph, device)?, Tensors::new(graph, weights, &burn)));
        }
        Ok(Teachers { networks: teachers, options })
    }

    /// What they say of images that are on no tape; batch norms use their running statistics.
    pub(crate) fn targets(&self, images: &Tensor<4>) -> SoftTargets {
        let logits: Vec<Tensor<2>> =
            self.networks.iter().map(|(program, tensors)| program.run(tensors, images.clone(), Mode::Infer).logits).collect();
        let classes = logits[0].dims()[1];
        let Distillation { temperature, weight, mean } = self.options;
        let share = 1.0 / logits.len() as f64;
        let mut probabilities = Vec::new();
        for teacher in logits {
            let teacher = values(teacher);
            probabilities.resize(teacher.len(), 0.0);
            for (row, sums) in teacher.chunks_exact(classes).zip(probabilities.chunks_exact_mut(classes)) {
                let normaliser = SoftTargets::log_normaliser(row, temperature);
                for (sum, &logit) in sums.iter_mut().zip(row) {
                    *sum += share * (f64::from(logit) / temperature - normaliser).exp();
                }
            }
        }
        let over = match mean {
            MeanOver::Images => 1.0,
            MeanOver::Elements => classes as f64,
        };
        SoftTargets { probabilities, temperature, weight, scale: temperature * temperature / over }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_without_a_meaning_are_refused_with_a_hint() {
        let says = |options: Distillation, text: &str| {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("hint: "), "{error}");
        };
        says(Distillation { temperature: 0.0, ..Distillation::default() }, "`temperature` is `0`");
        says(Distillation { weight: 1.5, ..Distillation::default() }, "`weight` is `1.5`");
        says(Distillation { weight: f64::NAN, ..Distillation::default() }, "`weight` is `NaN`");
        assert!(Distillation::default().check().is_ok());
    }
}
