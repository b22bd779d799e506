//! The one place that makes the matrices assignments are solved on.
//!
//! For a group of units and two models, entry `[i, j]` says how well unit `i` of the fixed model agrees with unit `j` of the moving one:
//! `C = Σ M(A, axis) · M(B̃, axis)ᵀ` over every (parameter, axis) tied to the group. `M` brings the axis to the front and flattens the
//! rest; `B̃` has its other axis in the order of the other group's current map, and the group's own axis as it is.
//! Products are single precision, sums of them double. Running statistics take no part.
//!
//! Source: Git Re-Basin (arXiv 2209.04836), algorithm 1.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2, ArrayViewD, CowArray, Ix2};
use onebasin_network::{Binding, Parameter, Permutation, PermutationSpec, Threads, Weights, multiply_add};

/// An axis of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Axis 0: the units a layer makes.
    Rows,
    /// Axis 1: the units a layer reads.
    Columns,
}

/// The axes tied to a group, as (index of the parameter, axis), in the order of the spec.
pub fn ties(spec: &PermutationSpec, group: usize) -> Vec<(usize, Side)> {
    let bound = |binding: &Option<Binding>| binding.as_ref().is_some_and(|binding| binding.group == group);
    let matched = spec.parameters.iter().enumerate().filter(|(_, parameter)| parameter.role.is_matched());
    matched
        .flat_map(|(index, parameter)| {
            let rows = bound(&parameter.rows).then_some((index, Side::Rows));
            let columns = bound(&parameter.columns).then_some((index, Side::Columns));
            rows.into_iter().chain(columns)
        })
        .collect()
}

/// For each group, the groups that share a matched parameter with it (itself, if it holds both axes of one), ascending.
pub fn neighbours(spec: &PermutationSpec) -> Vec<Vec<usize>> {
    let mut neighbours = vec![Vec::new(); spec.groups.len()];
    for parameter in spec.parameters.iter().filter(|parameter| parameter.role.is_matched()) {
        if let (Some(rows), Some(columns)) = (&parameter.rows, &parameter.columns) {
            neighbours[rows.group].push(columns.group);
            neighbours[columns.group].push(rows.group);
        }
    }
    for list in &mut neighbours {
        list.sort_unstable();
        list.dedup();
    }
    neighbours
}

/// The gain matrix of one group, computed at once; see the module's formula.
///
/// Shape [units, units]. Cost: 2 · units · (entries of the tied parameters) operations.
pub fn gain(spec: &PermutationSpec, group: usize, fixed: &Weights, moving: &Weights, maps: &[Permutation]) -> Array2<f64> {
    GroupGain::new(spec, group, fixed, moving, maps).total
}

/// The gain matrix of one group of a pair, kept up to date as the maps of other groups change.
///
/// A change of a map moves some units only, and the matrix is linear in them: so an update multiplies the differences
/// of moved units alone. Rounding adds up over updates; [`GroupGain::refresh`] keeps it to about that of one full product.
pub struct GroupGain<'a> {
    factors: Vec<Factor<'a>>,
    total: Array2<f64>,
    scratch: Array2<f32>,
    /// Rows multiplied in updates since the matrix was last computed anew.
    updated: usize,
}

/// Both models' entries along one tied axis.
struct Factor<'a> {
    /// [other units · chunk, units] of the fixed model.
    fixed: CowArray<'a, f32, Ix2>,
    /// The same of the moving one, other units in its own order.
    moving: CowArray<'a, f32, Ix2>,
    /// Consecutive rows that belong to one other unit.
    chunk: usize,
    /// The group of the other units, with the map that `total` holds.
    other: Option<(usize, Permutation)>,
}

impl<'a> GroupGain<'a> {
    /// Computes the matrix of `group` for a pair; `maps` are the moving model's, one for each group.
    pub fn new(spec: &PermutationSpec, group: usize, fixed: &'a Weights, moving: &'a Weights, maps: &[Permutation]) -> GroupGain<'a> {
        let factor = |(index, side): (usize, Side)| {
            let parameter = &spec.parameters[index];
            let (fixed, chunk) = pack(parameter, fixed.get(&parameter.name).view(), side);
            let (moving, _) = pack(parameter, moving.get(&parameter.name).view(), side);
            let other = match side {
                Side::Rows => &parameter.columns,
                Side::Columns => &parameter.rows,
            };
            let other = other.as_ref().map(|binding| (binding.group, maps[binding.group].clone()));
            Factor { fixed, moving, chunk, other }
        };
        let factors = ties(spec, group).into_iter().map(factor).collect();
        let units = spec.groups[group].units;
        let (total, scratch) = (Array2::zeros((units, units)), Array2::zeros((units, units)));
        let mut gain = GroupGain { factors, total, scratch, updated: 0 };
        gain.compute();
        gain
    }

    /// The matrix, [fixed units, moving units].
    pub fn matrix(&self) -> ArrayView2<'_, f64> {
        self.total.view()
    }

    /// Follows the maps of other groups to `maps`.
    pub fn update(&mut self, maps: &[Permutation]) {
        for factor in &mut self.factors {
            let Some((group, held)) = &mut factor.other else { continue };
            let wanted = &maps[*group];
            let moved: Vec<usize> = (0..held.len()).filter(|&unit| held.as_slice()[unit] != wanted.as_slice()[unit]).collect();
            if moved.is_empty() {
                continue;
            }
            let chunk = factor.chunk;
            let units = factor.fixed.ncols();
            let mut fixed = Array2::zeros((moved.len() * chunk, units));
            let mut change = Array2::zeros((moved.len() * chunk, units));
            for (place, &unit) in moved.iter().enumerate() {
                let (before, after) = (held.as_slice()[unit] as usize, wanted.as_slice()[unit] as usize);
                for offset in 0..chunk {
                    fixed.row_mut(place * chunk + offset).assign(&factor.fixed.row(unit * chunk + offset));
                    let mut row = change.row_mut(place * chunk + offset);
                    row.assign(&factor.moving.row(after * chunk + offset));
                    row -= &factor.moving.row(before * chunk + offset);
                }
            }
            multiply_add(1.0, fixed.t(), change.view(), 0.0, self.scratch.view_mut(), Threads::All);
            add(&mut self.total, &self.scratch);
            *held = wanted.clone();
            self.updated += fixed.nrows();
        }
    }

    /// Computes the matrix anew from the maps it holds, if updates have multiplied as many rows as that takes; says whether they had.
    pub fn refresh(&mut self) -> bool {
        let due = self.updated > self.factors.iter().map(|factor| factor.fixed.nrows()).sum();
        if due {
            self.compute();
        }
        due
    }

    fn compute(&mut self) {
        self.updated = 0;
        self.total.fill(0.0);
        for factor in &self.factors {
            let gathered = match &factor.other {
                Some((_, held)) if !held.is_identity() => Cow::Owned(gather(factor.moving.view(), held, factor.chunk)),
                _ => Cow::Borrowed(&factor.moving),
            };
            multiply_add(1.0, factor.fixed.t(), gathered.view(), 0.0, self.scratch.view_mut(), Threads::All);
            add(&mut self.total, &self.scratch);
        }
    }
}

fn add(total: &mut Array2<f64>, term: &Array2<f32>) {
    total.zip_mut_with(term, |sum, &value| *sum += f64::from(value));
}

/// Row blocks of `chunk` rows in the order of `map`.
fn gather<'a>(matrix: ArrayView2<'_, f32>, map: &Permutation, chunk: usize) -> CowArray<'a, f32, Ix2> {
    let mut gathered = Array2::zeros(matrix.raw_dim());
    for (slot, &unit) in map.as_slice().iter().enumerate() {
        for offset in 0..chunk {
            gathered.row_mut(slot * chunk + offset).assign(&matrix.row(unit as usize * chunk + offset));
        }
    }
    gathered.into()
}

/// Brings the units of an axis last: [other units · chunk, units], where the chunk holds blocks and spatial places.
/// Borrows where the array lies so already.
fn pack<'a>(parameter: &Parameter, array: ArrayViewD<'a, f32>, side: Side) -> (CowArray<'a, f32, Ix2>, usize) {
    let shape = &parameter.shape;
    let split = |binding: &Option<Binding>, length: usize| match binding {
        Some(binding) => (length / binding.block, binding.block),
        None => (length, 1),
    };
    let (rows, row_block) = split(&parameter.rows, shape[0]);
    let (columns, column_block) = if shape.len() > 1 { split(&parameter.columns, shape[1]) } else { (1, 1) };
    let inner = column_block * shape.iter().skip(2).product::<usize>();
    if side == Side::Rows && row_block == 1 {
        return (transposed(array.as_slice().expect("weights in standard layout"), rows).into(), inner);
    }
    let quad = array.into_shape_with_order((rows, row_block, columns, inner)).expect("weights in standard layout");
    let (units, chunk, ordered) = match side {
        Side::Rows => (rows, row_block * inner, quad.permuted_axes([2, 1, 3, 0])),
        Side::Columns => (columns, row_block * inner, quad.permuted_axes([0, 1, 3, 2])),
    };
    let others = ordered.len() / units.max(1);
    let shape = (others, units);
    if ordered.is_standard_layout() {
        return (ordered.into_shape_with_order(shape).expect("as many entries").into(), chunk);
    }
    let copied = ordered.as_standard_layout().into_owned();
    (copied.into_shape_with_order(shape).expect("as many entries").into(), chunk)
}

/// The transpose of a matrix of `rows` rows, some rows at a time, so that writes stay in cache lines.
fn transposed(values: &[f32], rows: usize) -> Array2<f32> {
    const TOGETHER: usize = 16;
    let columns = values.len() / rows.max(1);
    let mut result = vec![0.0; values.len()];
    for first in (0..rows).step_by(TOGETHER) {
        let last = rows.min(first + TOGETHER);
        for column in 0..columns {
            for row in first..last {
                result[column * rows + row] = values[row * columns + column];
            }
        }
    }
    Array2::from_shape_vec((columns, rows), result).expect("as many entries as before")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, identities, mixed, numbers, random, shuffles};
    use ndarray::{Dimension, array};

    /// Entry by entry from the formula, without packing.
    fn plain(spec: &PermutationSpec, group: usize, fixed: &Weights, moving: &Weights, maps: &[Permutation]) -> Array2<f64> {
        let units = spec.groups[group].units;
        let mut total = Array2::zeros((units, units));
        let source = |binding: &Option<Binding>, entry: usize| {
            let Some(binding) = binding else { return entry };
            maps[binding.group].as_slice()[entry / binding.block] as usize * binding.block + entry % binding.block
        };
        for parameter in spec.parameters.iter().filter(|parameter| parameter.role.is_matched()) {
            let (a, b) = (fixed.get(&parameter.name), moving.get(&parameter.name));
            for (axis, own) in [parameter.rows, parameter.columns].iter().enumerate() {
                let Some(own) = own.filter(|binding| binding.group == group) else { continue };
                for (index, &value) in a.indexed_iter() {
                    for unit in 0..units {
                        let mut there = index.clone();
                        let other = 1 - axis;
                        if there.ndim() > 1 {
                            there[other] = source(if other == 0 { &parameter.rows } else { &parameter.columns }, there[other]);
                        }
                        let here = there[axis] / own.block;
                        there[axis] = unit * own.block + there[axis] % own.block;
                        total[[here, unit]] += f64::from(value) * f64::from(b[there]);
                    }
                }
            }
        }
        total
    }

    fn close(left: &Array2<f64>, right: &Array2<f64>) {
        for (left, right) in left.iter().zip(right) {
            assert!((left - right).abs() < 1e-5, "{left} and {right}");
        }
    }

    #[test]
    fn the_two_by_two_case_by_hand() {
        let graph = chain(&[2, 2]);
        let (a, b) = (
            numbers(graph.spec(), &[&[1.0, 2.0], &[1.0, 0.0, 0.0, 3.0], &[1.0, 0.0]]),
            numbers(graph.spec(), &[&[1.0, 2.0], &[0.0, 0.0, 0.0, 1.0], &[0.0, 1.0]]),
        );
        let swap = Permutation::new(vec![1, 0]).unwrap();
        let maps = [Permutation::identity(2), swap];
        // [1 2]^T [1 2] + diag(1, 3) (rows of diag(0, 1) swapped): [[1, 2], [2, 4]] + [[0, 1], [0, 0]].
        assert_eq!(gain(graph.spec(), 0, &a, &b, &maps), array![[1.0, 3.0], [2.0, 4.0]]);
    }

    #[test]
    fn convolutions_norms_blocks_and_residual_streams_follow_the_formula() {
        let graph = mixed();
        let spec = graph.spec();
        let (a, b, maps) = (random(spec, 1), random(spec, 2), shuffles(spec, 3));
        for group in 0..spec.groups.len() {
            close(&gain(spec, group, &a, &b, &maps), &plain(spec, group, &a, &b, &maps));
        }
    }

    #[test]
    fn a_kept_matrix_follows_changing_maps_and_a_refresh_makes_it_anew() {
        let graph = mixed();
        let spec = graph.spec();
        let (a, b) = (random(spec, 1), random(spec, 2));
        for group in 0..spec.groups.len() {
            let mut kept = GroupGain::new(spec, group, &a, &b, &identities(spec));
            assert!(!kept.refresh());
            for seed in 0..5 {
                kept.update(&shuffles(spec, seed));
            }
            let anew = gain(spec, group, &a, &b, &shuffles(spec, 4));
            close(&kept.matrix().to_owned(), &anew);
            // Five full changes of the maps are more than one computation of the matrix, where there is a map to follow at all.
            if kept.refresh() {
                assert_eq!(kept.matrix(), anew);
            } else {
                assert_eq!(kept.updated, 0);
            }
        }
    }

    #[test]
    fn running_statistics_take_no_part() {
        let graph = mixed();
        let spec = graph.spec();
        let parameters = (0..spec.groups.len()).flat_map(|group| ties(spec, group)).map(|(index, _)| &spec.parameters[index]);
        let names: Vec<&str> = parameters.map(|parameter| parameter.name.as_str()).collect();
        assert!(names.iter().any(|name| name.ends_with(".scale")) && !names.iter().any(|name| name.contains("running")), "{names:?}");
    }

    #[test]
    fn neighbours_share_a_parameter() {
        assert_eq!(neighbours(chain(&[2, 2, 2]).spec()), [vec![1], vec![0, 2], vec![1]]);
    }
}
