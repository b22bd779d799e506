//! Commands on networks in files of other programs.

use std::fs;
use std::path::{Path, PathBuf};

use onebasin_checkpoints::{Dtype, StateDict, Tensor, read, to_pytorch, to_safetensors};
use onebasin_network::{Blueprint, Graph, Shape};
use serde_json::Value;

use crate::command::{onebasin, texts};

pub fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workspace/checkpoints/tests/fixtures");
    folder.join(name).canonicalize().unwrap().to_str().unwrap().to_owned()
}

/// Exit code, standard output and standard error of the command in a folder.
pub fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    texts(&onebasin(folder, arguments))
}

pub fn array(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(Dtype::F32, shape.to_vec(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// Numbers that look drawn.
pub fn drawn(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A perceptron of these widths, of seed.
pub fn perceptron(widths: &[usize], seed: u32) -> StateDict {
    let layer = |(place, pair): (usize, &[usize])| {
        let number = 2 * place;
        let weight = array(&[pair[1], pair[0]], &drawn(pair[0] * pair[1], seed + 10 * place as u32));
        [(format!("{number}.weight"), weight), (format!("{number}.bias"), array(&[pair[1]], &drawn(pair[1], seed + 10 * place as u32 + 5)))]
    };
    StateDict::new(widths.windows(2).enumerate().flat_map(layer).collect())
}

pub fn written(folder: &Path, name: &str, bytes: Vec<u8>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// An array as NumPy writes it.
pub fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let shape: String = shape.iter().map(|extent| format!("{extent},")).collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes
}

#[test]
fn describe_tells_the_network_of_a_file_and_what_is_assumed() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, error) = run(folder.path(), &["describe", &fixture("nested-lightning.ckpt")]);
    assert_eq!(code, 0, "{error}");
    for words in ["a multi-layer perceptron of 3 linear layers", "assumed: a ReLU", "0.weight", "16x20"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let (_, out, _) = run(folder.path(), &["describe", "--json", &fixture("prefix-both.pt")]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told[0]["file"]["tensors"][0]["tensor"], "module._orig_mod.0.weight");
    let (code, _, error) = run(folder.path(), &["describe", "-v", &fixture("numbers-inside.pt")]);
    assert!(code == 0 && error.contains("passed over `height`: the number `192`"), "{error}");
}

#[test]
fn a_permuted_copy_is_matched_back_and_the_maps_go_out_and_in() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let net = perceptron(&[6, 5, 4, 3], 1);
    // The first hidden layer turned by one.
    let turn = |values: &[f32], row: usize| values[row..].iter().chain(&values[..row]).copied().collect::<Vec<f32>>();
    let mut turned = net.clone();
    turned.tensors[0].1 = array(&[5, 6], &turn(&net.tensors[0].1.to_f32().unwrap(), 6));
    turned.tensors[1].1 = array(&[5], &turn(&net.tensors[1].1.to_f32().unwrap(), 1));
    let columns: Vec<f32> = net.tensors[2].1.to_f32().unwrap().chunks(5).flat_map(|row| turn(row, 1)).collect();
    turned.tensors[2].1 = array(&[4, 5], &columns);
    written(folder, "a.pt", to_pytorch(&net));
    written(folder, "b.safetensors", to_safetensors(&turned));
    let (code, out, error) = run(folder, &["match", "a.pt", "b.safetensors", "--method", "git-re-basin", "--out", "maps.json"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("outputs differ by at most") && out.contains("duality gap"), "{out}");
    let maps: Value = serde_json::from_slice(&fs::read(folder.join("maps.json")).unwrap()).unwrap();
    assert_eq!(maps["models"][1]["0"], serde_json::json!([4, 0, 1, 2, 3]));
    assert!(maps["function-check"]["function_error"].as_f64().unwrap() < 1e-5);
    let (code, _, error) = run(folder, &["merge", "a.pt", "b.safetensors", "--maps", "maps.json", "--out", "merged.pt", "--aligned"]);
    assert_eq!(code, 0, "{error}");
    for name in ["merged.pt", "merged.aligned-1.pt"] {
        assert_eq!(read(&folder.join(name), None).unwrap().tensors, net.tensors, "{name}");
    }
    // Maps that are none: nothing is written.
    fs::write(folder.join("wrong.json"), r#"[{"0": [0,1,2,3,3], "2": [0,1,2,3]}, {"0": [0,1,2,3,4], "2": [0,1,2,3]}]"#).unwrap();
    let (code, _, error) = run(folder, &["merge", "a.pt", "b.safetensors", "--maps", "wrong.json", "--out", "no.pt"]);
    assert!(code == 2 && error.contains("group `0`") && error.contains("slot 4"), "{error}");
    assert!(!folder.join("no.pt").exists());
}

#[test]
fn a_network_beside_its_average_under_longer_names_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut two = perceptron(&[6, 5, 3], 1);
    let averages: Vec<_> = two.tensors.iter().map(|(name, tensor)| (format!("ema_{name}"), tensor.clone())).collect();
    two.tensors.extend(averages);
    written(folder, "a.safetensors", to_safetensors(&two));
    let (code, _, error) = run(folder, &["describe", "a.safetensors"]);
    assert!(code == 2 && error.contains("hint: names that begin with `ema_` are of a second network"), "{error}");
    // Beside what is of no network.
    let mut beside = perceptron(&[6, 5, 3], 1);
    beside.tensors.iter_mut().for_each(|(name, _)| *name = format!("net.{name}"));
    beside.tensors.push(("criterion.weight".to_owned(), array(&[3], &[1.0; 3])));
    written(folder, "b.safetensors", to_safetensors(&beside));
    let (code, _, error) = run(folder, &["describe", "b.safetensors"]);
    assert!(code == 2 && error.contains("hint: the tensors whose names begin with `net` are a network: `--key net`"), "{error}");
    assert_eq!(run(folder, &["describe", "b.safetensors", "--key", "net"]).0, 0);
}

#[test]
fn what_is_no_text_is_described_as_a_file_of_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(folder, "weights.model", to_pytorch(&perceptron(&[6, 5, 3], 1)));
    assert_eq!(run(folder, &["describe", "weights.model"]).0, 0);
    let noise: Vec<u8> = (0..4000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    written(folder, "noise.model", noise);
    let (code, _, error) = run(folder, &["describe", "noise.model"]);
    assert!(code == 2 && error.contains("is of no known format") && error.len() < 1000, "{error}");
}

#[test]
fn the_names_of_layers_that_the_reference_lists_are_those_of_the_code() {
    let text = include_str!("../../../experiments/spec.md");
    let section = text.split("### Names of layers").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut rows = 0;
    for row in section.lines().filter(|line| line.starts_with("| `{")) {
        let quoted: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let table: toml::Table = format!("net = {}", quoted[0]).parse().unwrap();
        let blueprint: Blueprint = table["net"].clone().try_into().unwrap();
        let graph = Graph::build(&blueprint.build(Shape::new(3, 32, 32), 10).unwrap()).unwrap();
        let named = graph.nodes.iter().filter(|node| node.operation.parameters().next().is_some());
        let mut names: Vec<&str> = named.map(|node| node.name.as_str()).collect();
        let mut listed = quoted[1..].to_vec();
        names.sort_unstable();
        listed.sort_unstable();
        assert_eq!(names, listed, "{}", quoted[0]);
        rows += 1;
    }
    assert_eq!(rows, 3);
}

#[test]
fn a_merged_file_has_the_form_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut half = perceptron(&[6, 5, 3], 1);
    for (_, tensor) in &mut half.tensors {
        let zeros = Tensor::new(Dtype::F16, tensor.shape().to_vec(), vec![0; 2 * tensor.len()]);
        *tensor = zeros.with_values(&tensor.to_f32().unwrap()).unwrap();
    }
    half.tensors.iter_mut().for_each(|(name, _)| *name = format!("module.{name}"));
    half.nesting = vec!["state_dict".to_owned()];
    written(folder, "a.pt", to_pytorch(&half));
    written(folder, "b.pt", to_pytorch(&perceptron(&[6, 5, 3], 100)));
    let (code, _, error) = run(folder, &["merge", "a.pt", "b.pt", "--out", "merged.pt"]);
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("4 tensors of type F16 become F32"), "{error}");
    let merged = read(&folder.join("merged.pt"), None).unwrap();
    assert_eq!(merged.nesting, ["state_dict"]);
    let form = |dict: &StateDict| {
        dict.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dtype(), tensor.shape().to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(form(&merged), form(&half));
    let (code, _, error) = run(folder, &["merge", "a.pt", "b.pt", "--out", "merged.txt"]);
    assert!(code == 2 && error.contains("`.safetensors` or `.pt`"), "{error}");
}

#[test]
fn files_that_differ_are_refused_by_tensor_files_shapes_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(folder, "a.pt", to_pytorch(&perceptron(&[7, 6, 3], 1)));
    written(folder, "width.pt", to_pytorch(&perceptron(&[7, 5, 3], 1)));
    written(folder, "classes.pt", to_pytorch(&perceptron(&[7, 6, 4], 1)));
    let (bias, norm) = (["differ-bias-a.pt", "differ-bias-b.pt"].map(fixture), ["differ-norm-a.pt", "differ-norm-b.pt"].map(fixture));
    for (pair, words) in [
        (["a.pt", "width.pt"], vec!["tensor `0.weight` has shape [6, 7] in `a.pt` and [5, 7] in `width.pt`", "`hidden`"]),
        (["a.pt", "classes.pt"], vec!["tensor `2.weight` has shape [3, 6] in `a.pt` and [4, 6] in `classes.pt`", "`classes`"]),
        (bias.each_ref().map(String::as_str), vec!["tensor `0.bias`", "and not in", "`bias = true`"]),
        (norm.each_ref().map(String::as_str), vec!["tensor `1.weight`", "differ-norm-a.pt", "differ-norm-b.pt"]),
    ] {
        let (code, out, error) = run(folder, &["match", pair[0], pair[1]]);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        words.iter().for_each(|words| assert!(error.contains(words), "{words}: {error}"));
    }
}

#[test]
fn what_is_not_supported_or_not_allowed_exits_with_2_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, words) in [
        ("attention.pt", "layer `self_attn`"),
        ("grouped.pt", "2.weight: 6 outputs of 1 input after a layer of 6"),
        ("evil-system.pt", "`posix.system`, a callable that is not allowed"),
        ("two-candidates.pt", "both `model` and `ema`"),
        ("two-candidates.pt", "`--key model`, or `key = \"model\"` in a spec"),
        ("prefix-collide.pt", "a name that would stand twice"),
        ("header-f8.safetensors", "of no known layer"),
    ] {
        let (code, out, error) = run(folder, &["describe", &fixture(name)]);
        assert_eq!((code, out.as_str()), (2, ""), "{name}: {error}");
        assert!(error.contains(words) && error.contains("hint: "), "{name}: {error}");
    }
    let (code, _, error) = run(folder, &["match", &fixture("plain-zip.pt"), &fixture("plain-legacy.pt"), "--method", "c2m4"]);
    assert!(code == 2 && error.contains("did you mean `c2m3`?"), "{error}");
    let (code, _, error) =
        run(folder, &["match", &fixture("plain-zip.pt"), &fixture("plain-legacy.pt"), "--method", "activation-matching"]);
    assert!(code == 2 && error.contains("looks at images"), "{error}");
    assert_eq!(fs::read_dir(folder).unwrap().filter(|entry| entry.as_ref().unwrap().file_name() != "cache").count(), 0);
}

#[test]
fn outputs_of_another_program_are_held_against_ours() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let layers = [
        ("0.weight", array(&[2, 2], &[1.0, 0.0, 0.0, 1.0])),
        ("0.bias", array(&[2], &[0.0, 0.0])),
        ("1.weight", array(&[2, 2], &[1.0, 2.0, 3.0, 4.0])),
        ("1.bias", array(&[2], &[0.5, -0.5])),
    ];
    written(folder, "net.pt", to_pytorch(&StateDict::new(layers.map(|(name, tensor)| (name.to_owned(), tensor)).into())));
    written(folder, "inputs.npy", npy(&[2, 2], &[1.0, 0.0, 1.0, -1.0]));
    // With a ReLU between, the -1 is lost.
    written(folder, "relu.npy", npy(&[2, 2], &[1.5, 2.5, 1.5, 2.5]));
    written(folder, "linear.npy", npy(&[2, 2], &[1.5, 2.5, -0.5, -1.5]));
    let check = |more: &[&str]| run(folder, &[&["describe", "net.pt", "--inputs", "inputs.npy", "--expect"], more].concat());
    assert_eq!(check(&["relu.npy"]).0, 0);
    assert_eq!(check(&["linear.npy", "--linear"]).0, 0);
    let (code, _, error) = check(&["linear.npy"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("assumed: a ReLU") && error.contains("--architecture"), "{error}");
    // A log-softmax takes a number off each row.
    written(folder, "shifted.npy", npy(&[2, 2], &[-1.5, -0.5, -1.5, -0.5]));
    let (code, _, error) = check(&["shifted.npy"]);
    assert!(code == 0 && error.contains("by a constant for each row") && error.contains("log-softmax"), "{error}");
    written(folder, "softmax.npy", npy(&[2, 2], &[0.268_941, 0.731_059, 0.268_941, 0.731_059]));
    let (code, _, error) = check(&["softmax.npy"]);
    assert!(code == 1 && error.contains("those are probabilities"), "{error}");
    fs::write(
        folder.join("net.toml"),
        "input = [2, 1, 1]\nlayers = [{ op = 'flatten' }, { op = 'linear', out = 2 }, { op = 'linear', out = 2 }]",
    )
    .unwrap();
    assert_eq!(check(&["linear.npy", "--architecture", "net.toml"]).0, 0);
}

#[test]
fn tensors_are_converted_there_and_back_with_their_names_and_types() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for arguments in [["convert", &fixture("layout.pt"), "there.safetensors"], ["convert", "there.safetensors", "back.pt"]] {
        let (code, _, error) = run(folder, &arguments);
        assert_eq!(code, 0, "{error}");
    }
    let original = read(fixture("layout.pt").as_ref(), None).unwrap();
    assert_eq!(read(&folder.join("back.pt"), None).unwrap().tensors, original.tensors);
}

#[test]
fn networks_in_files_are_measured_alone_and_along_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (code, out, error) = run(folder, &["data", "list", "--json"]);
    assert_eq!(code, 0, "{error}");
    let sets: Value = serde_json::from_str(&out).unwrap();
    let glyphs = sets.as_array().unwrap().iter().find(|set| set["name"] == "glyphs").unwrap();
    let shape: Vec<usize> = serde_json::from_value(glyphs["shape"].clone()).unwrap();
    let (inputs, classes) = (shape.iter().product(), glyphs["classes"].as_u64().unwrap() as usize);
    for (name, seed) in [("a.pt", 1), ("b.pt", 2)] {
        written(folder, name, to_pytorch(&perceptron(&[inputs, 4, classes], seed)));
    }
    let (code, out, error) = run(folder, &["measure", "a.pt", "b.pt", "--data", "glyphs", "--images", "50", "--json"]);
    assert_eq!(code, 0, "{error}");
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["network"], &rows[0]["images"]), (2, &Value::from("a.pt"), &Value::from(50)));
    let (code, out, error) = run(folder, &["measure", "a.pt", "b.pt", "--data", "glyphs", "--images", "50", "--lambdas", "3"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.lines().count() == 4 && error.contains("the barrier is"), "{out}{error}");
    let (code, _, error) = run(folder, &["measure", "a.pt", "--data", "glyfs"]);
    assert!(code == 2 && error.contains("hint: here `--data` is the name of a known data set, and `--data-folder DIR`"), "{error}");
    // Weights that are numbers, and outputs that are none.
    let mut huge = perceptron(&[inputs, 4, classes], 1);
    huge.tensors.iter_mut().for_each(|(_, tensor)| *tensor = tensor.with_values(&vec![1e30; tensor.len()]).unwrap());
    written(folder, "huge.pt", to_pytorch(&huge));
    let (code, out, error) = run(folder, &["measure", "huge.pt", "--data", "glyphs", "--images", "50"]);
    assert!(code == 1 && out.is_empty() && error.contains("`huge.pt` gives outputs that are no numbers"), "{out}{error}");
}

#[test]
fn models_from_files_and_trained_ones_are_merged_in_one_experiment_and_a_changed_file_is_another_model() {
    let (folder, _) = crate::command::folder();
    let folder = folder.path();
    fs::create_dir(folder.join("runs")).unwrap();
    let models = |list: &str| crate::command::SPEC.replace("models = 2", list);
    fs::write(folder.join("mixed.toml"), models(r#"models = [{ name = "a", checkpoint = "runs/a.pt" }, { name = "b" }]"#)).unwrap();
    let classes = 10;
    written(folder, "runs/a.pt", to_pytorch(&perceptron(&[144, 8, classes], 1)));
    let (code, _, error) = run(folder, &["run", "mixed.toml"]);
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("IMPORTED") && error.contains("import/few-glyphs-mlp/replicate-0/a"), "{error}");
    let rows = fs::read_to_string(folder.join("results/small/models.csv")).unwrap();
    assert!(rows.contains(",a,test,") && rows.contains(",b,test,"), "{rows}");
    let (code, out, _) = run(folder, &["plan", "mixed.toml", "--exit-code"]);
    assert_eq!(code, 0, "{out}");
    written(folder, "runs/a.pt", to_pytorch(&perceptron(&[144, 8, classes], 2)));
    assert_eq!(run(folder, &["plan", "mixed.toml", "--exit-code"]).0, 1);
    written(folder, "runs/a.pt", to_pytorch(&perceptron(&[144, 7, classes], 2)));
    let (code, _, error) = run(folder, &["plan", "mixed.toml"]);
    assert!(code == 2 && error.contains("is a linear layer of shape [8, 144] with a bias, but `0` in the file"), "{error}");
    assert!(error.contains("mixed.toml:") && error.contains("^^^"), "{error}");
    written(folder, "runs/a.pt", to_pytorch(&perceptron(&[144, 8, classes], 2)));
    // Models of files alone need no training.
    let without = models(r#"models = [{ name = "a", checkpoint = "runs/a.pt" }, { name = "b", checkpoint = "runs/a.pt" }]"#);
    let pair = without.lines().find(|line| line.contains("training =")).unwrap().to_owned();
    let without = without.replace(&pair, "");
    fs::write(folder.join("files.toml"), &without).unwrap();
    let (code, _, error) = run(folder, &["run", "files.toml"]);
    assert!(code == 0 && error.contains("models of `few-glyphs-mlp` are the same file, byte for byte: a, b"), "{error}");
    fs::write(folder.join("trained.toml"), without.replace(r#"name = "b", checkpoint = "runs/a.pt""#, r#"name = "b""#)).unwrap();
    let (code, _, error) = run(folder, &["plan", "trained.toml"]);
    assert!(code == 2 && error.contains("the pair names no `training`, and `b` is trained"), "{error}");
    for (list, words) in [
        (r#"models = [{ name = "a", checkpoint = "none.pt" }, { name = "b" }]"#, "cannot read"),
        (r#"models = [{ name = "a", checkpoint = "runs/a.pt", subset = 0.5 }, { name = "b" }]"#, "sees no training images"),
        (
            r#"models = [{ name = "a", checkpoint = "runs/a.pt", first-weights = "shared" }, { name = "b" }]"#,
            "`first-weights` has no meaning",
        ),
        (r#"models = [{ name = "a", checkpoint = "runs/a.pt", training = "adam" }, { name = "b" }]"#, "`training` has no meaning"),
        (r#"models = [{ name = "a", checkpoint = "wrong.toml" }, { name = "b" }]"#, "cannot take a model from"),
        (r#"models = [{ name = "a", key = "model" }, { name = "b" }]"#, "there is none"),
    ] {
        fs::write(folder.join("wrong.toml"), models(list)).unwrap();
        let (code, _, error) = run(folder, &["plan", "wrong.toml"]);
        assert!(code == 2 && error.contains(words), "{words}: {error}");
    }
}

#[test]
fn what_a_model_from_a_file_saw_is_said_where_something_asks_for_it_and_never_assumed() {
    let (folder, _) = crate::command::folder();
    let folder = folder.path();
    written(folder, "a.pt", to_pytorch(&perceptron(&[144, 8, 10], 1)));
    let halves = |a: &str| {
        let of_labels = |labels: &str| format!("subset = {{ parts = [{{ labels = [{labels}] }}] }}");
        let list = format!("models = [{{ name = \"a\", checkpoint = \"a.pt\"{a} }}, {{ name = \"b\", {} }}]", of_labels("5, 6, 7, 8, 9"));
        crate::command::SPEC.replace("models = 2", &list)
    };
    let described = |spec: String| {
        fs::write(folder.join("files.toml"), spec).unwrap();
        let (code, out, error) = run(folder, &["describe", "files.toml", "--json"]);
        assert_eq!(code, 0, "{error}");
        let seen = serde_json::from_str::<Value>(&out).unwrap()[0]["seen"].clone();
        seen.as_array().unwrap().iter().map(|row| row["model"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(described(halves("")), ["b"], "nothing says which images the file's network saw");
    let own = ", subset = { parts = [{ labels = [0, 1, 2, 3, 4] }] }";
    let with_tasks = |spec: String| spec.replace("[evaluation]\n", "[evaluation]\ntasks = [\"a\", \"b\"]\n");
    assert_eq!(described(with_tasks(halves(own))), ["a", "b"]);
    let by_pair = |spec: String| {
        let table = "[subsets.digits]\na = { parts = [{ labels = [0, 1] }] }\n\n[[pairs]]\nsubsets = \"digits\"\n";
        spec.replace("[[pairs]]\n", table)
    };
    for spec in [halves(own), by_pair(halves(""))] {
        fs::write(folder.join("files.toml"), &spec).unwrap();
        let (code, _, error) = run(folder, &["plan", "files.toml"]);
        assert!(code == 2 && error.contains("a model from a file sees no training images") && error.contains("`tasks`"), "{error}\n{spec}");
    }
    let (code, _, error) = {
        fs::write(folder.join("files.toml"), with_tasks(halves(own))).unwrap();
        run(folder, &["run", "files.toml"])
    };
    assert_eq!(code, 0, "{error}");
    let tasks = fs::read_to_string(folder.join("results/small/tasks.csv")).unwrap();
    assert!(tasks.lines().count() > 1, "{tasks}");
}
