//! Proof of optimality by linear-programming duality.

/// How far a solution and its duals are from proving each other optimal. Both numbers are relative, and zero but for rounding
/// when the solution is optimal: no feasible solution is better than this one by more than
/// `duality_gap · Σ_i m_i max_j |C_ij|  +  worst_violation · max_ij |C_ij| · Σ_i m_i`, with `m_i` the mass of row `i`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Certificate {
    /// Dual objective minus primal objective, over the sum of the largest magnitudes of the rows (weighted by mass). Never hides a
    /// sign: it is negative by more than rounding only if the duals are infeasible too.
    pub duality_gap: f64,
    /// The most by which the duals break one of their constraints, over the largest magnitude of the matrix; at least 0.
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
