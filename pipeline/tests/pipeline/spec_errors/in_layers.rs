//! Faults of what is laid over a spec: profiles and `--set`.

use std::fmt::Write;

use onebasin::spec::Overrides;

use super::shown;

#[test]
fn a_fault_in_a_layer_names_the_layer() {
    let set = |set: &str| Overrides { sets: vec![set.to_owned()], ..Overrides::default() };
    let profile = |name: &str| Overrides { profile: Some(name.to_owned()), ..Overrides::default() };
    let spoiled_profile = ("[profiles.cpu.trainings.adam]\nepochs = 1", "[profiles.cpu.trainings.adam]\nepochs = 0");
    let cases = [
        ("--set of a wrong type", "seed = 42", "seed = 42", set("trainings.adam.epochs=many")),
        ("--set of an impossible value", "seed = 42", "seed = 42", set("evaluation.lambdas=1")),
        ("--set of an unknown key", "seed = 42", "seed = 42", set("trainings.adam.epoch=3")),
        ("--set without a value", "seed = 42", "seed = 42", set("trainings.adam.epochs")),
        ("--set that is not TOML", "seed = 42", "seed = 42", set("models=[1,")),
        ("--set of a value and a comment", "seed = 42", "seed = 42", set("seed=1#7")),
        ("--set of two keys", "seed = 42", "seed = 42", set("seed=1\nmodels=9")),
        ("--set of words without quotes in a list", "seed = 42", "seed = 42", set("evaluation.splits=[test]")),
        ("--set of nothing", "seed = 42", "seed = 42", set("name=")),
        ("--set of a key that is none", "seed = 42", "seed = 42", set("a b=1")),
        ("--set of a number where a text belongs", "seed = 42", "seed = 42", set("name=1_1_1")),
        ("--set of a text with an equals sign", "seed = 42", "seed = 42", set("name=a=b")),
        ("--set of a number without its first digit", "seed = 42", "seed = 42", set("trainings.adam.optimizer.learning-rate=.05")),
        ("--set of a misspelt training", "seed = 42", "seed = 42", set("trainings.adan.epochs=4")),
        ("--set of a misspelt architecture", "seed = 42", "seed = 42", set("architectures.smal.hidden=[4]")),
        ("--set of a misspelt table", "seed = 42", "seed = 42", set("trainngs.adam.epochs=4")),
        ("--set of an unknown method", "seed = 42", "seed = 42", set("methods.mached.matching.iterations=4")),
        ("--set of a key of a method", "seed = 42", "seed = 42", set("methods.matched.matching.iteration=4")),
        ("--set beyond a list", "seed = 42", "seed = 42", set("pairs.1.dataset=mnist")),
        ("--set inside a list that is not there", "merges = [2, 3]", "", set("evaluation.merges.0=2")),
        ("--set inside a number of models", "seed = 42", "seed = 42", set("models.b.subset=0.5")),
        ("a misspelt training in a profile", "[profiles.cpu.trainings.adam]", "[profiles.cpu.trainings.adan]", Overrides::default()),
        (
            "a fault of the spec under a harmless --set",
            "architecture = \"small\"\ntraining = \"adam\"",
            "architecture = \"pooled\"\ntraining = \"adam\"\n\n[architectures.pooled]\nlayers = [{ op = \"flatten\" }]",
            set("architectures.pooled.family=layers"),
        ),
        (
            "--set that does not go with what the spec has",
            "models = 3",
            "models = [{ name = \"a\", subset = { parts = [{ to = 0.5 }] } }, { name = \"b\" }, { name = \"c\" }]",
            set("models.a.subset.count=30"),
        ),
        ("an unknown profile", "seed = 42", "seed = 42", profile("cup")),
        ("a fault in the profile that is used", spoiled_profile.0, spoiled_profile.1, profile("cpu")),
        ("a fault in a profile that is not used", spoiled_profile.0, spoiled_profile.1, Overrides::default()),
    ];
    let mut texts = String::new();
    for (title, from, to, overrides) in cases {
        write!(texts, "## {title}\n\n{}\n\n", shown(from, to, &overrides)).unwrap();
    }
    insta::assert_snapshot!("layer_errors", texts);
}
