//! RESCALE, and repairs with batches of one image.

use onebasin_network::RepairedLayers;
use onebasin_training::{Restores, logits, statistics};

use super::{Case, NETWORKS, cases, go_on, sample};
use crate::common::{cpu, normalisation, stripes};

#[test]
fn a_rescaled_network_has_the_spread_of_the_goal_and_its_mean_goes_along() {
    let (data, constants, device) = (stripes(240, 1), normalisation(), cpu());
    for (network, case) in cases() {
        let sample = sample(&data, &constants, 240, &device);
        let goal = case.goal(&sample);
        let rescaled = case.repaired_towards(&case.merged, &goal, Restores::Spread, &sample);
        let (found, first) = (case.statistics(&rescaled, &sample), &case.graph.nodes[case.layers.places(&case.graph)[0]].name);
        for (name, goal) in &goal.layers {
            for (found, goal) in found.layers[name].variance.iter().zip(&goal.variance) {
                assert!((found / goal).ln().abs() < 1e-2, "{network}, {:?}, {name}: {found} for {goal}", case.layers);
            }
        }
        // Nothing stands before the first layer: there the mean is the merged model's own, times the factor.
        let (before, after) = (&case.statistics(&case.merged, &sample).layers[first], &found.layers[first]);
        for channel in 0..before.mean.len() {
            let factor = (after.variance[channel] / before.variance[channel]).sqrt();
            let (expected, found) = (before.mean[channel] * factor, after.mean[channel]);
            assert!((expected - found).abs() < 1e-3 * (1.0 + expected.abs()), "{network}, {first}: {found} for {expected}");
        }
    }
}

#[test]
fn a_last_batch_of_one_image_moves_a_repair_by_little() {
    let (data, constants, device) = (stripes(21, 1), normalisation(), cpu());
    for network in [NETWORKS[6], NETWORKS[7]] {
        for restores in [Restores::SpreadAndMean, Restores::Spread] {
            let case = Case::new(network, RepairedLayers::All);
            let goal = case.goal(&sample(&data, &constants, 21, &device));
            let of = |batch: usize| {
                let repaired = case.repaired_towards(&case.merged, &goal, restores, &sample(&data, &constants, batch, &device));
                logits(&case.graph, &repaired, &data, &constants, &device).unwrap()
            };
            let (one, two) = (of(21), of(20));
            let size = one.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            let apart = one.iter().zip(&two).fold(0.0f32, |most, (one, two)| most.max((one - two).abs()));
            assert!(apart < size, "{network}, {restores:?}: {apart} of {size}");
        }
    }
}

#[test]
fn a_linear_layer_has_one_value_an_image_so_that_a_batch_of_one_is_refused() {
    let (constants, device) = (normalisation(), cpu());
    let case = Case::new(NETWORKS[6], RepairedLayers::Hidden);
    let data = stripes(10, 3);
    let error =
        statistics(&case.graph, case.layers, &case.merged, &sample(&data, &constants, 1, &device), &mut go_on).unwrap_err().to_string();
    assert!(error.starts_with("`batch` is `1`") && error.contains("hint: "), "{error}");
}
