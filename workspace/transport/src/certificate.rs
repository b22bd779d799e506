//! Proof of optimality by linear-programming duality.

/// How far a solution and its duals are from proving each other optimal. Both numbers are relative, and zero but for rounding
/// when the solution is optimal. To what they are relative, and so by how much another solution could be better, the two that make certificates
/// say: [`Plan::certificate`](crate::Plan::certificate), [`Assignment::certificate`](crate::assignment::Assignment::certificate).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Certificate {
    /// How far the values of the solution and of the duals are apart. Never hides a sign: it is negative by more than rounding only if
    /// the duals are infeasible too.
    pub duality_gap: f64,
    /// The most by which the duals break one of their constraints; at least 0.
    pub worst_violation: f64,
}

impl Certificate {
    /// Both numbers are within `tolerance` of zero.
    pub fn holds(&self, tolerance: f64) -> bool {
        self.duality_gap.abs() <= tolerance && self.worst_violation <= tolerance
    }

    /// The worse of the two on each count: what a series of solutions can claim together.
    #[must_use]
    pub fn worst(self, other: Certificate) -> Certificate {
        let duality_gap = if other.duality_gap.abs() > self.duality_gap.abs() { other.duality_gap } else { self.duality_gap };
        Certificate { duality_gap, worst_violation: self.worst_violation.max(other.worst_violation) }
    }
}
