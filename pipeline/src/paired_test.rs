//! Tests of a difference between two models that saw the same images, or between two methods on the same networks.

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF};

use crate::statistics::{Summary, student};

/// Differences whose adjusted p is below this are told apart.
pub const LEVEL: f64 = 0.05;

/// A paired difference: the first less the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Its mean.
    pub mean: f64,
    /// Ends of its 95 % interval, for this one difference alone; `None` where equal differences tell no spread.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p, for this one difference alone.
    pub p: f64,
}

/// McNemar's exact test on images of which `only_first` are right in the first model alone and `only_second` in the second alone. The mean
/// is the difference of accuracies.
///
/// p is that of a fair coin over the images on which the models differ (McNemar 1947; exact by the binomial distribution). The interval is
/// that of Agresti and Min (2005), which adds half an image to each kind.
pub fn mcnemar(only_first: u64, only_second: u64, images: u64) -> Difference {
    let count = images as f64;
    let (first, second) = (only_first as f64, only_second as f64);
    let p = match only_first + only_second {
        0 => 1.0,
        differing => {
            let coin = Binomial::new(0.5, differing).expect("a probability");
            least((2.0 * coin.cdf(only_first.min(only_second))).min(1.0))
        }
    };
    let padded = count + 2.0;
    let centre = (first - second) / padded;
    let spread = ((first + second + 1.0) - (first - second).powi(2) / padded).max(0.0).sqrt() / padded;
    let half = NORMAL_975 * spread;
    Difference { mean: (first - second) / count, interval: Some(((centre - half).max(-1.0), (centre + half).min(1.0))), p }
}

/// A spread below this share of the differences is that of their rounding.
const ROUNDING: f64 = 1e-9;

/// No p is 0: what is smaller than any number is the smallest one.
fn least(p: f64) -> f64 {
    p.max(f64::MIN_POSITIVE)
}

/// The 0.975 quantile of the standard normal distribution.
const NORMAL_975: f64 = 1.959_963_984_540_054;

/// Student's paired t test of these differences, one for each image or replicate. `None` for fewer than two, or where one is not finite.
///
/// Differences that are all equal have no spread to judge by: p is 1, and there is no interval but where all are 0.
pub fn paired_t(differences: &[f64]) -> Option<Difference> {
    if differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let Summary { count, mean, deviation, interval } = Summary::of(differences)?;
    let error = deviation? / (count as f64).sqrt();
    // Differences of shares that are equal differ by their rounding still.
    let largest = differences.iter().fold(0.0f64, |largest, difference| largest.max(difference.abs()));
    let has_spread = error > ROUNDING * largest;
    let p = if has_spread { least(2.0 * student(count)?.sf((mean / error).abs())) } else { 1.0 };
    Some(Difference { mean, interval: interval.filter(|_| has_spread || largest == 0.0), p })
}

/// Holm's (1979) adjustment: where those below a level are called differences, the chance that any of them is none stays below the level,
/// however the tests depend on each other.
pub fn holm(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|&one, &other| ps[one].total_cmp(&ps[other]));
    let mut adjusted = vec![0.0; ps.len()];
    let mut least: f64 = 0.0;
    for (place, &index) in order.iter().enumerate() {
        least = least.max((ps[index] * (ps.len() - place) as f64).min(1.0));
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    #[test]
    fn mcnemar_is_a_fair_coin_over_the_images_that_differ() {
        // 2 (1 + 12 + 66) of the 4096 outcomes of twelve coins are as uneven.
        let found = mcnemar(10, 2, 100);
        assert!(is_near(found.p, 158.0 / 4096.0) && is_near(found.mean, 0.08), "{found:?}");
        assert!(is_near(mcnemar(2, 10, 100).p, found.p));
        assert_eq!(mcnemar(5, 5, 100).p, 1.0);
        assert!(mcnemar(9000, 0, 10_000).p > 0.0);
    }

    #[test]
    fn one_image_of_two_thousand_is_no_difference_and_two_hundred_are_one() {
        let close = mcnemar(37, 36, 2000);
        assert!(close.p > 0.99 && close.interval.is_some_and(|(low, high)| low < 0.0 && high > 0.0), "{close:?}");
        let far = mcnemar(300, 100, 2000);
        assert!(far.p < 1e-20 && far.interval.is_some_and(|(low, high)| low > 0.08 && high < 0.12), "{far:?}");
    }

    #[test]
    fn models_that_agree_on_every_image_are_not_told_apart() {
        let same = mcnemar(0, 0, 50);
        assert_eq!((same.mean, same.p), (0.0, 1.0));
        assert!(same.interval.is_some_and(|(low, high)| low < 0.0 && high > 0.0));
    }

    #[test]
    fn paired_t_of_three_replicates_by_hand() {
        // t = 2 √3 with two degrees of freedom: p = 1 − t / √(t² + 2).
        let found = paired_t(&[1.0, 2.0, 3.0]).unwrap();
        let t = 2.0 * 3f64.sqrt();
        assert!(is_near(found.p, 1.0 - t / (t * t + 2.0).sqrt()) && is_near(found.mean, 2.0), "{found:?}");
        assert_eq!(paired_t(&[0.01, 0.01]), Some(Difference { mean: 0.01, interval: None, p: 1.0 }), "an interval would leave out 0");
        assert_eq!(paired_t(&[0.0, 0.0]), Some(Difference { mean: 0.0, interval: Some((0.0, 0.0)), p: 1.0 }));
        // Equal as shares of 5000 images, unequal in the last digit.
        assert_eq!(paired_t(&[0.8736 - 0.8802, 0.8622 - 0.8688]).unwrap().p, 1.0);
        assert!(paired_t(&[1.0]).is_none() && paired_t(&[1.0, f64::INFINITY]).is_none());
    }

    #[test]
    fn holm_multiplies_by_the_tests_that_are_left_and_never_falls() {
        let found = holm(&[0.01, 0.04, 0.03, 0.9]);
        for (found, expected) in found.into_iter().zip([0.04, 0.09, 0.09, 0.9]) {
            assert!(is_near(found, expected), "{found} for {expected}");
        }
        assert!(holm(&[]).is_empty());
    }
}
