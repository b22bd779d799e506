//! Plans that are no permutations: masses, unbalanced and partial transport.

use ndarray::Axis;

use super::*;
use crate::{Transport, mean, to_frame_with};

/// Rows of what slots are made of, and columns of what becomes of units, sum to 1 or to 0.
fn assert_shares(transport: &Transport) {
    let sums = transport.incoming.sum_axis(Axis(1)).into_iter().chain(transport.outgoing.sum_axis(Axis(0)));
    assert!(sums.into_iter().all(|sum| sum == 0.0 || (sum - 1.0).abs() < 1e-5), "{transport:?}");
}

fn transport(map: &UnitMap) -> &Transport {
    match map {
        UnitMap::Transport(transport) => transport,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shuffled_copy_is_a_permutation_by_any_masses_and_other_models_are_not() {
    let graph = graph(r#"{"family": "mlp", "hidden": [20, 10]}"#, (1, 4, 4), 5);
    let spec = graph.spec();
    let a = random(spec, 1);
    let b = permute(spec, &a, &shuffles(spec, 2));
    for masses in [Masses::L1, Masses::L2] {
        let matching = OtFusion { masses, ..OtFusion::default() };
        let alignment = matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
        assert!(alignment.is_hard(), "{masses:?}");
        assert_eq!(to_frame(spec, &b, &alignment.maps[1]), a);
        let other = random(spec, 9);
        let alignment = matching.align(&both(&graph, &a, &other), &Stream::root(0)).unwrap();
        assert!(alignment.certificate.duality_gap.abs() < 1e-12 && alignment.certificate.worst_violation < 1e-12);
        alignment.maps[1].iter().for_each(|map| assert_shares(transport(map)));
        let published = OtFusion { correction: Correction::AsPublished, ..matching };
        let published = published.align(&both(&graph, &a, &other), &Stream::root(0)).unwrap();
        // Of the first group what a slot is made of is the same; only what it gives is corrected otherwise.
        assert_eq!(published.maps[1][0], UnitMap::Plan(transport(&alignment.maps[1][0]).incoming.clone()));
    }
}

/// A network of one hidden layer and its shuffled copy, one unit of which reads what no unit of the first does.
fn with_a_stranger() -> (onebasin_network::Graph, Weights, Weights, usize) {
    let graph = graph(r#"{"family": "mlp", "hidden": [8]}"#, (1, 3, 3), 3);
    let spec = graph.spec();
    let a = random(spec, 1);
    let shuffle = shuffles(spec, 2);
    let mut arrays = permute(spec, &a, &shuffle).into_arrays();
    let weight = arrays.get_mut("fc1.weight").unwrap();
    weight.index_axis_mut(Axis(0), 3).fill(100.0);
    let b = Weights::new(spec, arrays).unwrap();
    let slot = shuffle[0].as_slice()[3] as usize;
    (graph, a, b, slot)
}

#[test]
fn a_unit_that_is_like_none_stays_out_of_a_partial_plan_and_the_reference_keeps_its_own() {
    let (graph, a, b, slot) = with_a_stranger();
    let spec = graph.spec();
    let matching = OtFusion { plan: PlanKind::Partial, mass: 7.0 / 8.0, ..OtFusion::default() };
    let alignment = matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
    assert!(alignment.certificate.duality_gap.abs() < 1e-12 && alignment.certificate.worst_violation < 1e-12);
    let Transport { incoming, outgoing } = transport(&alignment.maps[1][0]);
    assert_shares(transport(&alignment.maps[1][0]));
    assert_eq!((incoming.sum(), incoming.row(slot).sum()), (7.0, 0.0));
    assert_eq!((outgoing.sum(), outgoing.column(3).sum()), (7.0, 0.0));
    let aligned = to_frame_with(spec, &b, &alignment.maps[1], Some(&a));
    let merged = mean(&[&a, &aligned], None).unwrap();
    // What is read is the reference's in all units, and half of what its lone unit gave is left.
    assert_eq!((merged.get("fc1.weight"), merged.get("fc1.bias")), (a.get("fc1.weight"), a.get("fc1.bias")));
    for (index, &weight) in merged.get("fc2.weight").indexed_iter() {
        let own = a.get("fc2.weight")[&index];
        assert_eq!(weight, if index[1] == slot { own / 2.0 } else { own });
    }
    // The whole mass has to take the stranger in.
    let whole = OtFusion { plan: PlanKind::Partial, ..OtFusion::default() }.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
    assert_eq!(whole, OtFusion::default().align(&both(&graph, &a, &b), &Stream::root(0)).unwrap());
    assert!(whole.is_hard() && to_frame(spec, &b, &whole.maps[1]) != a);
}

#[test]
fn a_slot_that_receives_part_of_its_share_is_divided_by_what_it_received() {
    let (graph, a, b, slot) = with_a_stranger();
    let matching = OtFusion { plan: PlanKind::Partial, mass: 15.0 / 16.0, ..OtFusion::default() };
    let alignment = matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
    // Half of the stranger's mass has to go where half a share is left: its slot is then the stranger, whole.
    let found = to_frame(graph.spec(), &b, &alignment.maps[1]);
    assert!(alignment.is_hard() && found.get("fc1.weight").index_axis(Axis(0), slot).iter().all(|weight| *weight == 100.0));
}

#[test]
fn unbalanced_plans_go_from_sinkhorns_to_leaving_out_what_is_far_from_all() {
    let (graph, a, b, slot) = with_a_stranger();
    let of = |other: &Weights, relaxation| {
        let matching = OtFusion { plan: PlanKind::Unbalanced, regularisation: 0.1, relaxation, iterations: 100_000, ..OtFusion::default() };
        let alignment = matching.align(&both(&graph, &a, other), &Stream::root(0)).unwrap();
        assert!(alignment.outcome == Outcome::Converged && alignment.marginal_error < 1e-6, "{relaxation}: {}", alignment.marginal_error);
        assert!(alignment.certificate.duality_gap.abs() < 1e-9, "{relaxation}");
        alignment.maps[1][0].matrices().unwrap()
    };
    // Cheap marginals: the stranger, 300 away from all others, is left out, and its slot is made of those that are nearest to it.
    let loose = of(&b, 0.5);
    assert_shares(&loose);
    assert!(loose.outgoing.column(3).sum() == 0.0 && loose.incoming.column(3).sum() == 0.0 && loose.incoming.row(slot).sum() > 0.9);
    // Dear ones: everything has to go somewhere, as with Sinkhorn's plan.
    let other = random(graph.spec(), 9);
    let tight = of(&other, 1e5);
    let balanced = OtFusion { plan: PlanKind::Sinkhorn, regularisation: 0.1, iterations: 100_000, ..OtFusion::default() };
    let balanced = balanced.align(&both(&graph, &a, &other), &Stream::root(0)).unwrap();
    let UnitMap::Plan(expected) = &balanced.maps[1][0] else { panic!("{:?}", balanced.maps[1][0]) };
    assert_shares(&tight);
    assert!((&tight.incoming - expected).iter().all(|difference| difference.abs() < 1e-3), "{} and {expected}", tight.incoming);
}
