//! Controls: pairs of networks of which it is known what a matching can do, for every method.
//!
//! No spec says these: each model of a spec has a name, which gives it chance of its own, so no two are one network, and all models of a pair
//! see the labels of one data set.

use std::ops::ControlFlow;

use onebasin_datasets::{Dataset, SearchPaths, Source, Split, open};
use onebasin_matching::{Loss, LossError, Matching, Problem, interpolate, to_frame};
use onebasin_network::{Blueprint, Graph, Permutation, Shape, Weights, permute};
use onebasin_repro::Stream;
use onebasin_training::{BatchLoss, Device, Places, Training, cross_moments, evaluate, fit};

const CLASSES: usize = 4;

/// What all controls share.
struct Bench {
    graph: Graph,
    dataset: Dataset,
    device: Device,
}

#[derive(Debug)]
struct TrainingLoss<'a>(Opaque<BatchLoss<'a>>);

/// Nothing to see.
struct Opaque<T>(T);

impl<T> std::fmt::Debug for Opaque<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("..")
    }
}

impl Loss for TrainingLoss<'_> {
    fn images(&self) -> usize {
        self.0.0.images()
    }

    fn gradient(&self, weights: &Weights, images: &[u32]) -> Result<(f64, Weights), LossError> {
        Ok(self.0.0.gradient(weights, images)?)
    }

    fn value(&self, weights: &Weights, images: &[u32]) -> Result<f64, LossError> {
        Ok(self.0.0.value(weights, images)?)
    }
}

/// The middle between the first model and the second, brought onto its units.
struct Middle {
    accuracy: f64,
    /// Over the mean of the ends.
    barrier: f64,
}

impl Bench {
    fn new() -> Bench {
        let source = format!(r#"{{"format": "glyphs", "classes": {CLASSES}, "train": 800, "test": 400, "size": 12, "difficulty": 0.5}}"#);
        let source: Source = serde_json::from_str(&source).unwrap();
        let dataset = open(&source, &SearchPaths::offline([], "nowhere")).unwrap();
        let blueprint: Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": [24, 16]}"#).unwrap();
        let graph = Graph::build(&blueprint.build(Shape::new(1, 12, 12), CLASSES).unwrap()).unwrap();
        Bench { graph, dataset, device: Device::select("cpu").unwrap() }
    }

    /// Trained on `train` for so many steps.
    fn model(&self, train: &Split, steps: usize, seed: u64) -> Weights {
        let training = format!(r#"{{"steps": {steps}, "batch": 50, "optimizer": {{"kind": "adam", "learning-rate": 5e-3}}}}"#);
        let training: Training = serde_json::from_str(&training).unwrap();
        let mut watch = |_: &_| ControlFlow::Continue(());
        let stream = Stream::root(seed);
        fit(&self.graph, train, &self.dataset.normalisation, &training, &stream, &self.device, &mut watch).unwrap().weights
    }

    fn shuffled(&self, model: &Weights) -> Weights {
        let spec = self.graph.spec();
        let stream = Stream::root(7);
        let shuffle = |group: &onebasin_network::Group| Permutation::new(stream.child(&group.name).shuffled(group.units)).unwrap();
        permute(spec, model, &spec.groups.iter().map(shuffle).collect::<Vec<_>>())
    }

    fn middle(&self, matching: &Matching, models: [&Weights; 2]) -> Middle {
        let (spec, normalisation) = (self.graph.spec(), &self.dataset.normalisation);
        let moments = matching.needs().map(|needs| {
            let mut watch = |_| ControlFlow::Continue(());
            let taps = Places { tap: needs.tap, stream: needs.stream, layers: matching.needs_layers() };
            cross_moments(&self.graph, &models, taps, &self.dataset.train, normalisation, &self.device, &mut watch).unwrap()
        });
        let loss = BatchLoss::new(&self.graph, &self.dataset.train, normalisation, &self.device).unwrap();
        let loss = TrainingLoss(Opaque(loss));
        let problem = Problem::new(spec, models.to_vec()).with_loss(&loss);
        let problem = match &moments {
            Some(moments) => problem.with_moments(moments),
            None => problem,
        };
        let alignment = matching.matcher().align(&problem, &Stream::root(1)).unwrap();
        let moved = to_frame(spec, models[1], &alignment.pair_maps(1, 0));
        let at = |lambda: f64| {
            let between = interpolate(models[0], &moved, lambda);
            evaluate(&self.graph, &between, &self.dataset.test, normalisation, &self.device).unwrap()
        };
        let [start, middle, end] = [0.0, 0.5, 1.0].map(at);
        Middle { accuracy: middle.accuracy, barrier: middle.loss - 0.5 * (start.loss + end.loss) }
    }
}

/// Every method, but for the one that does nothing.
fn methods() -> Vec<Matching> {
    let names = Matching::NAMES.iter().filter(|name| **name != "identity");
    names.map(|name| serde_json::from_str(&format!(r#"{{"by": "{name}"}}"#)).unwrap()).collect()
}

fn nothing() -> Matching {
    serde_json::from_str(r#"{"by": "identity"}"#).unwrap()
}

/// It goes where the loss falls at the first model, whatever the second is: of a copy of it nothing is known.
fn follows_the_gradient(matching: &Matching) -> bool {
    matches!(matching, Matching::SteepestDescent(_))
}

#[test]
fn a_network_and_itself_and_a_shuffled_copy_of_it_have_no_barrier_once_they_are_matched() {
    let bench = Bench::new();
    let model = bench.model(&bench.dataset.train, 200, 1);
    let copy = bench.shuffled(&model);
    let own = bench.middle(&nothing(), [&model, &model]);
    assert!(own.accuracy > 0.8 && own.barrier.abs() < 1e-9, "{} {}", own.accuracy, own.barrier);
    let plain = bench.middle(&nothing(), [&model, &copy]);
    assert!(plain.barrier > 0.3, "{}", plain.barrier);
    for matching in methods().into_iter().filter(|matching| !follows_the_gradient(matching)) {
        // Units that give nothing on any training image have no match by what they give.
        let room = if matching.needs().is_some() { 0.01 } else { 1e-5 };
        for other in [&model, &copy] {
            let middle = bench.middle(&matching, [&model, other]);
            assert!(middle.barrier.abs() < room && (middle.accuracy - own.accuracy).abs() <= room, "{matching:?}: {}", middle.barrier);
        }
    }
}

/// What was never learned cannot come of a matching.
#[test]
fn untrained_networks_stay_at_chance_whatever_matches_them() {
    let bench = Bench::new();
    let [a, b] = [1, 2].map(|seed| {
        let stream = Stream::root(seed);
        onebasin_training::initialise(&bench.graph, onebasin_training::Initialisation::Pytorch, &stream).unwrap()
    });
    let count = bench.dataset.test.len() as f64;
    let chance = *bench.dataset.test.class_counts().iter().max().unwrap() as f64 / count;
    // Methods that look at the labels of training images choose among permutations by them.
    for matching in methods().into_iter().filter(|matching| !matching.needs_loss()) {
        let middle = bench.middle(&matching, [&a, &b]);
        assert!(middle.accuracy < chance + 0.25, "{matching:?}: {} beside {chance}", middle.accuracy);
    }
}

/// Networks that call the same images by other names agree on nothing that a middle could keep.
#[test]
fn networks_of_other_labels_have_a_barrier_whatever_matches_them() {
    let bench = Bench::new();
    let mut renamed = bench.dataset.train.clone();
    renamed.labels.iter_mut().for_each(|label| *label = (*label + 1) % CLASSES as u8);
    let (a, b) = (bench.model(&bench.dataset.train, 200, 1), bench.model(&renamed, 200, 2));
    let right = bench.middle(&nothing(), [&a, &a]).accuracy;
    assert!(right > 0.8, "{right}");
    for matching in methods() {
        let middle = bench.middle(&matching, [&a, &b]);
        assert!(middle.accuracy < right - 0.1, "{matching:?}: {} of {right}", middle.accuracy);
    }
}
