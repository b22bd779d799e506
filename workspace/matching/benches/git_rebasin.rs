//! Weight matching and merging of many on the MLP 784-512-512-512-256-10, models drawn at random (their matching takes as many sweeps as that
//! of trained ones).

use std::collections::BTreeMap;

use ndarray::Array;
use onebasin_matching::gain::gain;
use onebasin_matching::{GitReBasin, Matcher, MergeMany, OtFusion, Problem};
use onebasin_network::{Blueprint, Graph, Permutation, Shape, Weights};
use onebasin_repro::Stream;
use rand::Rng;

fn main() {
    divan::main();
}

fn models(count: usize) -> (Graph, Vec<Weights>) {
    let blueprint: Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": [512, 512, 512, 256]}"#).expect("a known family");
    let graph = Graph::build(&blueprint.build(Shape::new(1, 28, 28), 10).expect("a fit input")).expect("a graph");
    let draw = |model: usize| {
        let arrays = graph.spec().parameters.iter().map(|parameter| {
            let mut rng = Stream::root(model as u64).child(&parameter.name).rng();
            let bound = 1.0 / (parameter.shape.get(1).copied().unwrap_or(512) as f32).sqrt();
            (parameter.name.clone(), Array::from_shape_simple_fn(parameter.shape.clone(), || rng.random_range(-bound..bound)))
        });
        Weights::new(graph.spec(), arrays.collect::<BTreeMap<_, _>>()).expect("shapes of the spec")
    };
    let models = (0..count).map(draw).collect();
    (graph, models)
}

fn run(bencher: divan::Bencher<'_, '_>, count: usize, matcher: &impl Matcher) {
    let (graph, models) = models(count);
    let problem = Problem::new(graph.spec(), models.iter().collect());
    bencher.bench_local(|| matcher.align(&problem, &Stream::root(0)).expect("a fit problem"));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn weight_matching_of_a_pair(bencher: divan::Bencher<'_, '_>) {
    run(bencher, 2, &GitReBasin::default());
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn merging_of_five(bencher: divan::Bencher<'_, '_>) {
    run(bencher, 5, &MergeMany::default());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn transport_fusion_of_a_pair(bencher: divan::Bencher<'_, '_>) {
    run(bencher, 2, &OtFusion::default());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn one_similarity_matrix(bencher: divan::Bencher<'_, '_>) {
    let (graph, models) = models(2);
    let maps: Vec<_> = graph.spec().groups.iter().map(|group| Permutation::identity(group.units)).collect();
    bencher.bench_local(|| gain(graph.spec(), 1, &models[0], &models[1], &maps));
}
