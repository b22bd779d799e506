use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use onebasin_checkpoints::{CheckpointError, StateDict, read, short_names};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Names of fixtures beside which a file with this ending lies.
fn with(ending: &str) -> Vec<String> {
    let names = fs::read_dir(fixture("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(ending)?.to_owned())).collect();
    names.sort();
    names
}

type Arrays = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn arrays(dict: &StateDict, names: &[String]) -> Arrays {
    let array = |(_, tensor): &(String, onebasin_checkpoints::Tensor)| (tensor.shape().to_vec(), tensor.to_f32().unwrap());
    names.iter().cloned().zip(dict.tensors.iter().map(array)).collect()
}

fn full(dict: &StateDict) -> Vec<String> {
    dict.tensors.iter().map(|(name, _)| name.clone()).collect()
}

fn fault(name: &str, key: Option<&str>) -> String {
    let path = fixture(name);
    let names = |dict: StateDict| short_names(&dict, &path).map(drop);
    match read(&path, key).and_then(names) {
        Err(error @ CheckpointError::Fault { .. }) => error.to_string(),
        other => panic!("{name} is not refused: {other:?}"),
    }
}

#[test]
fn every_file_that_has_a_truth_is_read_element_by_element() {
    let names = with(".truth.safetensors");
    assert!(names.len() >= 25, "{names:?}");
    for name in names {
        let path = fixture(&name);
        let dict = read(&path, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let truth = read(&fixture(&format!("{name}.truth.safetensors")), None).unwrap();
        let expected = arrays(&truth, &full(&truth));
        let came = arrays(&dict, &full(&dict));
        // The truth has the names without what all of them begin with, where the file is about prefixes.
        if came != expected {
            assert_eq!(arrays(&dict, &short_names(&dict, &path).unwrap()), expected, "{name}");
        }
    }
}

#[test]
fn every_file_that_is_to_be_refused_says_what_was_met_and_what_to_do() {
    let names = with(".refuse.txt");
    assert!(names.len() >= 25, "{names:?}");
    for name in names.iter().filter(|name| !["attention.pt", "grouped.pt"].contains(&name.as_str())) {
        let expected = fs::read_to_string(fixture(&format!("{name}.refuse.txt"))).unwrap();
        let message = fault(name, None);
        assert!(message.contains(expected.trim()), "{name}: `{message}` does not say `{}`", expected.trim());
        assert!(message.contains(name.as_str()) && message.contains("\nhint: "), "{name}: {message}");
    }
    assert!(!Path::new("evil-ran").exists());
}

#[test]
fn files_that_are_cut_name_the_tensor_that_is() {
    // A legacy file has its storages in an order of their own.
    for (name, tensor) in [("cut-legacy.pt", "first"), ("cut-zip.pt", "second")] {
        assert!(fault(name, None).contains(&format!("cut short in tensor `{tensor}`")), "{name}: {}", fault(name, None));
    }
}

#[test]
fn a_call_that_is_not_allowed_is_named() {
    let fault = |name| fault(name, None);
    assert!(fault("evil-system.pt").contains("`posix.system`"));
    assert!(fault("evil-eval.pt").contains("`builtins.eval`"));
}

#[test]
fn of_two_networks_the_key_says_which() {
    let path = fixture("two-candidates.pt");
    let of = |key| read(&path, Some(key)).unwrap();
    let (model, ema) = (of("model"), of("ema"));
    assert_eq!(model.nesting, ["model"]);
    let half = |dict: &StateDict| dict.tensors[0].1.to_f32().unwrap().iter().map(|value| value * 0.5).collect::<Vec<f32>>();
    assert_eq!(half(&model), ema.tensors[0].1.to_f32().unwrap());
    assert!(fault("two-candidates.pt", Some("modle")).contains("has no key `modle`\nhint: it has `model`, `ema`"));
}

#[test]
fn where_the_tensors_stood_and_what_stood_among_them_is_kept() {
    let dict = read(&fixture("nested-lightning.ckpt"), None).unwrap();
    assert_eq!(dict.nesting, ["state_dict"]);
    assert_eq!(dict.tensors[0].0, "model.0.weight");
    assert_eq!(read(&fixture("nested-twice.pt"), None).unwrap().nesting, ["checkpoint", "model"]);
    let dict = read(&fixture("numbers-inside.pt"), None).unwrap();
    let expected = ["`height`: the number `192`", "`use_stereo`: `False`", "`note`: the text `x`", "`nothing`: `None`"];
    assert_eq!(dict.passed_over, expected);
}

#[test]
fn tensors_that_share_their_numbers_are_told() {
    assert_eq!(read(&fixture("hooks-zip.pt"), None).unwrap().tied, [["a.weight", "b.weight"], ["a.bias", "b.bias"]]);
    assert!(read(&fixture("plain-zip.pt"), None).unwrap().tied.is_empty());
}

#[test]
fn what_stands_beside_a_network_and_holds_its_numbers_is_told() {
    let dict = read(&fixture("shared-beside.pt"), Some("state_dict")).unwrap();
    assert_eq!(dict.beside, ["ema", "first", "epoch", "other"]);
    assert_eq!(dict.sharing, ["ema", "first"]);
    // Tensors beside it are none of a layer's.
    let dict = read(&fixture("tensors-beside.pt"), None).unwrap();
    assert_eq!((dict.nesting, dict.beside), (vec!["state_dict".to_owned()], vec!["rng_state".to_owned(), "mean".to_owned()]));
}

#[test]
fn headers_of_safetensors_are_read_or_refused_as_the_library_does() {
    let fault = |name: &str| fault(&format!("header-{name}.safetensors"), None);
    assert!(fault("twice").contains("`a` comes twice"));
    assert!(fault("number").contains("`__metadata__`"));
    assert!(fault("length-63").contains("header has 9223372036854775808 bytes"));
    assert!(fault("length-132095296").contains("header has 132095296 bytes"));
    assert!(fault("overlap").contains("tensor `b` begins at byte 4, inside the one before, which ends at 8"));
    assert!(fault("gap").contains("tensor `b` begins at byte 12, with a gap behind 8"));
    assert!(fault("past").contains("tensor `a` ends at byte 80"));
    assert!(fault("overflow").contains("tensor `a`: its shape [1099511627776, 1099511627776]"));
    let dict = |name: &str| read(&fixture(&format!("header-{name}.safetensors")), None).unwrap();
    assert!(dict("metadata-alone").tensors.is_empty());
    assert_eq!(dict("metadata-alone").metadata, [("a".to_owned(), "b".to_owned())]);
    assert_eq!(dict("empty-metadata").tensors.len(), 1);
    assert_eq!(dict("bf16").tensors[0].1.to_f32().unwrap(), [0.0, 0.0]);
    assert_eq!(dict("f8").tensors[0].1.to_f32(), None);
}

/// PyTorch writes both forms of the end of a zip directory; 76 bytes, as long as the first entry here, are the newer one.
#[test]
fn an_archive_is_read_whatever_the_length_of_its_names() {
    let dict = read(&fixture("directory-76.pt"), None).unwrap();
    let names: Vec<&str> = dict.tensors.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
}
