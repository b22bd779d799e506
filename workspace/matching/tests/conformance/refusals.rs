use std::collections::BTreeMap;

use onebasin_matching::Problem;
use onebasin_network::Weights;
use onebasin_repro::Stream;

use crate::every_method::methods;
use crate::networks::{all, random};

/// What every method says of these models of the first architecture.
fn says(models: &[&Weights], text: &str) {
    let (_, graph) = all().swap_remove(0);
    let problem = Problem { spec: graph.spec(), models: models.to_vec() };
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
