use ndarray::Array;
use onebasin_network::{Weights, permute};
use rand::Rng;

use super::*;
use crate::testing::{chain, copies, graph, mixed, numbers, random, shuffles};
use crate::{mean, to_frame};

fn aligned(options: &WbFusion, spec: &PermutationSpec, models: &[Weights]) -> Alignment {
    options.align(&Problem::new(spec, models.iter().collect()), &Stream::root(0)).unwrap()
}

#[test]
fn shuffled_copies_of_one_model_have_that_model_as_their_barycenter() {
    for graph in [mixed(), graph(r#"{"family": "resnet", "depth": 8, "width": 4, "norm": "batch"}"#, (3, 8, 8), 4)] {
        let spec = graph.spec();
        let original = random(spec, 1);
        let (copies, _) = copies(spec, &original, 4);
        let alignment = aligned(&WbFusion::default(), spec, &copies);
        let merged: Vec<Weights> = copies.iter().zip(&alignment.maps).map(|(copy, maps)| to_frame(spec, copy, maps)).collect();
        assert_eq!(mean(&merged.iter().collect::<Vec<_>>(), None).unwrap(), original);
        assert_eq!((alignment.outcome, alignment.iterations), (Outcome::Converged, 2));
    }
}

#[test]
fn costs_are_the_sum_over_the_coupling_of_the_layer_before() {
    // Two layers of 3 and 2 units, and the coupling of the first is soft.
    let (graph, wide) = (chain(&[3, 2]), chain(&[4, 2]));
    let problem_models = [random(graph.spec(), 1), random(wide.spec(), 2)];
    let problem = Problem::of_widths(vec![graph.spec(), wide.spec()], problem_models.iter().collect());
    let mut rng = Stream::root(3).rng();
    let mut shares = |slots, units| {
        let mut plan = Array::from_shape_simple_fn((slots, units), || rng.random_range(0.0f32..1.0));
        plan.rows_mut().into_iter().for_each(|mut row| row /= row.sum());
        plan
    };
    let plans = [shares(3, 3), shares(3, 4)];
    let maps: Vec<Vec<Option<UnitMap>>> = plans.iter().map(|plan| vec![Some(UnitMap::Plan(plan.clone())), None]).collect();
    let layer = Layer::new(&WbFusion::default(), &problem, 1, &maps);
    let barycenter = vec![random(graph.spec(), 4).get("fc2.weight").clone()];
    for (model, plan) in plans.iter().enumerate() {
        let (costs, weights) = (layer.costs(&barycenter, model), problem_models[model].get("fc2.weight"));
        for slot in 0..2 {
            for unit in 0..2 {
                let term = |((s, q), share): ((usize, usize), &f32)| share * (barycenter[0][[slot, s]] - weights[[unit, q]]).powi(2);
                let expected: f32 = plan.indexed_iter().map(term).sum();
                assert!((costs[[slot, unit]] - f64::from(expected)).abs() < 1e-5, "{} and {expected}", costs[[slot, unit]]);
            }
        }
    }
}

#[test]
fn couplings_and_weights_are_worked_by_hand() {
    // Incoming weights 0 and 10 in one model, 10.5 and 1 in the other: its second unit goes first.
    let graph = chain(&[2]);
    let models = [[0.0, 10.0], [10.5, 1.0]].map(|row| numbers(graph.spec(), &[&row, &[3.0, 4.0]]));
    let alignment = aligned(&WbFusion::default(), graph.spec(), &models);
    assert_eq!(alignment.permutations(1).unwrap()[0].as_slice(), [1, 0]);
    let found = [0, 1].map(|model| to_frame(graph.spec(), &models[model], &alignment.maps[model]));
    assert_eq!(mean(&[&found[0], &found[1]], None).unwrap(), numbers(graph.spec(), &[&[0.5, 10.25], &[3.5, 3.5]]));
}

#[test]
fn a_model_in_which_every_unit_stands_twice_is_coupled_two_to_one_and_has_the_first_ones_shape() {
    let (narrow, wide) = (chain(&[3]), chain(&[6]));
    let a = numbers(narrow.spec(), &[&[1.0, 5.0, -2.0], &[1.0, 2.0, 3.0]]);
    let b = numbers(wide.spec(), &[&[5.0, 1.0, -2.0, 5.0, -2.0, 1.0], &[2.0, 1.0, 3.0, 2.0, 3.0, 1.0]]);
    let problem = Problem::of_widths(vec![narrow.spec(), wide.spec()], vec![&a, &b]);
    let alignment = WbFusion::default().align(&problem, &Stream::root(0)).unwrap();
    assert_eq!(to_frame(narrow.spec(), &b, &alignment.maps[1]), a);
    let UnitMap::Plan(plan) = &alignment.maps[1][0] else { panic!("{:?}", alignment.maps[1]) };
    assert!(plan.iter().all(|share| [0.0, 0.5].contains(share)), "{plan}");
}

#[test]
fn little_entropy_gives_nearly_the_exact_barycenter_and_much_a_blurred_one() {
    let graph = graph(r#"{"family": "mlp", "hidden": [8, 6]}"#, (1, 3, 3), 4);
    let spec = graph.spec();
    let original = random(spec, 1);
    let models = [original.clone(), permute(spec, &original, &shuffles(spec, 2))];
    let apart = |regularisation: f64| {
        let options = WbFusion { plan: Coupling::Sinkhorn, regularisation, iterations: 2000, ..WbFusion::default() };
        let alignment = aligned(&options, spec, &models);
        assert!(!alignment.is_hard());
        let found: Vec<Weights> = models.iter().zip(&alignment.maps).map(|(model, maps)| to_frame(spec, model, maps)).collect();
        let merged = mean(&found.iter().collect::<Vec<_>>(), None).unwrap();
        merged.flat().iter().zip(original.flat()).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max)
    };
    let (little, much) = (apart(1e-3), apart(10.0));
    assert!(little < 0.01 && much > 0.3, "{little} and {much}");
}

#[test]
fn the_barycenter_is_no_farther_from_the_models_than_the_first_model_is() {
    let graph = graph(r#"{"family": "mlp", "hidden": [16]}"#, (1, 3, 3), 4);
    let spec = graph.spec();
    let models: Vec<Weights> = (0..4).map(|seed| random(spec, seed)).collect();
    let alignment = aligned(&WbFusion::default(), spec, &models);
    let found: Vec<Weights> = models.iter().zip(&alignment.maps).map(|(model, maps)| to_frame(spec, model, maps)).collect();
    let spread = |center: &Weights, models: &[Weights]| -> f32 {
        let rows = |weights: &Weights| ["fc1.weight", "fc1.bias"].map(|name| weights.get(name).clone());
        let apart = |model: &Weights| -> f32 {
            rows(model).iter().zip(rows(center)).map(|(model, center)| (model - &center).mapv(|value| value * value).sum()).sum()
        };
        models.iter().map(apart).sum()
    };
    let center = mean(&found.iter().collect::<Vec<_>>(), None).unwrap();
    let onto_first = aligned(&WbFusion { rounds: 1, ..WbFusion::default() }, spec, &models);
    let onto_first: Vec<Weights> = models.iter().zip(&onto_first.maps).map(|(model, maps)| to_frame(spec, model, maps)).collect();
    let (reached, first) = (spread(&center, &found), spread(&mean(&onto_first.iter().collect::<Vec<_>>(), None).unwrap(), &onto_first));
    assert!(reached < first, "{reached} and {first}");
    assert_eq!(alignment.outcome, Outcome::Converged);
    let stopped = aligned(&WbFusion { rounds: 1, ..WbFusion::default() }, spec, &models);
    assert_eq!(stopped.outcome, Outcome::IterationLimit);
}

#[test]
fn settings_that_cannot_be_are_refused_by_their_keys() {
    let refused = |options: WbFusion, key: &str| {
        let message = options.check().unwrap_err().to_string();
        assert!(message.contains(key) && message.contains("hint: "), "{message}");
    };
    refused(WbFusion { regularisation: 0.0, ..WbFusion::default() }, "regularisation");
    refused(WbFusion { rounds: 0, ..WbFusion::default() }, "rounds");
    refused(WbFusion { iterations: 0, ..WbFusion::default() }, "iterations");
    refused(WbFusion { tolerance: f64::NAN, ..WbFusion::default() }, "tolerance");
}
