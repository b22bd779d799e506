//! Entropic transport by Sinkhorn's iterations in the log domain, and alternate normalisation.
//!
//! `min Σ P C + ε Σ P (ln P - 1)` over the plans with the given marginals is `P_ij = exp((f_i + g_j - C_ij) / ε)`; `f` and `g` are found by
//! fitting rows and columns in turn. The sums are taken over plain exponentials as long as these stay well inside the range of `f64`, and their
//! logarithms are absorbed into `f` and `g` before they leave it, so small `ε` neither overflows nor divides by zero.
//!
//! Source: Cuturi, "Sinkhorn distances", NeurIPS 2013, algorithm 1; Peyré and Cuturi, "Computational optimal transport", 2019, section 4.4
//! (log domain, equations 4.43 and 4.44); Schmitzer, "Stabilized sparse scaling algorithms for entropy regularized transport problems", SIAM
//! J. Sci. Comput. 41 (2019), algorithm 2 (absorption).

mod normalise;

use ndarray::{Array2, ArrayView2};

use crate::TransportError;
use crate::exact;
use crate::layout::{check_entries, row_major};

pub use normalise::doubly_stochastic;

/// Scalings beyond exp(±this) are absorbed into the potentials.
const ABSORB: f64 = 50.0;

/// Settings of Sinkhorn's algorithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    /// `ε`, in the unit of the costs; above 0.
    pub regularisation: f64,
    /// Stop when the row sums are off by at most this in total, as a share of the total mass (the columns fit exactly).
    pub tolerance: f64,
    /// Most fits of rows and columns.
    pub iterations: usize,
}

/// A smoothed plan, and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Entropic {
    /// The plan, shape (rows, columns).
    pub plan: Array2<f64>,
    /// Fits of rows and columns done.
    pub iterations: usize,
    /// `(Σ_i |row sum - a_i| + Σ_j |column sum - b_j|) / total`, of the plan as returned.
    pub marginal_error: f64,
    /// The stopping rule fired before the iterations ran out.
    pub converged: bool,
}

impl Sinkhorn {
    /// The entropic plan for costs of shape (rows, columns) and masses of equal total. O(rows · columns) for each iteration.
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
        check_entries(costs, shape.1)?;
        if !costs.iter().all(|cost| (cost / self.regularisation).is_finite()) {
            let (setting, value) = ("regularisation", self.regularisation);
            return Err(TransportError::BadSetting { setting, value, expected: "large enough that every cost divided by it is finite" });
        }
        if total == 0.0 {
            return Ok(Entropic { plan: Array2::zeros(shape), iterations: 0, marginal_error: 0.0, converged: true });
        }
        let column_sum = columns.iter().sum::<f64>();
        let scaled: Vec<f64> = columns.iter().map(|mass| mass * (total / column_sum)).collect();
        let mut fit = Fit::new(costs, rows, &scaled, total, self.regularisation);
        let run = Run { fit: &mut fit, tolerance: self.tolerance, limit: self.iterations };
        let (iterations, converged) = pulp::Arch::new().dispatch(run);
        let plan = Array2::from_shape_vec(shape, fit.into_plan()).expect("as many entries as costs");
        let marginal_error = marginal_error(&plan, rows, columns, total);
        Ok(Entropic { plan, iterations, marginal_error, converged })
    }
}

fn marginal_error(plan: &Array2<f64>, rows: &[f64], columns: &[f64], total: f64) -> f64 {
    let off = |sums: ndarray::Array1<f64>, masses: &[f64]| sums.iter().zip(masses).map(|(sum, mass)| (sum - mass).abs()).sum::<f64>();
    (off(plan.sum_axis(ndarray::Axis(1)), rows) + off(plan.sum_axis(ndarray::Axis(0)), columns)) / total
}

/// The state of the iterations: the plan is `row_scales[i] · kernel[i, j] · column_scales[j]`.
struct Fit<'a> {
    costs: &'a [f64],
    rows: &'a [f64],
    columns: &'a [f64],
    total: f64,
    epsilon: f64,
    /// `f / ε` and `g / ε`, as absorbed.
    row_logs: Vec<f64>,
    column_logs: Vec<f64>,
    /// `exp(row_logs + column_logs - cost / ε)`.
    kernel: Vec<f64>,
    row_scales: Vec<f64>,
    column_scales: Vec<f64>,
}

struct Run<'a, 'b> {
    fit: &'a mut Fit<'b>,
    tolerance: f64,
    limit: usize,
}

impl pulp::WithSimd for Run<'_, '_> {
    type Output = (usize, bool);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> (usize, bool) {
        self.fit.run(self.tolerance, self.limit)
    }
}

impl<'a> Fit<'a> {
    fn new(costs: &'a [f64], rows: &'a [f64], columns: &'a [f64], total: f64, epsilon: f64) -> Fit<'a> {
        Fit {
            costs,
            rows,
            columns,
            total,
            epsilon,
            row_logs: vec![0.0; rows.len()],
            column_logs: columns.iter().map(|mass| if *mass > 0.0 { 0.0 } else { f64::NEG_INFINITY }).collect(),
            kernel: vec![0.0; costs.len()],
            row_scales: vec![1.0; rows.len()],
            column_scales: vec![1.0; columns.len()],
        }
    }

    #[inline(always)]
    fn run(&mut self, tolerance: f64, limit: usize) -> (usize, bool) {
        let mut done = 0;
        while done < limit {
            self.fit_in_logs();
            done += 1;
            self.absorb();
            loop {
                let sums = self.row_sums();
                let error =
                    sums.iter().zip(&self.row_scales).zip(self.rows).map(|((sum, scale), mass)| (sum * scale - mass).abs()).sum::<f64>();
                if error <= tolerance * self.total {
                    return (done, true);
                }
                if done == limit {
                    return (done, false);
                }
                if !self.fit_in_scales(&sums) {
                    break;
                }
                done += 1;
            }
        }
        // Only a limit of 0 gets here without a kernel.
        self.fit_in_logs();
        self.absorb();
        (done, false)
    }

    /// One fit of rows, then columns, by log-sum-exp; starts from and leaves unit scales.
    fn fit_in_logs(&mut self) {
        for (log, scale) in
            self.row_logs.iter_mut().zip(&mut self.row_scales).chain(self.column_logs.iter_mut().zip(&mut self.column_scales))
        {
            if *scale > 0.0 {
                *log += scale.ln();
            }
            *scale = 1.0;
        }
        let width = self.columns.len();
        let inverse = 1.0 / self.epsilon;
        for ((costs, log), mass) in self.costs.chunks_exact(width).zip(&mut self.row_logs).zip(self.rows) {
            let exponents = || costs.iter().zip(&self.column_logs).map(|(cost, column)| column - cost * inverse);
            let largest = exponents().fold(f64::NEG_INFINITY, f64::max);
            let sum = exponents().map(|exponent| (exponent - largest).exp()).sum::<f64>();
            *log = mass.ln() - largest - sum.ln();
        }
        let mut largest = vec![f64::NEG_INFINITY; width];
        for (costs, log) in self.costs.chunks_exact(width).zip(&self.row_logs) {
            for (cost, largest) in costs.iter().zip(&mut largest) {
                *largest = largest.max(log - cost * inverse);
            }
        }
        let mut sums = vec![0.0; width];
        for (costs, log) in self.costs.chunks_exact(width).zip(&self.row_logs) {
            for ((cost, largest), sum) in costs.iter().zip(&largest).zip(&mut sums) {
                *sum += (log - cost * inverse - largest).exp();
            }
        }
        for (((log, mass), largest), sum) in self.column_logs.iter_mut().zip(self.columns).zip(&largest).zip(&sums) {
            *log = mass.ln() - largest - sum.ln();
        }
    }

    /// The kernel of the present potentials.
    fn absorb(&mut self) {
        let width = self.columns.len();
        let inverse = 1.0 / self.epsilon;
        let lines = self.kernel.chunks_exact_mut(width).zip(self.costs.chunks_exact(width)).zip(&self.row_logs);
        for ((kernel, costs), row) in lines {
            for ((value, cost), column) in kernel.iter_mut().zip(costs).zip(&self.column_logs) {
                *value = (row + column - cost * inverse).exp();
            }
        }
    }

    /// `Σ_j kernel[i, j] · column_scales[j]`.
    #[inline(always)]
    fn row_sums(&self) -> Vec<f64> {
        const LANES: usize = 16;
        let mut sums = Vec::with_capacity(self.rows.len());
        for kernel in self.kernel.chunks_exact(self.columns.len()) {
            let mut partial = [0.0; LANES];
            let (kernel_blocks, kernel_rest) = kernel.as_chunks::<LANES>();
            let (scale_blocks, scale_rest) = self.column_scales.as_chunks::<LANES>();
            for (kernel, scales) in kernel_blocks.iter().zip(scale_blocks) {
                for lane in 0..LANES {
                    partial[lane] += kernel[lane] * scales[lane];
                }
            }
            let rest = kernel_rest.iter().zip(scale_rest).map(|(kernel, scale)| kernel * scale).sum::<f64>();
            sums.push(partial.iter().sum::<f64>() + rest);
        }
        sums
    }

    /// One fit by plain scalings, given the row sums. False, with nothing changed, when a scaling would leave the safe range.
    #[inline(always)]
    fn fit_in_scales(&mut self, sums: &[f64]) -> bool {
        let safe = |scale: f64| scale == 0.0 || scale.ln().abs() <= ABSORB;
        let fitted = |mass: f64, sum: f64| if mass > 0.0 { mass / sum } else { 0.0 };
        let row_scales: Vec<f64> = self.rows.iter().zip(sums).map(|(mass, sum)| fitted(*mass, *sum)).collect();
        let mut column_sums = vec![0.0; self.columns.len()];
        for (kernel, scale) in self.kernel.chunks_exact(self.columns.len()).zip(&row_scales) {
            for (sum, kernel) in column_sums.iter_mut().zip(kernel) {
                *sum += kernel * scale;
            }
        }
        let column_scales: Vec<f64> = self.columns.iter().zip(&column_sums).map(|(mass, sum)| fitted(*mass, *sum)).collect();
        if !row_scales.iter().chain(&column_scales).all(|scale| safe(*scale)) {
            return false;
        }
        self.row_scales = row_scales;
        self.column_scales = column_scales;
        true
    }

    fn into_plan(self) -> Vec<f64> {
        let width = self.columns.len();
        let mut plan = self.kernel;
        for (line, row) in plan.chunks_exact_mut(width).zip(&self.row_scales) {
            for (value, column) in line.iter_mut().zip(&self.column_scales) {
                *value *= row * column;
            }
        }
        plan
    }
}
