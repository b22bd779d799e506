//! How the layers of settings lie over each other.

use std::path::Path;

use onebasin::experiment;
use onebasin::spec::{Experiment, Merging, Overrides};
use onebasin_datasets::{SearchPaths, Subset};
use onebasin_matching::Matching;

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
    try_read(SPEC, profile, sets).unwrap()
}

fn try_read(text: &str, profile: Option<&str>, sets: &[&str]) -> Result<Experiment, String> {
    let overrides =
        Overrides { profile: profile.map(str::to_owned), sets: sets.iter().map(|&set| set.to_owned()).collect(), environment: false };
    experiment::parse(text, Path::new("layered.toml"), &overrides, &SearchPaths::offline([], "/nonexistent"))
        .map_err(|error| error.to_string())
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
    assert!(matches!(experiment.methods[1].merging, Merging::Ensemble { .. }));
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

/// The iterations of a method that is C2M3.
fn iterations(experiment: &Experiment, method: usize) -> usize {
    match &experiment.methods[method].matching {
        Matching::C2m3(c2m3) => c2m3.iterations,
        other => panic!("{other:?}"),
    }
}

const LISTS: &str = r#"
name = "lists"
models = [{ name = "a" }, { name = "b" }]
architectures.mlp = { family = "mlp", hidden = [8] }
trainings.adam = { epochs = 3, optimizer = { kind = "adam", learning-rate = 1e-3 } }
trainings.short = { steps = 3, optimizer = { kind = "adam", learning-rate = 1e-3 } }
pairs = [{ dataset = "glyphs", architecture = "mlp", training = "adam" }]

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "c2m3"
matching = { by = "c2m3", iterations = 100 }

[profiles.quick.methods.c2m3]
matching = { iterations = 7 }

[profiles.quick.pairs.glyphs-mlp]
training = "short"

[profiles.half.models.b]
subset = 0.5

[profiles.alone]
methods = [{ name = "only", matching = { by = "identity" } }]
"#;

#[test]
fn set_reaches_elements_of_lists_by_name_and_by_number() {
    for key in ["methods.c2m3", "methods.1", "methods[1]"] {
        let experiment = try_read(LISTS, None, &[&format!("{key}.matching.iterations=5")]).unwrap();
        assert_eq!((experiment.methods.len(), iterations(&experiment, 1)), (2, 5), "{key}");
    }
    let experiment = try_read(LISTS, None, &["pairs.glyphs-mlp.training=short", "models.b.subset=0.25"]).unwrap();
    assert_eq!(experiment.pairs[0].training.steps, Some(3));
    assert_eq!(experiment.models[1].subset, Some(Subset::share(0.25)));
    assert_eq!(try_read(LISTS, None, &["pairs.0.dataset=cifar10"]).unwrap().pairs[0].dataset, "cifar10");
}

#[test]
fn a_profile_reaches_elements_of_lists_by_name_and_replaces_a_list_by_a_list() {
    let quick = try_read(LISTS, Some("quick"), &[]).unwrap();
    assert_eq!((quick.methods.len(), iterations(&quick, 1), quick.pairs[0].training.steps), (2, 7, Some(3)));
    let over = try_read(LISTS, Some("quick"), &["methods.c2m3.matching.iterations=9"]).unwrap();
    assert_eq!(iterations(&over, 1), 9);
    assert_eq!(try_read(LISTS, Some("half"), &[]).unwrap().models[1].subset, Some(Subset::share(0.5)));
    assert_eq!(try_read(LISTS, Some("alone"), &[]).unwrap().methods.len(), 1);
}

#[test]
fn a_fault_in_a_table_over_a_list_is_shown_where_the_profile_has_it() {
    let spoiled = LISTS.replace("iterations = 7", "iteration = 7");
    let error = try_read(&spoiled, Some("quick"), &[]).unwrap_err();
    assert!(error.contains("--> layered.toml:18:14 (profile `quick`)") && error.contains("did you mean `iterations`?"), "{error}");
    let misnamed = LISTS.replace("[profiles.quick.methods.c2m3]", "[profiles.quick.methods.c2m2]");
    let error = try_read(&misnamed, None, &[]).unwrap_err();
    assert!(error.contains("`methods` has no element `c2m2`\n  --> layered.toml:17:25 (profile `quick`)"), "{error}");
    assert!(error.contains("did you mean `c2m3`? expected one of `naive`, `c2m3`"), "{error}");
}

#[test]
fn a_fault_of_a_key_in_a_table_of_a_method_is_placed_where_that_key_is_written() {
    let set = "methods.1.matching={by=\"git-re-basin\",mix={weights=2}}";
    let text = SPEC.replacen("merging = { by = \"ensemble\" }", "matching = { by = \"identity\" }", 1);
    let overrides = Overrides { sets: vec![set.to_owned()], ..Overrides::default() };
    let places = SearchPaths::offline([], Path::new("/nonexistent"));
    let error = experiment::parse(&text, Path::new("set.toml"), &overrides, &places).unwrap_err().to_string();
    assert!(error.contains("`weights` is `2`") && error.contains("--> `--set methods.1.matching="), "{error}");
}
