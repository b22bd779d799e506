//! Models that are merged and trained again, round after round.

use std::collections::BTreeSet;
use std::fs;

use super::place::Place;
use super::rows::Rows;
use crate::command::{onebasin, texts};

const SPEC: &str = r#"
name = "smoke"
models = [
  { name = "a", subset = { order = "shared", parts = [{ to = 0.5 }] } },
  { name = "b", subset = { order = "shared", parts = [{ from = 0.5 }] } },
]

[datasets.tiny-glyphs]
format = "glyphs"
train = 600
test = 200
size = 12
difficulty = 0.1

[architectures.mlp]
family = "mlp"
hidden = [24, 24]

[trainings.adam]
epochs = 4
batch = 30
optimizer = { kind = "adam", learning-rate = 3e-3 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "mlp"
training = "adam"

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "activation-matching"
matching = { by = "activation-matching" }

[[methods]]
name = "naive-repair"
matching = { by = "identity" }
repair = { kind = "repair" }

[evaluation]
pairs = "none"
splits = ["test"]
"#;

#[test]
fn models_that_are_trained_on_from_their_merge_merge_well() {
    let place = Place::with(&format!("{SPEC}rounds = [1, 3]\n"));
    let ran: BTreeSet<String> = place.complete(&["--jobs", "2"]).ran();
    let trained: Vec<&str> = ran.iter().filter_map(|stage| stage.strip_prefix("train/tiny-glyphs-mlp/")).collect();
    let of_round = |method: &str| {
        ["a", "b"].iter().flat_map(|model| [2, 3].map(|round| format!("{method}/replicate-0/{model}/round-{round}"))).collect::<Vec<_>>()
    };
    let expected: Vec<String> =
        [of_round("activation-matching"), of_round("naive"), vec!["replicate-0/a".to_owned(), "replicate-0/b".to_owned()]].concat();
    assert_eq!(trained, expected, "the first round is that of the spec's models");

    let (rounds, merged) = (Rows::read(&place, "rounds.csv"), Rows::read(&place, "merged.csv"));
    assert_eq!(rounds.rows.len(), 2 * 2, "methods, rounds: none of what is repaired");
    for method in ["naive", "activation-matching"] {
        let accuracy = |round: &str| rounds.number(rounds.with(&[("method", method), ("round", round)])[0], "accuracy");
        let first = merged.with(&[("method", method)])[0];
        assert_eq!(accuracy("1"), merged.number(first, "accuracy"), "{method}");
        // From one start networks stay in one basin.
        assert!(accuracy("3") > accuracy("1") + 0.1 && accuracy("3") > 0.6, "{method}: {} and {}", accuracy("1"), accuracy("3"));
    }
    assert!(place.plot("rounds-tiny-glyphs-mlp.svg").exists());

    // Each is trained on its own images, in another order than before, and not from where it was.
    let (_, plan, _) = texts(&onebasin(place.path(), &["plan", "smoke.toml", "--format", "json"]));
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let stages = plan["stages"].as_array().unwrap();
    let second = stages.iter().find(|stage| stage["stage"] == "train/tiny-glyphs-mlp/naive/replicate-0/a/round-2").unwrap();
    assert_eq!(second["inputs"], serde_json::json!(["merge/tiny-glyphs-mlp/naive/replicate-0/2"]));
}

#[test]
fn a_round_is_held_against_what_was_reported_of_it() {
    let place =
        Place::with(&format!("{SPEC}rounds = [1, 2]\n\n[reported]\nfile = \"rounds.csv\"\nprofile = \"paper\"\n\n[profiles.paper]\n"));
    let row = |method: &str, round: &str, value: f64| format!("tiny-glyphs,mlp,{method},2,{round},accuracy,test,{value},,0.5,by hand\n");
    let rows = [row("naive", "2", 0.9), row("naive", "", 0.5), row("activation-matching", "2", 0.01), row("naive", "7", 0.5)].concat();
    let header = "dataset,architecture,method,models,round,metric,split,value,sd,tolerance,source\n";
    fs::write(place.path().join("rounds.csv"), format!("{header}{rows}")).unwrap();
    place.complete(&[]);
    let rounds = Rows::read(&place, "rounds.csv");
    let ours = |method: &str| rounds.text(rounds.with(&[("method", method), ("round", "2")])[0], "accuracy");
    // A round that was not measured has no row.
    let beside = fs::read_to_string(place.result("reported-over-time.csv")).unwrap();
    let [_, matched, naive] = beside.lines().collect::<Vec<_>>()[..] else { panic!("{beside}") };
    let start = |method: &str, reported: &str| format!("tiny-glyphs,mlp,{method},2,,2,accuracy,test,1,{},,{reported},,", ours(method));
    assert!(naive.starts_with(&start("naive", "0.9")) && naive.contains("within 0.5"), "{naive}");
    assert!(matched.starts_with(&start("activation-matching", "0.01")) && matched.contains("beyond 0.5"), "{matched}");
    let table = fs::read_to_string(place.result("table.md")).unwrap();
    assert!(table.contains("| naive | round 2 | accuracy | test |"), "{table}");

    let (code, told, _) = texts(&onebasin(place.path(), &["check", "smoke.toml"]));
    let line = |start: &str, cell: &str| told.lines().any(|line| line.starts_with(start) && line.contains(cell));
    assert_eq!(code, 1);
    assert!(line("fine", "tiny-glyphs mlp naive of 2 accuracy test after round 2") && line("not run", "after round 7"), "{told}");
    assert!(line("OUT", "activation-matching of 2 accuracy test after round 2") && told.contains("made by"), "{told}");
}

#[test]
fn rounds_of_nothing_that_can_be_trained_again_are_refused() {
    let refused = |text: &str, expected: &str| {
        let ended = Place::with(text).run(&[]);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    };
    refused(&format!("{SPEC}rounds = [2, 1]\n"), "`evaluation.rounds` should hold whole numbers from 1, in rising order");
    refused(&format!("{SPEC}rounds = [1000000]\n"), "expected at most");
    let head = SPEC.split("[[methods]]").next().unwrap();
    let ensemble = "[[methods]]\nname = \"ensemble\"\nmerging = { by = \"ensemble\" }\n\n[evaluation]\nrounds = [2]\n";
    refused(&format!("{head}{ensemble}"), "no method merges weights without a repair");
    let alone = SPEC.replacen("  { name = \"b\", subset = { order = \"shared\", parts = [{ from = 0.5 }] } },\n", "", 1);
    refused(&format!("{alone}rounds = [2]\n"), "`evaluation.rounds` compares models, but there is 1");
}
