use ndarray::{Array2, ArrayD, ArrayView2, Axis};
use onebasin_network::{Binding, Parameter, Permutation, PermutationSpec, Role, Threads, Weights, multiply_add, permute};

use crate::{UnitMap, UnitMaps};

/// A model aligned: brought into the frame: every axis of every parameter goes through the map of its group.
///
/// `maps` holds one map model → frame for each group, and possibly one more for the class scores. Permutations gather
/// (`w'[i] = w[p[i]]`, exact); plans multiply (`w' = plan · w`, in `f32`). The model itself is not touched.
///
/// # Panics
/// When `maps` or `weights` are not of `spec`, which is a bug of the caller.
pub fn to_frame(spec: &PermutationSpec, weights: &Weights, maps: &UnitMaps) -> Weights {
    let groups = spec.groups.len();
    assert!(maps.len() == groups || maps.len() == groups + 1, "{} maps for {groups} groups", maps.len());
    if maps.len() == groups
        && let Some(permutations) = permutations(maps)
    {
        return permute(spec, weights, &permutations);
    }
    let arrays = spec.parameters.iter().map(|parameter| {
        let mut array = weights.get(&parameter.name).clone();
        if let Some((map, block)) = row_map(parameter, maps, groups) {
            array = map_rows(array, map, block);
        }
        if let Some(Binding { group, block }) = parameter.columns {
            array = map_columns(array, &maps[group], block);
        }
        (parameter.name.clone(), array)
    });
    Weights::new(spec, arrays.collect()).expect("maps keep the shapes of a square problem")
}

/// The permutations among `maps`, if all are.
pub fn permutations(maps: &UnitMaps) -> Option<Vec<Permutation>> {
    let permutation = |map: &UnitMap| match map {
        UnitMap::Permutation(permutation) => Some(permutation.clone()),
        UnitMap::Plan(_) => None,
    };
    maps.iter().map(permutation).collect()
}

/// The map and block of a parameter's rows; class scores are rows that are fixed, in linear layers.
fn row_map<'a>(parameter: &Parameter, maps: &'a UnitMaps, groups: usize) -> Option<(&'a UnitMap, usize)> {
    match parameter.rows {
        Some(Binding { group, block }) => Some((&maps[group], block)),
        None if matches!(parameter.role, Role::Weight | Role::Bias) => maps.get(groups).map(|map| (map, 1)),
        None => None,
    }
}

/// Maps axis 0, seen as [units, block · rest].
pub(crate) fn map_rows(array: ArrayD<f32>, map: &UnitMap, block: usize) -> ArrayD<f32> {
    let shape = array.shape().to_vec();
    let units = shape[0] / block;
    let rest = array.len() / units.max(1);
    let matrix = array.into_shape_with_order((units, rest)).expect("standard layout");
    let mapped = match map {
        UnitMap::Permutation(permutation) => matrix.select(Axis(0), &indices(permutation)),
        UnitMap::Plan(plan) => product(plan.view(), matrix.view()),
    };
    mapped.as_standard_layout().into_owned().into_shape_with_order(shape).expect("a square map").into_dyn()
}

/// Maps axis 1, seen as [rows, units, block · spatial].
pub(crate) fn map_columns(array: ArrayD<f32>, map: &UnitMap, block: usize) -> ArrayD<f32> {
    let shape = array.shape().to_vec();
    let units = shape[1] / block;
    let inner = block * shape[2..].iter().product::<usize>();
    let mapped = match map {
        UnitMap::Permutation(permutation) => {
            let cube = array.into_shape_with_order((shape[0], units, inner)).expect("standard layout");
            cube.select(Axis(1), &indices(permutation)).into_dyn()
        }
        UnitMap::Plan(plan) if inner == 1 => {
            let matrix = array.into_shape_with_order((shape[0], units)).expect("standard layout");
            product(matrix.view(), plan.t()).into_dyn()
        }
        UnitMap::Plan(plan) => {
            let cube = array.into_shape_with_order((shape[0], units, inner)).expect("standard layout");
            let mut mapped = cube.clone();
            for (source, target) in cube.outer_iter().zip(mapped.outer_iter_mut()) {
                multiply_add(1.0, plan.view(), source, 0.0, target, Threads::One);
            }
            mapped.into_dyn()
        }
    };
    mapped.as_standard_layout().into_owned().into_shape_with_order(shape).expect("a square map")
}

fn indices(permutation: &Permutation) -> Vec<usize> {
    permutation.as_slice().iter().map(|&index| index as usize).collect()
}

fn product(left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut result = Array2::zeros((left.nrows(), right.ncols()));
    multiply_add(1.0, left, right, 0.0, result.view_mut(), Threads::All);
    result
}

/// The maps that bring a model `from` onto the units of a model `onto`, given both models' maps into one frame.
///
/// Permutations compose exactly. The way back through a plan is its transpose with rows normalised to sum 1.
pub fn pair_maps(from: &UnitMaps, onto: &UnitMaps) -> UnitMaps {
    from.iter().zip(onto).map(|(from, onto)| compose(from, &backwards(onto))).collect()
}

fn backwards(map: &UnitMap) -> UnitMap {
    match map {
        UnitMap::Permutation(permutation) => UnitMap::Permutation(permutation.inverse()),
        UnitMap::Plan(plan) => {
            let mut back = plan.t().as_standard_layout().into_owned();
            let even = 1.0 / back.ncols() as f32;
            for mut row in back.rows_mut() {
                let mass: f64 = row.iter().map(|&share| f64::from(share)).sum();
                if mass > 0.0 {
                    row.mapv_inplace(|share| (f64::from(share) / mass) as f32);
                } else {
                    // A unit that reached no slot: nothing is known of it.
                    row.fill(even);
                }
            }
            UnitMap::Plan(back)
        }
    }
}

/// First `first`, then `next`.
pub(crate) fn compose(first: &UnitMap, next: &UnitMap) -> UnitMap {
    match (first, next) {
        (UnitMap::Permutation(first), UnitMap::Permutation(next)) => UnitMap::Permutation(first.then(next)),
        (UnitMap::Plan(first), UnitMap::Permutation(next)) => UnitMap::Plan(first.select(Axis(0), &indices(next))),
        (UnitMap::Permutation(first), UnitMap::Plan(next)) => UnitMap::Plan(next.select(Axis(1), &indices(&first.inverse()))),
        (UnitMap::Plan(first), UnitMap::Plan(next)) => UnitMap::Plan(product(next.view(), first.view())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, mixed, numbers, random, shuffles};
    use ndarray::array;

    fn hard(maps: &[Permutation]) -> UnitMaps {
        maps.iter().cloned().map(UnitMap::Permutation).collect()
    }

    /// The same maps as matrices of zeros and ones.
    fn dense(maps: &[Permutation]) -> UnitMaps {
        let matrix = |map: &Permutation| {
            let mut plan = Array2::zeros((map.len(), map.len()));
            map.as_slice().iter().enumerate().for_each(|(slot, &unit)| plan[[slot, unit as usize]] = 1.0);
            UnitMap::Plan(plan)
        };
        maps.iter().map(matrix).collect()
    }

    #[test]
    fn permutations_and_the_same_as_plans_give_the_same_image() {
        let graph = mixed();
        let (weights, maps) = (random(graph.spec(), 1), shuffles(graph.spec(), 2));
        let gathered = to_frame(graph.spec(), &weights, &hard(&maps));
        assert_eq!(gathered, permute(graph.spec(), &weights, &maps));
        assert_eq!(gathered, to_frame(graph.spec(), &weights, &dense(&maps)));
        let mixture: UnitMaps =
            hard(&maps).into_iter().zip(dense(&maps)).enumerate().map(|(i, (hard, soft))| if i % 2 == 0 { hard } else { soft }).collect();
        assert_eq!(gathered, to_frame(graph.spec(), &weights, &mixture));
    }

    #[test]
    fn a_plan_mixes_rows_and_columns_by_its_shares() {
        let graph = chain(&[2]);
        let weights = numbers(graph.spec(), &[&[4.0, 8.0], &[1.0, 3.0]]);
        let plan = UnitMap::Plan(array![[0.25, 0.75], [1.0, 0.0]]);
        let aligned = to_frame(graph.spec(), &weights, &vec![plan]);
        assert_eq!(aligned, numbers(graph.spec(), &[&[7.0, 4.0], &[2.5, 1.0]]));
    }

    #[test]
    fn one_more_map_moves_the_class_scores() {
        let graph = crate::testing::graph(r#"{"family": "mlp", "hidden": [2]}"#, (1, 1, 1), 3);
        let weights = numbers(graph.spec(), &[&[1.0, 2.0], &[3.0, 4.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[7.0, 8.0, 9.0]]);
        let maps = hard(&[Permutation::identity(2), Permutation::new(vec![2, 0, 1]).unwrap()]);
        let expected = numbers(graph.spec(), &[&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0, 1.0, 2.0, 3.0, 4.0], &[9.0, 7.0, 8.0]]);
        assert_eq!(to_frame(graph.spec(), &weights, &maps), expected);
    }

    #[test]
    fn a_pair_meets_through_the_frame() {
        let graph = mixed();
        let spec = graph.spec();
        let universe = random(spec, 1);
        let (p, q) = (shuffles(spec, 2), shuffles(spec, 3));
        let inverse = |maps: &[Permutation]| maps.iter().map(Permutation::inverse).collect::<Vec<_>>();
        let (a, b) = (permute(spec, &universe, &inverse(&p)), permute(spec, &universe, &inverse(&q)));
        assert_eq!(to_frame(spec, &b, &pair_maps(&hard(&q), &hard(&p))), a);
        let soft = to_frame(spec, &b, &pair_maps(&dense(&q), &dense(&p)));
        assert_eq!(soft, a);
        assert_eq!(to_frame(spec, &b, &pair_maps(&dense(&q), &hard(&p))), a);
        assert_eq!(to_frame(spec, &b, &pair_maps(&hard(&q), &dense(&p))), a);
    }
}
