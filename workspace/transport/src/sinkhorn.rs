//! Entropic transport by Sinkhorn's iterations in the log domain, and alternate normalisation.
//!
//! `min Σ P C + ε Σ P (ln P - 1)` over the plans with the given marginals is `P_ij = exp((f_i + g_j - C_ij) / ε)`; `f` and `g` are found by
//! fitting rows and columns in turn. The sums are taken over plain exponentials as long as these stay well inside the range of `f64`, and their
//! logarithms are absorbed into `f` and `g` before they leave it, so small `ε` neither overflows nor divides by zero.
//!
//! Source: Cuturi, "Sinkhorn distances", NeurIPS 2013, algorithm 1; Peyré and Cuturi, "Computational optimal transport", 2019, section 4.4
//! (log domain, equations 4.43 and 4.44); Schmitzer, "Stabilized sparse scaling algorithms for entropy regularized transport problems", SIAM
//! J. Sci. Comput. 41 (2019), algorithm 2 (absorption) and section 3.2 (scaling of ε).

mod fit;
mod normalise;

use ndarray::{Array2, ArrayView2};

use self::fit::{Fit, Run};
use crate::TransportError;
use crate::exact;
use crate::layout::{check_entries, row_major};

pub use normalise::doubly_stochastic;

/// Where `ε` is scaled down, it is halved each time, and no further than to this share of the range of the costs: below, plans differ by less than
/// costs are rounded.
const SHARPEST: f64 = 1.0 / (1_u64 << 40) as f64;

/// A plan on the way may miss this share of the mass. What is missing there takes more fits the smaller `ε` has become.
const COARSE: f64 = 1e-4;

/// Most fits for each `ε` on the way, whatever the settings say.
const COARSE_FITS: usize = 1000;

/// Settings of Sinkhorn's algorithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    /// `ε`, in the unit of the costs; above 0.
    pub regularisation: f64,
    /// Stop when the row sums are off by at most this in total, as a share of the total mass (the columns fit exactly).
    pub tolerance: f64,
    /// Most fits of rows and columns at this `ε`.
    pub iterations: usize,
}

/// A smoothed plan, and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Entropic {
    /// The plan, shape (rows, columns).
    pub plan: Array2<f64>,
    /// Fits of rows and columns done at the `ε` of the settings.
    pub iterations: usize,
    /// `(Σ_i |row sum - a_i| + Σ_j |column sum - b_j|) / total`, of the plan as returned.
    pub marginal_error: f64,
    /// The stopping rule fired before the iterations ran out.
    pub converged: bool,
}

impl Sinkhorn {
    /// The entropic plan for costs of shape (rows, columns) and masses of equal total. O(rows · columns) for each iteration.
    ///
    /// The smaller `ε` is beside the costs, the more iterations it takes from a standing start. Where they run out, a second attempt starts
    /// from the potentials of an `ε` as large as the costs, halved again and again down to this one; the plan that fits better is returned.
    /// Towards `ε = 0` its cost goes to that of [`exact::plan`]. `Entropic::marginal_error` says what is missing even so.
    ///
    /// # Errors
    /// As [`exact::plan`]; and a regularisation that is not above 0, or a tolerance that is negative or NaN.
    pub fn plan(&self, cost: ArrayView2<'_, f64>, rows: &[f64], columns: &[f64]) -> Result<Entropic, TransportError> {
        if !(self.regularisation > 0.0 && self.regularisation.is_finite()) {
            let value = self.regularisation;
            return Err(TransportError::BadSetting { setting: "regularisation", value, expected: "a finite number above 0" });
        }
        if self.tolerance.is_nan() || self.tolerance < 0.0 {
            return Err(TransportError::BadSetting { setting: "tolerance", value: self.tolerance, expected: "a number, at least 0" });
        }
        let shape = cost.dim();
        let total = exact::masses::check(shape, rows, columns)?;
        let mut buffer = Vec::new();
        let costs = row_major(cost, &mut buffer);
        let (lowest, highest) = check_entries(costs, shape.1)?;
        if !costs.iter().all(|cost| (cost / self.regularisation).is_finite()) {
            let (setting, value) = ("regularisation", self.regularisation);
            return Err(TransportError::BadSetting { setting, value, expected: "large enough that every cost divided by it is finite" });
        }
        if total == 0.0 {
            return Ok(Entropic { plan: Array2::zeros(shape), iterations: 0, marginal_error: 0.0, converged: true });
        }
        let column_sum = columns.iter().sum::<f64>();
        let scaled: Vec<f64> = columns.iter().map(|mass| mass * (total / column_sum)).collect();
        let done = |fit: Fit<'_>, (iterations, converged): (usize, bool)| {
            let plan = Array2::from_shape_vec(shape, fit.into_plan()).expect("as many entries as costs");
            let marginal_error = marginal_error(&plan, rows, columns, total);
            Entropic { plan, iterations, marginal_error, converged }
        };
        let mut fit = Fit::new(costs, rows, &scaled, total, self.regularisation);
        let end = self.run(&mut fit);
        let plain = done(fit, end);
        if plain.converged || self.iterations == 0 {
            return Ok(plain);
        }
        let mut fit = Fit::new(costs, rows, &scaled, total, (highest - lowest).max(self.regularisation));
        self.approach(&mut fit, highest - lowest);
        let end = self.run(&mut fit);
        let careful = done(fit, end);
        Ok(if careful.marginal_error < plain.marginal_error { careful } else { plain })
    }

    fn run(&self, fit: &mut Fit<'_>) -> (usize, bool) {
        pulp::Arch::new().dispatch(Run { fit, tolerance: self.tolerance, limit: self.iterations })
    }

    /// Brings the potentials from the `ε` they are at to this one, by halves.
    fn approach(&self, fit: &mut Fit<'_>, range: f64) {
        let last = self.regularisation.max(range * SHARPEST);
        while fit.epsilon() > last {
            pulp::Arch::new().dispatch(Run { fit, tolerance: COARSE, limit: COARSE_FITS });
            fit.sharpen((fit.epsilon() / 2.0).max(last));
        }
    }
}

fn marginal_error(plan: &Array2<f64>, rows: &[f64], columns: &[f64], total: f64) -> f64 {
    let off = |sums: ndarray::Array1<f64>, masses: &[f64]| sums.iter().zip(masses).map(|(sum, mass)| (sum - mass).abs()).sum::<f64>();
    (off(plan.sum_axis(ndarray::Axis(1)), rows) + off(plan.sum_axis(ndarray::Axis(0)), columns)) / total
}
