//! Probabilities in bins of equal width, and the expected calibration error over them.

use onebasin_training::Predictions;

/// The probabilities that lie in one bin: open below, closed above, the first at 0 too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// How many there are.
    pub count: usize,
    sum: f64,
    right: usize,
}

impl Bin {
    /// Their mean.
    pub fn probability(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The share of them that is of the right class.
    pub fn frequency(&self) -> Option<f64> {
        (self.count > 0).then(|| self.right as f64 / self.count as f64)
    }
}

fn add(bins: &mut [Bin], probability: f64, right: bool) {
    let place = ((probability * bins.len() as f64).ceil() as usize).saturating_sub(1).min(bins.len() - 1);
    let bin = &mut bins[place];
    bin.count += 1;
    bin.sum += probability;
    bin.right += usize::from(right);
}

/// The mean distance of frequency from probability, bins weighted by their counts.
fn error(bins: &[Bin]) -> f64 {
    let count: usize = bins.iter().map(|bin| bin.count).sum();
    bins.iter().map(|bin| (bin.right as f64 - bin.sum).abs()).sum::<f64>() / count.max(1) as f64
}

/// The bins of the class that each image is given, and their error.
pub fn top_label(predictions: &Predictions, count: usize) -> (Vec<Bin>, f64) {
    let mut bins = vec![Bin::default(); count];
    for (image, &confidence) in predictions.confidences.iter().enumerate() {
        add(&mut bins, f64::from(confidence), predictions.is_right(image));
    }
    let error = error(&bins);
    (bins, error)
}

/// The bins of the probabilities of all classes together, and the mean over classes of the error of each one's own bins.
pub fn class_wise(predictions: &Predictions, count: usize) -> (Vec<Bin>, f64) {
    let mut pooled = vec![Bin::default(); count];
    let mut of_classes: Vec<Vec<Bin>> = Vec::new();
    for (probabilities, &label) in predictions.probabilities().zip(&predictions.labels) {
        of_classes.resize(probabilities.len(), vec![Bin::default(); count]);
        for (class, (probability, bins)) in probabilities.into_iter().zip(&mut of_classes).enumerate() {
            add(&mut pooled, probability, class == usize::from(label));
            add(bins, probability, class == usize::from(label));
        }
    }
    let error = of_classes.iter().map(|bins| error(bins)).sum::<f64>() / of_classes.len().max(1) as f64;
    (pooled, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four images of two classes: probabilities of class 0 are .88, .88, .62 and .18.
    fn predictions() -> Predictions {
        let sure = [0.88, 0.88, 0.62, 0.18f32];
        Predictions {
            labels: vec![0, 1, 0, 1],
            predicted: vec![0, 0, 0, 1],
            losses: vec![0.0; 4],
            confidences: vec![0.88, 0.88, 0.62, 0.82],
            logits: sure.iter().flat_map(|&share| [share.ln(), (1.0 - share).ln()]).collect(),
        }
    }

    #[test]
    fn the_errors_are_those_worked_by_hand() {
        let (bins, error) = top_label(&predictions(), 2);
        assert_eq!((bins[0], bins[1].count, bins[1].frequency()), (Bin::default(), 4, Some(0.75)));
        assert!((bins[1].probability().unwrap() - 0.8).abs() < 1e-6 && (error - 0.05).abs() < 1e-6, "{bins:?}");

        // In twentieths: .88 twice, one right, .76 off; .62, right, .38 off; .82, right, .18 off.
        let (_, error) = top_label(&predictions(), 20);
        assert!((error - (0.76 + 0.38 + 0.18) / 4.0).abs() < 1e-6, "{error}");

        // Class 0 in halves: .18, not it, and .88, .88, .62 with two of it, .38 off; class 1: .12, .12, .38 with one of it, .38 off, and .82.
        let (bins, error) = class_wise(&predictions(), 2);
        assert!((error - 0.5 * ((0.18 + 0.38) / 4.0 + (0.38 + 0.18) / 4.0)).abs() < 1e-6, "{error}");
        assert_eq!((bins[0].count, bins[1].count), (4, 4));
        assert_eq!((bins[0].frequency(), bins[1].frequency()), (Some(0.25), Some(0.75)));
    }

    #[test]
    fn a_probability_on_an_edge_lies_below_it_and_none_is_lost() {
        let mut bins = vec![Bin::default(); 4];
        for probability in [0.0, 0.25, 0.250001, 0.5, 1.0, 1.0 + 1e-12] {
            add(&mut bins, probability, true);
        }
        assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [2, 2, 0, 2]);
    }

    #[test]
    fn probabilities_that_come_true_have_no_error() {
        let predictions = Predictions {
            labels: vec![0, 1],
            predicted: vec![0, 0],
            losses: vec![0.0; 2],
            confidences: vec![0.5; 2],
            logits: vec![0.0; 4],
        };
        assert_eq!((top_label(&predictions, 5).1, class_wise(&predictions, 5).1), (0.0, 0.0));
    }
}
