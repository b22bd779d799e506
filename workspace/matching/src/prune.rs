use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use onebasin_network::{Binding, PermutationSpec, Role, Weights};
use serde::{Deserialize, Serialize};

use crate::{MatchingError, same_layers};

/// How large a unit is: a norm of the weights that it reads with, over all layers that write to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PruningNorm {
    /// The sum of magnitudes.
    #[default]
    L1,
    /// The Euclidean length.
    L2,
}

/// Structured pruning: of each group the largest units, as many as `into` has, in the order that they stand in; of equal ones the first. The
/// weights that others read them with go with them, and nothing is rescaled.
///
/// Source: Li et al. 2017 (arXiv 1608.08710), section 3.1, over all groups at once.
///
/// # Errors
/// When the two specs are of other layers, or `into` has more units of a group than there are.
pub fn prune(from: &PermutationSpec, into: &PermutationSpec, weights: &Weights, norm: PruningNorm) -> Result<Weights, MatchingError> {
    same_layers(from, into, 1)?;
    let kept: Vec<Vec<usize>> = (0..from.groups.len()).map(|group| kept(from, into, weights, (group, norm))).collect::<Result<_, _>>()?;
    let rows = |binding: Option<Binding>, length: usize| -> Vec<usize> {
        match binding {
            None => (0..length).collect(),
            Some(Binding { group, block }) => {
                kept[group].iter().flat_map(|&unit| (0..block).map(move |offset| unit * block + offset)).collect()
            }
        }
    };
    let arrays: BTreeMap<String, ArrayD<f32>> = from
        .parameters
        .iter()
        .zip(&into.parameters)
        .map(|(parameter, target)| {
            let source = weights.get(&parameter.name);
            let chosen = rows(parameter.rows, parameter.shape[0]);
            let columns = parameter.shape.get(1).map(|&length| rows(parameter.columns, length));
            let value = |index: IxDyn| {
                let mut place = index.clone();
                place[0] = chosen[index[0]];
                if let Some(columns) = &columns {
                    place[1] = columns[index[1]];
                }
                source[place]
            };
            (parameter.name.clone(), ArrayD::from_shape_fn(IxDyn(&target.shape), value))
        })
        .collect();
    Ok(Weights::new(into, arrays).expect("the units that are kept are those of the spec"))
}

/// The units of a group that stay, ascending.
fn kept(
    from: &PermutationSpec,
    into: &PermutationSpec,
    weights: &Weights,
    (group, norm): (usize, PruningNorm),
) -> Result<Vec<usize>, MatchingError> {
    let (there, count) = (from.groups[group].units, into.groups[group].units);
    if count > there {
        let problem = format!("group `{}` has {count} units, more than the {there} that are pruned", from.groups[group].name);
        return Err(MatchingError::OtherArchitecture { model: 1, problem });
    }
    let mut sizes = vec![0.0; there];
    for parameter in from.parameters.iter().filter(|parameter| parameter.role == Role::Weight) {
        if parameter.rows.is_none_or(|rows| rows.group != group) {
            continue;
        }
        let values = weights.values(&parameter.name);
        for (size, row) in sizes.iter_mut().zip(values.chunks_exact((values.len() / there).max(1))) {
            let magnitudes = row.iter().map(|&weight| f64::from(weight).abs());
            *size += match norm {
                PruningNorm::L1 => magnitudes.sum::<f64>(),
                PruningNorm::L2 => magnitudes.map(|magnitude| magnitude * magnitude).sum(),
            };
        }
    }
    let mut order: Vec<usize> = (0..there).collect();
    order.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]));
    order.truncate(count);
    order.sort_unstable();
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{graph, numbers, random};

    #[test]
    fn the_largest_units_stay_by_hand() {
        let wide = graph(r#"{"family": "mlp", "hidden": [3]}"#, (1, 1, 2), 2);
        let narrow = graph(r#"{"family": "mlp", "hidden": [2]}"#, (1, 1, 2), 2);
        let weights =
            numbers(wide.spec(), &[&[3.0, 0.0, 1.0, 1.0, 2.0, 2.0], &[7.0, 8.0, 9.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[5.0, 6.0]]);
        let expected = |rows: [f32; 4], bias: [f32; 2], columns: [f32; 4]| numbers(narrow.spec(), &[&rows, &bias, &columns, &[5.0, 6.0]]);
        // Sums of magnitudes 3, 2, 4; squares 9, 2, 8.
        let found = prune(wide.spec(), narrow.spec(), &weights, PruningNorm::L1).unwrap();
        assert_eq!(found, expected([3.0, 0.0, 2.0, 2.0], [7.0, 9.0], [1.0, 3.0, 4.0, 6.0]));
        assert_eq!(prune(wide.spec(), narrow.spec(), &weights, PruningNorm::L2).unwrap(), found);
        let one = graph(r#"{"family": "mlp", "hidden": [1]}"#, (1, 1, 2), 2);
        let bias = |norm| prune(wide.spec(), one.spec(), &weights, norm).unwrap().get("fc1.bias").clone();
        assert_eq!((bias(PruningNorm::L1)[[0]], bias(PruningNorm::L2)[[0]]), (9.0, 7.0));
    }

    #[test]
    fn as_many_units_as_there_are_is_the_network_itself_and_residual_streams_are_pruned_as_one() {
        let wide = graph(r#"{"family": "resnet", "depth": 8, "width": 4, "norm": "batch"}"#, (3, 8, 8), 4);
        let narrow = graph(r#"{"family": "resnet", "depth": 8, "width": 2, "norm": "batch"}"#, (3, 8, 8), 4);
        let weights = random(wide.spec(), 1);
        assert_eq!(prune(wide.spec(), wide.spec(), &weights, PruningNorm::L2).unwrap(), weights);
        let pruned = prune(wide.spec(), narrow.spec(), &weights, PruningNorm::L2).unwrap();
        // What of the stream stays is the same for all who write to it and read it.
        let kept = kept(wide.spec(), narrow.spec(), &weights, (0, PruningNorm::L2)).unwrap();
        for (place, &unit) in kept.iter().enumerate() {
            assert_eq!(pruned.get("stem.conv.weight").index_axis(ndarray::Axis(0), place), {
                weights.get("stem.conv.weight").index_axis(ndarray::Axis(0), unit)
            });
        }
    }

    #[test]
    fn nothing_grows_and_layers_must_be_the_same() {
        let [small, large] = ["[2]", "[3]"].map(|hidden| graph(&format!(r#"{{"family": "mlp", "hidden": {hidden}}}"#), (1, 1, 2), 2));
        let weights = random(small.spec(), 1);
        let error = prune(small.spec(), large.spec(), &weights, PruningNorm::L1).unwrap_err().to_string();
        assert!(error.contains("group `fc1` has 3 units, more than the 2"), "{error}");
        let deep = graph(r#"{"family": "mlp", "hidden": [2, 2]}"#, (1, 1, 2), 2);
        assert!(prune(small.spec(), deep.spec(), &weights, PruningNorm::L1).is_err());
    }
}
