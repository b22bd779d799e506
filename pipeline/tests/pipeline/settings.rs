//! How the layers of settings lie over each other.

use std::path::Path;

use onebasin::experiment;
use onebasin::spec::{Experiment, Merging, Overrides};
use onebasin_datasets::{SearchPaths, Subset};

const SPEC: &str = r#"
name = "layered"
models = 4

[architectures.mlp]
family = "mlp"
hidden = [8]

[trainings.adam]
epochs = 3
optimizer = { kind = "adam", learning-rate = 1e-3 }

[[pairs]]
dataset = "glyphs"
architecture = "mlp"
training = "adam"

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "ensemble"
merging = { by = "ensemble" }

[profiles.long]
replicates = 2
trainings.adam = { epochs = 30, batch = 50 }
"#;

fn read(profile: Option<&str>, sets: &[&str]) -> Experiment {
    let overrides =
        Overrides { profile: profile.map(str::to_owned), sets: sets.iter().map(|&set| set.to_owned()).collect(), environment: false };
    experiment::parse(SPEC, Path::new("layered.toml"), &overrides, &SearchPaths::offline([], "/nonexistent")).unwrap()
}

/// The lines that the first method is measured along, in the order of the plan.
pub fn lines(experiment: &Experiment) -> Vec<String> {
    let digests = experiment.pairs.iter().map(|pair| (pair.dataset.clone(), "digest".to_owned())).collect();
    let plan = experiment::plan(experiment, &digests, "cpu").unwrap();
    let method = format!("/{}/", experiment.methods[0].name);
    let ids = plan.stages.iter().map(|planned| planned.stage.id().as_str()).filter(|id| id.starts_with("line/") && id.contains(&method));
    ids.filter_map(|id| id.rsplit('/').next()).map(str::to_owned).collect()
}

#[test]
fn what_a_spec_does_not_say_is_filled_in() {
    let experiment = read(None, &[]);
    assert_eq!((experiment.seed, experiment.replicates), (42, 1));
    assert_eq!(experiment.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(experiment.evaluation.lambdas, 25);
    assert_eq!(experiment.evaluation.merges, [4]);
    assert_eq!(lines(&experiment).len(), 6);
    assert_eq!(experiment.methods[1].merging, Merging::Ensemble);
}

#[test]
fn a_profile_lies_over_the_spec_key_by_key() {
    let experiment = read(Some("long"), &[]);
    let training = &experiment.pairs[0].training;
    assert_eq!((experiment.replicates, training.epochs, training.batch), (2, Some(30), 50));
    assert_eq!(training.optimizer.learning_rate(), 1e-3);
}

#[test]
fn set_lies_over_the_profile_and_the_last_one_wins() {
    let sets = ["trainings.adam.epochs=7", "trainings.adam.epochs=8", "trainings.adam.optimizer.kind=sgd", "evaluation.pairs=none"];
    let experiment = read(Some("long"), &sets);
    let training = &experiment.pairs[0].training;
    assert_eq!((training.epochs, training.batch), (Some(8), 50));
    assert!(matches!(training.optimizer, onebasin_training::Optimizer::Sgd(_)));
    assert!(lines(&experiment).is_empty());
}

#[test]
fn a_list_is_replaced_as_a_whole() {
    let experiment =
        read(None, &[r#"models=[{ name = "left", subset = 0.5 }, { name = "right", subset = { count = 100, stratified = true } }]"#]);
    assert_eq!(experiment.models[0].subset, Some(Subset::share(0.5)));
    assert_eq!(experiment.models[1].subset, Some(Subset::count(100).stratified()));
    assert_eq!(lines(&experiment), ["left..right"]);
}
