use onebasin_network::{Permutation, PermutationSpec, Weights};
use onebasin_transport::assignment;
use rayon::prelude::*;

use crate::align::to_frame;
use crate::gain::gain;
use crate::matcher::UnitMap;
use crate::{Alignment, MatchingError, Problem, UnitMaps};

/// How sure the matches of one group of one model are, slot by slot; all figures in units of the objective.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMargins {
    /// For each slot of the frame, the agreement of the unit there with the sum of the other models' units there.
    pub agreements: Vec<f64>,
    /// For each slot, what the objective loses if its unit must go elsewhere, the group's other units taking the best places left and everything else
    /// staying. Near 0: another unit would do as well. Negative: another would do better, so the maps are no optimum of
    /// this group. Infinite for a group of one unit.
    pub losses: Vec<f64>,
    /// What the objective gains if the whole group is matched anew, everything else staying; 0 at an optimum of this group.
    pub shortfall: f64,
}

/// How sure each match is: for each model and group, `C` being the gain of the other models' sum in the frame (rows, slots) and the
/// model (columns, units), `loss_s = Σ_i C[i, p(i)] − max Σ_i C[i, q(i)]` over the permutations `q` with `q(s) ≠ p(s)`.
///
/// It asks nothing of how the maps were found, so it compares methods. `C` is [`crate::gain`]'s, with the group's own axis left as it is;
/// where a parameter holds a group on both axes, it is the slope at the present map (twice the present agreement for that parameter) and losses are of first order.
///
/// Outer index model, inner index group. Cost: for each model and group, the products of one gradient, an assignment, and at most O(units³)
/// for the losses; see [`Assignment::margins`](onebasin_transport::assignment::Assignment::margins).
///
/// # Errors
/// A problem that does not pass [`Problem::check`], a map that is a plan, weights whose products are beyond single precision.
///
/// # Panics
/// When the alignment is not of this problem, which is a bug of the caller.
pub fn margins(problem: &Problem<'_>, alignment: &Alignment) -> Result<Vec<Vec<GroupMargins>>, MatchingError> {
    problem.check()?;
    let spec = problem.spec;
    let aligned: Vec<Weights> = problem.models.iter().zip(&alignment.maps).map(|(weights, maps)| to_frame(spec, weights, maps)).collect();
    let of_model = |(model, maps): (usize, &UnitMaps)| {
        let others = sum_without(spec, &aligned, model);
        let hard = permutations(alignment, model, maps)?;
        // Class scores that were moved too are part of the model here: no group holds them.
        let moving = match maps.get(spec.groups.len()) {
            Some(output) => {
                let identities = spec.groups.iter().map(|group| UnitMap::Permutation(Permutation::identity(group.units)));
                &to_frame(spec, problem.models[model], &identities.chain([output.clone()]).collect())
            }
            None => problem.models[model],
        };
        let of_group = |group: usize| {
            let gain = gain(spec, group, &others, moving, &hard);
            let transport = |source| MatchingError::Transport { group: spec.groups[group].name.clone(), source };
            let best = assignment::maximise(gain.view()).map_err(transport)?;
            let tolerances = best.margins(gain.view()).map_err(transport)?;
            let held = hard[group].as_slice();
            let agreements: Vec<f64> = held.iter().enumerate().map(|(slot, &unit)| gain[[slot, unit as usize]]).collect();
            // Summed over differences, so that a map that is the optimum has exactly none.
            let difference = |(slot, (&unit, &better)): (usize, (&u32, &u32))| gain[[slot, better as usize]] - gain[[slot, unit as usize]];
            let shortfall: f64 = held.iter().zip(&best.columns).enumerate().map(difference).sum();
            let loss = |((unit, better), tolerance): ((&u32, &u32), &f64)| if unit == better { tolerance - shortfall } else { -shortfall };
            let losses = held.iter().zip(&best.columns).zip(&tolerances).map(loss).collect();
            Ok(GroupMargins { agreements, losses, shortfall })
        };
        (0..spec.groups.len()).into_par_iter().map(of_group).collect::<Result<Vec<_>, _>>()
    };
    alignment.maps.iter().enumerate().map(of_model).collect()
}

fn permutations(alignment: &Alignment, model: usize, maps: &UnitMaps) -> Result<Vec<Permutation>, MatchingError> {
    let hard = |(map, group): (&UnitMap, &String)| match map {
        UnitMap::Permutation(permutation) => Ok(permutation.clone()),
        UnitMap::Plan(_) | UnitMap::Transport(_) | UnitMap::Untied(_) => Err(MatchingError::Soft { model, group: group.clone() }),
    };
    maps.iter().zip(&alignment.groups).map(hard).collect()
}

/// The sum of all models but one, each entry summed in `f64`.
pub(crate) fn sum_without(spec: &PermutationSpec, aligned: &[Weights], without: usize) -> Weights {
    let sum = |name: &str| {
        let mut array = aligned[without].get(name).clone();
        let others: Vec<&[f32]> =
            aligned.iter().enumerate().filter(|(model, _)| *model != without).map(|(_, aligned)| aligned.values(name)).collect();
        for (index, entry) in array.iter_mut().enumerate() {
            *entry = others.iter().map(|values| f64::from(values[index])).sum::<f64>() as f32;
        }
        (name.to_owned(), array)
    };
    Weights::new(spec, spec.parameters.iter().map(|parameter| sum(&parameter.name)).collect()).expect("shapes of the models")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, graph, mixed, numbers, random, shuffles};
    use crate::{C2m3, Frame, Matcher, SolverTrace, objective};
    use onebasin_network::permute;
    use onebasin_repro::Stream;

    fn aligned(problem: &Problem<'_>, maps: Vec<Vec<Permutation>>) -> Alignment {
        Alignment::from_permutations(problem, Frame::Universe, maps, SolverTrace::direct(Default::default()))
    }

    #[test]
    fn two_units_by_hand() {
        let graph = chain(&[2]);
        let (a, b) = (numbers(graph.spec(), &[&[3.0, 1.0], &[0.0, 0.0]]), numbers(graph.spec(), &[&[2.0, 1.0], &[0.0, 0.0]]));
        let problem = Problem::new(graph.spec(), vec![&a, &b]);
        // 3·2 + 1·1 as they are, 3·1 + 1·2 after the swap.
        let found = margins(&problem, &aligned(&problem, problem.identity_maps())).unwrap();
        assert_eq!(found[1][0], GroupMargins { agreements: vec![6.0, 1.0], losses: vec![2.0, 2.0], shortfall: 0.0 });
        let swapped = vec![vec![Permutation::identity(2)], vec![Permutation::new(vec![1, 0]).unwrap()]];
        let found = margins(&problem, &aligned(&problem, swapped)).unwrap();
        assert_eq!(found[1][0], GroupMargins { agreements: vec![3.0, 2.0], losses: vec![-2.0, -2.0], shortfall: 2.0 });
    }

    /// All permutations of `0..size`.
    fn all(size: usize) -> Vec<Vec<u32>> {
        if size == 0 {
            return vec![Vec::new()];
        }
        let insert = |shorter: Vec<u32>| {
            (0..size).map(move |place| {
                let mut longer = shorter.clone();
                longer.insert(place, size as u32 - 1);
                longer
            })
        };
        all(size - 1).into_iter().flat_map(insert).collect()
    }

    #[test]
    fn a_loss_is_what_the_objective_loses_in_a_search_through_all_other_maps_of_the_group() {
        let graph = graph(r#"{"family": "mlp", "hidden": [4, 5]}"#, (1, 2, 2), 3);
        let spec = graph.spec();
        let models: Vec<Weights> = (0..3).map(|seed| random(spec, seed)).collect();
        let problem = Problem::new(spec, models.iter().collect());
        let maps: Vec<Vec<Permutation>> = (0..3).map(|seed| shuffles(spec, 7 + seed)).collect();
        let value = |maps: &[Vec<Permutation>]| {
            let aligned: Vec<Weights> = models.iter().zip(maps).map(|(weights, maps)| permute(spec, weights, maps)).collect();
            objective(spec, &aligned.iter().collect::<Vec<_>>())
        };
        let now = value(&maps);
        let found = margins(&problem, &aligned(&problem, maps.clone())).unwrap();
        let mut negative = 0;
        for (model, of_model) in found.iter().enumerate() {
            for (group, margins) in of_model.iter().enumerate() {
                let units = spec.groups[group].units;
                let held = maps[model][group].as_slice();
                let mut best = vec![f64::NEG_INFINITY; units];
                let mut best_of_all = f64::NEG_INFINITY;
                for order in all(units) {
                    let mut changed = maps.clone();
                    changed[model][group] = Permutation::new(order.clone()).unwrap();
                    let value = value(&changed);
                    best_of_all = best_of_all.max(value);
                    (0..units).filter(|&slot| order[slot] != held[slot]).for_each(|slot| best[slot] = best[slot].max(value));
                }
                assert!((margins.shortfall - (best_of_all - now)).abs() < 1e-5);
                for (slot, (&loss, best)) in margins.losses.iter().zip(best).enumerate() {
                    assert!((loss - (now - best)).abs() < 1e-5, "model {model} group {group} slot {slot}: {loss} and {}", now - best);
                    negative += usize::from(loss < 0.0);
                }
            }
        }
        assert!(negative > 0);
    }

    #[test]
    fn copies_that_are_brought_together_are_sure_of_every_unit_and_their_agreements_add_up() {
        let graph = mixed();
        let spec = graph.spec();
        let original = random(spec, 1);
        let copies: Vec<Weights> = (0..3).map(|seed| permute(spec, &original, &shuffles(spec, seed))).collect();
        let problem = Problem::new(spec, copies.iter().collect());
        let alignment = aligned(&problem, (0..3).map(|seed| shuffles(spec, seed).iter().map(Permutation::inverse).collect()).collect());
        for margins in margins(&problem, &alignment).unwrap().iter().flatten() {
            assert_eq!(margins.shortfall, 0.0);
            assert!(margins.losses.iter().all(|loss| *loss > 0.0), "{margins:?}");
            assert!(margins.agreements.iter().all(|agreement| *agreement > 0.0));
        }
    }

    #[test]
    fn a_found_alignment_of_one_hidden_layer_is_an_optimum_of_its_only_group() {
        let graph = graph(r#"{"family": "mlp", "hidden": [30]}"#, (1, 4, 4), 5);
        let models: Vec<Weights> = (0..3).map(|seed| random(graph.spec(), seed)).collect();
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let alignment = C2m3 { refine: 50, ..C2m3::default() }.align(&problem, &Stream::root(0)).unwrap();
        for margins in margins(&problem, &alignment).unwrap().iter().flatten() {
            assert!(margins.shortfall <= 1e-6 && margins.losses.iter().all(|loss| *loss >= -1e-6), "{margins:?}");
        }
    }

    #[test]
    fn a_plan_has_no_margins_and_class_scores_may_be_moved() {
        let graph = graph(r#"{"family": "mlp", "hidden": [6]}"#, (1, 2, 2), 3);
        let models = [random(graph.spec(), 1), random(graph.spec(), 2)];
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let of = |text: &str| {
            let matching: crate::Matching = serde_json::from_str(text).unwrap();
            margins(&problem, &matching.matcher().align(&problem, &Stream::root(0)).unwrap())
        };
        let error = of(r#"{"by": "ot-fusion", "plan": "sinkhorn"}"#).unwrap_err().to_string();
        assert!(error.contains("`fc1` of model 0") || error.contains("`fc1` of model 1"), "{error}");
        assert_eq!(of(r#"{"by": "ot-fusion", "output": "transported"}"#).unwrap()[1].len(), 1);
    }
}
