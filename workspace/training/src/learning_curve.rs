use serde::{Deserialize, Serialize};

use crate::{Schedule, Span};

/// At most this many points of a learning curve.
const POINTS: usize = 200;

/// One point of a learning curve: the training since the point before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CurvePoint {
    /// Steps done.
    pub step: usize,
    /// Epochs done, with their fraction.
    pub epoch: f64,
    /// Mean loss of the steps since the last point, in nats. Each step's is that of its batch before the update.
    pub loss: f64,
    /// Learning rate of the last of them.
    pub rate: f64,
}

/// Gathers the losses of single steps into points of equally many steps each; the last may have fewer.
pub(crate) struct LearningCurve {
    pub(crate) points: Vec<CurvePoint>,
    /// Sum and number of the losses since the last point.
    pub(crate) pending: (f64, usize),
}

impl LearningCurve {
    pub(crate) fn new() -> LearningCurve {
        LearningCurve { points: Vec::new(), pending: (0.0, 0) }
    }

    /// Takes the loss of `step`, counted from 0; every step once, in order.
    pub(crate) fn push(&mut self, step: usize, loss: f64, span: Span, schedule: &Schedule, peak: f64) {
        self.pending = (self.pending.0 + loss, self.pending.1 + 1);
        let done = step + 1;
        if done.is_multiple_of(span.steps.div_ceil(POINTS)) || done == span.steps {
            let (sum, count) = std::mem::replace(&mut self.pending, (0.0, 0));
            let epoch = done as f64 / span.steps_per_epoch as f64;
            self.points.push(CurvePoint { step: done, epoch, loss: sum / count as f64, rate: schedule.rate(peak, step, span) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(steps: usize) -> Vec<CurvePoint> {
        let span = Span { steps_per_epoch: 4, steps };
        let mut curve = LearningCurve::new();
        (0..steps).for_each(|step| curve.push(step, step as f64, span, &Schedule::default(), 0.1));
        curve.points
    }

    #[test]
    fn a_short_training_has_a_point_for_each_step() {
        let point = |step: usize| CurvePoint { step, epoch: step as f64 / 4.0, loss: step as f64 - 1.0, rate: 0.1 };
        assert_eq!(curve(5), (1..=5).map(point).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_training_has_means_of_equally_many_steps_and_a_last_point_at_its_end() {
        let points = curve(1001);
        assert_eq!(points.len(), 167);
        assert_eq!((points[0].step, points[0].loss), (6, 2.5));
        assert_eq!((points[166].step, points[166].loss), (1001, 998.0));
    }
}
