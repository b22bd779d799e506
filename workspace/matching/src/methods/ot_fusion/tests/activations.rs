//! Costs from what units give.

use super::*;
use crate::activations::Score;
use crate::testing::{activations, copies, identities};
use crate::{ActivationMatching, Activations};

fn by_activations() -> OtFusion {
    OtFusion { features: Features::Activations, ..OtFusion::default() }
}

/// What is free in both papers: squared distances differ from products by the lengths alone, which no permutation changes.
#[test]
fn equal_masses_and_squared_distances_are_activation_matching_by_products_that_are_not_centred() {
    let graph = mixed();
    let spec = graph.spec();
    let models = [1, 2, 3].map(|seed| random(spec, seed));
    let maps = vec![identities(spec), shuffles(spec, 5), shuffles(spec, 6)];
    for noise in [0.1, 3.0] {
        let moments = activations(spec, &maps, noise);
        let problem = Problem::new(spec, models.iter().collect()).with_moments(&moments);
        for reference in [0, 2] {
            let transported =
                OtFusion { ground: Ground::Squared, reference, ..by_activations() }.align(&problem, &Stream::root(0)).unwrap();
            let matching = ActivationMatching { score: Score::Product, reference, ..ActivationMatching::default() };
            let matched = matching.align(&problem, &Stream::root(0)).unwrap();
            assert_eq!(transported.maps, matched.maps);
            assert_eq!(transported.objective, matched.objective);
        }
    }
}

#[test]
fn copies_are_matched_by_what_they_give_whatever_their_weights_and_with_every_ground() {
    let graph = mixed();
    let spec = graph.spec();
    let (_, maps) = copies(spec, &random(spec, 1), 2);
    let moments = activations(spec, &maps, 0.01);
    let strangers = [random(spec, 3), random(spec, 4)];
    let problem = Problem::new(spec, strangers.iter().collect()).with_moments(&moments);
    let expected: Vec<Permutation> = maps[1].iter().map(Permutation::inverse).collect();
    for ground in [Ground::Euclidean, Ground::Squared, Ground::Cosine] {
        let alignment = OtFusion { ground, ..by_activations() }.align(&problem, &Stream::root(0)).unwrap();
        assert_eq!(alignment.permutations(1).unwrap(), expected, "{ground:?}");
    }
}

/// Moments of groups with those of layers behind them: of each hidden layer those of its group, and of the scores these.
fn with_layers(spec: &PermutationSpec, mut moments: Vec<GroupMoments>, scores: &GroupMoments) -> Vec<GroupMoments> {
    let of_layer = |layer: &Parameter| layer.rows.map_or_else(|| scores.clone(), |rows| moments[rows.group].clone());
    let layers: Vec<GroupMoments> = crate::problem::layers(spec).map(of_layer).collect();
    moments.extend(layers);
    moments
}

#[test]
fn class_scores_are_transported_by_what_they_are_for_the_same_images() {
    let graph = graph(r#"{"family": "mlp", "hidden": [6]}"#, (1, 2, 2), 2);
    let spec = graph.spec();
    let (models, maps) = copies(spec, &random(spec, 1), 2);
    let mut scores = GroupMoments::zero(2, 2);
    // The second model's classes are exchanged.
    scores.squares = vec![ndarray::array![4.0, 9.0], ndarray::array![9.0, 4.0]];
    scores.products[0] = ndarray::array![[0.0, 4.0], [9.0, 0.0]];
    let groups = activations(spec, &maps, 0.0);
    let all = with_layers(spec, groups.clone(), &scores);
    let matching = OtFusion { output: OutputUnits::Transported, ..by_activations() };
    assert!(matching.needs_layers() && !by_activations().needs_layers() && !OtFusion::default().needs_layers());
    let problem = Problem::new(spec, models.iter().collect());
    let alignment = matching.align(&problem.clone().with_moments(&all), &Stream::root(0)).unwrap();
    let swap = UnitMap::Permutation(Permutation::new(vec![1, 0]).unwrap());
    assert_eq!(alignment.maps[1], vec![UnitMap::Permutation(maps[1][0].inverse()), swap]);
    let error = matching.align(&problem.with_moments(&groups), &Stream::root(0)).unwrap_err().to_string();
    assert!(error.contains("none of layers") && error.contains("hint: "), "{error}");
}

#[test]
fn layers_apart_are_matched_each_by_its_own_activations() {
    let graph = graph(r#"{"family": "resnet", "depth": 8, "width": 4, "norm": "batch"}"#, (3, 8, 8), 4);
    let spec = graph.spec();
    let (models, maps) = copies(spec, &random(spec, 1), 2);
    let scores = GroupMoments::zero(4, 2);
    let all = with_layers(spec, activations(spec, &maps, 0.0), &scores);
    let matching = OtFusion { residual: Residual::Skips, ..by_activations() };
    let problem = Problem::new(spec, models.iter().collect()).with_moments(&all);
    let alignment = matching.align(&problem, &Stream::root(0)).unwrap();
    assert_eq!(to_frame(spec, &models[1], &alignment.maps[1]), models[0]);
}

#[test]
fn moments_are_asked_for_and_missed() {
    let graph = chain(&[4]);
    let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
    let error = by_activations().align(&both(&graph, &a, &b), &Stream::root(0)).unwrap_err().to_string();
    assert!(error.contains("no moments of activations"), "{error}");
    assert_eq!((OtFusion::default().needs(), by_activations().needs()), (None, Some(Activations::default())));
    let drawn = Activations { drawn: true, images: Some(3), ..Activations::default() };
    let matching = OtFusion { activations: Some(drawn), ..by_activations() };
    assert!(matching.is_random() && matching.needs() == Some(drawn) && !by_activations().is_random());
}
