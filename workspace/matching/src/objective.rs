use onebasin_network::{Binding, Parameter, Permutation, PermutationSpec, Weights};
use rayon::prelude::*;

/// The agreement of models that are in one frame: `Σ_{p<q} Σ_ℓ ⟨W_ℓ^p, W_ℓ^q⟩`, in `f64`.
///
/// All parameters take part but running statistics, which are moved with their units and never matched. Linear in the number of models
/// (each model meets the sum of those before it).
///
/// Source: C²M³ (arXiv 2405.17897), the objective of algorithm 1, here over unordered pairs.
pub fn objective(spec: &PermutationSpec, models: &[&Weights]) -> f64 {
    let matched: Vec<&Parameter> = spec.parameters.iter().filter(|parameter| parameter.role.is_matched()).collect();
    let of_parameter = |parameter: &Parameter| {
        let mut before = vec![0.0; parameter.len()];
        models.iter().map(|weights| meet(&mut before, weights.values(&parameter.name))).collect::<Vec<f64>>()
    };
    // Added up in one order, so that bytes do not depend on the threads.
    let parts: Vec<Vec<f64>> = matched.into_par_iter().map(of_parameter).collect();
    parts.iter().flatten().fold(0.0, |total, part| total + part)
}

/// The Euclidean norm of all parameters that take part in the objective.
pub(crate) fn length(spec: &PermutationSpec, weights: &Weights) -> f64 {
    let matched = spec.parameters.iter().filter(|parameter| parameter.role.is_matched());
    matched.map(|parameter| weights.values(&parameter.name)).map(|values| dot(values, values)).sum::<f64>().sqrt()
}

/// `Σ before · values`; then adds the values to those before.
fn meet(before: &mut [f64], values: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    for (before, values) in before.chunks_mut(LANES).zip(values.chunks(LANES)) {
        for ((before, &value), sum) in before.iter_mut().zip(values).zip(&mut sums) {
            *sum += *before * f64::from(value);
            *before += f64::from(value);
        }
    }
    sums.iter().sum()
}

/// `⟨A, π(B)⟩` of one pair, recomputed only where a map has moved since.
pub(crate) struct PairObjective<'a> {
    spec: &'a PermutationSpec,
    fixed: &'a Weights,
    moving: &'a Weights,
    /// One for each parameter; 0 for running statistics.
    values: Vec<f64>,
    moved: Vec<bool>,
}

impl<'a> PairObjective<'a> {
    pub fn new(spec: &'a PermutationSpec, fixed: &'a Weights, moving: &'a Weights, maps: &[Permutation]) -> PairObjective<'a> {
        let values = spec.parameters.iter().map(|parameter| agreement(parameter, fixed, moving, maps)).collect();
        PairObjective { spec, fixed, moving, values, moved: vec![false; spec.groups.len()] }
    }

    /// The value at the maps of the last [`PairObjective::finish`].
    pub fn value(&self) -> f64 {
        self.values.iter().sum()
    }

    /// Notes that the map of `group` is another now.
    pub fn moved(&mut self, group: usize) {
        self.moved[group] = true;
    }

    /// The value at `maps`.
    pub fn finish(&mut self, maps: &[Permutation]) -> f64 {
        let moved = |binding: &Option<Binding>| binding.as_ref().is_some_and(|binding| self.moved[binding.group]);
        for (parameter, value) in self.spec.parameters.iter().zip(&mut self.values) {
            if moved(&parameter.rows) || moved(&parameter.columns) {
                *value = agreement(parameter, self.fixed, self.moving, maps);
            }
        }
        self.moved.fill(false);
        self.value()
    }
}

/// One parameter's share of the objective: `Σ A[r, b, c, s] · B[p(r), b, q(c), s]`.
fn agreement(parameter: &Parameter, fixed: &Weights, moving: &Weights, maps: &[Permutation]) -> f64 {
    if !parameter.role.is_matched() {
        return 0.0;
    }
    let fixed = fixed.values(&parameter.name);
    let moving = moving.values(&parameter.name);
    let length = |axis: usize| parameter.shape.get(axis).copied().unwrap_or(1);
    let row_length = fixed.len() / length(0).max(1);
    let column_map = parameter.columns.as_ref().map(|binding| &maps[binding.group]).filter(|map| !map.is_identity());
    let inner = column_map.map_or(row_length, |map| row_length / map.len());
    let mut total = 0.0;
    for row in 0..length(0) {
        let source = match &parameter.rows {
            Some(binding) => maps[binding.group].as_slice()[row / binding.block] as usize * binding.block + row % binding.block,
            None => row,
        };
        let fixed = &fixed[row * row_length..][..row_length];
        let moving = &moving[source * row_length..][..row_length];
        total += match column_map {
            None => dot(fixed, moving),
            Some(map) if inner == 1 => gathered_dot(fixed, moving, map.as_slice()),
            Some(map) => fixed
                .chunks_exact(inner)
                .zip(map.as_slice())
                .map(|(fixed, &unit)| dot(fixed, &moving[unit as usize * inner..][..inner]))
                .sum(),
        };
    }
    total
}

/// Eight sums side by side, so that additions need not wait for each other; the order is the same on every machine.
const LANES: usize = 8;

fn dot(left: &[f32], right: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let (left_body, right_body) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let tail: f64 = left_body.remainder().iter().zip(right_body.remainder()).map(|(&l, &r)| f64::from(l) * f64::from(r)).sum();
    for (left, right) in left_body.zip(right_body) {
        for lane in 0..LANES {
            sums[lane] += f64::from(left[lane]) * f64::from(right[lane]);
        }
    }
    sums.iter().sum::<f64>() + tail
}

/// `Σ left[i] · right[map[i]]`.
fn gathered_dot(left: &[f32], right: &[f32], map: &[u32]) -> f64 {
    let mut sums = [0.0; LANES];
    let (left_body, map_body) = (left.chunks_exact(LANES), map.chunks_exact(LANES));
    let product = |left: f32, unit: u32| f64::from(left) * f64::from(right[unit as usize]);
    let tail: f64 = left_body.remainder().iter().zip(map_body.remainder()).map(|(&left, &unit)| product(left, unit)).sum();
    for (left, units) in left_body.zip(map_body) {
        for lane in 0..LANES {
            sums[lane] += product(left[lane], units[lane]);
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, identities, mixed, numbers, random, shuffles};
    use onebasin_network::permute;

    #[test]
    fn three_models_by_hand() {
        let graph = chain(&[1]);
        let models = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].map(|[first, second]| numbers(graph.spec(), &[&[first], &[second]]));
        // 1·3 + 2·4 + 1·5 + 2·6 + 3·5 + 4·6
        assert_eq!(objective(graph.spec(), &models.iter().collect::<Vec<_>>()), 67.0);
    }

    #[test]
    fn a_pair_that_moves_agrees_with_its_image_and_running_statistics_take_no_part() {
        let graph = mixed();
        let spec = graph.spec();
        let (a, b) = (random(spec, 1), random(spec, 2));
        let mut maps = identities(spec);
        let mut pair = PairObjective::new(spec, &a, &b, &maps);
        for (seed, group) in (0..spec.groups.len()).cycle().take(7).enumerate() {
            maps[group] = shuffles(spec, seed as u64).swap_remove(group);
            pair.moved(group);
            let found = pair.finish(&maps);
            let expected = objective(spec, &[&a, &permute(spec, &b, &maps)]);
            assert!((found - expected).abs() < 1e-12 * (1.0 + expected.abs()), "{found} and {expected}");
        }
        let dot = |name: &str| a.values(name).iter().zip(b.values(name)).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let matched = spec.parameters.iter().filter(|parameter| !parameter.name.contains("running"));
        let expected: f64 = matched.map(|parameter| dot(&parameter.name)).sum();
        assert!((objective(spec, &[&a, &b]) - expected).abs() < 1e-12);
        assert!(spec.parameters.iter().any(|parameter| parameter.name.contains("running")));
    }
}
