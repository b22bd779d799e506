//! How alike two lists of weights are.

/// Sums over pairs of numbers, in `f64`, from which the cosine and the Euclidean distance of two lists follow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likeness {
    inner: f64,
    first: f64,
    second: f64,
    difference: f64,
}

impl Likeness {
    /// Of two lists of one length.
    pub fn of(first: &[f32], second: &[f32]) -> Likeness {
        debug_assert_eq!(first.len(), second.len(), "weights of one parameter");
        let mut sums = Likeness::default();
        for (&first, &second) in first.iter().zip(second) {
            let (first, second) = (f64::from(first), f64::from(second));
            sums.inner += first * second;
            sums.first += first * first;
            sums.second += second * second;
            sums.difference += (first - second) * (first - second);
        }
        sums
    }

    /// Of the lists that both make one after the other.
    #[must_use]
    pub fn and(self, next: Likeness) -> Likeness {
        Likeness {
            inner: self.inner + next.inner,
            first: self.first + next.first,
            second: self.second + next.second,
            difference: self.difference + next.difference,
        }
    }

    /// The cosine of the angle between the lists; none where a list is all zero.
    pub fn cosine(&self) -> Option<f64> {
        let norms = (self.first * self.second).sqrt();
        (norms > 0.0).then(|| self.inner / norms)
    }

    /// The Euclidean distance of the lists.
    pub fn distance(&self) -> f64 {
        self.difference.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_and_distance_are_those_worked_by_hand() {
        let whole = Likeness::of(&[3.0, 0.0, 4.0], &[4.0, 0.0, 3.0]);
        assert_eq!((whole.cosine(), whole.distance()), (Some(24.0 / 25.0), 2f64.sqrt()));
        let parts = Likeness::of(&[3.0], &[4.0]).and(Likeness::of(&[0.0, 4.0], &[0.0, 3.0]));
        assert_eq!(parts, whole);
    }

    #[test]
    fn nothing_has_no_angle_to_anything() {
        let likeness = Likeness::of(&[0.0, 0.0], &[1.0, 0.0]);
        assert_eq!((likeness.cosine(), likeness.distance()), (None, 1.0));
    }
}
