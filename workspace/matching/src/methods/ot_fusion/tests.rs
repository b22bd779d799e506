//! Tests of OT fusion.

use super::*;
use crate::testing::{chain, graph, mixed, numbers, random, shuffles};
use crate::to_frame;
use onebasin_network::permute;

fn both<'a>(graph: &'a onebasin_network::Graph, a: &'a Weights, b: &'a Weights) -> Problem<'a> {
    Problem::new(graph.spec(), vec![a, b])
}

#[test]
fn a_shuffled_copy_is_matched_back_exactly_with_every_option() {
    let graphs = [graph(r#"{"family": "mlp", "hidden": [20, 10]}"#, (1, 4, 4), 5), chain(&[4, 4]), mixed()];
    for graph in &graphs {
        let a = random(graph.spec(), 1);
        let b = permute(graph.spec(), &a, &shuffles(graph.spec(), 2));
        for ground in [Ground::Euclidean, Ground::Squared] {
            for output in [OutputUnits::Fixed, OutputUnits::Transported] {
                let matching = OtFusion { ground, output, ..OtFusion::default() };
                let alignment = matching.align(&both(graph, &a, &b), &Stream::root(0)).unwrap();
                assert_eq!(to_frame(graph.spec(), &b, &alignment.maps[1]), a);
                assert_eq!((alignment.outcome, alignment.is_hard(), alignment.cycle_error), (Outcome::Direct, true, 0.0));
                assert_eq!(alignment.groups.last().is_some_and(|group| group == "output"), output == OutputUnits::Transported);
            }
        }
    }
}

#[test]
fn exchanged_classes_are_exchanged_back_only_when_scores_are_transported() {
    let graph = graph(r#"{"family": "mlp", "hidden": [2]}"#, (1, 1, 1), 2);
    let a = numbers(graph.spec(), &[&[1.0, 2.0], &[0.0, 0.0], &[1.0, 0.0, 0.0, 1.0], &[5.0, 6.0]]);
    let b = numbers(graph.spec(), &[&[1.0, 2.0], &[0.0, 0.0], &[0.0, 1.0, 1.0, 0.0], &[6.0, 5.0]]);
    let aligned = |output| {
        let alignment = OtFusion { output, ..OtFusion::default() }.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
        to_frame(graph.spec(), &b, &alignment.maps[1])
    };
    assert_eq!(aligned(OutputUnits::Fixed), b);
    assert_eq!(aligned(OutputUnits::Transported), a);
}

#[test]
fn biases_decide_between_units_only_when_they_are_appended() {
    let graph = graph(r#"{"family": "mlp", "hidden": [2]}"#, (1, 1, 1), 1);
    // Incoming weights say stay (0.1 apart), biases say swap (1 apart).
    let a = numbers(graph.spec(), &[&[0.0, 0.1], &[0.0, 1.0], &[1.0, 1.0], &[0.0]]);
    let b = numbers(graph.spec(), &[&[0.0, 0.1], &[1.0, 0.0], &[1.0, 1.0], &[0.0]]);
    let map = |append_vectors| {
        let alignment = OtFusion { append_vectors, ..OtFusion::default() }.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
        alignment.maps[1][0].clone()
    };
    assert_eq!(map(true), UnitMap::Permutation(Permutation::new(vec![1, 0]).unwrap()));
    assert_eq!(map(false), UnitMap::Permutation(Permutation::identity(2)));
}

#[test]
fn sinkhorn_plans_have_unit_rows_and_near_the_exact_plan_for_a_small_regularisation() {
    let graph = graph(r#"{"family": "mlp", "hidden": [6, 5]}"#, (1, 2, 2), 3);
    let spec = graph.spec();
    let a = random(spec, 1);
    let b = permute(spec, &a, &shuffles(spec, 2));
    let matching = OtFusion { plan: PlanKind::Sinkhorn, regularisation: 1e-2, ..OtFusion::default() };
    let alignment = matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
    let exact = OtFusion::default().align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
    for (soft, hard) in alignment.maps[1].iter().zip(&exact.maps[1]) {
        let (UnitMap::Plan(plan), UnitMap::Permutation(permutation)) = (soft, hard) else { panic!("{soft:?}, {hard:?}") };
        for (row, &unit) in plan.rows().into_iter().zip(permutation.as_slice()) {
            assert!((row.sum() - 1.0).abs() < 1e-6);
            assert!(row[unit as usize] > 0.999, "{row}");
        }
    }
    assert!(alignment.iterations > 0 && !alignment.is_hard());
    let hasty = OtFusion { iterations: 1, tolerance: 0.0, regularisation: 0.5, ..matching };
    let alignment = hasty.align(&both(&graph, &a, &random(spec, 9)), &Stream::root(0)).unwrap();
    assert_eq!(alignment.outcome, Outcome::IterationLimit);
    assert!(alignment.cycle_error > 0.1);
}

#[test]
fn next_to_no_regularisation_and_a_single_iteration_still_give_every_unit_its_share() {
    let graph = chain(&[6, 5]);
    let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
    for regularisation in [1e-300, 1e-6, 1e-3] {
        let matching = OtFusion { plan: PlanKind::Sinkhorn, regularisation, iterations: 1, ..OtFusion::default() };
        let alignment = matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
        for map in &alignment.maps[1] {
            let UnitMap::Plan(plan) = map else { panic!("{map:?}") };
            assert!(plan.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-6), "{plan}");
        }
        assert!(alignment.cycle_error.is_finite());
    }
}

#[test]
fn a_plan_that_was_stopped_too_early_says_by_how_much_it_misses() {
    let graph = graph(r#"{"family": "mlp", "hidden": [12, 10]}"#, (1, 4, 4), 5);
    let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
    let with = |regularisation, iterations| {
        let matching = OtFusion { plan: PlanKind::Sinkhorn, regularisation, iterations, ..OtFusion::default() };
        matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap()
    };
    let hasty = with(0.05, 1);
    assert!(hasty.outcome == Outcome::IterationLimit && hasty.marginal_error > 1e-9, "{}", hasty.marginal_error);
    // Scaled down in steps, next to no regularisation fits, and is the exact plan.
    let sharp = with(1e-8, 50);
    let exact = OtFusion::default().align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
    assert!(sharp.marginal_error < 1e-3 && exact.marginal_error == 0.0, "{}", sharp.marginal_error);
    assert!((sharp.objective - exact.objective).abs() < 1e-2 * exact.objective.abs(), "{} and {}", sharp.objective, exact.objective);
}

#[test]
fn a_regularisation_that_no_cost_can_be_divided_by_is_named_with_an_exponent() {
    let graph = chain(&[6]);
    let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
    let tiny = OtFusion { plan: PlanKind::Sinkhorn, regularisation: 1e-320, ..OtFusion::default() };
    let error = tiny.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap_err();
    assert_eq!(error.to_string(), "cannot solve the transport problem of group `fc1`");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("`regularisation` is `1e-320`"), "{cause}");
    let negative = OtFusion { regularisation: -1e-320, ..tiny };
    assert!(negative.check().unwrap_err().to_string().contains("`regularisation` is `-1e-320`"));
}

#[test]
fn all_models_are_brought_onto_the_chosen_reference() {
    let graph = chain(&[5, 4]);
    let spec = graph.spec();
    let a = random(spec, 1);
    let copies = [2, 3].map(|seed| permute(spec, &a, &shuffles(spec, seed)));
    let problem = Problem::new(spec, vec![&copies[0], &copies[1], &a]);
    let alignment = OtFusion { reference: 2, ..OtFusion::default() }.align(&problem, &Stream::root(0)).unwrap();
    for (model, maps) in problem.models.iter().zip(&alignment.maps) {
        assert_eq!(to_frame(spec, model, maps), a);
    }
}

#[test]
fn scores_made_by_two_layers_are_not_transported() {
    let text = r#"{"layers": [{"op": "flatten"}, {"op": "linear", "out": 4},
        {"op": "residual", "body": [{"op": "linear", "out": "classes"}], "shortcut": [{"op": "linear", "out": "classes"}]}]}"#;
    let graph = graph(text, (1, 2, 2), 3);
    let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
    let align = |output| OtFusion { output, ..OtFusion::default() }.align(&both(&graph, &a, &b), &Stream::root(0));
    assert!(align(OutputUnits::Fixed).is_ok());
    assert!(align(OutputUnits::Transported).unwrap_err().to_string().contains("`output` is `transported`"));
}

#[test]
fn impossible_options_are_errors() {
    let says = |matching: OtFusion, text: &str| assert!(matching.check().unwrap_err().to_string().contains(text));
    says(OtFusion { regularisation: 0.0, ..OtFusion::default() }, "`regularisation` is `0`");
    says(OtFusion { regularisation: -1.0, ..OtFusion::default() }, "`regularisation` is `-1`");
    says(OtFusion { iterations: 0, ..OtFusion::default() }, "`iterations` is `0`");
    says(OtFusion { tolerance: f64::INFINITY, ..OtFusion::default() }, "`tolerance` is `inf`");
}

mod activations;
mod soft;
mod widths;

#[test]
fn defaults_are_written_as_they_were_before_there_were_other_keys() {
    let written = serde_json::to_string(&OtFusion::default()).unwrap();
    let expected = r#"{"reference":0,"plan":"exact","regularisation":0.01,"iterations":1000,"tolerance":1e-9,"ground":"euclidean","normalise-rows":false,"output":"fixed","append-vectors":true}"#;
    assert_eq!(written, expected);
    let other = OtFusion {
        features: Features::Activations,
        activations: Some(crate::Activations::default()),
        normalise_costs: CostScale::Median,
        masses: Masses::L2,
        correction: Correction::AsPublished,
        residual: Residual::Skips,
        plan: PlanKind::Partial,
        mass: 0.5,
        ..OtFusion::default()
    };
    assert_eq!(serde_json::from_str::<OtFusion>(&serde_json::to_string(&other).unwrap()).unwrap(), other);
}

#[test]
fn keys_that_nothing_would_read_are_errors() {
    let says = |matching: OtFusion, text: &str| {
        let error = matching.check().unwrap_err().to_string();
        assert!(error.contains(text) && error.contains("\nhint: "), "{error}");
    };
    let default = OtFusion::default;
    says(OtFusion { activations: Some(crate::Activations::default()), ..default() }, "`activations` is `a table`");
    says(OtFusion { relaxation: 2.0, ..default() }, "`relaxation` is `2`, expected `plan = \"unbalanced\"`");
    says(OtFusion { relaxation: 0.0, plan: PlanKind::Unbalanced, ..default() }, "`relaxation` is `0`");
    says(OtFusion { mass: 0.5, ..default() }, "`mass` is `0.5`, expected `plan = \"partial\"`");
    says(OtFusion { mass: 1.5, plan: PlanKind::Partial, ..default() }, "`mass` is `1.5`, expected a share");
    says(OtFusion { iterated: true, features: Features::Activations, ..default() }, "`iterated` is `true`");
    let none = crate::Activations { images: Some(0), ..crate::Activations::default() };
    says(OtFusion { features: Features::Activations, activations: Some(none), ..default() }, "`images` is `0`");
}

#[test]
fn no_factor_of_the_costs_changes_an_exact_plan_and_their_logarithm_and_another_ground_may() {
    let graph = graph(r#"{"family": "mlp", "hidden": [12, 10]}"#, (1, 4, 4), 5);
    let maps = |seed, normalise_costs, ground| {
        let (a, b) = (random(graph.spec(), seed), random(graph.spec(), 100 + seed));
        OtFusion { normalise_costs, ground, ..OtFusion::default() }.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap().maps
    };
    let changes = |scale, ground| (0..20).filter(|&seed| maps(seed, scale, ground) != maps(seed, CostScale::None, Ground::Squared)).count();
    for scale in [CostScale::Max, CostScale::Median, CostScale::Mean] {
        assert_eq!(changes(scale, Ground::Squared), 0, "{scale:?}");
    }
    assert!(changes(CostScale::Log, Ground::Squared) > 0);
    assert!(changes(CostScale::None, Ground::Euclidean) > 0 && changes(CostScale::None, Ground::Cosine) > 0);
}

#[test]
fn each_further_model_is_transported_onto_the_mean_of_those_before_it() {
    let graph = graph(r#"{"family": "mlp", "hidden": [8, 7]}"#, (1, 3, 3), 4);
    let spec = graph.spec();
    let models = [1, 2, 3].map(|seed| random(spec, seed));
    let iterated = OtFusion { iterated: true, ..OtFusion::default() };
    let align = |matching: &OtFusion, models: Vec<&Weights>| matching.align(&Problem::new(spec, models), &Stream::root(0)).unwrap();
    let found = align(&iterated, models.iter().collect());
    let pair = align(&iterated, vec![&models[0], &models[1]]);
    assert_eq!(pair, align(&OtFusion::default(), vec![&models[0], &models[1]]));
    assert_eq!(found.maps[1], pair.maps[1]);
    let fused = crate::mean(&[&models[0], &to_frame(spec, &models[1], &pair.maps[1])], None).unwrap();
    assert_eq!(found.maps[2], align(&OtFusion::default(), vec![&fused, &models[2]]).maps[1]);
    assert_ne!(found.maps[2], align(&OtFusion::default(), models.iter().collect()).maps[2]);
}

#[test]
fn a_random_target_brings_a_shuffled_copy_onto_the_model_and_is_drawn_from_the_stream() {
    let graph = graph(r#"{"family": "mlp", "hidden": [20, 10]}"#, (1, 4, 4), 5);
    let a = random(graph.spec(), 1);
    let b = permute(graph.spec(), &a, &shuffles(graph.spec(), 2));
    let matching = OtFusion { target: Target::Random, ground: Ground::Squared, ..OtFusion::default() };
    let align = |seed| matching.align(&both(&graph, &a, &b), &Stream::root(seed)).unwrap();
    let alignment = align(0);
    assert_eq!((alignment.frame, alignment.is_hard()), (Frame::Universe, true));
    let aligned: Vec<Weights> =
        [&a, &b].into_iter().zip(&alignment.maps).map(|(weights, maps)| to_frame(graph.spec(), weights, maps)).collect();
    assert_eq!(aligned[0], aligned[1]);
    assert_ne!(aligned[0], a, "the frame belongs to no model");
    assert_eq!(align(0).maps, alignment.maps);
    assert_ne!(align(1).maps, alignment.maps);
    assert!(matching.is_random() && matching.reference().is_none());
}

#[test]
fn a_random_target_refuses_what_belongs_to_a_model() {
    let random = || OtFusion { target: Target::Random, ..OtFusion::default() };
    for (matching, key) in [
        (OtFusion { features: Features::Activations, ..random() }, "features"),
        (OtFusion { reference: 1, ..random() }, "reference"),
        (OtFusion { iterated: true, ..random() }, "iterated"),
        (OtFusion { plan: PlanKind::Partial, ..random() }, "plan"),
        (OtFusion { output: OutputUnits::Transported, ..random() }, "output"),
    ] {
        let message = matching.check().unwrap_err().to_string();
        assert!(message.contains(&format!("`{key}`")), "{message}");
    }
    random().check().unwrap();
}

#[test]
fn costs_that_are_clipped_to_one_value_leave_every_unit_where_it_is_and_a_divisor_changes_no_exact_plan() {
    let graph = graph(r#"{"family": "mlp", "hidden": [6]}"#, (1, 2, 2), 3);
    let a = random(graph.spec(), 1);
    let b = permute(graph.spec(), &a, &shuffles(graph.spec(), 2));
    let maps = |matching: OtFusion| matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap().maps;
    let plain = maps(OtFusion::default());
    assert_eq!(maps(OtFusion { cost_divisor: 100.0, ..OtFusion::default() }), plain);
    assert_eq!(maps(OtFusion { clip_costs: Some([0.0, 1e9]), ..OtFusion::default() }), plain);
    assert_ne!(maps(OtFusion { clip_costs: Some([1e8, 1e9]), ..OtFusion::default() }), plain);
    for matching in
        [OtFusion { clip_costs: Some([1.0, 1.0]), ..OtFusion::default() }, OtFusion { cost_divisor: 0.0, ..OtFusion::default() }]
    {
        assert!(matching.check().is_err());
    }
}

#[test]
fn rows_alone_are_moved_where_columns_are_left() {
    let graph = graph(r#"{"family": "mlp", "hidden": [2, 2], "bias": false}"#, (1, 1, 1), 1);
    let weights = numbers(graph.spec(), &[&[1.0, 2.0], &[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0]]);
    let swap = || UnitMap::Permutation(Permutation::new(vec![1, 0]).unwrap());
    let moved = crate::rows_to_frame(graph.spec(), &weights, &vec![swap(), swap()]);
    assert_eq!(moved, numbers(graph.spec(), &[&[2.0, 1.0], &[3.0, 4.0, 1.0, 2.0], &[5.0, 6.0]]));
}
