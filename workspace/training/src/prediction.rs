use std::collections::HashMap;

use onebasin_datasets::{Normalisation, Split};
use onebasin_network::{Graph, Weights};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::impossible;
use crate::evaluate::{average, over_batches};
use crate::score::{Evaluation, greatest, log_normaliser};
use crate::{Averaging, Device, TrainingError};

/// What a model says of each image of a split, in the order of the images: ten bytes an image, and four more for each class where logits are
/// kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// The class an image is of.
    pub labels: Vec<u8>,
    /// The class with the greatest logit, the first of equals.
    pub predicted: Vec<u8>,
    /// Cross-entropy of the label, in nats.
    pub losses: Vec<f32>,
    /// Probability of the predicted class.
    pub confidences: Vec<f32>,
    /// Rows of `[images, classes]`, up to a constant in each row; empty where they are not kept.
    pub logits: Vec<f32>,
}

impl Predictions {
    /// Adds rows of logits `[n, classes]`, or of anything that differs from them by a constant in each row.
    fn add(&mut self, logits: &[f32], labels: &[u8], keep: bool) {
        if keep {
            self.logits.extend_from_slice(logits);
        }
        let classes = logits.len() / labels.len().max(1);
        for (row, &label) in logits.chunks_exact(classes.max(1)).zip(labels) {
            let (normaliser, best) = (log_normaliser(row), greatest(row));
            self.labels.push(label);
            self.predicted.push(best as u8);
            self.losses.push((normaliser - f64::from(row[usize::from(label)])) as f32);
            self.confidences.push((f64::from(row[best]) - normaliser).exp() as f32);
        }
    }

    fn join(mut self, mut other: Predictions) -> Predictions {
        self.labels.append(&mut other.labels);
        self.predicted.append(&mut other.predicted);
        self.losses.append(&mut other.losses);
        self.confidences.append(&mut other.confidences);
        self.logits.append(&mut other.logits);
        self
    }

    /// The probabilities of the classes of each image, `[images, classes]` in turn; nothing where logits are not kept.
    pub fn probabilities(&self) -> impl Iterator<Item = Vec<f64>> + use<'_> {
        let classes = self.logits.len() / self.len().max(1);
        self.logits.chunks_exact(classes.max(1)).map(|row| {
            let normaliser = log_normaliser(row);
            row.iter().map(|&logit| (f64::from(logit) - normaliser).exp()).collect()
        })
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Whether an image is classified rightly.
    pub fn is_right(&self, image: usize) -> bool {
        self.predicted[image] == self.labels[image]
    }

    /// Mean loss, summed in `f64`, and share of right answers.
    pub fn evaluation(&self) -> Evaluation {
        let count = self.len() as f64;
        let loss: f64 = self.losses.iter().map(|&loss| f64::from(loss)).sum();
        let right = (0..self.len()).filter(|&image| self.is_right(image)).count();
        Evaluation { loss: loss / count, accuracy: right as f64 / count, count: self.len() }
    }

    /// A safetensors file of `labels` and `predicted` (U8), `losses` and `confidences` (F32), each `[images]`; and `logits` (F32), `[images,
    /// classes]`, where they are kept.
    ///
    /// # Errors
    /// When the format cannot hold it, which only more than 2^64 bytes could bring about.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TrainingError> {
        let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
        let (losses, confidences) = (bytes(&self.losses), bytes(&self.confidences));
        let columns: [(&str, Dtype, &[u8]); 4] = [
            ("labels", Dtype::U8, &self.labels),
            ("predicted", Dtype::U8, &self.predicted),
            ("losses", Dtype::F32, &losses),
            ("confidences", Dtype::F32, &confidences),
        ];
        let refused = |error: safetensors::SafeTensorError| unusable(error.to_string());
        let mut views = Vec::new();
        for (name, kind, bytes) in columns {
            views.push((name, TensorView::new(kind, vec![self.len()], bytes).map_err(refused)?));
        }
        let logits = bytes(&self.logits);
        if !self.logits.is_empty() {
            let shape = vec![self.len(), self.logits.len() / self.len().max(1)];
            views.push(("logits", TensorView::new(Dtype::F32, shape, &logits).map_err(refused)?));
        }
        safetensors::serialize(views, None::<HashMap<String, String>>).map_err(refused)
    }

    /// Reads what [`Predictions::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are not whole.
    pub fn from_bytes(bytes: &[u8]) -> Result<Predictions, TrainingError> {
        let refused = |error: safetensors::SafeTensorError| unusable(error.to_string());
        let file = SafeTensors::deserialize(bytes).map_err(refused)?;
        let column = |name: &str, kind: Dtype| -> Result<Vec<u8>, TrainingError> {
            let view = file.tensor(name).map_err(refused)?;
            if view.dtype() != kind {
                return Err(unusable(format!("`{name}` is of type {:?}, expected {kind:?}", view.dtype())));
            }
            Ok(view.data().to_vec())
        };
        let floats = |bytes: Vec<u8>| -> Vec<f32> {
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
        };
        let predictions = Predictions {
            labels: column("labels", Dtype::U8)?,
            predicted: column("predicted", Dtype::U8)?,
            losses: floats(column("losses", Dtype::F32)?),
            confidences: floats(column("confidences", Dtype::F32)?),
            logits: if file.names().contains(&"logits") { floats(column("logits", Dtype::F32)?) } else { Vec::new() },
        };
        let images = predictions.len();
        let whole = predictions.logits.is_empty() || predictions.logits.len().is_multiple_of(images.max(1));
        if [predictions.predicted.len(), predictions.losses.len(), predictions.confidences.len()] != [images; 3] || !whole {
            return Err(unusable("its columns are not equally long".to_owned()));
        }
        Ok(predictions)
    }
}

fn unusable(problem: String) -> TrainingError {
    TrainingError::Predictions { problem }
}

/// What a network says of each image of a split; `keep_logits` of every class.
///
/// Batches run on the threads of the current pool; the result does not depend on how many there are.
///
/// # Errors
/// When the data do not fit the network.
pub fn predict(
    graph: &Graph,
    weights: &Weights,
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
    keep_logits: bool,
) -> Result<Predictions, TrainingError> {
    let parts = over_batches(&[(graph, weights)], data, normalisation, device, |mut logits, labels| {
        let mut predictions = Predictions::default();
        predictions.add(&logits.swap_remove(0), labels, keep_logits);
        predictions
    })?;
    Ok(parts.into_iter().fold(Predictions::default(), Predictions::join))
}

/// What several networks, of one width or of several, together say of each image of a split; `keep_logits` of every class. They count by the
/// shares of `averaging`, or alike.
///
/// # Errors
/// When the data do not fit the networks, these have other numbers of classes or than there are shares, or there is none.
pub fn predict_ensemble(
    networks: &[(&Graph, &Weights)],
    data: &Split,
    normalisation: &Normalisation,
    device: &Device,
    (averaging, shares): (Averaging, Option<&[f64]>),
    keep_logits: bool,
) -> Result<Predictions, TrainingError> {
    if let Some(shares) = shares.filter(|shares| shares.len() != networks.len()) {
        return Err(impossible("coefficients", shares.len(), "one for each model", "leave them out to average alike"));
    }
    let classes = match networks {
        [] => return Err(impossible("models", 0, "at least 1", "give the models whose predictions are averaged")),
        [(first, _), others @ ..] => {
            let classes = first.architecture.classes;
            if let Some((other, _)) = others.iter().find(|(other, _)| other.architecture.classes != classes) {
                let hint = "networks that are averaged know the same classes";
                return Err(impossible("classes", other.architecture.classes, "those of the first network", hint));
            }
            classes
        }
    };
    let parts = over_batches(networks, data, normalisation, device, |logits, labels| {
        let mut predictions = Predictions::default();
        predictions.add(&average(&logits, classes, averaging, shares), labels, keep_logits);
        predictions
    })?;
    Ok(parts.into_iter().fold(Predictions::default(), Predictions::join))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> Predictions {
        let mut predictions = Predictions::default();
        // Softmax of (0, ln 3) is (1/4, 3/4).
        predictions.add(&[0.0, 3f32.ln(), 3f32.ln(), 0.0], &[1, 1], true);
        predictions
    }

    #[test]
    fn each_image_has_its_class_its_loss_and_its_confidence() {
        let predictions = predictions();
        assert_eq!((&predictions.labels, &predictions.predicted), (&vec![1, 1], &vec![1, 0]));
        assert!(predictions.confidences.iter().all(|confidence| (confidence - 0.75).abs() < 1e-6), "{predictions:?}");
        let evaluation = predictions.evaluation();
        assert!((evaluation.loss - ((4.0f64 / 3.0).ln() + 4f64.ln()) / 2.0).abs() < 1e-7, "{evaluation:?}");
        assert_eq!((evaluation.accuracy, evaluation.count), (0.5, 2));
        let probabilities: Vec<Vec<f64>> = predictions.probabilities().collect();
        let expected = [[0.25, 0.75], [0.75, 0.25]];
        assert!(probabilities.iter().flatten().zip(expected.iter().flatten()).all(|(found, wanted)| (found - wanted).abs() < 1e-7));
    }

    #[test]
    fn what_is_written_is_read_back_and_damage_is_told() {
        let bytes = predictions().to_bytes().unwrap();
        assert_eq!(Predictions::from_bytes(&bytes).unwrap(), predictions());
        for length in [0, 8, bytes.len() - 1] {
            assert!(Predictions::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
        let without = Predictions { logits: Vec::new(), ..predictions() };
        assert_eq!(Predictions::from_bytes(&without.to_bytes().unwrap()).unwrap(), without);
        assert!(without.to_bytes().unwrap().len() < bytes.len() && without.probabilities().next().is_none());
        let unequal = Predictions { labels: vec![1], predicted: vec![1], ..predictions() };
        assert!(unequal.to_bytes().is_err());
    }
}
