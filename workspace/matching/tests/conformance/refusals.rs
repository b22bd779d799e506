use std::collections::BTreeMap;

use onebasin_matching::Problem;
use onebasin_network::Weights;
use onebasin_repro::Stream;

use crate::every_method::methods;
use crate::networks::{activations, all, identities, random};

/// What every method says of these models of the first architecture.
fn says(models: &[&Weights], text: &str) {
    let (_, graph) = all().swap_remove(0);
    let problem = Problem::new(graph.spec(), models.to_vec());
    for matching in methods() {
        let error = matching.matcher().align(&problem, &Stream::root(0)).expect_err(text).to_string();
        assert!(error.contains(text) && error.contains("\nhint: "), "{matching:?}: {error}");
    }
}

#[test]
fn no_model_or_one_is_nothing_to_match() {
    let model = random(all()[0].1.spec(), 1);
    says(&[], "at least 2 models, got 0");
    says(&[&model], "at least 2 models, got 1");
}

#[test]
fn models_of_another_architecture_are_refused() {
    let graphs = all();
    let (model, other) = (random(graphs[0].1.spec(), 1), random(graphs[1].1.spec(), 1));
    says(&[&model, &other], "model 1 is not of this architecture");
    says(&[&other, &model], "model 0 is not of this architecture");
}

#[test]
fn a_model_with_a_number_that_is_none_is_refused_by_name() {
    let spec = all()[0].1.spec().clone();
    let model = random(&spec, 1);
    for (bad, name) in [(f32::NAN, "fc2.weight"), (f32::INFINITY, "fc1.bias"), (f32::NEG_INFINITY, "fc3.weight")] {
        let mut arrays: BTreeMap<_, _> = model.clone().into_arrays();
        *arrays.get_mut(name).unwrap().iter_mut().last().unwrap() = bad;
        says(&[&model, &Weights::new(&spec, arrays).unwrap()], &format!("model 1 holds a weight that is not finite in `{name}`"));
    }
}

#[test]
fn a_method_that_looks_at_the_loss_is_refused_without_one() {
    let graph = all().swap_remove(0).1;
    let models = [random(graph.spec(), 1), random(graph.spec(), 2)];
    let problem = Problem::new(graph.spec(), models.iter().collect());
    let looking: Vec<_> = methods().into_iter().filter(|matching| matching.needs_loss()).collect();
    assert!(looking.len() >= 2);
    for matching in looking {
        let error = matching.matcher().align(&problem, &Stream::root(0)).unwrap_err().to_string();
        assert!(error.starts_with("no loss") && error.contains("\nhint: "), "{matching:?}: {error}");
    }
}

#[test]
fn activations_that_are_missing_or_of_other_models_are_refused() {
    let graph = all().swap_remove(0).1;
    let spec = graph.spec();
    let models = [random(spec, 1), random(spec, 2)];
    let problem = || Problem::new(spec, models.iter().collect());
    let of = |count: usize| activations(spec, &vec![identities(spec); count], 1.0);
    let (three, mut broken) = (of(3), of(2));
    broken[0].products[0][[0, 0]] = f64::NAN;
    for matching in methods().into_iter().filter(|matching| matching.needs().is_some()) {
        let says = |problem: Problem<'_>| matching.matcher().align(&problem, &Stream::root(0)).unwrap_err().to_string();
        assert!(says(problem()).starts_with("no moments of activations"), "{matching:?}");
        assert!(says(problem().with_moments(&three)).contains("is of 3 models"), "{matching:?}");
        assert!(says(problem().with_moments(&three[1..])).contains("groups, expected"), "{matching:?}");
        assert!(says(problem().with_moments(&broken)).contains("not finite"), "{matching:?}");
    }
}
