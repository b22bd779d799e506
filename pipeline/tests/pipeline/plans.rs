//! What a plan is made of, and what a change of a spec changes in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use onebasin::baseline::Recipes;
use onebasin::experiment::{self, plan};
use onebasin::explain::ByStage;
use onebasin::plan::Plan;
use onebasin::spec::{KINDS, Overrides};
use onebasin::store::Entry;
use onebasin_datasets::SearchPaths;

pub const SPEC: &str = r#"
name = "planned"
models = 3

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
name = "weights"
matching = { by = "git-re-basin" }

[[methods]]
name = "universe"
matching = { by = "c2m3" }

[[methods]]
name = "ensemble"
merging = { by = "ensemble" }

[evaluation]
pairs = [["a", "b"]]
merges = [2, 3]
"#;

pub fn planned(text: &str, sets: &[&str]) -> Plan {
    on(text, sets, "digest", "cpu")
}

fn on(text: &str, sets: &[&str], digest: &str, device: &str) -> Plan {
    let overrides = Overrides { sets: sets.iter().map(|&set| set.to_owned()).collect(), ..Overrides::default() };
    let experiment = experiment::parse(text, Path::new("planned.toml"), &overrides, &SearchPaths::offline([], "/nonexistent")).unwrap();
    plan(&experiment, &BTreeMap::from([("glyphs".to_owned(), digest.to_owned())]), device).unwrap()
}

/// The stages of `after` that are not in `before` with the same fingerprint.
pub fn changed(before: &Plan, after: &Plan) -> BTreeSet<String> {
    let known: BTreeSet<_> = before.stages.iter().map(|planned| planned.fingerprint).collect();
    let new = after.stages.iter().filter(|planned| !known.contains(&planned.fingerprint));
    new.map(|planned| planned.stage.id().to_string()).collect()
}

pub fn ids(plan: &Plan) -> BTreeSet<String> {
    plan.stages.iter().map(|planned| planned.stage.id().to_string()).collect()
}

#[test]
fn the_stages_of_a_small_spec() {
    let plan = planned(SPEC, &[]);
    let lines: Vec<String> = plan
        .stages
        .iter()
        .map(|planned| {
            let inputs: Vec<&str> = planned.stage.inputs().iter().map(|input| input.as_str()).collect();
            format!("{} <- {}", planned.stage.id(), inputs.join(" "))
        })
        .collect();
    insta::assert_snapshot!("stages", lines.join("\n"));
}

#[test]
fn equal_specs_plan_equal_fingerprints_and_each_input_comes_first() {
    let plan = planned(SPEC, &[]);
    assert_eq!(changed(&plan, &planned(SPEC, &[])), BTreeSet::new());
    let mut seen = BTreeSet::new();
    for planned in &plan.stages {
        assert!(planned.stage.inputs().iter().all(|input| seen.contains(input)), "{}", planned.stage.id());
        seen.insert(planned.stage.id().clone());
    }
}

#[test]
fn a_changed_method_changes_only_what_is_made_with_it() {
    let before = planned(SPEC, &[]);
    let after = planned(&SPEC.replace("by = \"git-re-basin\"", "by = \"git-re-basin\", order = \"forward\""), &[]);
    let expected = ["align", "merge", "predict", "line"].iter().flat_map(|kind| {
        ids(&before).into_iter().filter(move |id| id.starts_with(&format!("{kind}/glyphs-mlp/weights/"))).collect::<Vec<_>>()
    });
    let expected: BTreeSet<String> = expected.chain(["tabulate".to_owned(), "plot".to_owned()]).collect();
    assert_eq!(changed(&before, &after), expected);
}

#[test]
fn the_name_of_a_method_changes_only_the_tables() {
    let before = planned(SPEC, &[]);
    let after = planned(&SPEC.replace("name = \"weights\"", "name = \"other-name\""), &[]);
    assert_eq!(changed(&before, &after), ["tabulate".to_owned(), "plot".to_owned()].into());
}

#[test]
fn methods_that_match_alike_share_their_artifacts() {
    let twice = SPEC.replace("[evaluation]", "[[methods]]\nname = \"again\"\nmatching = { by = \"c2m3\" }\n\n[evaluation]");
    let plan = planned(&twice, &[]);
    let of = |id: &str| plan.find(id).unwrap().fingerprint;
    for rest in ["align/glyphs-mlp/#/replicate-0/3", "merge/glyphs-mlp/#/replicate-0/2", "line/glyphs-mlp/#/replicate-0/a..b"] {
        assert_eq!(of(&rest.replace('#', "universe")), of(&rest.replace('#', "again")));
    }
}

#[test]
fn activations_are_taken_once_for_all_methods_that_look_at_the_same() {
    let method = |name: &str, matching: &str| format!("[[methods]]\nname = \"{name}\"\nmatching = {{ {matching} }}\n");
    let activations = "activations = { images = 100 }";
    let methods = [
        method("apart", &format!("by = \"activation-matching\", {activations}")),
        method("product", &format!("by = \"activation-matching\", score = \"product\", {activations}")),
        method("joint", &format!("by = \"joint-activation-matching\", {activations}")),
        method("mixed", &format!("by = \"git-re-basin\", mix = {{ {activations} }}")),
        method("before", "by = \"activation-matching\", activations = { images = 100, tap = \"before-relu\" }"),
    ];
    let plan = planned(&format!("{SPEC}\n{}", methods.concat()), &[]);
    let moments: Vec<String> = ids(&plan).into_iter().filter(|id| id.starts_with("moments/")).collect();
    let expected = ["after-relu/images-100", "before-relu/images-100"].map(|what| format!("moments/glyphs-mlp/replicate-0/{what}"));
    assert_eq!(moments, expected);
    // An alignment of two of three models has its models and the moments of all.
    let inputs = |id: &str| plan.find(id).unwrap().stage.inputs().iter().map(ToString::to_string).collect::<Vec<_>>();
    let two = ["train/glyphs-mlp/replicate-0/a", "train/glyphs-mlp/replicate-0/b", "moments/glyphs-mlp/replicate-0/after-relu/images-100"];
    assert_eq!(inputs("align/glyphs-mlp/apart/replicate-0/a..b"), two);
}

#[test]
fn drawn_images_are_drawn_anew_for_each_draw_and_first_ones_are_not() {
    let of = |drawn: bool| -> usize {
        let matching = format!("matching = {{ by = \"activation-matching\", activations = {{ images = 100, drawn = {drawn} }} }}");
        let seeds = if drawn { "matching-seeds = 3" } else { "" };
        let plan = planned(&format!("{SPEC}\n[[methods]]\nname = \"apart\"\n{matching}\n{seeds}\n"), &[]);
        ids(&plan).into_iter().filter(|id| id.starts_with("moments/")).count()
    };
    assert_eq!((of(false), of(true)), (1, 3));
}

#[test]
fn a_changed_training_a_seed_data_and_a_device_change_everything_but_numbered_devices_are_one_kind() {
    let before = planned(SPEC, &[]);
    assert_eq!(changed(&before, &on(SPEC, &[], "other", "cpu")), ids(&before));
    // How many images there are depends on the data alone.
    let counted: BTreeSet<String> = ids(&before).into_iter().filter(|id| !id.starts_with("classes/")).collect();
    for after in [
        planned(SPEC, &["trainings.adam.epochs=4"]),
        planned(SPEC, &["seed=43"]),
        planned(&SPEC.replace("hidden = [8]", "hidden = [9]"), &[]),
        on(SPEC, &[], "digest", "cuda"),
    ] {
        assert_eq!(changed(&before, &after), counted);
    }
    assert_eq!(changed(&on(SPEC, &[], "digest", "cuda:0"), &on(SPEC, &[], "digest", "cuda:1")), BTreeSet::new());
}

#[test]
fn several_devices_are_dealt_the_replicates_and_each_kind_keeps_its_bytes() {
    let planned = |device: &str| on(SPEC, &["replicates=3"], "digest", device);
    let mixed = planned("cuda:0,cuda:1,cpu");
    let (cuda, cpu) = (planned("cuda"), planned("cpu"));
    let of = |replicate: usize, plan: &Plan| {
        let within = format!("/replicate-{replicate}");
        plan.stages
            .iter()
            .filter(|planned| planned.stage.id().as_str().contains(&within))
            .map(|planned| planned.fingerprint)
            .collect::<Vec<_>>()
    };
    for (replicate, alone) in [(0, &cuda), (1, &cuda), (2, &cpu)] {
        assert!(!of(replicate, alone).is_empty());
        assert_eq!(of(replicate, &mixed), of(replicate, alone), "replicate {replicate}");
    }
    assert_eq!(changed(&planned("cuda:0"), &planned("cuda:3,cuda:1")), BTreeSet::new());
}

#[test]
fn stages_are_of_the_kinds_that_settings_of_a_cluster_may_name() {
    let smoke = include_str!("../../../experiments/smoke.toml");
    for planned in &planned(SPEC, &[]).stages {
        assert!(KINDS.contains(&planned.stage.recipe().kind), "{}", planned.stage.id());
    }
    let experiment =
        experiment::parse(smoke, Path::new("smoke.toml"), &Overrides::default(), &SearchPaths::offline([], "/nonexistent")).unwrap();
    let digests = experiment.pairs.iter().map(|pair| (pair.dataset.clone(), "digest".to_owned())).collect();
    for planned in &plan(&experiment, &digests, "cpu").unwrap().stages {
        assert!(KINDS.contains(&planned.stage.recipe().kind), "{}", planned.stage.id());
    }
}

#[test]
fn what_a_measurement_demands_grows_with_its_points_its_images_and_its_networks() {
    let nowhere = SearchPaths::offline([], "/nonexistent");
    let demand = |sets: &[&str], id: &str| {
        let plan = planned(SPEC, sets);
        plan.find(id).unwrap().stage.demand(&nowhere).unwrap().operations
    };
    let line = "line/glyphs-mlp/weights/replicate-0/a..b";
    let few = demand(&["evaluation.lambdas=5", "evaluation.images=100", "evaluation.train-images=100"], line);
    assert_eq!(demand(&["evaluation.lambdas=15", "evaluation.images=100", "evaluation.train-images=100"], line), 3.0 * few);
    assert_eq!(demand(&["evaluation.lambdas=5", "evaluation.images=200", "evaluation.train-images=200"], line), 2.0 * few);
    let plan = planned(SPEC, &["models=3"]);
    let of = |start: &str| {
        let stage = plan.stages.iter().map(|planned| &planned.stage).find(|stage| stage.id().as_str().starts_with(start)).unwrap();
        stage.demand(&nowhere).unwrap().operations
    };
    assert!(of("predict/glyphs-mlp/ensemble") > 1.5 * of("predict/glyphs-mlp/naive"));
}

#[test]
fn what_a_training_demands_goes_by_its_own_steps_and_the_images_it_sees() {
    let nowhere = SearchPaths::offline([], "/nonexistent");
    let demand = |plan: &Plan, id: &str| plan.find(id).unwrap().stage.demand(&nowhere).unwrap().operations;
    let whole = demand(&planned(SPEC, &[]), "train/glyphs-mlp/replicate-0/a");
    // In parts, each from where the one before ended.
    let parts = planned(SPEC, &["evaluation.epochs=[1, 2]"]);
    let trainings = parts.stages.iter().filter(|planned| planned.stage.recipe().kind == "train");
    let of_a: Vec<f64> = trainings
        .map(|planned| &planned.stage)
        .filter(|stage| stage.id().as_str().contains("replicate-0/a"))
        .map(|stage| stage.demand(&nowhere).unwrap().operations)
        .collect();
    assert_eq!((of_a.len(), of_a.iter().sum::<f64>()), (3, whole));
    let few = SPEC.replace("models = 3", "models = 3\nreplay = 40").replace("[evaluation]", FINE_TUNED);
    let of_subset = ["models=[{ name = \"a\", subset = { parts = [{ labels = [3] }] } }, { name = \"b\" }, { name = \"c\" }]"];
    let part = demand(&planned(SPEC, &of_subset), "train/glyphs-mlp/replicate-0/a");
    assert!(part < 0.2 * whole, "a tenth of the images: {part} of {whole}");
    let plan = planned(&few, &[]);
    let tuned = plan.stages.iter().find(|planned| planned.stage.id().as_str().contains("tuned") && planned.stage.recipe().kind == "train");
    let tuned = tuned.unwrap().stage.demand(&nowhere).unwrap().operations;
    assert!(tuned < 0.2 * whole, "40 images of each: {tuned} of {whole}");
}

const FINE_TUNED: &str = r#"[[methods]]
name = "tuned"
matching = { by = "identity" }
fine-tuning = "adam"
sequential = {}

[evaluation]"#;

#[test]
fn more_models_keep_those_that_are_there() {
    let before = planned(SPEC, &[]);
    let new = changed(&before, &planned(SPEC, &["models=4"]));
    let trained: Vec<&String> = new.iter().filter(|id| id.starts_with("train/")).collect();
    assert_eq!(trained, ["train/glyphs-mlp/replicate-0/d"]);
    // A joint method takes its lines from the frame of all models.
    assert!(new.contains("line/glyphs-mlp/universe/replicate-0/a..b") && !new.contains("line/glyphs-mlp/weights/replicate-0/a..b"));
}

#[test]
fn what_is_asked_for_besides_leaves_every_other_stage_as_it_was() {
    let before = planned(SPEC, &[]);
    let asking = SPEC.replace(
        "merges = [2, 3]",
        "merges = [2, 3, [\"a\", \"c\"]]\ncycles = [[\"c\", \"b\", \"a\"]]\nsimilarity = true\nfeatures = true\nplane = {}",
    );
    let after = planned(&asking, &[]);
    let kept: BTreeSet<String> = ids(&before).difference(&changed(&after, &before)).cloned().collect();
    let expected: BTreeSet<String> = ids(&before).into_iter().filter(|id| id != "tabulate" && id != "plot").collect();
    assert_eq!(kept, expected);
    let new: Vec<String> = changed(&before, &after).into_iter().filter(|id| id.contains("/weights/")).collect();
    // The cycle goes backwards: each pair is matched once, in the order of the models, as for its line.
    let names = [
        "align/#/a+c",
        "align/#/a..c",
        "align/#/b..c",
        "cycle/#/c..b..a",
        "features/#/all",
        "merge/#/a+c",
        "plane/#/a..b..c",
        "predict/#/a+c",
        "similarity/#/all",
    ];
    assert_eq!(new, names.map(|name| name.replace('#', "glyphs-mlp/weights/replicate-0")));
    let inputs = |id: &str| after.find(id).unwrap().stage.inputs().iter().map(ToString::to_string).collect::<Vec<_>>();
    let aligned = ["c", "b..c", "a..b", "a..c"].map(|name| {
        let kind = if name == "c" { "train/glyphs-mlp" } else { "align/glyphs-mlp/weights" };
        format!("{kind}/replicate-0/{name}")
    });
    assert_eq!(inputs("cycle/glyphs-mlp/weights/replicate-0/c..b..a"), aligned);
    assert_eq!(inputs("similarity/glyphs-mlp/replicate-0/all").len(), 3);
    assert!(after.find("plane/glyphs-mlp/naive/replicate-0/a..b..c").is_none());
}

#[test]
fn a_subset_matched_jointly_is_merged_by_its_places_in_the_alignment_of_all() {
    let plan = planned(&SPEC.replace("merges = [2, 3]", "merges = [3]\nsubsets = [2]\njoint-subsets = true"), &[]);
    let merge = &plan.find("merge/glyphs-mlp/weights/replicate-0/b+c@all").unwrap().stage;
    let inputs: Vec<&str> = merge.inputs().iter().map(|input| input.as_str()).collect();
    let expected = ["align/glyphs-mlp/weights/replicate-0/3", "train/glyphs-mlp/replicate-0/b", "train/glyphs-mlp/replicate-0/c"];
    assert_eq!(inputs, expected);
    assert_eq!(merge.recipe().settings["positions"], serde_json::json!([1, 2]));
    assert!(plan.find("merge/glyphs-mlp/naive/replicate-0/b+c@all").is_none(), "nothing moves, so nothing differs");
    assert!(plan.find("predict/glyphs-mlp/ensemble/replicate-0/b+c@all").is_none());
}

#[test]
fn further_draws_of_a_matching_are_methods_of_their_own_and_the_first_is_the_one_there_was() {
    let before = planned(SPEC, &[]);
    let seeded = SPEC.replace("matching = { by = \"git-re-basin\" }", "matching = { by = \"git-re-basin\" }\nmatching-seeds = 3");
    let after = planned(&seeded, &[]);
    let of = |plan: &Plan, method: &str| plan.find(&format!("align/glyphs-mlp/{method}/replicate-0/a..b")).unwrap().fingerprint;
    let draws = ["weights#1", "weights#2", "weights#3"].map(|name| of(&after, name));
    assert_eq!(draws[0], of(&before, "weights"));
    assert!(draws[0] != draws[1] && draws[1] != draws[2] && draws[0] != draws[2]);
}

#[test]
fn a_reference_is_a_place_among_the_models_of_each_alignment() {
    let of = |text: &str, last: &str| {
        let plan = planned(&text.replace("merges = [2, 3]", "merges = [3, [\"b\", \"c\"]]"), &[]);
        let recipe = plan.find(&format!("align/glyphs-mlp/weights/replicate-0/{last}")).unwrap().stage.recipe();
        recipe.settings["matching"]["reference"].as_u64().unwrap()
    };
    let on = |reference: &str| SPEC.replace("by = \"git-re-basin\"", &format!("by = \"git-re-basin\", reference = {reference}"));
    assert_eq!(["3", "b+c", "a..b"].map(|last| of(SPEC, last)), [0, 0, 0]);
    assert_eq!(["3", "b+c", "a..b"].map(|last| of(&on("\"c\""), last)), [2, 1, 0]);
    assert_eq!(["3", "b+c", "a..b"].map(|last| of(&on("1"), last)), [1, 0, 1]);
}

#[test]
fn replicates_draw_from_other_streams() {
    let plan = planned(SPEC, &["replicates=2"]);
    let of = |replicate: usize| plan.find(&format!("train/glyphs-mlp/replicate-{replicate}/a")).unwrap().fingerprint;
    assert_ne!(of(0), of(1));
    assert_eq!(of(0), planned(SPEC, &[]).find("train/glyphs-mlp/replicate-0/a").unwrap().fingerprint);
}

#[test]
fn finding_the_nearest_recipes_of_a_whole_plan_looks_at_each_earlier_one_at_most_once() {
    let before = Recipes::of(&planned(SPEC, &["replicates=20"])).stages;
    let earlier = ByStage::of(&before);
    let after = planned(SPEC, &["replicates=20", "trainings.adam.epochs=4"]);
    let looked = std::cell::Cell::new(0);
    let look = |_: &Entry| {
        looked.set(looked.get() + 1);
        true
    };
    for stage in &after.stages {
        if let Some(nearest) = earlier.nearest(stage, look) {
            assert_eq!(nearest.earlier.stage, *stage.stage.id());
        }
    }
    assert_eq!(looked.get(), before.len());
}
