//! How a run at other settings than the reported ones says so.

use std::path::Path;

use onebasin::experiment;
use onebasin::identity::{MethodLabel, PairName, Part};
use onebasin::reported::Reported;
use onebasin::spec::{self, BarrierOver, Experiment, Overrides};
use onebasin_checkpoints::to_pytorch;
use onebasin_datasets::SearchPaths;

use crate::networks::perceptron;

const SPEC: &str = r#"
name = "compared"
models = 2

[architectures.mlp]
family = "mlp"
hidden = [8]

[trainings.adam]
epochs = 30
optimizer = { kind = "adam", learning-rate = 1e-3 }

[[pairs]]
dataset = "emnist-letters"
stand-in = "glyphs"
architecture = "mlp"
training = "adam"

[[pairs]]
dataset = "cifar10"
architecture = "mlp"
training = "adam"

[[methods]]
name = "naive"
matching = { by = "identity" }

[reported]
file = "reported.csv"
profile = "paper"

[profiles.paper]

[profiles.short]
trainings.adam = { epochs = 3 }
evaluation.images = 100
"#;

fn read(profile: &str, text: &str) -> Result<Experiment, spec::SpecError> {
    let header = "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\n";
    read_beside(&format!("{header}emnist-letters,mlp,naive,2,accuracy,test,0.03,,0.05,somewhere\n"), profile, text)
}

fn read_beside(reported: &str, profile: &str, text: &str) -> Result<Experiment, spec::SpecError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reported.csv"), reported).unwrap();
    let overrides = Overrides { profile: Some(profile.to_owned()), ..Overrides::default() };
    experiment::parse(text, &folder.path().join("compared.toml"), &overrides, &SearchPaths::offline([], Path::new("/nonexistent")))
}

/// What differs in a pair, as a table lists it.
fn differing(experiment: &Experiment, dataset: &str) -> Vec<String> {
    experiment.comparison.deviations_of(&PairName::new(dataset, "mlp")).iter().map(ToString::to_string).collect()
}

#[test]
fn every_difference_from_the_reported_profile_is_listed_for_its_pair() {
    let short =
        ["test images measured 100 instead of all", "training epochs 3 instead of 30", "training images measured 100 instead of all"];
    let short = short.map(str::to_owned);
    let mut found = differing(&read("short", SPEC).unwrap(), "cifar10");
    found.sort();
    assert_eq!(found, short);
}

#[test]
fn fewer_points_on_a_line_differ_where_there_are_lines() {
    let fewer = SPEC.replace("evaluation.images = 100", "evaluation.lambdas = 3");
    let found = |text: &str| differing(&read("short", text).unwrap(), "cifar10");
    assert!(found(&fewer).contains(&"points on a line 3 instead of 25".to_owned()), "{:?}", found(&fewer));
    let none = fewer.replace("[reported]", "[evaluation]\npairs = \"none\"\n\n[reported]");
    assert_eq!(found(&none), ["training epochs 3 instead of 30"]);
}

#[test]
fn whatever_changes_a_figure_is_a_difference() {
    let spec = SPEC.replace("models = 2", "models = [{ name = \"a\" }, { name = \"b\" }, { name = \"c\" }]\nreplay = 50");
    let more = "[[methods]]\nname = \"tuned\"\nmodels = [\"a\", \"b\"]\nmatching = { by = \"git-re-basin\" }\nfine-tuning = \"adam\"\nsequential = {}\n\n";
    let spec = spec.replace("[reported]", &format!("{more}[evaluation]\npairs = \"none\"\n\n[reported]"));
    let other = "\n[trainings.other]\nepochs = 7\noptimizer = { kind = \"adam\", learning-rate = 1e-3 }\n";
    let found = |mine: &str| -> Vec<String> {
        // The profile `paper` has the published settings, `mine` those of a run.
        let text = format!("{spec}{other}\n[profiles.mine]\n{mine}\n");
        differing(&read("mine", &text).unwrap_or_else(|error| panic!("{error}")), "cifar10")
    };
    assert_eq!(found(""), Vec::<String>::new());
    assert_eq!(found("replay = 16"), ["images replayed of each model 16 instead of 50 (tuned)"]);
    assert_eq!(found("validation = 0.5"), ["share of images put aside 0.5 instead of unset"]);
    assert_eq!(found("models.b.first-weights = \"shared\""), ["first weights of model b shared instead of own"]);
    assert_eq!(found("models.b.subset = 0.5"), ["models see other parts of the training images"]);
    assert_eq!(found("methods.naive.interpolation = \"spherical\""), ["way of a line spherical instead of linear (naive)"]);
    assert!(found("models.b.training = \"other\"")[0].starts_with("training of model b "));
    assert!(found("methods.tuned.fine-tuning = \"other\"").contains(&"fine-tuning epochs 7 instead of 30 (tuned)".to_owned()));
    assert_eq!(found("methods.tuned.sequential = { onto = \"next\" }"), ["sequence onto next instead of merged (tuned)"]);
    assert_eq!(found("methods.naive.models = [\"a\", \"b\", \"c\"]"), Vec::<String>::new(), "all in their order");
    assert_eq!(found("methods.tuned.models = [\"a\", \"c\"]"), [r#"models ["a","c"] instead of ["a","b"] (tuned)"#]);
}

#[test]
fn a_setting_of_one_method_keeps_only_its_own_figures_from_being_compared() {
    let other = "[[methods]]\nname = \"other\"\nmatching = { by = \"git-re-basin\" }\n\n[reported]";
    let spec = SPEC.replace("stand-in = \"glyphs\"\n", "").replace("emnist-letters", "glyphs").replace("[reported]", other);
    let comparison =
        read("mine", &format!("{spec}\n[profiles.mine]\nmethods.other.repair = {{ kind = \"repair\" }}\n")).unwrap().comparison;
    let pair = PairName::new("glyphs", "mlp");
    let figure = |method: &str| Reported { method: method.to_owned(), ..comparison.figures[0].clone() };
    assert_eq!(comparison.verdict(&pair, 0.03, &figure("naive")), "comparable: off by 0.0000, within 0.05");
    assert_eq!(comparison.verdict(&pair, 0.03, &figure("endpoints")), "comparable: off by 0.0000, within 0.05");
    let verdict = comparison.verdict(&pair, 0.03, &figure("other"));
    assert!(verdict.starts_with("not comparable: repair ") && verdict.contains("(other)"), "{verdict}");
}

#[test]
fn a_model_of_a_pair_from_another_file_is_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("mine", 1), ("theirs", 2), ("copy", 2)] {
        std::fs::write(folder.path().join(format!("{name}.pt")), to_pytorch(&perceptron(&[3072, 8, 10], seed))).unwrap();
    }
    let spec = SPEC.replace("models = 2", "models = [{ name = \"a\" }, { name = \"b\" }]");
    let file = |name: &str| folder.path().join(format!("{name}.pt")).display().to_string();
    let taken = |name: &str| {
        let first = "{ dataset = \"emnist-letters\", stand-in = \"glyphs\", architecture = \"mlp\", training = \"adam\" }";
        let second = "dataset = \"cifar10\", architecture = \"mlp\", training = \"adam\"";
        format!("pairs = [{first}, {{ {second}, checkpoints = {{ a = {:?} }} }}]", file(name))
    };
    let found = |paper: &str, mine: &str| {
        let spec = spec.replace("[profiles.paper]", &format!("[profiles.paper]\n{paper}"));
        let text = format!("{spec}\n[profiles.mine]\n{mine}\n");
        differing(&read("mine", &text).unwrap_or_else(|error| panic!("{error}")), "cifar10")
    };
    let of_all = |replicates: usize| {
        let files = format!(
            "models = [{{ name = \"a\", checkpoint = {0:?} }}, {{ name = \"b\", checkpoint = {1:?} }}]",
            file("mine"),
            file("theirs")
        );
        let pairs = "pairs = [{ dataset = \"cifar10\", architecture = \"mlp\" }]";
        let text = format!("{spec}\n[profiles.mine]\nreplicates = {replicates}\n{files}\n{pairs}\n");
        let notices = read("mine", &text).unwrap_or_else(|error| panic!("{error}")).notices;
        notices.iter().any(|notice| notice.starts_with("every replicate of `cifar10-mlp` has the same networks, from files"))
    };
    assert_eq!([1, 2].map(of_all), [false, true], "replicates of one set of networks");
    let other = ["model a is taken from another file, or trained"];
    assert_eq!(found("", &taken("mine")), other);
    assert_eq!(found(&taken("theirs"), &taken("mine")), other);
    assert_eq!(found(&taken("theirs"), &taken("copy")), Vec::<String>::new(), "the contents count, not the name");
}

#[test]
fn at_the_reported_settings_only_a_stand_in_differs() {
    let experiment = read("paper", SPEC).unwrap();
    let comparison = &experiment.comparison;
    assert!(comparison.deviations_of(&PairName::new("cifar10", "mlp")).is_empty());
    let pair = PairName::new("glyphs", "mlp");
    assert_eq!(differing(&experiment, "glyphs"), ["data set glyphs instead of emnist-letters"]);
    let figure = comparison.find(&pair, &MethodLabel::method("naive"), 2, "accuracy", Part::Test).unwrap();
    assert!(comparison.verdict(&pair, 0.03, figure).starts_with("not comparable: data set glyphs"));
    assert_eq!(experiment.pairs[0].name(), pair);
}

#[test]
fn a_profile_that_reported_figures_cannot_have_is_refused() {
    let error = read("paper", &SPEC.replace("profile = \"paper\"", "profile = \"papper\"")).unwrap_err().to_string();
    assert!(error.contains("unknown profile `papper`") && error.contains("did you mean `paper`?"), "{error}");
}

#[test]
fn figures_of_unknown_settings_are_refused_unless_none_is_compared() {
    let without = SPEC.replace("profile = \"paper\"", "");
    let error = read("paper", &without).unwrap_err().to_string();
    assert!(error.contains("`reported.file` without `reported.profile`") && error.contains("hint: name the profile"), "{error}");
    let differs = SPEC.replace("profile = \"paper\"", "differs = \"drawn by hand\"");
    assert_eq!(read("paper", &differs).unwrap().comparison.differs, "drawn by hand");
}

#[test]
fn reported_figures_of_a_method_that_the_spec_does_not_have_are_told() {
    let told =
        |text: &str| read("paper", text).unwrap().notices.iter().any(|notice| notice.contains("figures of `naive`, which is no method"));
    assert!(!told(SPEC) && told(&SPEC.replace("name = \"naive\"", "name = \"nave\"")));
}

#[test]
fn reported_figures_of_a_pair_that_the_spec_does_not_have_are_told() {
    let told = |text: &str, what: &str| {
        let notices = read("paper", text).unwrap().notices;
        notices.iter().any(|notice| notice.contains(&format!("figures of {what}, which no pair of the spec has")))
    };
    assert!(!told(SPEC, "data set `emnist-letters`") && !told(SPEC, "architecture `mlp`"));
    let (other, renamed) = (
        SPEC.replace("architecture = \"mlp\"", "architecture = \"net\"").replace(".mlp]", ".net]"),
        SPEC.replace("emnist-letters", "mnist"),
    );
    assert!(told(&other, "architecture `mlp`") && told(&renamed, "data set `emnist-letters`"));
}

#[test]
fn reported_figures_of_epochs_and_rounds_that_are_not_measured_are_told() {
    let row = |epoch: &str, round: &str, metric: &str| format!("cifar10,mlp,naive,2,{epoch},{round},{metric},test,0.3,,0.05,somewhere\n");
    let rows = [row("2", "", "barrier_mean"), row("9", "", "barrier_mean"), row("", "3", "loss"), row("", "4", "loss")].concat();
    let reported = format!("dataset,architecture,method,models,epoch,round,metric,split,value,sd,tolerance,source\n{rows}");
    let told = |evaluation: &str| -> Vec<String> {
        let notices = read_beside(&reported, "short", &format!("{SPEC}{evaluation}")).unwrap().notices;
        notices.into_iter().filter(|notice| notice.contains("does not name")).collect()
    };
    let epochs = |numbers: &str| format!("`reported.file` has figures of epochs {numbers}, which `evaluation.epochs` does not name");
    let rounds = |numbers: &str| format!("`reported.file` has figures of rounds {numbers}, which `evaluation.rounds` does not name");
    assert_eq!(told(""), [epochs("2, 9"), rounds("3, 4")]);
    // A profile that measures them is enough.
    assert_eq!(told("\n[profiles.long]\nevaluation = { epochs = [2], rounds = [1, 3, 4] }\n"), [epochs("9")]);
}

/// What is said of the test accuracy of five networks merged by C²M³, in the experiment as it stands with `sets` over it.
fn verdict(sets: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/mnist-mlp.toml");
    let overrides = Overrides { sets: sets.iter().map(|&set| set.to_owned()).collect(), ..Overrides::default() };
    let experiment = experiment::load(&path, &overrides, &SearchPaths::offline([], Path::new("/nonexistent"))).unwrap();
    let (pair, method) = (experiment.pairs[0].name(), MethodLabel::method("c2m3"));
    let figure = experiment.comparison.find(&pair, &method, 5, "accuracy", Part::Test).unwrap();
    experiment.comparison.verdict(&pair, figure.value, figure)
}

/// What the barriers in tables of an experiment are over.
fn barriers(name: &str, sets: &[&str]) -> Vec<BarrierOver> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments").join(name);
    let overrides = Overrides { sets: sets.iter().map(|&set| set.to_owned()).collect(), ..Overrides::default() };
    experiment::load(&path, &overrides, &SearchPaths::offline([], Path::new("/nonexistent"))).unwrap().barriers()
}

#[test]
fn tables_show_the_barrier_that_figures_were_reported_over_or_that_the_spec_says() {
    for reported in ["git-rebasin-mnist.toml", "figure-10.toml"] {
        assert_eq!(barriers(reported, &[]), [BarrierOver::Mean], "{reported}");
        assert_eq!(barriers(reported, &["evaluation.barrier=line"]), [BarrierOver::Line, BarrierOver::Mean], "{reported}");
    }
    for said in ["mnist-mlp.toml", "table-3.toml", "table-4.toml", "table-5.toml", "table-6.toml", "figure-4.toml"] {
        assert_eq!(barriers(said, &[]), [BarrierOver::Mean], "{said}");
    }
    assert_eq!(barriers("cifar10-vgg11.toml", &[]), [BarrierOver::Line]);
    assert_eq!(barriers("cifar10-vgg11.toml", &["evaluation.barrier=mean"]), [BarrierOver::Mean]);
}

#[test]
fn the_published_settings_are_comparable_and_a_hundredth_of_the_steps_is_not() {
    for published in [&[][..], &["models=20"], &["evaluation.merges=[5]"], &["replicates=2"]] {
        assert!(verdict(published).starts_with("comparable: "), "{published:?}: {}", verdict(published));
    }
    assert_eq!(verdict(&["trainings.c2m3.steps=100"]), "not comparable: training steps 100 instead of 10000");
    for other in ["architectures.mlp.hidden=[32]", "methods.c2m3.matching.refine=50", "evaluation.images=100", "trainings.c2m3.batch=64"] {
        assert!(verdict(&[other]).starts_with("not comparable: "), "{other}: {}", verdict(&[other]));
    }
}

#[test]
fn networks_with_batch_norm_are_compared_with_statistics_interpolated_and_estimated_anew() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/table-5.toml");
    for profile in [None, Some("cpu"), Some("paper")] {
        let overrides = Overrides { profile: profile.map(str::to_owned), ..Overrides::default() };
        let experiment = experiment::load(&path, &overrides, &SearchPaths::offline([], Path::new("/nonexistent"))).unwrap();
        for method in ["naive", "git-re-basin", "frank-wolfe"] {
            let find = |name: &str| experiment.methods.iter().find(|method| method.name.name == name).unwrap();
            let (plain, anew) = (find(method), find(&format!("{method}-statistics")));
            assert!(plain.repair.is_none() && matches!(anew.repair, Some(spec::Repair::BatchNorm(_))), "{method}, {profile:?}");
            assert_eq!(plain.matching, anew.matching, "they share the alignment");
        }
    }
}
