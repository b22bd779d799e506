use ndarray::{Array2, Array3, ArrayD, ArrayView2, ArrayViewD, Axis, CowArray};
use onebasin_network::{Binding, Parameter, Permutation, PermutationSpec, Role, Threads, Weights, multiply_add, permute};
use rayon::prelude::*;

use crate::{Transport, UnitMap, UnitMaps, Untied};

/// A model aligned: brought into the frame: every axis of every parameter goes through the map of its group.
///
/// `maps` holds one map model → frame for each group, and possibly one more for the class scores. Permutations gather (`w'[i] = w[p[i]]`,
/// exact); plans multiply (`w' = plan · w`, in `f32`). The model itself is not touched. `spec` is that of the frame, which has other
/// numbers of units than the model where maps are between different widths.
///
/// # Panics
/// When `maps` or `weights` are not of `spec`, which is a bug of the caller.
pub fn to_frame(spec: &PermutationSpec, weights: &Weights, maps: &UnitMaps) -> Weights {
    to_frame_with(spec, weights, maps, None)
}

/// As [`to_frame`], with the rows of `own` in slots that none of the model's units reach, where it is given: `own` is the reference, whose
/// units the slots are. The model aligned computes the same either way, as nothing reads these slots; the mean with the reference then
/// keeps the reference's unit, and half of what it gave, in place of half a unit.
pub fn to_frame_with(spec: &PermutationSpec, weights: &Weights, maps: &UnitMaps, own: Option<&Weights>) -> Weights {
    let groups = spec.groups.len();
    assert!(maps.len() == groups || maps.len() == groups + 1, "{} maps for {groups} groups", maps.len());
    if maps.len() == groups
        && let Some(permutations) = permutations(maps)
    {
        return permute(spec, weights, &permutations);
    }
    let arrays = spec.parameters.par_iter().map(|parameter| {
        let name = parameter.name.as_str();
        let mut array = CowArray::from(weights.get(name));
        let rows = row_map(parameter, maps, groups).map(|(map, block)| (map.rows(name), block));
        if let Some((side, block)) = rows {
            array = map_rows(array.view(), side, block).into();
        }
        if let Some(Binding { group, block }) = parameter.columns {
            array = map_columns(array.view(), maps[group].columns(name), block).into();
        }
        let mut array = array.into_owned();
        if let (Some(own), Some((Side::Matrix(plan), block))) = (own, rows) {
            keep_rows(&mut array, own.get(name), plan, block);
        }
        (name.to_owned(), array)
    });
    Weights::new(spec, arrays.collect()).expect("maps lead to the shapes of the frame")
}

/// As [`to_frame`], but the columns of every parameter stay in the order of the model's own units: what comes out computes something else
/// wherever a map moves a unit. Sequential merging has it so in a published program, which looks at the order of the layer before for its costs alone.
///
/// Source: the program of Model Merging for Continual Learning (modularised fusion, past correction off).
///
/// # Panics
/// When `maps` or `weights` are not of `spec`, which is a bug of the caller.
pub fn rows_to_frame(spec: &PermutationSpec, weights: &Weights, maps: &UnitMaps) -> Weights {
    let groups = spec.groups.len();
    let arrays = spec.parameters.iter().map(|parameter| {
        let array = weights.get(&parameter.name);
        let mapped = match row_map(parameter, maps, groups) {
            Some((map, block)) => map_rows(array.view(), map.rows(&parameter.name), block),
            None => array.clone(),
        };
        (parameter.name.clone(), mapped)
    });
    Weights::new(spec, arrays.collect()).expect("maps lead to the shapes of the frame")
}

/// Puts the rows of `own` into slots without a share of any unit.
fn keep_rows(array: &mut ArrayD<f32>, own: &ArrayD<f32>, plan: &Array2<f32>, block: usize) {
    for slot in (0..plan.nrows()).filter(|&slot| plan.row(slot).iter().all(|&share| share == 0.0)) {
        for row in slot * block..(slot + 1) * block {
            array.index_axis_mut(Axis(0), row).assign(&own.index_axis(Axis(0), row));
        }
    }
}

/// The permutations among `maps`, if all are.
pub fn permutations(maps: &UnitMaps) -> Option<Vec<Permutation>> {
    let permutation = |map: &UnitMap| match map {
        UnitMap::Permutation(permutation) => Some(permutation.clone()),
        UnitMap::Plan(_) | UnitMap::Transport(_) | UnitMap::Untied(_) => None,
    };
    maps.iter().map(permutation).collect()
}

/// What a map does to one axis of one parameter.
#[derive(Clone, Copy)]
pub(crate) enum Side<'a> {
    /// It gathers.
    Order(&'a Permutation),
    /// It multiplies, `[slots, units]`.
    Matrix(&'a Array2<f32>),
}

impl UnitMap {
    /// What it does to the rows of the parameter of this name.
    ///
    /// # Panics
    /// When it is untied and has no such parameter.
    pub(crate) fn rows(&self, parameter: &str) -> Side<'_> {
        match self {
            UnitMap::Permutation(permutation) => Side::Order(permutation),
            UnitMap::Plan(plan) => Side::Matrix(plan),
            UnitMap::Transport(transport) => Side::Matrix(&transport.incoming),
            UnitMap::Untied(untied) => Side::Matrix(&untied.rows[parameter]),
        }
    }

    /// What it does to its columns.
    ///
    /// # Panics
    /// As [`UnitMap::rows`].
    pub(crate) fn columns(&self, parameter: &str) -> Side<'_> {
        match self {
            UnitMap::Permutation(permutation) => Side::Order(permutation),
            UnitMap::Plan(plan) => Side::Matrix(plan),
            UnitMap::Transport(transport) => Side::Matrix(&transport.outgoing),
            UnitMap::Untied(untied) => Side::Matrix(&untied.columns[parameter]),
        }
    }

    /// The matrices of both sides, where they are the same for all parameters.
    pub(crate) fn matrices(&self) -> Option<Transport> {
        let twice = |matrix: Array2<f32>| Transport { incoming: matrix.clone(), outgoing: matrix };
        match self {
            UnitMap::Permutation(permutation) => Some(twice(matrix(permutation))),
            UnitMap::Plan(plan) => Some(twice(plan.clone())),
            UnitMap::Transport(transport) => Some(transport.clone()),
            UnitMap::Untied(_) => None,
        }
    }
}

/// A permutation as a matrix of zeros and ones.
fn matrix(permutation: &Permutation) -> Array2<f32> {
    let mut matrix = Array2::zeros((permutation.len(), permutation.len()));
    permutation.as_slice().iter().enumerate().for_each(|(slot, &unit)| matrix[[slot, unit as usize]] = 1.0);
    matrix
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
pub(crate) fn map_rows(array: ArrayViewD<'_, f32>, map: Side<'_>, block: usize) -> ArrayD<f32> {
    let mut shape = array.shape().to_vec();
    let units = shape[0] / block;
    let rest = array.len() / units.max(1);
    let matrix = array.into_shape_with_order((units, rest)).expect("standard layout");
    let mapped = match map {
        Side::Order(permutation) => matrix.select(Axis(0), &indices(permutation)),
        Side::Matrix(plan) => product(plan.view(), matrix.view()),
    };
    shape[0] = mapped.nrows() * block;
    mapped.into_shape_with_order(shape).expect("as many rows as slots, in standard layout")
}

/// Maps axis 1, seen as [rows, units, block · spatial].
pub(crate) fn map_columns(array: ArrayViewD<'_, f32>, map: Side<'_>, block: usize) -> ArrayD<f32> {
    let mut shape = array.shape().to_vec();
    let units = shape[1] / block;
    let inner = block * shape[2..].iter().product::<usize>();
    let mapped = match map {
        Side::Order(permutation) => {
            let values = array.to_slice().expect("standard layout");
            let mut mapped = Vec::with_capacity(values.len());
            for row in values.chunks_exact((units * inner).max(1)) {
                if inner == 1 {
                    mapped.extend(permutation.as_slice().iter().map(|&unit| row[unit as usize]));
                } else {
                    let unit_of = |&unit: &u32| &row[unit as usize * inner..][..inner];
                    permutation.as_slice().iter().map(unit_of).for_each(|values| mapped.extend_from_slice(values));
                }
            }
            ArrayD::from_shape_vec(shape.as_slice(), mapped).expect("a gather keeps the shape")
        }
        Side::Matrix(plan) if inner == 1 => {
            let matrix = array.into_shape_with_order((shape[0], units)).expect("standard layout");
            shape[1] = plan.nrows() * block;
            product(matrix.view(), plan.t()).into_dyn()
        }
        Side::Matrix(plan) => {
            let cube = array.into_shape_with_order((shape[0], units, inner)).expect("standard layout");
            let mut mapped = Array3::zeros((shape[0], plan.nrows(), inner));
            for (source, target) in cube.outer_iter().zip(mapped.outer_iter_mut()) {
                multiply_add(1.0, plan.view(), source, 0.0, target, Threads::One);
            }
            shape[1] = plan.nrows() * block;
            mapped.into_dyn()
        }
    };
    mapped.into_shape_with_order(shape).expect("as many columns as slots, in standard layout")
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
/// Permutations compose exactly. The way back through a plan is its transpose with rows normalised to sum 1, and through a transport the
/// same with its sides exchanged.
pub fn pair_maps(from: &UnitMaps, onto: &UnitMaps) -> UnitMaps {
    from.iter().zip(onto).map(|(from, onto)| compose(from, &backwards(onto))).collect()
}

fn backwards(map: &UnitMap) -> UnitMap {
    match map {
        UnitMap::Permutation(permutation) => UnitMap::Permutation(permutation.inverse()),
        UnitMap::Plan(plan) => UnitMap::Plan(back(plan)),
        UnitMap::Transport(Transport { incoming, outgoing }) => {
            UnitMap::Transport(Transport { incoming: back(outgoing), outgoing: incoming.t().as_standard_layout().into_owned() })
        }
        UnitMap::Untied(untied) => UnitMap::Untied(untied.each(|_, plan| back(plan))),
    }
}

/// The transpose with rows that sum to 1.
fn back(plan: &Array2<f32>) -> Array2<f32> {
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
    back
}

/// First `first`, then `next`.
pub(crate) fn compose(first: &UnitMap, next: &UnitMap) -> UnitMap {
    match (first, next) {
        (UnitMap::Permutation(first), UnitMap::Permutation(next)) => UnitMap::Permutation(first.then(next)),
        (UnitMap::Plan(first), UnitMap::Permutation(next)) => UnitMap::Plan(first.select(Axis(0), &indices(next))),
        (UnitMap::Permutation(first), UnitMap::Plan(next)) => UnitMap::Plan(next.select(Axis(1), &indices(&first.inverse()))),
        (UnitMap::Plan(first), UnitMap::Plan(next)) => UnitMap::Plan(product(next.view(), first.view())),
        (UnitMap::Untied(first), next) => UnitMap::Untied(first.each(|at, plan| product(at.of(next).view(), plan.view()))),
        (first, UnitMap::Untied(next)) => UnitMap::Untied(next.each(|at, plan| product(plan.view(), at.of(first).view()))),
        (first, next) => {
            let of = |map: &UnitMap| map.matrices().expect("tied maps have matrices");
            let (first, next) = (of(first), of(next));
            UnitMap::Transport(Transport {
                incoming: product(next.incoming.view(), first.incoming.view()),
                outgoing: product(next.outgoing.view(), first.outgoing.view()),
            })
        }
    }
}

/// One axis of one parameter.
#[derive(Clone, Copy)]
enum At<'a> {
    Rows(&'a str),
    Columns(&'a str),
}

impl At<'_> {
    /// What a map does there, as a matrix.
    fn of(self, map: &UnitMap) -> Array2<f32> {
        let side = match self {
            At::Rows(parameter) => map.rows(parameter),
            At::Columns(parameter) => map.columns(parameter),
        };
        match side {
            Side::Order(permutation) => matrix(permutation),
            Side::Matrix(plan) => plan.clone(),
        }
    }
}

impl Untied {
    /// Another matrix in place of each.
    fn each(&self, of: impl Fn(At<'_>, &Array2<f32>) -> Array2<f32>) -> Untied {
        Untied {
            rows: self.rows.iter().map(|(name, plan)| (name.clone(), of(At::Rows(name), plan))).collect(),
            columns: self.columns.iter().map(|(name, plan)| (name.clone(), of(At::Columns(name), plan))).collect(),
        }
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
        maps.iter().map(|map| UnitMap::Plan(matrix(map))).collect()
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
    fn what_a_slot_is_made_of_and_what_becomes_of_a_unit_may_differ() {
        let graph = chain(&[2]);
        let weights = numbers(graph.spec(), &[&[4.0, 8.0], &[1.0, 3.0]]);
        // Both slots are the mean of both units; the first is given all that the units gave.
        let map = UnitMap::Transport(Transport { incoming: array![[0.5, 0.5], [0.5, 0.5]], outgoing: array![[1.0, 1.0], [0.0, 0.0]] });
        assert_eq!(to_frame(graph.spec(), &weights, &vec![map.clone()]), numbers(graph.spec(), &[&[6.0, 6.0], &[4.0, 0.0]]));
        // There and back exchanges the sides: each unit is made of the first slot, and has half of what that gave.
        let back = to_frame(graph.spec(), &weights, &pair_maps(&hard(&[Permutation::identity(2)]), &vec![map]));
        assert_eq!(back, numbers(graph.spec(), &[&[4.0, 4.0], &[2.0, 2.0]]));
    }

    #[test]
    fn a_slot_that_no_unit_reaches_has_the_reference_s_own_rows_where_it_is_given() {
        let graph = chain(&[2, 1]);
        let weights = numbers(graph.spec(), &[&[4.0, 8.0], &[1.0, 3.0], &[1.0]]);
        let own = numbers(graph.spec(), &[&[10.0, 20.0], &[30.0, 40.0], &[50.0]]);
        let map = UnitMap::Transport(Transport { incoming: array![[0.0, 1.0], [0.0, 0.0]], outgoing: array![[0.0, 1.0], [0.0, 0.0]] });
        let maps = vec![map, UnitMap::Permutation(Permutation::identity(1))];
        let without = numbers(graph.spec(), &[&[8.0, 0.0], &[3.0, 0.0], &[1.0]]);
        assert_eq!(to_frame(graph.spec(), &weights, &maps), without);
        // Its row is the reference's; what it gives is read by nobody.
        let with = numbers(graph.spec(), &[&[8.0, 20.0], &[3.0, 0.0], &[1.0]]);
        assert_eq!(to_frame_with(graph.spec(), &weights, &maps, Some(&own)), with);
    }

    #[test]
    fn plans_of_parameters_apart_move_each_its_own_and_compose_one_by_one() {
        let graph = chain(&[2, 2]);
        let weights = numbers(graph.spec(), &[&[4.0, 8.0], &[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0]]);
        let (stay, swap) = (array![[1.0, 0.0], [0.0, 1.0]], array![[0.0, 1.0], [1.0, 0.0]]);
        let named = |name: &str, plan: &Array2<f32>| [(name.to_owned(), plan.clone())].into();
        let first = UnitMap::Untied(Untied { rows: named("fc1.weight", &swap), columns: named("fc2.weight", &stay) });
        let maps = vec![first, UnitMap::Permutation(Permutation::identity(2))];
        let swapped = numbers(graph.spec(), &[&[8.0, 4.0], &[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0]]);
        assert_eq!(to_frame(graph.spec(), &weights, &maps), swapped);
        let identities = hard(&[Permutation::identity(2), Permutation::identity(2)]);
        for there in [pair_maps(&maps, &identities), pair_maps(&identities, &maps)] {
            assert_eq!(to_frame(graph.spec(), &weights, &there), swapped);
        }
        assert_eq!(to_frame(graph.spec(), &weights, &pair_maps(&maps, &maps)), weights);
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
