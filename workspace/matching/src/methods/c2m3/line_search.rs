//! The squared norms behind the line search, over chunks of entries.

/// Sums kept side by side, so that additions need not wait for each other; their order is the same on every machine.
const LANES: usize = 8;

/// The parameters of one model along a step `α`: `(1 − α)² u + α (1 − α) m + α² v` for each entry of a chunk.
/// What is linear in the step has `m = u + v`; what does not move has `m = 2 u`, `v = u`.
pub(crate) struct Chunk {
    now: Vec<f64>,
    mixed: Vec<f64>,
    vertex: Vec<f64>,
}

impl Chunk {
    /// Zeros, for chunks of `length` entries.
    pub fn new(length: usize) -> Chunk {
        // Whole lanes; entries beyond the length stay 0 and add nothing.
        let padded = length.next_multiple_of(LANES);
        Chunk { now: vec![0.0; padded], mixed: vec![0.0; padded], vertex: vec![0.0; padded] }
    }

    fn clear(&mut self) {
        for part in [&mut self.now, &mut self.mixed, &mut self.vertex] {
            part.fill(0.0);
        }
    }

    /// Entries that move linearly from `now` to `vertex`.
    #[inline(always)]
    pub fn set_linear(&mut self, now: &[f32], vertex: &[f32]) {
        let targets = self.now.iter_mut().zip(&mut self.mixed).zip(&mut self.vertex);
        for (((u, m), v), (&now, &vertex)) in targets.zip(now.iter().zip(vertex)) {
            (*u, *v) = (f64::from(now), f64::from(vertex));
            *m = *u + *v;
        }
    }

    /// Entries that stay.
    #[inline(always)]
    pub fn set_held(&mut self, now: &[f32]) {
        self.set_linear(now, now);
    }

    /// Entries tied by both axes: `m = x + y[order]`, `v = w[order]`, with `x` and `y` the sides of which one has moved.
    #[inline(always)]
    pub fn set_cross(&mut self, now: &[f32], right: &[f32], left: &[f32], weights: &[f32], order: &[u32]) {
        for (u, &now) in self.now.iter_mut().zip(now) {
            *u = f64::from(now);
        }
        let targets = self.mixed.iter_mut().zip(&mut self.vertex);
        for (((m, v), &x), &unit) in targets.zip(right).zip(order) {
            *m = f64::from(x) + f64::from(left[unit as usize]);
            *v = f64::from(weights[unit as usize]);
        }
    }
}

/// Sums of the norms of models, and of the norm of their sum.
pub(crate) struct Norms {
    sum: Chunk,
    /// For each coefficient of the quartic: (norm of the sum − sum of norms), in lanes.
    lanes: [[f64; LANES]; 5],
}

impl Norms {
    /// For chunks of at most `length` entries.
    pub fn new(length: usize) -> Norms {
        Norms { sum: Chunk::new(length), lanes: [[0.0; LANES]; 5] }
    }

    /// Takes the next model's entries of the current chunk.
    #[inline(always)]
    pub fn add(&mut self, model: &Chunk) {
        let sums = self.sum.now.chunks_exact_mut(LANES).zip(self.sum.mixed.chunks_exact_mut(LANES));
        let sums = sums.zip(self.sum.vertex.chunks_exact_mut(LANES));
        let parts = model.now.chunks_exact(LANES).zip(model.mixed.chunks_exact(LANES)).zip(model.vertex.chunks_exact(LANES));
        let mut lanes = self.lanes;
        for (((u, m), v), ((su, sm), sv)) in parts.zip(sums) {
            for lane in 0..LANES {
                su[lane] += u[lane];
                sm[lane] += m[lane];
                sv[lane] += v[lane];
            }
            norms(&mut lanes, u, m, v, -1.0);
        }
        self.lanes = lanes;
    }

    /// Ends the chunk: all models have been added.
    #[inline(always)]
    pub fn close(&mut self) {
        let parts = self.sum.now.chunks_exact(LANES).zip(self.sum.mixed.chunks_exact(LANES)).zip(self.sum.vertex.chunks_exact(LANES));
        let mut lanes = self.lanes;
        for ((u, m), v) in parts {
            norms(&mut lanes, u, m, v, 1.0);
        }
        self.lanes = lanes;
        self.sum.clear();
    }

    /// `b_0` to `b_4` of `½ (‖Σ_p U^p‖² − Σ_p ‖U^p‖²) = Σ_k b_k α^k (1 − α)^(4−k)` over all chunks so far.
    pub fn total(&self) -> [f64; 5] {
        self.lanes.map(|lanes| 0.5 * lanes.iter().sum::<f64>())
    }
}

#[inline(always)]
fn norms(lanes: &mut [[f64; LANES]; 5], u: &[f64], m: &[f64], v: &[f64], sign: f64) {
    for lane in 0..LANES {
        let (u, m, v) = (u[lane], m[lane], v[lane]);
        lanes[0][lane] += sign * (u * u);
        lanes[1][lane] += sign * (2.0 * (u * m));
        lanes[2][lane] += sign * (m * m + 2.0 * (u * v));
        lanes[3][lane] += sign * (2.0 * (m * v));
        lanes[4][lane] += sign * (v * v);
    }
}

/// `½ (‖Σ_p u^p‖² − Σ_p ‖u^p‖²)` of one chunk alone, and the sum itself.
#[inline(always)]
pub(crate) fn agreement<'a>(models: impl Iterator<Item = &'a [f32]>, sum: &mut [f32]) -> f64 {
    const STEP: usize = 512;
    let parts: Vec<&[f32]> = models.collect();
    let mut lanes = [0.0; LANES];
    let mut buffer = [0.0_f64; STEP];
    for (begin, sum) in (0..sum.len()).step_by(STEP).zip(sum.chunks_mut(STEP)) {
        buffer.fill(0.0);
        for part in &parts {
            let part = &part[begin..begin + sum.len()];
            let whole = part.len() / LANES * LANES;
            for (total, values) in buffer.chunks_exact_mut(LANES).zip(part.chunks_exact(LANES)) {
                for lane in 0..LANES {
                    let value = f64::from(values[lane]);
                    // The pairs of this model with those before it.
                    lanes[lane] += total[lane] * value;
                    total[lane] += value;
                }
            }
            for (total, &value) in buffer[whole..].iter_mut().zip(&part[whole..]) {
                lanes[0] += *total * f64::from(value);
                *total += f64::from(value);
            }
        }
        for (sum, total) in sum.iter_mut().zip(&buffer) {
            *sum = *total as f32;
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_are_those_of_the_sum_less_those_of_the_parts() {
        let models: [([f32; 3], [f32; 3]); 2] = [([1.0, 2.0, -1.0], [0.5, 0.0, 3.0]), ([2.0, -1.0, 4.0], [1.0, 1.0, 1.0])];
        let mut total = Norms::new(3);
        let mut chunk = Chunk::new(3);
        for (now, vertex) in &models {
            chunk.set_linear(now, vertex);
            total.add(&chunk);
        }
        total.close();
        let b = total.total();
        for step in [0.0_f64, 0.3, 1.0] {
            let at = |model: usize, i: usize| (1.0 - step) * f64::from(models[model].0[i]) + step * f64::from(models[model].1[i]);
            let expected: f64 = (0..3).map(|i| at(0, i) * at(1, i)).sum();
            let found: f64 = (0..5).map(|k| b[k as usize] * step.powi(k) * (1.0 - step).powi(4 - k)).sum();
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn agreement_is_the_sum_over_pairs() {
        let models: Vec<Vec<f32>> = (0..3).map(|model| (0..1030).map(|i| ((i * 7 + model * 13) % 11) as f32 - 5.0).collect()).collect();
        let mut sum = vec![0.0; 1030];
        let found = agreement(models.iter().map(Vec::as_slice), &mut sum);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let expected = dot(&models[0], &models[1]) + dot(&models[0], &models[2]) + dot(&models[1], &models[2]);
        assert_eq!(found, expected);
        assert_eq!(sum[7], models[0][7] + models[1][7] + models[2][7]);
    }
}
