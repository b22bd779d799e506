//! The greatest value of a polynomial of degree 4 on [0, 1].

/// `c₁ α + c₂ α² + c₃ α³ + c₄ α⁴`: what a step of length `α` gains over none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartic {
    coefficients: [f64; 4],
}

impl Quartic {
    /// The gain of `Σ_k b_k α^k (1 − α)^(4−k)` over its value at 0, which is `b_0`.
    pub fn from_ends(b: [f64; 5]) -> Quartic {
        let [b0, b1, b2, b3, b4] = b;
        let coefficients = [b1 - 4.0 * b0, b2 - 3.0 * b1 + 6.0 * b0, b3 - 2.0 * b2 + 3.0 * b1 - 4.0 * b0, b4 - b3 + b2 - b1 + b0];
        Quartic { coefficients }
    }

    /// The value at `step`.
    pub fn gain(&self, step: f64) -> f64 {
        self.coefficients.iter().rev().fold(0.0, |value, coefficient| (value + coefficient) * step)
    }

    /// Where on [0, 1] the value is greatest, the smallest such place: ends and all critical points are compared, so no local
    /// optimum is mistaken for it.
    pub fn best_step(&self) -> f64 {
        let [c1, c2, c3, c4] = self.coefficients;
        let slope = |step: f64| c1 + step * (2.0 * c2 + step * (3.0 * c3 + step * 4.0 * c4));
        // Between the roots of its own derivative the slope is monotone, so each piece has one root at most.
        let mut knots = vec![0.0];
        knots.extend(quadratic_roots(12.0 * c4, 6.0 * c3, 2.0 * c2).into_iter().flatten().filter(|root| *root > 0.0 && *root < 1.0));
        knots.push(1.0);
        let mut candidates = vec![0.0];
        for piece in knots.windows(2) {
            // A maximum has a rising slope before it and a falling one behind.
            if slope(piece[0]) >= 0.0 && slope(piece[1]) <= 0.0 {
                candidates.push(bisect(piece[0], piece[1], slope));
            }
        }
        candidates.push(1.0);
        let mut best = (0.0, 0.0);
        for step in candidates {
            let gain = self.gain(step);
            if gain > best.1 {
                best = (step, gain);
            }
        }
        best.0
    }
}

/// The real roots of `a x² + b x + c`, ascending.
fn quadratic_roots(a: f64, b: f64, c: f64) -> [Option<f64>; 2] {
    let discriminant = b * b - 4.0 * a * c;
    if discriminant < 0.0 {
        return [None, None];
    }
    // The form that never subtracts nearly equal numbers; where `a` is 0, one quotient is infinite and filtered by the caller.
    let half = -0.5 * (b + discriminant.sqrt().copysign(b));
    let (one, other) = (half / a, c / half);
    let (one, other) = (one.is_finite().then_some(one), other.is_finite().then_some(other));
    if one.is_some_and(|one| other.is_none_or(|other| one <= other)) { [one, other] } else { [other, one] }
}

/// The root of a slope that falls from `low` to `high`, to the last bit.
fn bisect(mut low: f64, mut high: f64, slope: impl Fn(f64) -> f64) -> f64 {
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_parabola_has_its_top_where_its_slope_is_zero() {
        let parabola = Quartic { coefficients: [1.0, -1.0, 0.0, 0.0] };
        assert!((parabola.best_step() - 0.5).abs() < 1e-15);
        assert_eq!(Quartic { coefficients: [1.0, 0.0, 0.0, 0.0] }.best_step(), 1.0);
        assert_eq!(Quartic { coefficients: [-1.0, 0.5, 0.0, 0.0] }.best_step(), 0.0);
        assert_eq!(Quartic { coefficients: [0.0; 4] }.best_step(), 0.0);
    }

    #[test]
    fn the_form_by_ends_agrees_with_its_definition() {
        let b = [3.0, -1.0, 4.0, 1.5, -9.0];
        let quartic = Quartic::from_ends(b);
        for step in [0.0_f64, 0.1, 0.5, 0.9, 1.0] {
            let value: f64 = (0..5).map(|k| b[k as usize] * step.powi(k) * (1.0 - step).powi(4 - k)).sum();
            assert!((quartic.gain(step) - (value - b[0])).abs() < 1e-13);
        }
    }

    proptest! {
        #[test]
        fn no_place_on_a_fine_grid_is_better(coefficients in proptest::array::uniform4(-5.0..5.0_f64)) {
            let quartic = Quartic { coefficients };
            let best = quartic.best_step();
            prop_assert!((0.0..=1.0).contains(&best));
            let on_grid = (0..=2000).map(|place| quartic.gain(f64::from(place) / 2000.0)).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(quartic.gain(best) >= on_grid - 1e-12, "{} at {best} < {on_grid}", quartic.gain(best));
        }

        #[test]
        fn a_lower_degree_is_no_special_case(c1 in -5.0..5.0_f64, c2 in -5.0..5.0_f64, c3 in -5.0..5.0_f64, degree in 1_usize..4) {
            let mut coefficients = [c1, c2, c3, 0.0];
            coefficients[degree..].fill(0.0);
            let quartic = Quartic { coefficients };
            let on_grid = (0..=2000).map(|place| quartic.gain(f64::from(place) / 2000.0)).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(quartic.gain(quartic.best_step()) >= on_grid - 1e-12);
        }
    }
}
