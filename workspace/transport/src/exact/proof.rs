//! Whether doubles prove a plan optimal.

/// A plan is proven when no other can cost less by more than this share of what it moves at what cost, `Σ mass · |C|`.
pub(crate) const PROVEN: f64 = 1e-12;

/// The most by which the potentials of any row seen break a constraint, rounding included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slack(f64);

impl Slack {
    pub const NONE: Slack = Slack(0.0);

    /// A row with this potential whose least `C - g` is, as a double, `least`. The order of differences survives their rounding, so that
    /// it is the rounded least, however large the others are.
    #[inline(always)]
    pub fn see(&mut self, least: f64, potential: f64) {
        let violation = (potential - least) + f64::EPSILON * least.abs();
        self.0 = if violation > self.0 { violation } else { self.0 };
    }
}

/// Whether duality proves a plan optimal: the potentials of all rows leave this slack, the masses sum to `total`, and the entries are mass,
/// cost, row potential, column potential. Rounding counts against it.
pub(crate) fn proven(slack: Slack, total: f64, entries: impl Iterator<Item = (f64, f64, f64, f64)>) -> bool {
    let (mut gap, mut scale) = (0.0, 0.0);
    for (mass, cost, row, column) in entries {
        let left = cost - column;
        gap += mass * ((left - row).abs() + f64::EPSILON * left.abs());
        scale += mass * cost.abs();
    }
    // Overflow, of masses, is no proof.
    scale < f64::INFINITY && gap + slack.0 * total <= PROVEN * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack(rows: &[(f64, f64)]) -> Slack {
        let mut slack = Slack::NONE;
        rows.iter().for_each(|(least, potential)| slack.see(*least, *potential));
        slack
    }

    #[test]
    fn tight_potentials_of_ordinary_size_are_a_proof() {
        assert!(proven(slack(&[(1.0, 1.0), (2.0, 2.0)]), 2.0, [(1.0, 1.5, 1.0, 0.5), (1.0, 2.5, 2.0, 0.5)].into_iter()));
        assert!(proven(slack(&[(0.0, 0.0)]), 1.0, [(1.0, 0.0, 0.0, 0.0)].into_iter()));
    }

    #[test]
    fn large_potentials_prove_nothing_of_small_costs() {
        let entries = || [(1.0, 5.0, 1e18, 5.0 - 1e18)].into_iter();
        assert!(!proven(slack(&[(1e18, 1e18)]), 1.0, entries()));
        assert!(!proven(slack(&[(0.0, 0.0)]), 1.0, entries()));
        assert!(!proven(slack(&[(1.0, 1.1)]), 1.0, [(1.0, 1.0, 1.0, 0.0)].into_iter()));
    }

    #[test]
    fn masses_without_a_finite_sum_prove_nothing() {
        assert!(!proven(slack(&[(1e150, 1e150)]), f64::MAX, [(f64::MAX, 1e150, 1e150, 0.0)].into_iter()));
    }
}
