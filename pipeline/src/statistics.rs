//! Statistics over replicates.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean, sample standard deviation and 95 % confidence interval of a few values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divided by count − 1); `None` for one value.
    pub deviation: Option<f64>,
    /// Ends of the 95 % interval of the mean by Student's t; `None` for one value.
    pub interval: Option<(f64, f64)>,
}

impl Summary {
    /// Summarises values; `None` when there is none.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        // The sum of equal values may round, and they would seem to spread.
        let are_equal = values.iter().all(|value| *value == values[0]);
        let mean = if are_equal { values[0] } else { values.iter().sum::<f64>() / count as f64 };
        let Some(student) = student(count) else { return Some(Summary { count, mean, deviation: None, interval: None }) };
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
        let deviation = variance.sqrt();
        let half = student.inverse_cdf(0.975) * deviation / (count as f64).sqrt();
        Some(Summary { count, mean, deviation: Some(deviation), interval: Some((mean - half, mean + half)) })
    }
}

/// Student's t for the mean of so many values; `None` for fewer than two, which have no spread.
pub fn student(count: usize) -> Option<StudentsT> {
    (count >= 2).then(|| StudentsT::new(0.0, 1.0, (count - 1) as f64).expect("a positive number of degrees of freedom"))
}

/// How often the means of two samples of one distribution, `count` values each, lie more than `apart` from each other, given the
/// standard deviations of both samples: two-sided, by Student's t with both variances pooled. `None` where nothing spreads.
pub fn apart_by_chance(apart: f64, deviations: [f64; 2], count: usize) -> Option<f64> {
    let error = ((deviations[0].powi(2) + deviations[1].powi(2)) / count as f64).sqrt();
    let student = student(2 * count.checked_sub(1)? + 1).filter(|_| error > 0.0)?;
    Some(2.0 * student.sf(apart / error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_do_not_spread() {
        let summary = Summary::of(&[0.19; 6]).unwrap();
        assert_eq!((summary.mean, summary.deviation, summary.interval), (0.19, Some(0.0), Some((0.19, 0.19))));
    }

    #[test]
    fn quantiles_agree_with_the_printed_tables() {
        for (freedom, expected) in [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (30, 2.042), (120, 1.980)] {
            let found = student(freedom + 1).unwrap().inverse_cdf(0.975);
            assert!((found - expected).abs() < 6e-4, "{freedom}: {found}");
        }
    }

    #[test]
    fn three_values_by_hand() {
        let summary = Summary::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((summary.count, summary.mean, summary.deviation), (3, 2.0, Some(1.0)));
        let (low, high) = summary.interval.unwrap();
        assert!((low - (2.0 - 4.302_653 / 3f64.sqrt())).abs() < 1e-5 && (low + high - 4.0).abs() < 1e-12);
    }

    #[test]
    fn two_means_lie_as_far_apart_by_chance_as_the_printed_tables_say() {
        // Five and five values: 8 degrees of freedom, 2.306 in the table at 5 %. Error of the difference: √(2/5).
        let found = apart_by_chance(2.306 * (2.0f64 / 5.0).sqrt(), [1.0, 1.0], 5).unwrap();
        assert!((found - 0.05).abs() < 1e-4, "{found}");
        assert_eq!(apart_by_chance(0.0, [0.5, 0.5], 3), Some(1.0));
        assert_eq!((apart_by_chance(1.0, [0.0, 0.0], 5), apart_by_chance(1.0, [1.0, 1.0], 1)), (None, None));
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_no_summary() {
        let one = Summary::of(&[5.0]).unwrap();
        assert_eq!((one.mean, one.deviation, one.interval), (5.0, None, None));
        assert_eq!(Summary::of(&[]), None);
    }
}
