//! What becomes of a model on a way around several others and back.

use onebasin_network::{PermutationSpec, Weights};

use crate::align::{compose, to_frame};
use crate::{UnitMap, UnitMaps};

/// A model after a way around a cycle of models.
#[derive(Clone, Debug, PartialEq)]
pub struct Cycle {
    /// The composed maps from the first model back onto itself, one for each group.
    pub maps: UnitMaps,
    /// The first model carried along them; it computes what the model does, if maps are permutations.
    pub aligned: Weights,
    /// The ℓ2 distance between the flat weights of the first model before and after; exactly 0 if the maps compose to the identity.
    pub distance: f64,
}

/// The way of model `path[0]` through all models of `path`, in order, and back: for `[0, 1, 2]` that is 0 → 1 → 2 → 0.
///
/// `pair(from, onto)` gives the maps of model `from` onto the units of `onto`: [`crate::Alignment::pair_maps`] of one alignment, or for pairs
/// matched independently of each other those of an alignment for each pair.
///
/// Source: C²M³ (arXiv 2405.17897), figure 2: the loss between a model and itself carried along, and their distance.
///
/// # Panics
/// When `path` is empty or names a model that is not there, which is a bug of the caller.
pub fn cycle(spec: &PermutationSpec, models: &[&Weights], path: &[usize], pair: impl Fn(usize, usize) -> UnitMaps) -> Cycle {
    let maps = around(path, pair);
    let model = models[path[0]];
    let aligned = to_frame(spec, model, &maps);
    let distance = if is_identity(&maps) { 0.0 } else { distance(model, &aligned) };
    Cycle { maps, aligned, distance }
}

/// How far models come back from where they started when they are mapped around cycles: the greatest ℓ2 distance between the
/// flat weights of a model before and after p → q → r → p, over all p < q < r (p → q → p for two models).
///
/// `pair(from, onto)` gives the maps of model `from` onto the units of `onto`; pairs matched independently of each other
/// do not come back. Exactly 0 when permutations compose to the identity. Cost: n³/6 compositions.
///
/// Source: C²M³ (arXiv 2405.17897), figure 2b.
pub fn cycle_error(spec: &PermutationSpec, models: &[&Weights], pair: impl Fn(usize, usize) -> UnitMaps) -> f64 {
    cycle_error_of(&vec![spec; models.len()], models, pair)
}

/// As [`cycle_error`], of models each with its own spec.
pub(crate) fn cycle_error_of(specs: &[&PermutationSpec], models: &[&Weights], pair: impl Fn(usize, usize) -> UnitMaps) -> f64 {
    let count = models.len();
    let error = |path: &[usize]| {
        let maps = around(path, &pair);
        if is_identity(&maps) { 0.0 } else { distance(models[path[0]], &to_frame(specs[path[0]], models[path[0]], &maps)) }
    };
    if count == 2 {
        return error(&[0, 1]);
    }
    let mut worst = 0.0f64;
    for p in 0..count {
        for q in p + 1..count {
            for r in q + 1..count {
                worst = worst.max(error(&[p, q, r]));
            }
        }
    }
    worst
}

/// The maps along a path and from its end back to its beginning.
fn around(path: &[usize], pair: impl Fn(usize, usize) -> UnitMaps) -> UnitMaps {
    let step = |place: usize| pair(path[place], path[(place + 1) % path.len()]);
    (1..path.len()).fold(step(0), |maps, place| maps.iter().zip(&step(place)).map(|(first, next)| compose(first, next)).collect())
}

fn is_identity(maps: &UnitMaps) -> bool {
    maps.iter().all(|map| matches!(map, UnitMap::Permutation(permutation) if permutation.is_identity()))
}

fn distance(left: &Weights, right: &Weights) -> f64 {
    let pairs = left.iter().zip(right.iter()).flat_map(|((_, left), (_, right))| left.iter().zip(right));
    pairs.map(|(&left, &right)| (f64::from(left) - f64::from(right)).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::pair_maps;
    use crate::testing::{chain, mixed, numbers, random, shuffles};
    use ndarray::array;
    use onebasin_network::Permutation;

    fn hard(maps: &[Permutation]) -> UnitMaps {
        maps.iter().cloned().map(UnitMap::Permutation).collect()
    }

    #[test]
    fn cycles_close_through_a_frame_and_not_between_pairs_matched_apart() {
        let graph = chain(&[3]);
        let spec = graph.spec();
        let models = [1, 2, 3].map(|seed| random(spec, seed));
        let models: Vec<&Weights> = models.iter().collect();
        let maps = [4, 5, 6].map(|seed| hard(&shuffles(spec, seed)));
        assert_eq!(cycle_error(spec, &models, |from, onto| pair_maps(&maps[from], &maps[onto])), 0.0);
        assert_eq!(cycle_error(spec, &models[..2], |from, onto| pair_maps(&maps[from], &maps[onto])), 0.0);
        // Every step turns the units by one, except the last, which leaves them: w comes back as w[2], w[0], w[1].
        let turn = || hard(&[Permutation::new(vec![1, 2, 0]).unwrap()]);
        let stay = || hard(&[Permutation::identity(3)]);
        let model = numbers(spec, &[&[1.0, 2.0, 4.0], &[0.0, 0.0, 0.0]]);
        let found = cycle_error(spec, &[&model, &model, &model], |_, onto| if onto == 0 { stay() } else { turn() });
        assert_eq!(found, (3.0f64 * 3.0 + 1.0 + 2.0 * 2.0).sqrt());
    }

    #[test]
    fn soft_maps_do_not_come_back_and_a_unit_without_mass_comes_back_as_the_mean() {
        let graph = chain(&[2]);
        let model = numbers(graph.spec(), &[&[0.0, 2.0], &[0.0, 0.0]]);
        // Both slots hold unit 0, so unit 1 comes back as the mean of both slots: 0 instead of 2.
        let plan = vec![UnitMap::Plan(array![[1.0, 0.0], [1.0, 0.0]])];
        let found = cycle_error(graph.spec(), &[&model, &model], |_, _| pair_maps(&plan, &plan));
        assert_eq!(found, 2.0);
    }

    #[test]
    fn a_way_of_any_length_is_taken_step_by_step_and_its_distance_is_that_of_the_image() {
        let graph = mixed();
        let spec = graph.spec();
        let models = [1, 2, 3, 4].map(|seed| random(spec, seed));
        let models: Vec<&Weights> = models.iter().collect();
        let pair = |from: usize, onto: usize| hard(&shuffles(spec, (10 * from + onto) as u64));
        let found = cycle(spec, &models, &[2, 0, 3, 1], pair);
        let steps = [(2, 0), (0, 3), (3, 1), (1, 2)];
        let aligned = steps.iter().fold(models[2].clone(), |weights, &(from, onto)| to_frame(spec, &weights, &pair(from, onto)));
        assert_eq!(found.aligned, aligned);
        assert!(found.distance > 0.0 && found.distance == distance(models[2], &aligned));
        let frame: Vec<UnitMaps> = (0..4).map(|seed| hard(&shuffles(spec, seed))).collect();
        let through = cycle(spec, &models, &[2, 0, 3, 1], |from, onto| pair_maps(&frame[from], &frame[onto]));
        assert_eq!((&through.aligned, through.distance), (models[2], 0.0));
    }
}
