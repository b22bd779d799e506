//! What `merge` writes, and what it refuses to write over.

use std::fs;
use std::path::Path;

use ndarray::ArrayD;
use onebasin_checkpoints::{Dtype, StateDict, Tensor, from_bytes, read, to_pytorch};
use onebasin_network::{Blueprint, Checkpoint, Graph, Parameter, Shape, Weights};

use crate::networks::{array, drawn, fixture, npy, perceptron, run, written};

/// Two convolutions, the first with a batch norm behind it and no bias, the second without either, and a linear layer; for glyphs.
fn convolutional(seed: u32) -> StateDict {
    let ones = |count: usize| vec![1.0; count];
    let mut tensors = vec![
        ("0.weight".to_owned(), array(&[4, 1, 3, 3], &drawn(36, seed))),
        ("1.weight".to_owned(), array(&[4], &ones(4))),
        ("1.bias".to_owned(), array(&[4], &drawn(4, seed + 1))),
        ("1.running_mean".to_owned(), array(&[4], &drawn(4, seed + 2))),
        ("1.running_var".to_owned(), array(&[4], &ones(4))),
        ("4.weight".to_owned(), array(&[5, 4, 3, 3], &drawn(180, seed + 3))),
        ("8.weight".to_owned(), array(&[10, 245], &drawn(2450, seed + 4))),
        ("8.bias".to_owned(), array(&[10], &drawn(10, seed + 5))),
    ];
    tensors.insert(5, ("1.num_batches_tracked".to_owned(), Tensor::new(Dtype::I64, vec![], vec![9, 0, 0, 0, 0, 0, 0, 0])));
    StateDict::new(tensors)
}

#[test]
fn what_a_file_holds_beside_the_network_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = fs::read(fixture("nested-lightning.ckpt")).unwrap();
    written(folder, "a.ckpt", first.clone());
    let mut other = from_bytes(&first, "a".as_ref(), None).unwrap();
    for (place, (_, tensor)) in other.tensors.iter_mut().enumerate() {
        *tensor = tensor.with_values(&drawn(tensor.len(), place as u32)).unwrap();
    }
    written(folder, "b.pt", to_pytorch(&other));
    let (code, _, error) = run(folder, &["merge", "a.ckpt", "b.pt", "--out", "merged.ckpt"]);
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("`merged.ckpt`: what stands beside the network, `epoch`") && error.contains("is as in `a.ckpt`"), "{error}");
    let (before, after) = (read(&folder.join("a.ckpt"), None).unwrap(), read(&folder.join("merged.ckpt"), None).unwrap());
    assert_eq!(after.beside, before.beside);
    assert_ne!(after.tensors, before.tensors);
    // The same archive: every file of it, of the same size.
    assert_eq!(fs::metadata(folder.join("merged.ckpt")).unwrap().len().abs_diff(first.len() as u64) / 4096, 0);
    let (code, _, error) = run(folder, &["merge", "a.ckpt", "b.pt", "--out", "merged.safetensors"]);
    assert!(code == 0 && error.contains("is left out; see `a.ckpt`"), "{error}");
}

#[test]
fn files_may_stand_around_options_and_one_alone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, seed) in [("a.pt", 1), ("b.pt", 2)] {
        written(folder, name, to_pytorch(&perceptron(&[4, 3, 2], seed)));
    }
    let (code, _, error) = run(folder, &["merge", "a.pt", "--method", "identity", "b.pt", "--out", "merged.pt"]);
    assert_eq!(code, 0, "{error}");
    for (command, arguments) in [("merge", &["a.pt", "--out", "other.pt"][..]), ("match", &["a.pt"]), ("compare", &["a.pt"])] {
        let (code, _, error) = run(folder, &[&[command], arguments].concat());
        assert!(code == 2 && error.contains("expected two or more ") && error.contains("got `a.pt` alone"), "{error}");
        assert!(error.contains("hint: "), "{error}");
    }
    assert!(!folder.join("other.pt").exists());
}

#[test]
fn what_beside_the_network_shares_its_numbers_is_told_to_change_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(folder, "a.pt", fs::read(fixture("shared-beside.pt")).unwrap());
    let (code, _, error) = run(folder, &["merge", "a.pt", "a.pt", "--key", "state_dict", "--out", "merged.pt"]);
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("what stands beside the network, `epoch`, `other`, is as in `a.pt`"), "{error}");
    assert!(
        error.contains(
            "warning: `merged.pt`: of what stands beside the network, these share its numbers and change with them: `ema`, `first`"
        ),
        "{error}"
    );
}

#[test]
fn a_number_that_is_no_layers_and_one_part_of_a_network_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut cooled = perceptron(&[6, 5, 3], 1);
    cooled.tensors.push(("temperature".to_owned(), array(&[], &[5.0])));
    written(folder, "a.pt", to_pytorch(&cooled));
    let (code, _, error) = run(folder, &["describe", "a.pt"]);
    assert!(
        code == 2 && error.contains("`temperature` is one number of type F32 and of no known layer") && error.contains("\nhint: "),
        "{error}"
    );
    cooled.tensors[4] = ("n_averaged".to_owned(), Tensor::new(Dtype::I64, vec![], vec![9, 0, 0, 0, 0, 0, 0, 0]));
    written(folder, "a.pt", to_pytorch(&cooled));
    assert_eq!(run(folder, &["describe", "a.pt"]).0, 0, "a counter is kept");
    written(folder, "net-00001-of-00002.pt", to_pytorch(&perceptron(&[6, 5, 3], 1)));
    let (code, _, error) = run(folder, &["describe", "net-00001-of-00002.pt"]);
    assert!(code == 2 && error.contains("is part 1 of 2 of a network") && error.contains("hint: join the parts"), "{error}");
}

#[test]
fn a_tensor_that_two_layers_share_is_never_merged_into_two() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, seed) in [("a.pt", 1), ("b.pt", 200)] {
        let mut shared = perceptron(&[6, 5, 5, 5, 3], seed);
        shared.tensors[4].1 = shared.tensors[2].1.clone();
        shared.tied = vec![vec!["2.weight".to_owned(), "4.weight".to_owned()]];
        written(folder, name, to_pytorch(&shared));
    }
    let (code, _, error) = run(folder, &["merge", "a.pt", "b.pt", "--out", "merged.pt"]);
    assert!(code == 1 && error.contains("`2.weight` and `4.weight` are one tensor in `a.pt`") && error.contains("clone"), "{error}");
    assert!(!folder.join("merged.pt").exists());
    // Without an order of its own each tensor stays one.
    let (code, _, error) = run(folder, &["merge", "a.pt", "b.pt", "--method", "identity", "--out", "merged.pt"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(read(&folder.join("merged.pt"), None).unwrap().tied.len(), 1);
}

#[test]
fn files_that_are_read_are_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, seed) in [("a.pt", 1), ("b.pt", 2), ("merged.aligned-0.pt", 3)] {
        written(folder, name, to_pytorch(&perceptron(&[6, 5, 3], seed)));
    }
    for arguments in [
        &["merge", "a.pt", "b.pt", "--out", "b.pt"][..],
        &["merge", "a.pt", "merged.aligned-0.pt", "--out", "merged.pt", "--aligned"],
        &["match", "a.pt", "b.pt", "--out", "./a.pt"],
        &["convert", "a.pt", "a.pt"],
    ] {
        let (code, _, error) = run(folder, arguments);
        assert!(code == 2 && error.contains("is one of the inputs"), "{arguments:?}: {error}");
    }
    assert!(read(&folder.join("b.pt"), None).is_ok());
}

#[test]
fn a_repair_gives_biases_to_layers_without_and_folds_them_into_batch_norms() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, seed) in [("a.pt", 1), ("b.pt", 100)] {
        written(folder, name, to_pytorch(&convolutional(seed)));
    }
    let (code, _, error) =
        run(folder, &["merge", "a.pt", "b.pt", "--out", "merged.pt", "--repair", "--data", "glyphs", "--images", "200", "--aligned"]);
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("has a bias that `a.pt` does not have, for `4`: load it into a network made with `bias=True`"), "{error}");
    let merged = read(&folder.join("merged.pt"), None).unwrap();
    let names: Vec<&str> = merged.tensors.iter().map(|(name, _)| name.as_str()).collect();
    let place = names.iter().position(|name| *name == "4.bias").unwrap();
    assert_eq!(names[place - 1], "4.weight");
    assert_eq!(names.len(), convolutional(1).tensors.len() + 1);
    // The file is a network again, of one layer with a bias more.
    let (code, out, error) = run(folder, &["describe", "merged.pt"]);
    assert!(code == 0 && out.contains("4.bias"), "{out}{error}");
    let (code, _, error) = run(folder, &["measure", "merged.pt", "--data", "glyphs", "--images", "50"]);
    assert_eq!(code, 0, "{error}");
    // Its running statistics are those of the very network: taken anew, they are the same.
    let (code, _, error) = run(folder, &["merge", "merged.pt", "merged.pt", "--out", "again.pt", "--data", "glyphs", "--images", "200"]);
    assert_eq!(code, 0, "{error}");
    let again = read(&folder.join("again.pt"), None).unwrap();
    let variance = |dict: &StateDict| dict.get("1.running_var").unwrap().to_f32().unwrap();
    for (one, other) in variance(&merged).into_iter().zip(variance(&again)) {
        assert!((one - other).abs() < 1e-4 * other.abs(), "{one} and {other}");
    }
}

/// `a.pt` and `b.pt`.
fn two_perceptrons(folder: &Path) {
    for (name, seed) in [("a.pt", 1), ("b.pt", 100)] {
        written(folder, name, to_pytorch(&perceptron(&[6, 5, 3], seed)));
    }
}

/// A checkpoint of this program, which says its architecture: a ResNet8 without biases in its convolutions, for glyphs.
fn own(path: &Path, norm: &str, seed: u32) {
    let blueprint = format!(r#"{{"family": "resnet", "depth": 8, "width": 4, "norm": "{norm}"}}"#);
    let blueprint: Blueprint = serde_json::from_str(&blueprint).unwrap();
    let architecture = blueprint.build(Shape::new(1, 28, 28), 10).unwrap();
    let graph = Graph::build(&architecture).unwrap();
    let drawn = |(place, parameter): (usize, &Parameter)| {
        let values = drawn(parameter.shape.iter().product(), seed + place as u32);
        let values = values.into_iter().map(|value| if parameter.shape.len() == 1 { value.abs() + 0.5 } else { value }).collect();
        (parameter.name.clone(), ArrayD::from_shape_vec(parameter.shape.clone(), values).unwrap())
    };
    let weights = Weights::new(graph.spec(), graph.spec().parameters.iter().enumerate().map(drawn).collect()).unwrap();
    Checkpoint { architecture, weights }.save(path).unwrap();
}

#[test]
fn a_repaired_file_that_says_its_architecture_says_the_one_it_then_has() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for norm in ["layer", "batch"] {
        own(&folder.join("a.safetensors"), norm, 1);
        own(&folder.join("b.safetensors"), norm, 500);
        let files = ["merge", "a.safetensors", "b.safetensors", "--out", "merged.safetensors"];
        let (code, _, error) = run(folder, &[&files[..], &["--repair", "--data", "glyphs", "--images", "100"]].concat());
        assert_eq!(code, 0, "{norm}: {error}");
        // Read again, alone and beside those that it was made of, which have no biases.
        let (code, _, error) = run(folder, &["describe", "merged.safetensors"]);
        assert_eq!(code, 0, "{norm}: {error}");
        let files = ["measure", "a.safetensors", "merged.safetensors", "--data", "glyphs", "--images", "50"];
        let (code, out, error) = run(folder, &files);
        assert!(code == 0 && out.contains("merged.safetensors"), "{norm}: {error}");
        let (code, _, error) = run(folder, &[&files[..], &["--lambdas", "3"]].concat());
        assert!(code == 2 && error.contains("one network has a bias there"), "{norm}: a line needs one network: {error}");
    }
}

#[test]
fn maps_tell_when_they_are_of_other_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, seed) in [("one", 1), ("two", 100), ("three", 200)] {
        fs::create_dir(folder.join(name)).unwrap();
        written(&folder.join(name), "net.pt", to_pytorch(&perceptron(&[6, 5, 3], seed)));
    }
    assert_eq!(run(folder, &["match", "one/net.pt", "two/net.pt", "--out", "maps.json"]).0, 0);
    let merge = |files: [&str; 2]| run(folder, &[&["merge"], &files[..], &["--maps", "maps.json", "--out", "m.pt"]].concat());
    let (code, _, error) = merge(["one/net.pt", "two/net.pt"]);
    assert!(code == 0 && !error.contains("warning"), "{error}");
    let (code, _, error) = merge(["two/net.pt", "one/net.pt"]);
    assert!(code == 2 && error.contains("they are of one/net.pt, two/net.pt, in this order"), "{error}");
    let (code, _, error) = merge(["one/net.pt", "three/net.pt"]);
    assert!(code == 0 && error.contains("warning: `maps.json` was made of other weights than `three/net.pt`"), "{error}");
}

#[test]
fn what_a_method_refuses_is_wrong_input_and_plans_prove_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    two_perceptrons(folder);
    let matched = |method: &str, more: &[&str]| run(folder, &[&["match", "a.pt", "b.pt", "--method", method], more].concat());
    let (code, _, error) = matched("{ by = \"git-re-basin\", reference = 2 }", &[]);
    assert!(code == 2 && error.contains("there are 2 models"), "{error}");
    let (code, _, error) = matched("{ by = \"c2m3\", iteration = 50 }", &[]);
    assert!(code == 2 && error.contains("hint: experiments/spec.md has the keys of each matching"), "{error}");
    let soft = "{ by = \"ot-fusion\", plan = \"sinkhorn\" }";
    let (code, out, error) = matched(soft, &[]);
    assert!(code == 0 && out.contains("they change what a network computes") && !out.contains("proves the best"), "{out}{error}");
    let (code, _, error) = matched(soft, &["--out", "maps.json"]);
    assert!(code == 2 && error.contains("is a plan, which has no permutation"), "{error}");
}

#[test]
fn class_scores_that_a_method_moves_are_told_and_are_not_left_out_of_a_file_of_maps() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let a = perceptron(&[4, 3, 3], 1);
    let turned = |tensor: &Tensor, row: usize| {
        let values = tensor.to_f32().unwrap();
        tensor.with_values(&[&values[2 * row..], &values[..2 * row]].concat()).unwrap()
    };
    let mut b = a.clone();
    let count = b.tensors.len();
    for (tensor, row) in [(count - 2, 3), (count - 1, 1)] {
        b.tensors[tensor].1 = turned(&a.tensors[tensor].1, row);
    }
    for (name, tensors) in [("a.pt", a), ("b.pt", b)] {
        written(folder, name, to_pytorch(&tensors));
    }
    let matched = |output: &str, more: &[&str]| {
        let method = format!("{{ by = \"ot-fusion\", output = \"{output}\" }}");
        run(folder, &[&["match", "a.pt", "b.pt", "--method", &method], more].concat())
    };
    let (code, out, error) = matched("transported", &[]);
    assert!(code == 0 && out.contains("moved, as of `b.pt`: networks compute something else in the frame"), "{out}{error}");
    let (code, _, error) = matched("transported", &["--out", "maps.json"]);
    assert!(code == 2 && error.contains("the class scores of `b.pt` are moved too") && error.contains("hint: "), "{error}");
    assert!(!folder.join("maps.json").exists());
    let (code, out, error) = matched("fixed", &["--out", "maps.json"]);
    assert!(code == 0 && !out.contains("class scores"), "{out}{error}");
}

#[test]
fn maps_of_the_same_files_in_another_order_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    two_perceptrons(folder);
    assert_eq!(run(folder, &["match", "a.pt", "b.pt", "--out", "maps.json"]).0, 0);
    assert_eq!(run(folder, &["merge", "a.pt", "b.pt", "--maps", "maps.json", "--out", "m.pt"]).0, 0);
    let (code, _, error) = run(folder, &["merge", "b.pt", "a.pt", "--maps", "maps.json", "--out", "wrong.pt"]);
    assert!(code == 2 && error.contains("they are of a.pt, b.pt, in this order"), "{error}");
    assert!(!folder.join("wrong.pt").exists());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    written(folder, "a.pt", to_pytorch(&perceptron(&[6, 5, 3], 1)));
    written(folder, "b.pt", to_pytorch(&perceptron(&[6, 5, 3], 2)));
    for arguments in [
        &["plan", "pipe"][..],
        &["describe", "pipe"],
        &["describe", "a.pt", "--architecture", "pipe"],
        &["describe", "a.pt", "--inputs", "pipe", "--expect", "pipe"],
        &["merge", "a.pt", "b.pt", "--maps", "pipe", "--out", "merged.pt"],
        &["match", "a.pt", "b.pt", "--out", "pipe"],
    ] {
        let (code, _, error) = run(folder, arguments);
        assert!(code != 0 && error.contains("regular file"), "{arguments:?}: {code} {error}");
    }
}

#[test]
fn a_pointer_and_a_web_page_in_the_place_of_a_file_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (text, told) in
        [("version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"), ("\n<!DOCTYPE html><html>", "a web page")]
    {
        written(folder, "net.pt", text.into());
        let (code, _, error) = run(folder, &["describe", "net.pt"]);
        assert!(code == 2 && error.contains(&format!("is {told}")), "{error}");
    }
}

#[test]
fn logits_that_are_not_finite_prove_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(folder, "net.pt", to_pytorch(&perceptron(&[6, 5, 3], 1)));
    written(folder, "inputs.npy", npy(&[1, 6], &[1.0; 6]));
    written(folder, "endless.npy", npy(&[1, 3], &[9.0, f32::INFINITY, 9.0]));
    let (code, _, error) = run(folder, &["describe", "net.pt", "--inputs", "inputs.npy", "--expect", "endless.npy"]);
    assert!(code == 2 && error.contains("holds `inf`, expected finite logits"), "{error}");
}
