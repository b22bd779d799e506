//! The command itself: what it prints where, and its exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// `onebasin` in a folder, with nothing of this machine's environment but what finds programs.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onebasin"));
    command.current_dir(folder).args(arguments).env_clear().env("ONEBASIN_CACHE", folder.join("cache"));
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs it.
pub fn onebasin(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Exit code, standard output and standard error.
pub fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Two small networks on generated pictures.
pub const SPEC: &str = r#"name = "small"
models = 2

[datasets.few-glyphs]
format = "glyphs"
train = 200
test = 50
size = 12

[architectures.mlp]
family = "mlp"
hidden = [8]

[trainings.adam]
epochs = 1
optimizer = { kind = "adam", learning-rate = 1e-3 }

[[pairs]]
dataset = "few-glyphs"
architecture = "mlp"
training = "adam"

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "weights"
matching = { by = "git-re-basin" }

[evaluation]
lambdas = 3
"#;

/// A folder with the small spec in it.
pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("small.toml");
    std::fs::write(&spec, SPEC).unwrap();
    (folder, spec)
}

#[test]
fn help_tells_the_commands_and_their_options() {
    let (folder, _) = folder();
    let mut all = String::new();
    for arguments in [
        vec!["--help"],
        vec!["run", "--help"],
        vec!["plan", "--help"],
        vec!["explain", "--help"],
        vec!["describe", "--help"],
        vec!["data", "--help"],
        vec!["check", "--help"],
        vec!["diff", "--help"],
        vec!["verify", "--help"],
        vec!["store", "--help"],
        vec!["store", "gc", "--help"],
        vec!["match", "--help"],
        vec!["merge", "--help"],
        vec!["convert", "--help"],
        vec!["measure", "--help"],
        vec!["completions", "--help"],
        vec!["man", "--help"],
    ] {
        let (code, out, _) = texts(&onebasin(folder.path(), &arguments));
        assert_eq!(code, 0);
        all.push_str(&format!("## onebasin {}\n\n{out}\n", arguments.join(" ")));
    }
    insta::assert_snapshot!("help", all);
}

#[test]
fn a_wrong_spec_a_wrong_option_and_a_wrong_stage_exit_with_2_and_keep_stdout_clean() {
    let (folder, spec) = folder();
    std::fs::write(folder.path().join("wrong.toml"), SPEC.replace("models = 2", "models = 0")).unwrap();
    for arguments in [
        vec!["plan", "wrong.toml"],
        vec!["run", "small.toml", "wrong.toml"],
        vec!["run", "none.toml"],
        vec!["plan", "small.toml", "--colour"],
        vec!["run", "small.toml", "--device", "gpu"],
        vec!["run", "small.toml", "--jobs", "0"],
        vec!["explain", "small.toml", "train/few-glyphs-mlp/replicate-0/c"],
        vec!["data", "verify", "mnits"],
        vec!["describe", "none.safetensors"],
    ] {
        let (code, out, error) = texts(&onebasin(folder.path(), &arguments));
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(error.contains("error"), "{arguments:?}: {error}");
    }
    assert!(!folder.path().join(".store").exists(), "nothing ran");
    let (_, _, error) = texts(&onebasin(folder.path(), &["explain", "small.toml", "train/few-glyphs-mlp/replicate-0/c"]));
    assert!(error.contains("unknown stage") && error.contains("did you mean `train/few-glyphs-mlp/replicate-0/"), "{error}");
    assert!(spec.exists());
}

#[test]
fn a_variable_of_the_environment_lies_over_the_spec_and_is_named_when_it_is_wrong() {
    let (folder, _) = folder();
    let run =
        |name: &str, value: &str| texts(&command(folder.path(), &["plan", "small.toml", "--json"]).env(name, value).output().unwrap());
    let (code, out, error) = run("ONEBASIN_MODELS", "3");
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("train/few-glyphs-mlp/replicate-0/c"));
    let (code, _, error) = run("ONEBASIN_TRAININGS__ADAM__EPOCHS", "many");
    assert_eq!(code, 2);
    assert!(error.contains("environment variable `ONEBASIN_TRAININGS__ADAM__EPOCHS`"), "{error}");
}

#[test]
fn an_empty_variable_is_unset_and_a_strange_one_breaks_only_commands_that_read_a_spec() {
    let (folder, _) = folder();
    let run = |name: &str, value: &str, arguments: &[&str]| texts(&command(folder.path(), arguments).env(name, value).output().unwrap());
    for name in
        ["ONEBASIN_SEED", "ONEBASIN_JOBS", "ONEBASIN_PROFILE", "ONEBASIN_STORE", "ONEBASIN_DEVICE", "ONEBASIN_QQQQ", "ONEBASIN_DATA"]
    {
        let (code, _, error) = run(name, "", &["plan", "small.toml"]);
        assert_eq!(code, 0, "{name}: {error}");
    }
    let (code, _, error) = run("ONEBASIN_STOR", "x", &["plan", "small.toml"]);
    assert_eq!(code, 2);
    assert!(error.contains("`ONEBASIN_STOR` is neither a key of a spec nor a variable of the command"), "{error}");
    assert!(error.contains("did you mean `ONEBASIN_STORE`?") && error.contains("experiments/spec.md"), "{error}");
    for arguments in [vec!["store"], vec!["schema"], vec!["completions", "bash"], vec!["data", "list"]] {
        let (code, _, error) = run("ONEBASIN_OFFLINE", "1", &arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
    }
}

#[test]
fn a_value_means_the_same_by_set_and_by_the_environment() {
    let (folder, _) = folder();
    for value in
        ["5e-2", ".05", "[test]", "1_1_1", "2024-01-01", "1#7", "1\n", "1 # one", "\"0.1\"", "{ a = 1 }", &"[".repeat(3000), "0.1 "]
    {
        for (key, variable) in [("trainings.adam.optimizer.learning-rate", "TRAININGS__ADAM__OPTIMIZER__LEARNING_RATE"), ("name", "NAME")] {
            let (set, variable) = (format!("{key}={value}"), format!("ONEBASIN_{variable}"));
            let by_set = texts(&onebasin(folder.path(), &["plan", "small.toml", "--set", &set]));
            let by_environment = texts(&command(folder.path(), &["plan", "small.toml"]).env(&variable, value).output().unwrap());
            assert_eq!((by_set.0, &by_set.1), (by_environment.0, &by_environment.1), "{set}");
            // What is said differs in where the value came from alone.
            let said = |text: &str| {
                text.lines()
                    .filter(|line| !line.contains("-->"))
                    .map(|line| if line.starts_with("overridden: ") { line.split_once(" (").map_or(line, |(said, _)| said) } else { line })
                    .map(|line| line.split_once("`: ").map_or(line, |(_, rest)| rest).to_owned())
                    .collect::<Vec<_>>()
            };
            assert_eq!(said(&by_set.2), said(&by_environment.2), "{set}");
        }
    }
}

#[test]
fn a_number_beyond_its_limit_is_quoted_as_it_is_written_with_the_limit_whatever_the_layer() {
    let (folder, spec) = folder();
    let expected = "`seed` should be a whole number from 0 to 9223372036854775807, not `18446744073709551615`";
    for written in ["9223372036854775808", "18446744073709551615", "18_446_744_073_709_551_615"] {
        let (code, _, error) = texts(&onebasin(folder.path(), &["plan", "small.toml", "--set", &format!("seed={written}")]));
        assert!(code == 2 && error.contains(&expected.replace("18446744073709551615", written)), "{error}");
    }
    let ended = command(folder.path(), &["plan", "small.toml"]).env("ONEBASIN_SEED", "18446744073709551615").output().unwrap();
    assert!(texts(&ended).2.contains(expected), "{}", texts(&ended).2);
    std::fs::write(&spec, SPEC.replace("models = 2", "models = 2\nseed = 18446744073709551615")).unwrap();
    assert!(texts(&onebasin(folder.path(), &["plan", "small.toml"])).2.contains(expected));
    let largest = texts(&onebasin(folder.path(), &["plan", "small.toml", "--set", "seed=9223372036854775807"]));
    assert_eq!(largest.0, 0, "{}", largest.2);
}

#[test]
fn init_writes_a_whole_spec_that_runs_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, error) = texts(&onebasin(folder.path(), &["init", "My first.toml"]));
    assert_eq!((code, out.as_str()), (0, ""), "{error}");
    let text = std::fs::read_to_string(folder.path().join("My first.toml")).unwrap();
    assert!(text.starts_with("#:schema ./onebasin.schema.json\n") && text.contains("name = \"my-first\""), "{text}");
    let sets = ["datasets.few-glyphs.train=60", "datasets.few-glyphs.test=20", "trainings.adam.epochs=1", "evaluation.lambdas=2"];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let (code, _, error) =
        texts(&onebasin(folder.path(), &["run", "My first.toml", "--results", "results"].into_iter().chain(sets).collect::<Vec<_>>()));
    assert_eq!(code, 0, "{error}");
    assert!(folder.path().join("results/my-first/table.md").exists());
    let (code, _, error) = texts(&onebasin(folder.path(), &["init", "My first.toml"]));
    assert_eq!(code, 2);
    assert!(error.contains("is there already"), "{error}");
    let (code, _, error) = texts(&onebasin(folder.path(), &["init", "nowhere/a.toml"]));
    assert_eq!(code, 2, "{error}");
}

#[test]
fn plan_and_explain_say_what_changed_since_the_last_run() {
    let (folder, _) = folder();
    let (code, out, _) = texts(&onebasin(folder.path(), &["plan", "small.toml"]));
    assert_eq!(code, 0);
    assert!(out.lines().next().unwrap().ends_with("never run"), "{out}");
    let (code, out, error) = texts(&onebasin(folder.path(), &["run", "small.toml", "--json"]));
    assert_eq!(code, 0, "{error}");
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((done[0]["name"].as_str(), done[0]["failed"].as_array().map(Vec::len)), (Some("small"), Some(0)));
    let (_, out, _) = texts(&onebasin(folder.path(), &["plan", "small.toml"]));
    assert!(out.lines().rev().skip(1).all(|line| line.starts_with("hit")), "{out}");
    let set = ["--set", "methods=[{ name = \"weights\", matching = { by = \"git-re-basin\", sweeps = 7 } }]"];
    let (_, out, _) = texts(&onebasin(folder.path(), &[&["plan", "small.toml"], set.as_slice()].concat()));
    insta::assert_snapshot!("plan_after_a_change", out);
    let (_, out, _) = texts(&onebasin(
        folder.path(),
        &[&["explain", "small.toml", "align/few-glyphs-mlp/weights/replicate-0/2"], set.as_slice()].concat(),
    ));
    assert!(out.contains("  methods.weights.matching.sweeps changed from 100 to 7"), "{out}");
    // In the keys of the spec, not of recipes.
    let reason = |set: &str| {
        let (_, out, _) = texts(&onebasin(folder.path(), &["plan", "small.toml", "--set", set]));
        out.lines().next().unwrap().rsplit("  ").next().unwrap().to_owned()
    };
    assert_eq!(reason("trainings.adam.epochs=2"), "trainings.adam.epochs changed from 1 to 2");
    assert_eq!(reason("seed=7"), "seed changed from 42 to 7");
}

#[test]
fn plan_exits_with_1_on_demand_where_something_would_run() {
    let (folder, _) = folder();
    let plan = || texts(&onebasin(folder.path(), &["plan", "small.toml", "--exit-code"])).0;
    assert_eq!(plan(), 1);
    assert_eq!(texts(&onebasin(folder.path(), &["run", "small.toml"])).0, 0);
    assert_eq!(plan(), 0);
}

#[test]
fn plan_draws_the_graph_for_other_programs() {
    let (folder, _) = folder();
    let plan =
        |format: &str, more: &[&str]| texts(&onebasin(folder.path(), &[&["plan", "small.toml", "--format", format], more].concat())).1;
    let dot = plan("dot", &["--full"]);
    assert!(dot.starts_with("digraph plan {") && dot.contains("\"tabulate\" -> \"plot\";"), "{dot}");
    assert!(dot.contains("\"train/few-glyphs-mlp/replicate-0/a\" -> "), "{dot}");
    let mermaid = plan("mermaid", &["--full"]);
    assert!(mermaid.starts_with("flowchart LR") && mermaid.contains("[\"tabulate\"]:::miss"), "{mermaid}");
    // By kind, however many stages there are.
    let dot = plan("dot", &["--set", "models=20"]);
    assert!(dot.contains("\"train\" [label = \"train\\n20 would run\"") && dot.contains("\"legend miss\""), "{dot}");
    assert!(dot.lines().count() < 40, "{dot}");
    let mermaid = plan("mermaid", &["--set", "models=20"]);
    assert!(mermaid.contains("s0[\"train<br/>20 would run\"]:::miss") && mermaid.contains("subgraph legend"), "{mermaid}");
    assert!(mermaid.lines().count() < 40, "{mermaid}");
    let (_, json, _) = texts(&onebasin(folder.path(), &["plan", "small.toml", "--format", "json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["stages"].as_array().unwrap().iter().all(|stage| stage["standing"] == "miss"));
    let device = |name: &str| json["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == name).map(|stage| &stage["device"]);
    assert_eq!(device("train/few-glyphs-mlp/replicate-0/a").and_then(Value::as_str), Some("cpu"));
    assert!(device("tabulate").unwrap().is_null());
}

#[test]
fn missing_files_of_data_do_not_keep_a_plan_from_being_shown_but_a_run_from_starting() {
    let (folder, _) = folder();
    std::fs::write(folder.path().join("mnist.toml"), SPEC.replace("dataset = \"few-glyphs\"", "dataset = \"mnist\"")).unwrap();
    let (code, out, error) = texts(&onebasin(folder.path(), &["plan", "mnist.toml"]));
    assert_eq!(code, 0, "{error}");
    assert!(out.starts_with("needs-data  -  train/mnist-mlp/replicate-0/a"), "{out}");
    assert!(error.starts_with("warning: no complete copy of data set `mnist` found"), "{error}");
    let (code, out, error) = texts(&onebasin(folder.path(), &["run", "mnist.toml", "--offline", "--data", "nowhere"]));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains("nowhere") && error.contains("hint: "), "{error}");
}

#[test]
fn describe_shows_specs_and_checkpoints() {
    let (folder, _) = folder();
    let (code, text, error) = texts(&onebasin(folder.path(), &["describe", "small.toml"]));
    assert_eq!(code, 0, "{error}");
    insta::assert_snapshot!("describe", text);
    let (_, json, _) = texts(&onebasin(folder.path(), &["describe", "small.toml", "--json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["network"]["parameters"], 144 * 8 + 8 + 80 + 10);
    let models = "models = [{ name = \"a\", subset = { parts = [{ labels = [3] }] } }, { name = \"b\" }]";
    let (code, text, error) = texts(&onebasin(folder.path(), &["describe", "small.toml", "--set", models]));
    assert_eq!(code, 0, "{error}");
    let (_, counts) = text.split_once("training images of each model, in the first replicate\n").expect(&text);
    let counts: Vec<Vec<&str>> = counts.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((counts[0].join(" "), counts.len()), ("label a b".to_owned(), 11));
    assert!(counts[1..].iter().all(|row| (row[1] == "0") == (row[0] != "3") && row[2] != "0"), "{counts:?}");
    let none = models.replace("[3]", "[30]");
    let (code, _, error) = texts(&onebasin(folder.path(), &["describe", "small.toml", "--set", &none]));
    assert!(code == 2 && error.contains("30 in part 0") && error.contains("models[0].subset"), "{error}");
    std::fs::write(folder.path().join("broken.safetensors"), b"not a checkpoint").unwrap();
    let (code, _, error) = texts(&onebasin(folder.path(), &["describe", "broken.safetensors"]));
    assert_eq!(code, 2, "{error}");
}

#[test]
fn data_lists_every_known_set() {
    let (folder, _) = folder();
    let (code, out, _) = texts(&onebasin(folder.path(), &["data", "list", "--json"]));
    let sets: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    let names: Vec<&str> = sets.as_array().unwrap().iter().map(|set| set["name"].as_str().unwrap()).collect();
    for name in ["mnist", "fashion-mnist", "emnist-letters", "cifar10", "cifar100", "glyphs"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let (code, out, _) = texts(&onebasin(folder.path(), &["data", "verify", "mnist", "glyphs"]));
    assert_eq!(code, 1);
    assert!(out.contains("MISSING") && out.contains("glyphs: generated"), "{out}");
}

#[test]
fn data_that_lies_elsewhere_is_not_fetched_and_an_incomplete_set_is_counted() {
    let (folder, _) = folder();
    let own = folder.path().join("own/mnist");
    std::fs::create_dir_all(&own).unwrap();
    let run =
        |arguments: &[&str]| texts(&command(folder.path(), arguments).env("ONEBASIN_DATA", folder.path().join("own")).output().unwrap());
    let names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    let write = |names: &[&str]| names.iter().for_each(|name| std::fs::write(own.join(name), "").unwrap());
    write(&names[..3]);
    let (_, out, _) = run(&["data", "list"]);
    assert!(out.lines().any(|line| line.starts_with("mnist ") && line.contains("3 of 4 files in ")), "{out}");
    write(&names);
    let (code, out, error) = run(&["data", "fetch", "mnist"]);
    assert!(code == 0 && out.trim_end().ends_with("own/mnist") && error.starts_with("mnist: already at `"), "{out}{error}");
    assert!(!run(&["data", "list"]).2.contains("of the same names"));
    // Two sets whose files have the same names are both found where there is no folder of either's name.
    names.iter().for_each(|name| std::fs::write(folder.path().join("own").join(name), "").unwrap());
    std::fs::remove_dir_all(&own).unwrap();
    let error = run(&["data", "list"]).2;
    assert!(
        error.contains("`mnist` and `fashion-mnist` have files of the same names: `onebasin data verify mnist fashion-mnist`"),
        "{error}"
    );
}
