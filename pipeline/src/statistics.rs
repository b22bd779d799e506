//! Statistics over replicates.

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
        let mean = values.iter().sum::<f64>() / count as f64;
        if count == 1 {
            return Some(Summary { count, mean, deviation: None, interval: None });
        }
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
        let deviation = variance.sqrt();
        let half = student_quantile_975(count - 1) * deviation / (count as f64).sqrt();
        Some(Summary { count, mean, deviation: Some(deviation), interval: Some((mean - half, mean + half)) })
    }
}

/// The 0.975 quantile of Student's t with `freedom` degrees of freedom, from the distribution function by bisection.
fn student_quantile_975(freedom: usize) -> f64 {
    // P(|T| <= t) in closed form for whole degrees of freedom. Source: Abramowitz and Stegun, 26.7.3 and 26.7.4.
    let central = |t: f64| {
        let angle = (t / (freedom as f64).sqrt()).atan();
        let (sine, cosine) = angle.sin_cos();
        let odd = freedom % 2 == 1;
        let (mut term, mut sum) = if odd { (cosine, cosine) } else { (1.0, 1.0) };
        let mut index = if odd { 3 } else { 2 };
        while index <= freedom.saturating_sub(2) {
            term *= cosine * cosine * (index - 1) as f64 / index as f64;
            sum += term;
            index += 2;
        }
        match (odd, freedom) {
            (true, 1) => angle * std::f64::consts::FRAC_2_PI,
            (true, _) => (angle + sine * sum) * std::f64::consts::FRAC_2_PI,
            (false, _) => sine * sum,
        }
    };
    let (mut low, mut high) = (0.0, 20.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if central(middle) < 0.95 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_the_printed_tables() {
        for (freedom, expected) in [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (30, 2.042), (120, 1.980)] {
            assert!((student_quantile_975(freedom) - expected).abs() < 6e-4, "{freedom}: {}", student_quantile_975(freedom));
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
    fn one_value_has_no_spread_and_none_has_no_summary() {
        let one = Summary::of(&[5.0]).unwrap();
        assert_eq!((one.mean, one.deviation, one.interval), (5.0, None, None));
        assert_eq!(Summary::of(&[]), None);
    }
}
