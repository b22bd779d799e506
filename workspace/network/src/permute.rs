//! Weights under permutations of their units.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;

use crate::{Binding, Parameter, Permutation, PermutationSpec, Weights};

/// The same function with its units in another order: `w'[i, j, ..] = w[p[i], q[j], ..]` for a parameter whose rows are tied to a
/// group mapped by `p` and whose columns to one mapped by `q`; blocks move as one. Running statistics move too.
///
/// `maps` has one permutation for each group, in the order of the spec. The input is not touched. Cost: one copy of the weights.
///
/// # Panics
/// If there is not one map for each group, of its length.
pub fn permute(spec: &PermutationSpec, weights: &Weights, maps: &[Permutation]) -> Weights {
    assert_eq!(maps.len(), spec.groups.len(), "one permutation for each group is expected");
    for (map, group) in maps.iter().zip(&spec.groups) {
        assert_eq!(map.len(), group.units, "the permutation of group `{}` has the wrong length", group.name);
    }
    let arrays: BTreeMap<String, ArrayD<f32>> =
        spec.parameters.par_iter().map(|parameter| (parameter.name.clone(), permuted(parameter, weights, maps))).collect();
    Weights::trusted(arrays)
}

/// One parameter of [`permute`].
fn permuted(parameter: &Parameter, weights: &Weights, maps: &[Permutation]) -> ArrayD<f32> {
    let source = weights.values(&parameter.name);
    let rows = parameter.rows.and_then(|binding| order(binding, maps));
    let columns = parameter.columns.and_then(|binding| order(binding, maps));
    let row_length = source.len() / parameter.shape[0];
    let mut target = Vec::with_capacity(source.len());
    for slot in 0..parameter.shape[0] {
        let row = rows.as_ref().map_or(slot, |order| order[slot]);
        let row = &source[row * row_length..(row + 1) * row_length];
        match &columns {
            None => target.extend_from_slice(row),
            Some(order) => {
                let inner = row_length / order.len();
                if inner == 1 {
                    target.extend(order.iter().map(|&column| row[column]));
                } else {
                    order.iter().for_each(|&column| target.extend_from_slice(&row[column * inner..(column + 1) * inner]));
                }
            }
        }
    }
    ArrayD::from_shape_vec(IxDyn(&parameter.shape), target).expect("a gather keeps the shape")
}

/// Where each entry of an axis comes from; `None` if all stay.
fn order(binding: Binding, maps: &[Permutation]) -> Option<Vec<usize>> {
    let map = &maps[binding.group];
    let block = binding.block;
    let gather = || map.as_slice().iter().flat_map(|&unit| (0..block).map(move |offset| unit as usize * block + offset)).collect();
    (!map.is_identity()).then(gather)
}
