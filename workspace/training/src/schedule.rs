use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::TrainingError;
use crate::error::impossible;

/// How the learning rate changes over a training: a pure function of the step, so that nothing need be stored to go on.
///
/// With time `t` in epochs (fractional, or whole when `per = "epoch"`), warm-up `W`, length `T` and peak rate `η`:
/// `t < W`: `warmup-from + (η - warmup-from) t / W`; then, with `s = t - W`,
/// constant `η`; steps `η` times `factor` for each milestone up to `t`; linear `η - (η - m) s / (T - W)`; plateau-linear `η` to `(T - W) / 2`, a line to `m` at `0.9 (T - W)`, then `m`; cosine `m + (η - m)(1 + cos(π s / (T - W))) / 2`; restarts the same with `s` counted from the last restart and the
/// period of that round (`period`, `period × multiplier`, ...) in place of `T - W`.
///
/// Source: Loshchilov and Hutter, SGDR, equation 5 (cosine, restarts); Goyal et al. 2017, section 2.2 (gradual warm-up); Garipov et al. 2018,
/// `dnn-mode-connectivity` (plateau-linear, `m = η / 100`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// The shape after the warm-up.
    #[serde(default)]
    pub kind: ScheduleKind,
    /// Whether the rate moves at each step (the default) or stays over an epoch.
    #[serde(default)]
    pub per: Per,
    /// Length of the linear warm-up in epochs; 0 by default. Not together with `warmup-steps`.
    #[serde(default)]
    pub warmup_epochs: f64,
    /// Length of the linear warm-up in steps; 0 by default.
    #[serde(default)]
    pub warmup_steps: usize,
    /// The rate the warm-up starts from.
    #[serde(default = "warmup_from")]
    pub warmup_from: f64,
    /// The rate the line or the cosine falls to; 0 by default.
    #[serde(default)]
    pub minimum: f64,
    /// Epochs of the first round of `cosine-restarts`; 10 by default.
    #[serde(default = "period")]
    pub period: f64,
    /// How much longer each round of `cosine-restarts` is than the one before; 1 by default.
    #[serde(default = "multiplier")]
    pub multiplier: f64,
    /// Epochs after which the rate of `steps` falls, rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<f64>,
    /// What the rate of `steps` is multiplied by at each milestone; 0.1 by default.
    #[serde(default = "factor", skip_serializing_if = "is_factor")]
    pub factor: f64,
}

/// The shape of a schedule after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// The peak rate throughout.
    #[default]
    Constant,
    /// A straight line from the peak to the minimum over the whole training.
    Linear,
    /// The peak for half of the training, a straight line to the minimum at nine tenths of it, then the minimum.
    PlateauLinear,
    /// Half a cosine from the peak to the minimum over the whole training.
    Cosine,
    /// Half a cosine again and again, back at the peak after each round.
    CosineRestarts,
    /// The peak, times a factor after each milestone.
    Steps,
}

/// How often the rate moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// At each step.
    #[default]
    Step,
    /// At the start of each epoch.
    Epoch,
}

/// The length of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Steps of one epoch.
    pub steps_per_epoch: usize,
    /// Steps of the whole training.
    pub steps: usize,
}

fn warmup_from() -> f64 {
    1e-6
}

fn period() -> f64 {
    10.0
}

fn multiplier() -> f64 {
    1.0
}

fn factor() -> f64 {
    0.1
}

/// Defaults are not written: trainings made before the key was there keep their names.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_factor(value: &f64) -> bool {
    *value == factor()
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule {
            kind: ScheduleKind::default(),
            per: Per::default(),
            warmup_epochs: 0.0,
            warmup_steps: 0,
            warmup_from: warmup_from(),
            minimum: 0.0,
            period: period(),
            multiplier: multiplier(),
            milestones: Vec::new(),
            factor: factor(),
        }
    }
}

impl Schedule {
    /// The learning rate of `step` (from 0), whose greatest value is `peak`.
    pub fn rate(&self, peak: f64, step: usize, span: Span) -> f64 {
        let steps_per_epoch = span.steps_per_epoch as f64;
        let time = match self.per {
            Per::Step => step as f64 / steps_per_epoch,
            Per::Epoch => (step / span.steps_per_epoch) as f64,
        };
        let length = match self.per {
            Per::Step => span.steps as f64 / steps_per_epoch,
            Per::Epoch => span.steps.div_ceil(span.steps_per_epoch) as f64,
        };
        let warmup = self.warmup_epochs.max(self.warmup_steps as f64 / steps_per_epoch);
        if time < warmup {
            return self.warmup_from + (peak - self.warmup_from) * time / warmup;
        }
        let share = match self.kind {
            ScheduleKind::Constant => return peak,
            ScheduleKind::Steps => {
                let passed = self.milestones.iter().filter(|&&milestone| milestone <= time).count();
                return peak * self.factor.powi(passed as i32);
            }
            ScheduleKind::Linear => return peak - (peak - self.minimum) * (time - warmup) / (length - warmup),
            ScheduleKind::PlateauLinear => {
                let fallen = (((time - warmup) / (length - warmup) - 0.5) / 0.4).clamp(0.0, 1.0);
                return peak - (peak - self.minimum) * fallen;
            }
            ScheduleKind::Cosine => (time - warmup) / (length - warmup),
            ScheduleKind::CosineRestarts => {
                // No round is shorter than a step, so there are at most as many as steps.
                let (mut into, mut round) = (time - warmup, self.period.max(1.0 / steps_per_epoch));
                if self.multiplier == 1.0 {
                    into %= round;
                }
                while into >= round {
                    into -= round;
                    round *= self.multiplier;
                }
                into / round
            }
        };
        self.minimum + (peak - self.minimum) * 0.5 * (1.0 + (PI * share).cos())
    }

    /// Whether a round of `cosine-restarts` takes at least one step.
    pub(crate) fn check_rounds(&self, steps_per_epoch: usize) -> Result<(), TrainingError> {
        if self.kind == ScheduleKind::CosineRestarts && self.period * (steps_per_epoch as f64) < 1.0 {
            let hint = "10 epochs is usual; a step is one epoch's share of a batch";
            return Err(impossible("schedule.period", format_args!("{:?}", self.period), "at least one step", hint));
        }
        Ok(())
    }

    pub(crate) fn check(&self, peak: f64) -> Result<(), TrainingError> {
        let not_negative = "a number, at least 0";
        if !(self.warmup_epochs.is_finite() && self.warmup_epochs >= 0.0) {
            return Err(impossible("schedule.warmup-epochs", self.warmup_epochs, not_negative, "leave it out for no warm-up"));
        }
        if self.warmup_epochs > 0.0 && self.warmup_steps > 0 {
            return Err(impossible("schedule.warmup-steps", self.warmup_steps, "nothing beside `warmup-epochs`", "keep one of the two"));
        }
        if !(self.warmup_from.is_finite() && self.warmup_from >= 0.0) {
            return Err(impossible(
                "schedule.warmup-from",
                self.warmup_from,
                not_negative,
                "it is a rate, as in `1e-6`, not a share of the peak",
            ));
        }
        if !(self.minimum >= 0.0 && self.minimum <= peak) {
            return Err(impossible("schedule.minimum", self.minimum, "a rate from 0 to the learning rate", "leave it out to fall to 0"));
        }
        if !(self.period.is_finite() && self.period > 0.0) {
            return Err(impossible("schedule.period", self.period, "a number of epochs above 0", "10 epochs is usual"));
        }
        if !(self.multiplier.is_finite() && self.multiplier >= 1.0) {
            return Err(impossible("schedule.multiplier", self.multiplier, "a number, at least 1", "1 keeps all rounds equally long"));
        }
        let rises = self.milestones.iter().all(|milestone| milestone.is_finite() && *milestone > 0.0)
            && self.milestones.windows(2).all(|two| two[0] < two[1]);
        let steps = self.kind == ScheduleKind::Steps;
        if !rises || steps == self.milestones.is_empty() {
            let hint = "`kind = \"steps\", milestones = [150, 250]` lowers the rate twice; leave them out for other kinds";
            return Err(impossible(
                "schedule.milestones",
                format_args!("{:?}", self.milestones),
                "rising epochs above 0 for `steps` alone",
                hint,
            ));
        }
        if !(self.factor.is_finite() && self.factor > 0.0) || (!steps && self.factor != factor()) {
            return Err(impossible("schedule.factor", self.factor, "a number above 0, for `steps` alone", "0.1 is usual"));
        }
        let defaults = Schedule::default();
        let restarts = self.kind == ScheduleKind::CosineRestarts;
        if !restarts && (self.period != defaults.period || self.multiplier != defaults.multiplier) {
            let (key, value) =
                if self.period != defaults.period { ("schedule.period", self.period) } else { ("schedule.multiplier", self.multiplier) };
            return Err(impossible(
                key,
                value,
                "nothing: only `cosine-restarts` has rounds",
                "set `kind = \"cosine-restarts\"`, or leave the key out",
            ));
        }
        if (self.kind == ScheduleKind::Constant || steps) && self.minimum != 0.0 {
            return Err(impossible(
                "schedule.minimum",
                self.minimum,
                "nothing: a constant rate falls nowhere, and one in steps by its factor",
                "set `kind = \"linear\"` or `\"cosine\"`, or leave it out",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { steps_per_epoch: 10, steps: 100 };

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} and {right}");
    }

    #[test]
    fn the_default_is_constant_without_warm_up() {
        for step in [0, 5, 99] {
            near(Schedule::default().rate(0.1, step, SPAN), 0.1);
        }
    }

    #[test]
    fn a_cosine_starts_at_the_peak_and_is_half_way_in_the_middle() {
        let schedule = Schedule { kind: ScheduleKind::Cosine, minimum: 0.02, ..Schedule::default() };
        near(schedule.rate(0.1, 0, SPAN), 0.1);
        near(schedule.rate(0.1, 50, SPAN), 0.06);
        near(schedule.rate(0.1, 25, SPAN), 0.02 + 0.04 * (1.0 + (PI / 4.0).cos()));
        near(schedule.rate(0.1, 100, SPAN), 0.02);
    }

    #[test]
    fn a_warm_up_rises_linearly_and_the_cosine_fills_the_rest() {
        let schedule = Schedule { kind: ScheduleKind::Cosine, warmup_epochs: 2.0, warmup_from: 0.02, ..Schedule::default() };
        near(schedule.rate(0.1, 0, SPAN), 0.02);
        near(schedule.rate(0.1, 10, SPAN), 0.06);
        near(schedule.rate(0.1, 20, SPAN), 0.1);
        near(schedule.rate(0.1, 60, SPAN), 0.05);
        let in_steps = Schedule { warmup_epochs: 0.0, warmup_steps: 20, ..schedule.clone() };
        near(in_steps.rate(0.1, 7, SPAN), schedule.rate(0.1, 7, SPAN));
    }

    #[test]
    fn a_triangle_rises_and_falls_in_straight_lines() {
        let schedule = Schedule { kind: ScheduleKind::Linear, warmup_epochs: 2.0, warmup_from: 0.0, minimum: 0.02, ..Schedule::default() };
        for (step, rate) in [(0, 0.0), (5, 0.025), (20, 0.1), (60, 0.06), (99, 0.021), (100, 0.02)] {
            near(schedule.rate(0.1, step, SPAN), rate);
        }
    }

    #[test]
    fn restarts_return_to_the_peak_after_rounds_that_grow() {
        // Rounds of 1, 2 and 4 epochs: restarts at steps 10, 30 and 70.
        let schedule = Schedule { kind: ScheduleKind::CosineRestarts, period: 1.0, multiplier: 2.0, ..Schedule::default() };
        for step in [0, 10, 30, 70] {
            near(schedule.rate(1.0, step, SPAN), 1.0);
        }
        for step in [5, 20, 50] {
            near(schedule.rate(1.0, step, SPAN), 0.5);
        }
        near(schedule.rate(1.0, 9, SPAN), 0.5 * (1.0 + (PI * 0.9).cos()));
    }

    #[test]
    fn a_period_below_a_step_is_refused_and_never_hangs() {
        for (period, multiplier) in [(1e-300, 1.0), (1e-300, 1.0 + 1e-12), (1e-12, 1.0), (5e-324, 2.0)] {
            let schedule = Schedule { kind: ScheduleKind::CosineRestarts, period, multiplier, ..Schedule::default() };
            assert!(schedule.check(0.1).is_ok());
            let message = schedule.check_rounds(10).unwrap_err().to_string();
            assert!(message.starts_with("`schedule.period` is `") && message.len() < 200, "{message}");
            assert!(schedule.rate(0.1, 99, SPAN).is_finite());
        }
        // A round of one step, and a great many of them.
        let schedule = Schedule { kind: ScheduleKind::CosineRestarts, period: 0.125, ..Schedule::default() };
        schedule.check_rounds(8).unwrap();
        near(schedule.rate(0.1, 1_000_000_000, Span { steps_per_epoch: 8, steps: usize::MAX }), 0.1);
    }

    #[test]
    fn a_plateau_ends_at_half_and_its_line_at_nine_tenths() {
        let schedule = Schedule { kind: ScheduleKind::PlateauLinear, per: Per::Epoch, minimum: 0.0007, ..Schedule::default() };
        let rates = [0.07, 0.07, 0.07, 0.07, 0.07, 0.07, 0.052_675, 0.035_35, 0.018_025, 0.0007];
        for (epoch, rate) in rates.into_iter().enumerate() {
            near(schedule.rate(0.07, 10 * epoch, SPAN), rate);
            near(schedule.rate(0.07, 10 * epoch + 9, SPAN), rate);
        }
    }

    #[test]
    fn a_rate_per_epoch_stays_over_the_epoch() {
        let schedule = Schedule { kind: ScheduleKind::Cosine, per: Per::Epoch, ..Schedule::default() };
        near(schedule.rate(1.0, 50, SPAN), 0.5);
        near(schedule.rate(1.0, 59, SPAN), 0.5);
        near(schedule.rate(1.0, 60, SPAN), 0.5 * (1.0 + (PI * 0.6).cos()));
    }

    #[test]
    fn a_rate_in_steps_falls_at_its_milestones() {
        let schedule = Schedule { kind: ScheduleKind::Steps, milestones: vec![3.0, 7.5], factor: 0.5, ..Schedule::default() };
        for (step, rate) in [(0, 0.1), (29, 0.1), (30, 0.05), (74, 0.05), (75, 0.025), (99, 0.025)] {
            near(schedule.rate(0.1, step, SPAN), rate);
        }
        assert!(schedule.check(0.1).is_ok());
    }

    #[test]
    fn impossible_schedules_are_refused() {
        let wrong = [
            Schedule { kind: ScheduleKind::Steps, ..Schedule::default() },
            Schedule { kind: ScheduleKind::Steps, milestones: vec![3.0, 2.0], ..Schedule::default() },
            Schedule { kind: ScheduleKind::Steps, milestones: vec![3.0], factor: 0.0, ..Schedule::default() },
            Schedule { milestones: vec![3.0], ..Schedule::default() },
            Schedule { factor: 0.5, ..Schedule::default() },
            Schedule { warmup_epochs: -1.0, ..Schedule::default() },
            Schedule { warmup_epochs: 1.0, warmup_steps: 1, ..Schedule::default() },
            Schedule { warmup_from: f64::NAN, ..Schedule::default() },
            Schedule { kind: ScheduleKind::Cosine, minimum: 0.2, ..Schedule::default() },
            Schedule { kind: ScheduleKind::CosineRestarts, period: 0.0, ..Schedule::default() },
            Schedule { kind: ScheduleKind::CosineRestarts, multiplier: 0.5, ..Schedule::default() },
            Schedule { kind: ScheduleKind::Cosine, period: 5.0, ..Schedule::default() },
            Schedule { minimum: 0.01, ..Schedule::default() },
        ];
        for schedule in wrong {
            assert!(schedule.check(0.1).is_err(), "{schedule:?}");
        }
        assert!(Schedule::default().check(0.1).is_ok());
    }
}
