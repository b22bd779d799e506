//! Axes with ratios: of accuracies, equal steps for equal ratios of errors, so that .98 and .99 stay apart beside .1; of other values, for
//! equal ratios of themselves.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use super::picture::range;

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from 0.
    FromZero,
    /// Equal steps for equal ratios of errors.
    Accuracy,
    /// Equal steps for equal ratios.
    Ratios,
}

/// Errors below this are drawn as this.
const SMALLEST_ERROR: f64 = 1e-5;

/// Values below this, such as a loss of nothing, are drawn as this where ratios count.
const SMALLEST_VALUE: f64 = 1e-6;

/// Accuracies that may carry a label, those that orient best first.
const LABELS: [f64; 26] = [
    0.5, 0.9, 0.99, 0.999, 0.0, 0.8, 0.95, 0.98, 0.995, 0.998, 0.7, 0.6, 0.2, 0.4, 0.3, 0.1, 0.85, 0.97, 0.96, 0.985, 0.975, 0.992, 0.988,
    0.982, 0.94, 0.92,
];

/// Place of an accuracy on the axis: −log₁₀ of its error.
pub fn place(accuracy: f64) -> f64 {
    -(1.0 - accuracy).max(SMALLEST_ERROR).log10()
}

/// Place of a value on an axis of ratios: its log₁₀.
pub fn ratio(value: f64) -> f64 {
    value.max(SMALLEST_VALUE).log10()
}

/// The accuracy at a place, as a label.
pub fn label(place: f64) -> String {
    let text = format!("{:.3}", 1.0 - 10f64.powf(-place));
    text.strip_suffix('0').map(str::to_owned).unwrap_or(text)
}

/// An axis of places with its own labels.
pub struct Axis {
    ends: Range<f64>,
    labels: Vec<f64>,
}

impl Axis {
    /// An axis that shows all these accuracies, with labels well apart.
    pub fn showing(accuracies: impl Iterator<Item = f64>) -> Axis {
        let ends = range(accuracies.map(place));
        let gap = 0.09 * (ends.end - ends.start);
        let mut labels: Vec<f64> = Vec::new();
        for candidate in LABELS.map(place) {
            if ends.contains(&candidate) && labels.iter().all(|label| (label - candidate).abs() >= gap) {
                labels.push(candidate);
            }
        }
        if labels.len() < 2 {
            labels = (0..=4).map(|part| ends.start + (ends.end - ends.start) * f64::from(part) / 4.0).collect();
        }
        labels.sort_by(f64::total_cmp);
        Axis { ends, labels }
    }

    /// An axis with these ends and labels, places as they are.
    pub fn with(ends: Range<f64>, labels: Vec<f64>) -> Axis {
        Axis { ends, labels }
    }

    /// An axis of the places of ratios, with labels at 1, 2 and 5 of each power of ten, or at round values where it spans little.
    pub fn of_ratios(values: impl Iterator<Item = f64>) -> Axis {
        let ends = range(values.map(ratio));
        let powers = ends.start.floor() as i32..=ends.end.ceil() as i32;
        let inside = |steps: &[f64]| -> Vec<f64> {
            let all = powers.clone().flat_map(|power| steps.iter().map(move |step| step.log10() + f64::from(power)));
            all.filter(|place| ends.contains(place)).collect()
        };
        let candidates = [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]].map(inside);
        let labels = candidates.into_iter().find(|labels| labels.len() >= 4);
        let labels = labels.unwrap_or_else(|| round_values(&ends));
        Axis { ends, labels }
    }
}

/// Places of round values, at least four of them, on an axis of ratios that spans less than a power of ten.
fn round_values(ends: &Range<f64>) -> Vec<f64> {
    let (low, high) = (10f64.powf(ends.start), 10f64.powf(ends.end));
    let finest = 10f64.powf((high - low).log10().floor() - 1.0);
    let multiples = |step: f64| -> Vec<f64> {
        let steps = (low / step).ceil() as i64..=(high / step).floor() as i64;
        steps.map(|count| (count as f64 * step).log10().clamp(ends.start, ends.end)).collect()
    };
    let candidates = [20.0, 10.0, 5.0, 2.0, 1.0].map(|times| multiples(times * finest));
    candidates.into_iter().find(|labels| labels.len() >= 4).unwrap_or_else(|| vec![ends.start, ends.end])
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.ends.start) / (self.ends.end - self.ends.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, _hint: H) -> Vec<f64> {
        self.labels.clone()
    }

    fn range(&self) -> Range<f64> {
        self.ends.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lie_inside_the_axis_and_apart_for_wide_narrow_and_single_ranges() {
        for accuracies in [vec![0.1, 0.985], vec![0.981, 0.984], vec![1.0], vec![0.0], vec![0.5, 0.5], vec![f64::NAN]] {
            let Axis { ends, labels } = Axis::showing(accuracies.iter().copied());
            assert!(ends.start < ends.end && labels.len() >= 2, "{accuracies:?}");
            assert!(labels.windows(2).all(|pair| pair[1] - pair[0] >= 0.08 * (ends.end - ends.start)), "{accuracies:?}: {labels:?}");
        }
    }

    #[test]
    fn ratios_have_labels_inside_whether_they_span_powers_of_ten_or_little() {
        for values in [vec![0.08, 2.5], vec![0.1, 800.0], vec![1.15, 1.25], vec![3.0], vec![0.0, 1.0]] {
            let Axis { ends, labels } = Axis::of_ratios(values.iter().copied());
            assert!(labels.len() >= 4 && labels.len() <= 9, "{values:?}: {labels:?}");
            assert!(labels.iter().all(|label| (ends.start..=ends.end).contains(label)), "{values:?}");
            assert!(values.iter().all(|value| ends.contains(&ratio(*value))), "{values:?}");
        }
    }

    #[test]
    fn ratios_that_span_little_have_labels_at_round_values() {
        let Axis { labels, .. } = Axis::of_ratios([1.1, 3.6].into_iter());
        let values: Vec<f64> = labels.iter().map(|place| (10f64.powf(*place) * 1e6).round() / 1e6).collect();
        assert_eq!(values, [1.5, 2.0, 2.5, 3.0, 3.5]);
    }

    #[test]
    fn a_label_reads_as_its_accuracy() {
        assert_eq!([0.5, 0.98, 0.995, 0.0].map(|accuracy| label(place(accuracy))), ["0.50", "0.98", "0.995", "0.00"]);
    }
}
