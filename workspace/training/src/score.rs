/// Mean cross-entropy in nats and share of right answers over a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images whose greatest logit is that of their label, in [0, 1].
    pub accuracy: f64,
    /// Number of images.
    pub count: usize,
}

/// Sums over images, in `f64`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    loss: f64,
    right: usize,
    count: usize,
}

impl Tally {
    /// Adds rows of logits, or of anything that differs from them by a constant in each row; `logits` `[n, classes]` row-major.
    pub(crate) fn add(&mut self, logits: &[f32], labels: &[u8]) {
        let classes = logits.len() / labels.len().max(1);
        for (row, &label) in logits.chunks_exact(classes.max(1)).zip(labels) {
            let label = usize::from(label);
            self.loss += log_normaliser(row) - f64::from(row[label]);
            self.right += usize::from(greatest(row) == label);
            self.count += 1;
        }
    }

    pub(crate) fn join(mut self, other: Tally) -> Tally {
        self.loss += other.loss;
        self.right += other.right;
        self.count += other.count;
        self
    }

    pub(crate) fn evaluation(self) -> Evaluation {
        let count = self.count as f64;
        Evaluation { loss: self.loss / count, accuracy: self.right as f64 / count, count: self.count }
    }
}

/// `log Σ exp(row)`, without overflow.
pub(crate) fn log_normaliser(row: &[f32]) -> f64 {
    let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - f64::from(greatest)).exp()).sum();
    f64::from(greatest) + sum.ln()
}

/// The place of the greatest value; the first of equals.
pub(crate) fn greatest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, place| if row[place] > row[best] { place } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_accuracy_are_those_worked_by_hand() {
        let mut tally = Tally::default();
        // Softmax of (0, ln 3) is (1/4, 3/4).
        tally.add(&[0.0, 3f32.ln(), 3f32.ln(), 0.0], &[1, 1]);
        let evaluation = tally.evaluation();
        assert!((evaluation.loss - ((4.0f64 / 3.0).ln() + 4f64.ln()) / 2.0).abs() < 1e-7, "{evaluation:?}");
        assert_eq!((evaluation.accuracy, evaluation.count), (0.5, 2));
    }

    #[test]
    fn large_logits_do_not_overflow_and_a_missing_number_is_not_hidden() {
        assert!((log_normaliser(&[1e30, 0.0]) - f64::from(1e30f32)).abs() < 1.0);
        assert!(log_normaliser(&[f32::NAN, 0.0]).is_nan());
    }

    #[test]
    fn of_equal_logits_the_first_counts() {
        assert_eq!(greatest(&[1.0, 2.0, 2.0]), 1);
    }
}
