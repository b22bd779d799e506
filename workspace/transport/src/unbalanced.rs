//! Entropic transport whose marginals may be missed, at a price.
//!
//! `min Σ P C + ε KL(P | a bᵀ) + ρ KL(P 1 | a) + ρ KL(Pᵀ 1 | b)` over `P ≥ 0`, with `KL(x | y) = Σ x ln(x / y) - x + y`. The optimum is
//! `P_ij = a_i b_j exp((f_i + g_j - C_ij) / ε)` with the row sums `a_i exp(-f_i / ρ)` and the column sums `b_j exp(-g_j / ρ)`. Its dual
//! value is `ρ Σ a (1 - exp(-f / ρ)) + ρ Σ b (1 - exp(-g / ρ)) + ε Σ (a bᵀ - P)`, for any `f` and `g` a lower bound of what any plan costs.
//!
//! Iterations fit `f` and `g` in turn, in logarithms throughout: `f_i = -ρ ε / (ρ + ε) · ln Σ_j b_j exp((g_j - C_ij) / ε)`, a contraction
//! by `ρ / (ρ + ε)`. A shift of `f` up and of `g` down, in closed form, takes out the direction that would contract slowest. As `ρ` grows
//! the plan goes to that of [`sinkhorn`](crate::sinkhorn); as it falls, mass that is dear to move vanishes.
//!
//! Source: Chizat, Peyré, Schmitzer and Vialard, "Scaling algorithms for unbalanced optimal transport problems", Mathematics of Computation
//! 87 (2018), algorithm 1 and table 1; Séjourné, Vialard and Peyré, "Faster unbalanced optimal transport: translation invariant Sinkhorn
//! and 1-D Frank–Wolfe", AISTATS 2022, for the shift.

use ndarray::{Array2, ArrayView2, Axis};

use crate::layout::{check_entries, row_major};
use crate::{TransportError, exact};

/// Settings of unbalanced transport.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unbalanced {
    /// `ε`, in the unit of the costs; above 0.
    pub regularisation: f64,
    /// `ρ`, in the unit of the costs: what missing a marginal costs; above 0.
    pub relaxation: f64,
    /// Stop when the row and column sums are off from what the potentials ask for by at most this in total, as a share of their total.
    pub tolerance: f64,
    /// Most fits of rows and columns.
    pub iterations: usize,
}

/// A relaxed plan, and how far it is from the optimum.
#[derive(Debug, Clone, PartialEq)]
pub struct Relaxed {
    /// The plan, shape (rows, columns). Its sums are what came of the relaxation, not the masses given.
    pub plan: Array2<f64>,
    /// `Σ P C`.
    pub cost: f64,
    /// Fits of rows and columns done.
    pub iterations: usize,
    /// How far its row sums are from `a exp(-f / ρ)` and its column sums from `b exp(-g / ρ)`, in total, as a share of the mass. They are
    /// equal at the optimum.
    pub marginal_error: f64,
    /// Objective less dual value, over the sum of their magnitudes; at least 0 but for rounding, and 0 at the optimum: no plan has an
    /// objective lower by more than that.
    pub duality_gap: f64,
    /// The stopping rule fired before the iterations ran out.
    pub converged: bool,
}

impl Unbalanced {
    /// The relaxed plan for costs of shape (rows, columns) and masses of any totals. O(rows · columns) exponentials for each iteration.
    ///
    /// # Errors
    /// An entry is NaN, infinite or beyond 1e150 in magnitude; a mass is negative or not finite; a side has the wrong number of masses; a
    /// regularisation or relaxation that is not above 0, or a tolerance that is negative or NaN.
    pub fn plan(&self, cost: ArrayView2<'_, f64>, rows: &[f64], columns: &[f64]) -> Result<Relaxed, TransportError> {
        for (setting, value) in [("regularisation", self.regularisation), ("relaxation", self.relaxation)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(TransportError::BadSetting { setting, value, expected: "a finite number above 0" });
            }
        }
        if self.tolerance.is_nan() || self.tolerance < 0.0 {
            return Err(TransportError::BadSetting { setting: "tolerance", value: self.tolerance, expected: "a number, at least 0" });
        }
        let shape = cost.dim();
        exact::masses::check_each(shape, rows, columns)?;
        let mut buffer = Vec::new();
        let costs = row_major(cost, &mut buffer);
        check_entries(costs, shape.1)?;
        if !costs.iter().all(|cost| (cost / self.regularisation).is_finite()) {
            let (setting, value) = ("regularisation", self.regularisation);
            return Err(TransportError::BadSetting { setting, value, expected: "large enough that every cost divided by it is finite" });
        }
        let mut fit = Potentials::new(self, costs, rows, columns);
        if rows.iter().sum::<f64>() == 0.0 || columns.iter().sum::<f64>() == 0.0 {
            // Nothing can move, and what the marginals then miss is no choice.
            let plan = Array2::zeros(shape);
            return Ok(Relaxed { plan, cost: 0.0, iterations: 0, marginal_error: 0.0, duality_gap: 0.0, converged: true });
        }
        let (iterations, converged) = fit.run();
        let plan = fit.plan();
        Ok(Relaxed {
            cost: plan.iter().zip(costs).map(|(mass, cost)| mass * cost).sum(),
            iterations,
            marginal_error: fit.marginal_error(&plan),
            duality_gap: fit.duality_gap(&plan),
            converged,
            plan,
        })
    }
}

/// The state of the iterations.
struct Potentials<'a> {
    settings: &'a Unbalanced,
    costs: &'a [f64],
    /// `a` and `b`, and their logarithms.
    masses: [&'a [f64]; 2],
    logs: [Vec<f64>; 2],
    /// `f` and `g`.
    f: Vec<f64>,
    g: Vec<f64>,
}

impl<'a> Potentials<'a> {
    fn new(settings: &'a Unbalanced, costs: &'a [f64], rows: &'a [f64], columns: &'a [f64]) -> Potentials<'a> {
        let logs = [rows, columns].map(|masses| masses.iter().map(|mass| mass.ln()).collect());
        Potentials { settings, costs, masses: [rows, columns], logs, f: vec![0.0; rows.len()], g: vec![0.0; columns.len()] }
    }

    /// How many iterations, and whether they came to an end.
    fn run(&mut self) -> (usize, bool) {
        let Unbalanced { regularisation, relaxation, tolerance, iterations } = *self.settings;
        let damped = relaxation * (regularisation / (relaxation + regularisation));
        for done in 0..iterations {
            let sums = self.row_logs();
            if done > 0 && self.row_error(&sums) <= tolerance && self.shift().abs() <= tolerance * relaxation {
                return (done, true);
            }
            self.f = sums.iter().map(|sum| -damped * sum).collect();
            self.g = self.column_logs().iter().map(|sum| -damped * sum).collect();
            let shift = self.shift();
            self.f.iter_mut().for_each(|f| *f += shift);
            self.g.iter_mut().for_each(|g| *g -= shift);
        }
        let sums = self.row_logs();
        (iterations, self.row_error(&sums) <= tolerance && self.shift().abs() <= tolerance * relaxation)
    }

    /// `ln Σ_j b_j exp((g_j - C_ij) / ε)` of each row.
    fn row_logs(&self) -> Vec<f64> {
        let inverse = 1.0 / self.settings.regularisation;
        let column = |(log, g): (&f64, &f64)| log + g * inverse;
        let columns: Vec<f64> = self.logs[1].iter().zip(&self.g).map(column).collect();
        let of_row = |costs: &[f64]| {
            let exponents = || columns.iter().zip(costs).map(|(column, cost)| column - cost * inverse);
            let largest = exponents().fold(f64::NEG_INFINITY, f64::max);
            largest + exponents().map(|exponent| (exponent - largest).exp()).sum::<f64>().ln()
        };
        self.costs.chunks_exact(columns.len()).map(of_row).collect()
    }

    /// `ln Σ_i a_i exp((f_i - C_ij) / ε)` of each column.
    fn column_logs(&self) -> Vec<f64> {
        let inverse = 1.0 / self.settings.regularisation;
        let rows = || self.logs[0].iter().zip(&self.f).map(|(log, f)| log + f * inverse).zip(self.costs.chunks_exact(self.g.len()));
        let mut largest = vec![f64::NEG_INFINITY; self.g.len()];
        for (row, costs) in rows() {
            largest.iter_mut().zip(costs).for_each(|(largest, cost)| *largest = largest.max(row - cost * inverse));
        }
        let mut sums = vec![0.0; self.g.len()];
        for (row, costs) in rows() {
            for ((sum, largest), cost) in sums.iter_mut().zip(&largest).zip(costs) {
                *sum += (row - cost * inverse - largest).exp();
            }
        }
        largest.iter().zip(sums).map(|(largest, sum)| largest + sum.ln()).collect()
    }

    /// How far the row sums are from `a exp(-f / ρ)`, as a share of the latter.
    fn row_error(&self, sums: &[f64]) -> f64 {
        let (inverse, relaxation) = (1.0 / self.settings.regularisation, self.settings.relaxation);
        let (mut off, mut total) = (0.0, 0.0);
        for ((mass, f), sum) in self.masses[0].iter().zip(&self.f).zip(sums).filter(|((mass, _), _)| **mass > 0.0) {
            let wanted = mass * (-f / relaxation).exp();
            off += (mass * (f * inverse + sum).exp() - wanted).abs();
            total += wanted;
        }
        if total > 0.0 { off / total } else { 0.0 }
    }

    /// By how much `f` should go up, and `g` down, for the greatest dual value: `ρ / 2 · ln(Σ a exp(-f / ρ) / Σ b exp(-g / ρ))`.
    fn shift(&self) -> f64 {
        let relaxation = self.settings.relaxation;
        let log = |logs: &[f64], potentials: &[f64]| {
            let exponents = || logs.iter().zip(potentials).map(|(log, potential)| log - potential / relaxation);
            let largest = exponents().fold(f64::NEG_INFINITY, f64::max);
            largest + exponents().map(|exponent| (exponent - largest).exp()).sum::<f64>().ln()
        };
        relaxation / 2.0 * (log(&self.logs[0], &self.f) - log(&self.logs[1], &self.g))
    }

    fn plan(&self) -> Array2<f64> {
        let inverse = 1.0 / self.settings.regularisation;
        let mass = |(i, j): (usize, usize)| {
            let exponent = (self.f[i] + self.g[j] - self.costs[i * self.g.len() + j]) * inverse;
            (self.logs[0][i] + self.logs[1][j] + exponent).exp()
        };
        Array2::from_shape_fn((self.f.len(), self.g.len()), mass)
    }

    /// Masses, potentials and sums of the plan, side by side.
    fn sides(&self, plan: &Array2<f64>) -> Vec<(f64, f64, f64)> {
        let [a, b] = self.masses;
        let rows = a.iter().zip(&self.f).zip(plan.sum_axis(Axis(1)));
        let columns = b.iter().zip(&self.g).zip(plan.sum_axis(Axis(0)));
        rows.chain(columns).map(|((mass, potential), sum)| (*mass, *potential, sum)).filter(|(mass, ..)| *mass > 0.0).collect()
    }

    fn marginal_error(&self, plan: &Array2<f64>) -> f64 {
        let (mut off, mut total) = (0.0, 0.0);
        for (mass, potential, sum) in self.sides(plan) {
            let wanted = mass * (-potential / self.settings.relaxation).exp();
            off += (sum - wanted).abs();
            total += wanted;
        }
        // The mass is half of what both sides have together.
        if total > 0.0 { 2.0 * off / total } else { 0.0 }
    }

    fn duality_gap(&self, plan: &Array2<f64>) -> f64 {
        let Unbalanced { regularisation, relaxation, .. } = *self.settings;
        let even: f64 = self.masses.iter().map(|masses| masses.iter().sum::<f64>()).product();
        // What both have, `ε Σ (a bᵀ - P)`, is left out of the difference.
        let common = regularisation * (even - plan.sum());
        let (mut primal, mut dual) = (0.0, 0.0);
        for (mass, potential, sum) in self.sides(plan) {
            let divergence = if sum > 0.0 { sum * (sum / mass).ln() } else { 0.0 } - sum + mass;
            // `Σ P C + ε Σ P ln(P / a bᵀ)` is `Σ P (f + g)`.
            primal += sum * potential + relaxation * divergence;
            dual -= relaxation * mass * (-potential / relaxation).exp_m1();
        }
        let scale = (primal + common).abs() + (dual + common).abs();
        if primal == dual { 0.0 } else { (primal - dual) / scale }
    }
}
