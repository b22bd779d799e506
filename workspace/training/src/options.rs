use onebasin_datasets::Augmentation;
use onebasin_network::{Graph, Node, NormKind, Operation};
use serde::{Deserialize, Serialize};

use crate::TrainingError;
use crate::error::impossible;
use crate::initialise::Initialisation;
use crate::optimizer::{Optimizer, Sgd};
use crate::schedule::{Schedule, Span};

/// Everything a person says about how a network is trained: one `[trainings.NAME]` table of a spec.
///
/// The loss is the mean cross-entropy of a batch. Serialising writes every default that was filled in.
///
/// ```
/// let training: onebasin_training::Training = serde_json::from_str(
///     r#"{ "epochs": 3, "optimizer": { "kind": "sgd", "learning-rate": 0.1, "momentum": 0.9 } }"#)?;
/// assert_eq!((training.batch, training.drop_last), (100, false));
/// assert!(training.check().is_ok());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Training {
    /// Passes over the data. With `steps` too, whichever ends first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Optimiser updates. At least one of `epochs` and `steps` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Images in a step; 100 by default.
    #[serde(default = "batch")]
    pub batch: usize,
    /// Whether an epoch's last, smaller batch is left out. No by default, as PyTorch's loaders and C²M³ do; Git Re-Basin leaves it out.
    #[serde(default)]
    pub drop_last: bool,
    /// How images are disturbed before each step sees them: the name of a recipe, a step, or a list of steps. None by default, as with an empty list.
    /// Measurements never see it.
    #[serde(default, skip_serializing_if = "disturbs_nothing")]
    pub augmentation: Option<Augmentation>,
    /// How gradients become updates.
    pub optimizer: Optimizer,
    /// How the learning rate changes; constant by default.
    #[serde(default)]
    pub schedule: Schedule,
    /// The greatest norm of all gradients together: longer ones are scaled down to it. None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<f64>,
    /// Where the weights start; `pytorch` by default.
    #[serde(default)]
    pub initialisation: Initialisation,
    /// Whether the last norm of each residual body starts at scale 0, so that the block starts as its shortcut. No by default.
    ///
    /// Source: Goyal et al. 2017, section 5.1; torchvision's `zero_init_residual`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_init_residual: bool,
    /// Whether batch norms are taken into the layers before them once the last step is done, so that the network that is left has none. No
    /// by default.
    ///
    /// Source: REPAIR (arXiv 2211.08403), its multi-layer perceptrons.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fold_norms: bool,
}

fn disturbs_nothing(augmentation: &Option<Augmentation>) -> bool {
    augmentation.as_ref().is_none_or(|augmentation| augmentation.steps().is_empty())
}

fn batch() -> usize {
    100
}

impl Training {
    /// What stands where nothing is trained: one step of one image, of a learning rate of 0.
    pub fn none() -> Training {
        let sgd = Sgd { learning_rate: 0.0, momentum: 0.0, nesterov: false, weight_decay: 0.0, reset_each_epoch: false };
        Training {
            epochs: None,
            steps: Some(1),
            batch: 1,
            drop_last: false,
            augmentation: None,
            optimizer: Optimizer::Sgd(sgd),
            schedule: Schedule::default(),
            gradient_clip: None,
            initialisation: Initialisation::default(),
            zero_init_residual: false,
            fold_norms: false,
        }
    }

    /// The network that a training of `graph` leaves: itself, or without its batch norms.
    ///
    /// # Errors
    /// When a batch norm cannot be taken into another layer.
    pub fn leaves(&self, graph: &Graph) -> Result<Graph, TrainingError> {
        if self.fold_norms { Ok(Graph::build(&graph.architecture.without_batch_norms()?)?) } else { Ok(graph.clone()) }
    }

    /// Whether a training could run with these options.
    ///
    /// # Errors
    /// Names the first key whose value no training can have.
    pub fn check(&self) -> Result<(), TrainingError> {
        if self.epochs.is_none() && self.steps.is_none() {
            return Err(TrainingError::Endless);
        }
        if self.epochs == Some(0) {
            return Err(impossible("epochs", 0, "at least 1", "leave it out when `steps` ends the training"));
        }
        if self.steps == Some(0) {
            return Err(impossible("steps", 0, "at least 1", "leave it out when `epochs` ends the training"));
        }
        if self.batch == 0 {
            return Err(impossible("batch", 0, "at least 1", "100 is usual"));
        }
        if let Some(clip) = self.gradient_clip
            && !(clip.is_finite() && clip > 0.0)
        {
            return Err(impossible("gradient-clip", clip, "a norm above 0", "leave it out for no clipping"));
        }
        if let Some(augmentation) = &self.augmentation {
            augmentation.check()?;
        }
        self.optimizer.check()?;
        self.schedule.check(self.optimizer.learning_rate())
    }

    /// Steps of an epoch and of the whole training over `images` images.
    ///
    /// # Errors
    /// When that is no step at all, the warm-up is longer than the training, or a round of `cosine-restarts` shorter than a step.
    pub fn span(&self, images: usize) -> Result<Span, TrainingError> {
        let steps_per_epoch = if self.drop_last { images / self.batch } else { images.div_ceil(self.batch) };
        if steps_per_epoch == 0 {
            let hint = "choose a batch no larger than the data, or set `drop-last = false`";
            return Err(impossible("batch", self.batch, "at most the number of training images", hint));
        }
        let by_epochs = self.epochs.map_or(usize::MAX, |epochs| epochs.saturating_mul(steps_per_epoch));
        let steps = by_epochs.min(self.steps.unwrap_or(usize::MAX));
        let warmup = (self.schedule.warmup_epochs * steps_per_epoch as f64).max(self.schedule.warmup_steps as f64);
        if warmup > steps as f64 {
            let (expected, hint) = ("a warm-up within the training", "shorten it, or train longer");
            return Err(match self.schedule.warmup_steps {
                0 => impossible("schedule.warmup-epochs", self.schedule.warmup_epochs, expected, hint),
                steps => impossible("schedule.warmup-steps", steps, expected, hint),
            });
        }
        self.schedule.check_rounds(steps_per_epoch)?;
        Ok(Span { steps_per_epoch, steps })
    }

    /// Whether every step over `images` images gives the batch norms of `graph` a variance: more than one value of each channel.
    ///
    /// # Errors
    /// As [`Training::span`]; and when a batch norm sees one value of a channel in an image, and a step one image.
    pub fn check_norms(&self, graph: &Graph, images: usize) -> Result<(), TrainingError> {
        let span = self.span(images)?;
        let lone = has_lone_batch_norm(graph);
        let expected = ENOUGH_FOR_BATCH_NORMS;
        if lone && self.batch.min(images) == 1 {
            return Err(impossible("batch", self.batch, expected, "100 is usual; or take `norm = \"layer\"`"));
        }
        if lone && !self.drop_last && images % self.batch == 1 && span.steps >= span.steps_per_epoch {
            let hint = "the last batch of an epoch has one image: set `drop-last = true`, or another batch";
            return Err(impossible("batch", self.batch, expected, hint));
        }
        Ok(())
    }
}

/// What a batch norm that [`has_lone_batch_norm`] finds expects of batches.
pub(crate) const ENOUGH_FOR_BATCH_NORMS: &str =
    "batches of at least 2 images: a batch norm that sees one value of a channel has no variance";

/// Whether a batch norm of the network sees one value of a channel in an image, so that a batch of one image has no variance there.
pub fn has_lone_batch_norm(graph: &Graph) -> bool {
    let is_lone = |node: &Node| matches!(node.operation, Operation::Norm { kind: NormKind::Batch, .. }) && node.shape.pixels() == 1;
    graph.nodes.iter().any(is_lone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Training {
        serde_json::from_str(text).unwrap()
    }

    const SHORT: &str = r#"{ "epochs": 2, "optimizer": { "kind": "adam", "learning-rate": 1e-3 } }"#;

    #[test]
    fn what_is_written_is_read_back_and_holds_every_default() {
        let training = parse(SHORT);
        let text = serde_json::to_string(&training).unwrap();
        assert_eq!(parse(&text), training);
        for key in
            ["\"batch\":100", "\"drop-last\":false", "\"kind\":\"constant\"", "\"initialisation\":\"pytorch\"", "\"weight-decay\":0.0"]
        {
            assert!(text.contains(key), "{text}");
        }
    }

    #[test]
    fn an_augmentation_of_no_steps_is_written_as_none() {
        let augmented = |text: &str| Training { augmentation: Some(serde_json::from_str(text).unwrap()), ..parse(SHORT) };
        assert_eq!(serde_json::to_string(&augmented("[]")).unwrap(), serde_json::to_string(&parse(SHORT)).unwrap());
        let named = augmented("\"cifar-c2m3\"");
        assert_eq!(parse(&serde_json::to_string(&named).unwrap()), named);
    }

    #[test]
    fn unknown_keys_are_errors_at_every_level() {
        for text in [
            r#"{ "epochs": 2, "epoch": 3, "optimizer": { "kind": "adam", "learning-rate": 1e-3 } }"#,
            r#"{ "epochs": 2, "optimizer": { "kind": "adam", "learning-rate": 1e-3, "momentum": 0.9 } }"#,
            r#"{ "epochs": 2, "optimizer": { "kind": "sgd", "learning-rate": 1e-3, "betas": [0.9, 0.99] } }"#,
            r#"{ "epochs": 2, "optimizer": { "kind": "adam", "learning-rate": 1e-3 }, "schedule": { "warmup": 1 } }"#,
            r#"{ "epochs": 2, "optimizer": { "kind": "lion", "learning-rate": 1e-3 } }"#,
        ] {
            assert!(serde_json::from_str::<Training>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn impossible_values_are_refused_by_key() {
        type Spoil = fn(&mut Training);
        let cases: [(&str, Spoil); 7] = [
            ("epochs", |training| training.epochs = None),
            ("epochs", |training| training.epochs = Some(0)),
            ("steps", |training| training.steps = Some(0)),
            ("batch", |training| training.batch = 0),
            ("gradient-clip", |training| training.gradient_clip = Some(0.0)),
            ("schedule.minimum", |training| training.schedule.minimum = -1.0),
            ("augmentation.degrees", |training| {
                training.augmentation = serde_json::from_str(r#"{ "kind": "rotate", "degrees": -1.0 }"#).unwrap()
            }),
        ];
        for (key, spoil) in cases {
            let mut training = parse(SHORT);
            spoil(&mut training);
            let message = training.check().unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{key}`")) || message.starts_with(&format!("key `{key}`")), "{message}");
            assert!(message.contains("hint: "), "{message}");
        }
    }

    #[test]
    fn a_batch_of_one_is_refused_where_a_batch_norm_sees_one_value_of_a_channel() {
        let graph = |layers: &str| {
            let text = format!(
                r#"{{ "input": [1, 4, 4], "classes": 3, "layers": [{layers}, {{ "op": "flatten" }}, {{ "op": "linear", "out": "classes" }}] }}"#
            );
            Graph::build(&serde_json::from_str(&text).unwrap()).unwrap()
        };
        let norm = |kind: &str| format!(r#"{{ "op": "norm", "kind": "{kind}" }}"#);
        let rows = |kind: &str| graph(&format!(r#"{{ "op": "flatten" }}, {{ "op": "linear", "out": 5 }}, {}"#, norm(kind)));
        let images = graph(&format!(r#"{{ "op": "conv", "out": 5 }}, {}"#, norm("batch")));
        let training = |batch: usize| Training { batch, ..parse(SHORT) };
        for (batch, images) in [(1, 10), (4, 9), (100, 1)] {
            let message = training(batch).check_norms(&rows("batch"), images).unwrap_err().to_string();
            assert!(message.starts_with(&format!("`batch` is `{batch}`")) && message.contains("hint: "), "{message}");
        }
        training(4).check_norms(&rows("batch"), 10).unwrap();
        Training { drop_last: true, ..training(4) }.check_norms(&rows("batch"), 9).unwrap();
        // The single image would come in the third step.
        Training { steps: Some(2), ..training(4) }.check_norms(&rows("batch"), 9).unwrap();
        training(1).check_norms(&rows("layer"), 10).unwrap();
        training(1).check_norms(&images, 10).unwrap();
    }

    #[test]
    fn a_training_ends_with_its_epochs_or_its_steps_whichever_comes_first() {
        let mut training = parse(SHORT);
        assert_eq!(training.span(250).unwrap(), Span { steps_per_epoch: 3, steps: 6 });
        training.steps = Some(5);
        assert_eq!(training.span(250).unwrap().steps, 5);
        training.steps = Some(50);
        assert_eq!(training.span(250).unwrap().steps, 6);
        training.drop_last = true;
        assert_eq!(training.span(250).unwrap(), Span { steps_per_epoch: 2, steps: 4 });
        assert!(training.span(99).is_err());
        training.schedule.warmup_epochs = 3.0;
        assert!(training.span(250).unwrap_err().to_string().contains("`schedule.warmup-epochs` is `3`"));
        (training.schedule.warmup_epochs, training.schedule.warmup_steps) = (0.0, 7);
        assert!(training.span(250).unwrap_err().to_string().contains("`schedule.warmup-steps` is `7`"));
    }
}
