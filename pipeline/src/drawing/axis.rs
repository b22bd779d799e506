//! Axes: how values lie on them, which of them have a tick, and what the ticks are labelled.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::picture::{TEXT, range};
use super::ticks::{Tick, ticks};

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Even,
    /// Evenly, with 0 on the axis.
    FromZero,
    /// Evenly, within 0 and 1.
    Share,
    /// Accuracies: equal steps for equal ratios of errors where some are high, so that .98 and .99 stay apart beside .1; else evenly.
    Accuracy,
    /// Equal steps for equal ratios.
    Ratios,
    /// Equal steps for equal ratios where values, none of them negative, spread over orders of magnitude; else evenly, from 0.
    Excess,
}

/// Where a value lies on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Placement {
    Even,
    /// −log₁₀ of the error, which is at least this.
    Error(f64),
    /// log₁₀ of the value, which is at least this.
    Ratio(f64),
}

/// Ticks of an axis, at most.
const MOST: usize = 7;

/// Accuracies below this have no axis of errors: evenly spread, they can be told apart as well.
const HIGH_ACCURACY: f64 = 0.9;

/// The smallest error that has a place of its own.
const SMALLEST_ERROR: f64 = 1e-5;

/// Values that spread over more than this ratio are told apart on an axis of ratios alone.
const WIDE: f64 = 30.0;

/// Accuracies that may carry a label on an axis of errors, those that orient best first.
const ACCURACIES: [f64; 26] = [
    0.5, 0.9, 0.99, 0.999, 0.0, 0.8, 0.95, 0.98, 0.995, 0.998, 0.7, 0.6, 0.2, 0.4, 0.3, 0.1, 0.85, 0.97, 0.96, 0.985, 0.975, 0.992, 0.988,
    0.982, 0.94, 0.92,
];

/// An axis with its own ticks.
#[derive(Clone, Debug)]
pub struct Axis {
    ends: Range<f64>,
    ticks: Vec<(f64, String)>,
    placement: Placement,
}

impl Axis {
    /// An axis that shows all these values.
    pub fn showing(scale: Scale, values: impl IntoIterator<Item = f64>) -> Axis {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match scale {
            Scale::Even => Axis::between(range(values)),
            Scale::FromZero => {
                let zero = [0.0].into_iter().filter(|_| high != 0.0);
                Axis::between(range(values.into_iter().chain(zero)))
            }
            Scale::Share => Axis::share(&values),
            Scale::Accuracy => Axis::accuracy(&values),
            Scale::Ratios => Axis::ratios(&values),
            Scale::Excess => {
                let least = values.iter().copied().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
                if high > WIDE * least { Axis::ratios(&values) } else { Axis::showing(Scale::FromZero, values) }
            }
        }
    }

    /// An even axis with these ends.
    pub fn between(ends: Range<f64>) -> Axis {
        let ticks = ticks(ends.start, ends.end, MOST).into_iter().map(|Tick { value, label }| (value, label)).collect();
        Axis { ends, ticks, placement: Placement::Even }
    }

    /// An even axis of whole numbers from 0 on, or from the least on.
    pub fn counting(ends: Range<f64>) -> Axis {
        let whole = |axis: &Axis| axis.ticks.iter().all(|(value, _)| value.fract() == 0.0);
        let axis = (1..=MOST).rev().map(|most| {
            let ticks = ticks(ends.start, ends.end, most).into_iter().map(|Tick { value, label }| (value, label)).collect();
            Axis { ends: ends.clone(), ticks, placement: Placement::Even }
        });
        axis.into_iter().find(whole).unwrap_or_else(|| Axis::between(ends.clone()))
    }

    /// An axis with these ends and ticks, places as they are.
    pub fn with(ends: Range<f64>, ticks: Vec<(f64, String)>) -> Axis {
        Axis { ends, ticks, placement: Placement::Even }
    }

    fn share(values: &[f64]) -> Axis {
        let Range { start, end } = range(values.iter().copied());
        // What is no share, such as a whisker, is shown nonetheless.
        let within = |limit: f64, end: f64| if values.iter().all(|value| (0.0..=1.0).contains(value)) { limit } else { end };
        let (start, end) = (start.max(within(0.0, start)), end.min(within(1.0, end)));
        Axis::between(if start < end { start..end } else { 0.0..1.0 })
    }

    fn accuracy(values: &[f64]) -> Axis {
        let errors = || values.iter().map(|accuracy| 1.0 - accuracy);
        let least = errors().filter(|error| *error > SMALLEST_ERROR).fold(f64::INFINITY, f64::min);
        let is_high = values.iter().any(|accuracy| *accuracy > HIGH_ACCURACY);
        if !is_high || !least.is_finite() || values.iter().any(|accuracy| !(0.0..=1.0).contains(accuracy)) {
            return Axis::share(values);
        }
        // An accuracy of 1 lies as far from the best other one as half of its error would.
        let floor = if errors().any(|error| error < least) { (0.5 * least).max(SMALLEST_ERROR) } else { least };
        let placement = Placement::Error(floor);
        let ends = range(values.iter().map(|accuracy| placement.of(*accuracy)));
        let gap = 0.09 * (ends.end - ends.start);
        let mut ticks: Vec<(f64, String)> = Vec::new();
        let mut add = |accuracy: f64, label: String, apart: f64| {
            let place = placement.of(accuracy);
            if ends.contains(&place) && ticks.iter().all(|(other, _)| (other - place).abs() >= apart) {
                ticks.push((place, label));
            }
            ticks.len()
        };
        if floor < least {
            add(1.0, "1".to_owned(), gap);
        }
        let found = ACCURACIES.map(|accuracy| if accuracy < 1.0 - floor { add(accuracy, accuracy.to_string(), gap) } else { 0 });
        if found.last().is_none_or(|found| *found < 3) {
            let (low, high) = (placement.accuracy(ends.start).max(0.0), placement.accuracy(ends.end));
            self::ticks(low, high, MOST).into_iter().for_each(|Tick { value, label }| {
                if value < 1.0 - floor {
                    add(value, label, gap);
                }
            });
        }
        ticks.sort_by(|one, other| one.0.total_cmp(&other.0));
        Axis { ends, ticks, placement }
    }

    fn ratios(values: &[f64]) -> Axis {
        let positive = || values.iter().copied().filter(|value| *value > 0.0);
        let (least, most) = positive().fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)));
        if !least.is_finite() {
            return Axis::showing(Scale::FromZero, values.iter().copied());
        }
        // What has no logarithm lies a little below all that has one.
        let has_zero = values.iter().any(|value| *value <= 0.0);
        let floor = if has_zero { least / 10f64.powf((0.12 * (most / least).log10()).max(0.15)) } else { f64::MIN_POSITIVE };
        let placement = Placement::Ratio(floor);
        let ends = range([if has_zero { floor } else { least }, most].map(|value| placement.of(value)));
        let (low, high) = (10f64.powf(ends.start), 10f64.powf(ends.end));
        let from = if has_zero { least * (1.0 - 1e-9) } else { low };
        let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let inside = |steps: &[u32]| -> Vec<Tick> {
            let one = |power: i32, step: u32| -> Tick {
                let value = format!("{step}e{power}").parse().unwrap_or(f64::NAN);
                Tick { value, label: crate::number::significant(value, 1) }
            };
            let all = powers.clone().flat_map(|power| steps.iter().map(move |&step| one(power, step)));
            all.filter(|tick| (from..=high).contains(&tick.value)).collect()
        };
        let candidates = [&[1][..], &[1, 3], &[1, 2, 5], &[1, 2, 3, 4, 5, 7]].map(inside);
        let found = candidates.into_iter().find(|ticks| ticks.len() >= 4).unwrap_or_else(|| ticks(from, high, MOST));
        // Over many powers of ten, as many of them as have room.
        let every = found.len().div_ceil(MOST + 2).max(1);
        let mut ticks: Vec<(f64, String)> =
            found.into_iter().step_by(every).map(|Tick { value, label }| (placement.of(value), label)).collect();
        if has_zero {
            ticks.insert(0, (placement.of(0.0), "0".to_owned()));
        }
        Axis { ends, ticks, placement }
    }

    /// Where a value lies: what is to be drawn there.
    pub fn at(&self, value: f64) -> f64 {
        self.placement.of(value)
    }

    /// What the axis is called, which shows a metric: with how values lie on it, unless evenly.
    pub fn named(&self, metric: &str) -> String {
        match self.placement {
            Placement::Even => metric.to_owned(),
            Placement::Error(_) => format!("{metric} (logarithmic in the error)"),
            Placement::Ratio(_) => format!("{metric} (logarithmic)"),
        }
    }

    /// The place at its lower end.
    pub fn start(&self) -> f64 {
        self.ends.start
    }

    /// Room for the labels, and for a name beside them, of an upright axis: pixels.
    pub fn width(&self) -> u32 {
        let longest = self.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or_default();
        30 + TEXT + (10.2 * longest as f64) as u32
    }
}

impl Placement {
    fn of(self, value: f64) -> f64 {
        match self {
            Placement::Even => value,
            Placement::Error(least) => -(1.0 - value).max(least).log10(),
            Placement::Ratio(least) => value.max(least).log10(),
        }
    }

    fn accuracy(self, place: f64) -> f64 {
        1.0 - 10f64.powf(-place)
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == place).map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.ends.start) / (self.ends.end - self.ends.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, _hint: H) -> Vec<f64> {
        self.ticks.iter().map(|(place, _)| *place).collect()
    }

    fn range(&self) -> Range<f64> {
        self.ends.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn every_axis_shows_its_values_and_has_distinct_ticks_inside() {
        let ranges: [&[f64]; 12] = [
            &[0.1, 0.985],
            &[0.981, 0.984],
            &[0.999_1, 1.0],
            &[1.0],
            &[0.0],
            &[0.5, 0.5],
            &[f64::NAN],
            &[],
            &[6e10, 6.1e10],
            &[2.302_583, 2.302_588],
            &[5e-9, 0.3],
            &[0.0, 1e-4, 2.0],
        ];
        for values in ranges {
            for scale in [Scale::Even, Scale::FromZero, Scale::Share, Scale::Accuracy, Scale::Ratios, Scale::Excess] {
                let axis = Axis::showing(scale, values.iter().copied());
                assert!(axis.ends.start < axis.ends.end, "{scale:?} {values:?}");
                assert!(axis.ticks.len() >= 2 && axis.ticks.len() <= 10, "{scale:?} {values:?}: {:?}", axis.ticks);
                assert!(axis.ticks.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1), "{scale:?} {:?}", axis.ticks);
                let room = 1e-6 * (axis.ends.end - axis.ends.start);
                let inside = |place: f64| (axis.ends.start - room..=axis.ends.end + room).contains(&place);
                assert!(axis.ticks.iter().all(|(place, _)| inside(*place)), "{scale:?} {values:?}: {axis:?}");
                assert!(values.iter().filter(|value| value.is_finite()).all(|value| inside(axis.at(*value))), "{scale:?} {values:?}");
                assert!(axis.width() < 180, "{scale:?} {values:?}: {:?}", labels(&axis));
            }
        }
    }

    #[test]
    fn accuracies_are_logarithmic_where_some_are_high_and_the_name_says_so() {
        let high = Axis::showing(Scale::Accuracy, [0.1, 0.985]);
        assert_eq!(high.named("accuracy"), "accuracy (logarithmic in the error)");
        assert!(labels(&high).contains(&"0.5") && labels(&high).contains(&"0.9"), "{:?}", labels(&high));
        let low = Axis::showing(Scale::Accuracy, [0.1, 0.61]);
        assert_eq!(low.named("accuracy"), "accuracy");
        assert_eq!(labels(&low), ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6"]);
    }

    #[test]
    fn an_accuracy_of_one_is_labelled_one_and_none_lies_above() {
        for values in [vec![0.95, 0.999, 1.0], vec![1.0, 1.0], vec![0.2, 1.0], vec![0.998, 0.999]] {
            for scale in [Scale::Accuracy, Scale::Share] {
                let axis = Axis::showing(scale, values.iter().copied());
                let above = axis.ticks.iter().filter(|(_, label)| label.parse::<f64>().unwrap() > 1.0).count();
                assert_eq!(above, 0, "{values:?}: {:?}", labels(&axis));
            }
        }
        assert_eq!(labels(&Axis::showing(Scale::Accuracy, [0.95, 0.999, 1.0])).last(), Some(&"1"));
    }

    #[test]
    fn ratios_have_round_ticks_and_zero_lies_below_all_of_them() {
        assert_eq!(labels(&Axis::showing(Scale::Ratios, [0.08, 2.5])), ["0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!(labels(&Axis::showing(Scale::Ratios, [1.1, 3.6])), ["1.5", "2.0", "2.5", "3.0", "3.5"]);
        let wide = Axis::showing(Scale::Excess, [0.0, 2e-4, 1.1]);
        assert_eq!(labels(&wide), ["0", "0.001", "0.01", "0.1", "1"]);
        assert!(wide.at(0.0) < wide.at(2e-4) && wide.named("barrier") == "barrier (logarithmic)");
        assert_eq!(Axis::showing(Scale::Excess, [0.0, 0.9, 1.1]).named("barrier"), "barrier");
    }

    #[test]
    fn counts_have_whole_ticks() {
        for (end, expected) in
            [(2.0, vec!["0", "1", "2"]), (5.0, vec!["0", "1", "2", "3", "4", "5"]), (90.0, vec!["0", "20", "40", "60", "80"])]
        {
            assert_eq!(labels(&Axis::counting(-0.02 * end..1.02 * end)), expected);
        }
    }
}
