//! Models of several widths.

use ndarray::{ArrayD, Axis, Dimension, IxDyn};
use onebasin_network::Graph;

use super::*;
use crate::{C2m3, GitReBasin, Identity, MergeMany, Transport, mean};

/// The same function in twice the width: every unit stands twice, and each copy gives half.
fn doubled(wide: &PermutationSpec, narrow: &Weights) -> Weights {
    let arrays = wide.parameters.iter().map(|parameter| {
        let source = narrow.get(&parameter.name);
        let unit = |index: usize, binding: Option<onebasin_network::Binding>| {
            binding.map_or(index, |binding| index / binding.block / 2 * binding.block + index % binding.block)
        };
        let value = |index: IxDyn| {
            let mut from = index.clone();
            from[0] = unit(index[0], parameter.rows);
            if index.ndim() > 1 {
                from[1] = unit(index[1], parameter.columns);
            }
            source[from] * if parameter.columns.is_some() { 0.5 } else { 1.0 }
        };
        (parameter.name.clone(), ArrayD::from_shape_fn(IxDyn(&parameter.shape), value))
    });
    Weights::new(wide, arrays.collect()).unwrap()
}

/// Networks and the same layers in twice the width.
fn pairs() -> Vec<[Graph; 2]> {
    let mlp = |hidden: &str| graph(&format!(r#"{{"family": "mlp", "hidden": {hidden}}}"#), (1, 3, 3), 4);
    let vgg = |stages: &str, head: usize| {
        graph(&format!(r#"{{"family": "vgg", "stages": {stages}, "head": [{head}], "norm": "layer"}}"#), (3, 8, 8), 4)
    };
    let resnet = |width: usize| graph(&format!(r#"{{"family": "resnet", "depth": 8, "width": {width}, "norm": "batch"}}"#), (3, 8, 8), 4);
    vec![[mlp("[6, 5]"), mlp("[12, 10]")], [vgg("[[3], [4]]", 5), vgg("[[6], [8]]", 10)], [resnet(4), resnet(8)]]
}

fn aligned(matching: &OtFusion, [narrow, wide]: &[Graph; 2], models: [&Weights; 2]) -> Alignment {
    let problem = Problem::of_widths(vec![narrow.spec(), wide.spec()], models.to_vec());
    matching.align(&problem, &Stream::root(0)).unwrap()
}

#[test]
fn a_shuffled_copy_in_which_every_unit_stands_twice_is_fused_onto_its_original_exactly() {
    for graphs in pairs() {
        let [narrow, wide] = &graphs;
        let a = random(narrow.spec(), 1);
        let b = permute(wide.spec(), &doubled(wide.spec(), &a), &shuffles(wide.spec(), 2));
        for output in [OutputUnits::Fixed, OutputUnits::Transported] {
            let alignment = aligned(&OtFusion { output, ..OtFusion::default() }, &graphs, [&a, &b]);
            let found = to_frame(narrow.spec(), &b, &alignment.maps[1]);
            assert_eq!(found, a);
            assert_eq!(mean(&[&a, &found], None).unwrap(), a);
            for map in alignment.maps[1].iter().take(narrow.spec().groups.len()) {
                let UnitMap::Transport(Transport { incoming, outgoing }) = map else { panic!("{map:?}") };
                assert!(
                    incoming.sum_axis(Axis(1)).iter().all(|sum| *sum == 1.0) && outgoing.sum_axis(Axis(0)).iter().all(|sum| *sum == 1.0)
                );
                // From 2m units of mass 1 / 2m to m of mass 1 / m: a slot has two units, a unit one slot.
                assert!(outgoing.sum_axis(Axis(1)).iter().all(|sum| *sum == 2.0));
            }
            assert!(alignment.certificate.duality_gap.abs() < 1e-12 && alignment.certificate.worst_violation < 1e-12);
        }
    }
}

#[test]
fn the_way_back_into_the_wide_model_and_a_wide_reference_are_there_too() {
    let graphs = &pairs()[0];
    let [narrow, wide] = graphs;
    let a = random(narrow.spec(), 1);
    let b = permute(wide.spec(), &doubled(wide.spec(), &a), &shuffles(wide.spec(), 2));
    let alignment = aligned(&OtFusion::default(), graphs, [&a, &b]);
    assert_eq!(to_frame(wide.spec(), &a, &alignment.pair_maps(0, 1)), b);
    // Where a wide model is the reference, the narrow one's units are split.
    let turned = aligned(&OtFusion { reference: 1, ..OtFusion::default() }, graphs, [&a, &b]);
    assert_eq!(turned.frame, Frame::Reference(1));
    assert_eq!(to_frame(wide.spec(), &a, &turned.maps[0]), b);
}

#[test]
fn as_published_what_twice_as_many_units_gave_is_halved() {
    let graphs = &pairs()[0];
    let [narrow, wide] = graphs;
    let a = random(narrow.spec(), 1);
    let b = doubled(wide.spec(), &a);
    let published = aligned(&OtFusion { correction: Correction::AsPublished, ..OtFusion::default() }, graphs, [&a, &b]);
    let found = to_frame(narrow.spec(), &b, &published.maps[1]);
    assert_eq!(found.get("fc1.weight"), a.get("fc1.weight"));
    assert_eq!(found.get("fc2.weight"), a.get("fc2.weight").mapv(|weight| weight / 2.0));
}

/// Outputs of an MLP.
fn outputs(weights: &Weights, layers: usize, input: &[f32]) -> Vec<f32> {
    (1..=layers).fold(input.to_vec(), |values, layer| {
        let (weight, bias) = (weights.get(&format!("fc{layer}.weight")), weights.get(&format!("fc{layer}.bias")));
        let of = |(row, bias): (ndarray::ArrayViewD<'_, f32>, &f32)| {
            let sum = row.iter().zip(&values).map(|(weight, value)| weight * value).sum::<f32>() + bias;
            if layer < layers { sum.max(0.0) } else { sum }
        };
        weight.axis_iter(Axis(0)).zip(bias).map(of).collect()
    })
}

#[test]
fn a_wide_network_near_a_narrow_one_merges_to_a_function_near_both() {
    let graphs = &pairs()[0];
    let [narrow, wide] = graphs;
    let a = random(narrow.spec(), 1);
    let noise = random(wide.spec(), 3);
    let b = doubled(wide.spec(), &a).zip_map(&noise, |weight, noise| weight + 0.02 * noise);
    let b = permute(wide.spec(), &b, &shuffles(wide.spec(), 2));
    let off = |matching: OtFusion| {
        let alignment = aligned(&matching, graphs, [&a, &b]);
        let merged = mean(&[&a, &to_frame(narrow.spec(), &b, &alignment.maps[1])], None).unwrap();
        assert!(merged.flat().iter().all(|weight| weight.is_finite()));
        let input: Vec<f32> = (0..9).map(|pixel| (pixel as f32 * 0.7).sin()).collect();
        let (merged, own) = (outputs(&merged, 3, &input), outputs(&a, 3, &input));
        let length = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
        length(&mut merged.iter().zip(&own).map(|(merged, own)| merged - own)) / length(&mut own.iter().copied())
    };
    let exact = off(OtFusion::default());
    assert!(exact < 0.1, "{exact}");
    for matching in [
        OtFusion { plan: PlanKind::Sinkhorn, regularisation: 0.05, ..OtFusion::default() },
        OtFusion { plan: PlanKind::Unbalanced, regularisation: 0.05, relaxation: 10.0, ..OtFusion::default() },
        OtFusion { plan: PlanKind::Partial, mass: 0.99, ..OtFusion::default() },
        OtFusion { masses: Masses::L2, ..OtFusion::default() },
    ] {
        let found = off(matching.clone());
        assert!(found < 0.6, "{matching:?}: {found}");
    }
    let other = random(wide.spec(), 9);
    let alignment = aligned(&OtFusion::default(), graphs, [&a, &other]);
    assert!(to_frame(narrow.spec(), &other, &alignment.maps[1]).flat().iter().all(|weight| weight.is_finite()));
    assert!(alignment.cycle_error.is_finite() && alignment.objective.is_finite());
}

#[test]
fn activations_of_other_numbers_of_units_are_compared_too() {
    let graphs = &pairs()[0];
    let [narrow, wide] = graphs;
    let a = random(narrow.spec(), 1);
    let b = doubled(wide.spec(), &a);
    let groups = narrow.spec().groups.iter().zip(&wide.spec().groups);
    let moments: Vec<GroupMoments> = groups
        .map(|(small, large)| {
            // Unit i alone gives something in image i; each twice in the wide model.
            let product = Array2::from_shape_fn((small.units, large.units), |(i, j)| if i == j / 2 { 1.0 } else { 0.0 });
            let ones = |units: usize| ndarray::Array1::ones(units);
            let vectors = vec![ones(small.units), ones(large.units)];
            GroupMoments { samples: small.units as u64, sums: vectors.clone(), squares: vectors, products: vec![product] }
        })
        .collect();
    let problem = Problem::of_widths(vec![narrow.spec(), wide.spec()], vec![&a, &b]).with_moments(&moments);
    let matching = OtFusion { features: Features::Activations, ..OtFusion::default() };
    let alignment = matching.align(&problem, &Stream::root(0)).unwrap();
    assert_eq!(to_frame(narrow.spec(), &b, &alignment.maps[1]), a);
    let error =
        matching.align(&Problem::new(narrow.spec(), vec![&a, &a]).with_moments(&moments), &Stream::root(0)).unwrap_err().to_string();
    assert!(error.contains("group `fc1` is of 2 models and 12 units, expected 2 models and 6 units"), "{error}");
}

#[test]
fn permutations_know_one_width_and_layers_must_be_the_same() {
    let graphs = &pairs()[0];
    let [narrow, wide] = graphs;
    let (a, b) = (random(narrow.spec(), 1), random(wide.spec(), 2));
    let problem = Problem::of_widths(vec![narrow.spec(), wide.spec()], vec![&a, &b]);
    let others: [&dyn Matcher; 4] = [&Identity {}, &GitReBasin::default(), &C2m3::default(), &MergeMany::default()];
    for other in others {
        let error = other.align(&problem, &Stream::root(0)).unwrap_err().to_string();
        assert!(error.contains("model 1 has other widths") && error.contains("hint: "), "{error}");
    }
    let same = Problem::of_widths(vec![narrow.spec(), narrow.spec()], vec![&a, &a]);
    assert!(GitReBasin::default().align(&same, &Stream::root(0)).is_ok());
    for text in [r#"{"family": "mlp", "hidden": [6]}"#, r#"{"family": "mlp", "hidden": [6, 5], "norm": "layer"}"#] {
        let other = graph(text, (1, 3, 3), 4);
        let c = random(other.spec(), 3);
        let problem = Problem::of_widths(vec![narrow.spec(), other.spec()], vec![&a, &c]);
        let error = OtFusion::default().align(&problem, &Stream::root(0)).unwrap_err().to_string();
        assert!(error.contains("model 1 is not of this architecture"), "{error}");
    }
    let other = graph(r#"{"family": "mlp", "hidden": [6, 5]}"#, (1, 3, 3), 7);
    let c = random(other.spec(), 3);
    let problem = Problem::of_widths(vec![narrow.spec(), other.spec()], vec![&a, &c]);
    let error = OtFusion::default().align(&problem, &Stream::root(0)).unwrap_err().to_string();
    assert!(error.contains("in an axis that is fixed"), "{error}");
}
