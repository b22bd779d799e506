//! From costs to a map of units.

use ndarray::{Array1, Array2, Axis};
use onebasin_network::Permutation;
use onebasin_transport::{assignment, exact, partial, sinkhorn::Sinkhorn, unbalanced::Unbalanced};

use super::{Correction, OtFusion, PlanKind};
use crate::{Certificate, MatchingError, Outcome, SolverTrace, Transport, UnitMap};

/// Mass below this share of what the slot should have is rounding of a solver, or of so little weight that it is none.
const DUST: f64 = 1e-9;

impl OtFusion {
    /// The plan for costs `[slots, units]`, as a map; masses are of slots and of units, and uniform where there are none.
    pub(super) fn solve(
        &self,
        costs: Array2<f64>,
        masses: Option<[Vec<f64>; 2]>,
        group: &str,
        solver_trace: &mut SolverTrace,
    ) -> Result<(UnitMap, Certificate), MatchingError> {
        let failed = |source| MatchingError::Transport { group: group.to_owned(), source };
        let costs = if self.cost_divisor == 1.0 { costs } else { costs / self.cost_divisor };
        let mut costs = self.normalise_costs.apply(costs);
        if let Some([low, high]) = self.clip_costs {
            costs.mapv_inplace(|cost| cost.clamp(low, high));
        }
        let (slots, units) = costs.dim();
        let is_square = masses.is_none() && slots == units;
        let [slot_masses, unit_masses] = masses.unwrap_or_else(|| [slots, units].map(|count| vec![1.0 / count as f64; count]));
        match self.plan {
            // Between equal numbers of units of equal mass some plan of least cost is a permutation (Birkhoff), which an assignment finds.
            PlanKind::Exact | PlanKind::Partial if is_square && self.mass == 1.0 => {
                let gain = -costs;
                let best = assignment::maximise(gain.view()).map_err(failed)?;
                let certificate = best.certificate(gain.view()).into();
                Ok((UnitMap::Permutation(Permutation::new(best.columns).expect("an assignment is a bijection")), certificate))
            }
            PlanKind::Partial if self.mass < 1.0 => {
                let found = partial::plan(costs.view(), &slot_masses, &unit_masses, self.mass).map_err(failed)?;
                Ok((self.map(found.to_dense(), &slot_masses), found.certificate(costs.view()).into()))
            }
            PlanKind::Exact | PlanKind::Partial => {
                let found = exact::plan(costs.view(), &slot_masses, &unit_masses).map_err(failed)?;
                Ok((self.map(found.to_dense(), &slot_masses), found.certificate(costs.view()).into()))
            }
            PlanKind::Sinkhorn => {
                let solver = Sinkhorn { regularisation: self.regularisation, tolerance: self.tolerance, iterations: self.iterations };
                let found = solver.plan(costs.view(), &slot_masses, &unit_masses).map_err(failed)?;
                note(solver_trace, found.iterations, found.marginal_error, found.converged);
                let mut plan = found.plan;
                if !is_square {
                    return Ok((self.map(plan, &slot_masses), Certificate::default()));
                }
                // Never 0: rows are fitted first, and fitting the columns leaves a row at least its share of its best column.
                for mut row in plan.rows_mut() {
                    let mass = row.sum();
                    row /= mass;
                }
                Ok((UnitMap::Plan(plan.mapv(|share| share as f32)), Certificate::default()))
            }
            PlanKind::Unbalanced => {
                let OtFusion { regularisation, relaxation, tolerance, iterations, .. } = *self;
                let solver = Unbalanced { regularisation, relaxation, tolerance, iterations };
                let found = solver.plan(costs.view(), &slot_masses, &unit_masses).map_err(failed)?;
                note(solver_trace, found.iterations, found.marginal_error, found.converged);
                let certificate = Certificate { duality_gap: found.duality_gap, worst_violation: 0.0 };
                Ok((self.map(found.plan, &slot_masses), certificate))
            }
        }
    }

    /// A plan `[slots, units]` as a map: a permutation where it is one but for dust.
    fn map(&self, mut plan: Array2<f64>, slot_masses: &[f64]) -> UnitMap {
        for (mut row, mass) in plan.rows_mut().into_iter().zip(slot_masses) {
            row.mapv_inplace(|share| if share > DUST * mass { share } else { 0.0 });
        }
        let incoming = divided(&plan, Axis(0));
        if let Some(permutation) = bijection(&incoming) {
            return UnitMap::Permutation(permutation);
        }
        let single = |plan: &Array2<f64>| plan.mapv(|share| share as f32);
        match self.correction {
            Correction::AsPublished => UnitMap::Plan(single(&incoming)),
            Correction::Proper => UnitMap::Transport(Transport { incoming: single(&incoming), outgoing: single(&divided(&plan, Axis(1))) }),
        }
    }
}

fn note(solver_trace: &mut SolverTrace, iterations: usize, marginal_error: f64, converged: bool) {
    solver_trace.iterations = solver_trace.iterations.max(iterations);
    solver_trace.marginal_error = solver_trace.marginal_error.max(marginal_error);
    if !converged {
        solver_trace.outcome = Outcome::IterationLimit;
    }
}

/// Each line along the axis divided by its sum; lines without mass stay so.
fn divided(plan: &Array2<f64>, axis: Axis) -> Array2<f64> {
    let sums: Array1<f64> = plan.sum_axis(Axis(1 - axis.index()));
    let mut shares = plan.clone();
    for (mut line, &sum) in shares.axis_iter_mut(axis).zip(&sums) {
        if sum > 0.0 {
            line /= sum;
        }
    }
    shares
}

/// The permutation that shares are, up to dust.
fn bijection(shares: &Array2<f64>) -> Option<Permutation> {
    if shares.nrows() != shares.ncols() {
        return None;
    }
    let whole = |row: ndarray::ArrayView1<'_, f64>| row.iter().position(|&share| share >= 1.0 - DUST).map(|unit| unit as u32);
    Permutation::new(shares.rows().into_iter().map(whole).collect::<Option<Vec<u32>>>()?).ok()
}
