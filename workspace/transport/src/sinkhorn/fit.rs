//! The iterations themselves, in plain scalings of a kernel and, when these leave the safe range, in logarithms.

/// Scalings beyond exp(±this) are absorbed into the potentials.
const ABSORB: f64 = 50.0;

/// The state of the iterations: the plan is `row_scales[i] · kernel[i, j] · column_scales[j]`.
pub(super) struct Fit<'a> {
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

/// Fits until the row sums are off by at most `tolerance` of the total, or `limit` times; tells how often, and whether they are.
pub(super) struct Run<'a, 'b> {
    pub fit: &'a mut Fit<'b>,
    pub tolerance: f64,
    pub limit: usize,
}

impl pulp::WithSimd for Run<'_, '_> {
    type Output = (usize, bool);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> (usize, bool) {
        self.fit.run(self.tolerance, self.limit)
    }
}

impl<'a> Fit<'a> {
    pub fn new(costs: &'a [f64], rows: &'a [f64], columns: &'a [f64], total: f64, epsilon: f64) -> Fit<'a> {
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
        self.take_scales();
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

    /// Moves the scales into the potentials.
    fn take_scales(&mut self) {
        for (log, scale) in
            self.row_logs.iter_mut().zip(&mut self.row_scales).chain(self.column_logs.iter_mut().zip(&mut self.column_scales))
        {
            if *scale > 0.0 {
                *log += scale.ln();
            }
            *scale = 1.0;
        }
    }

    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// The same potentials `f` and `g`, for another `ε`.
    pub fn sharpen(&mut self, epsilon: f64) {
        self.take_scales();
        let ratio = self.epsilon / epsilon;
        self.row_logs.iter_mut().chain(&mut self.column_logs).for_each(|log| *log *= ratio);
        self.epsilon = epsilon;
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

    pub fn into_plan(self) -> Vec<f64> {
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
