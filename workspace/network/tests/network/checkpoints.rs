//! Checkpoints on disk.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use onebasin_network::{Checkpoint, Weights};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

use crate::samples::{Numbers, graph, small_networks};

/// An error and everything behind it.
fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}\n{}", chain(source)))
}

fn sample(seed: u64) -> Checkpoint {
    let graph = graph("family = 'mlp'\nhidden = [5, 4]\nnorm = 'batch'", [1, 3, 3], 3);
    Checkpoint { weights: Numbers::new(seed).weights(graph.spec()), architecture: graph.architecture }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_was_saved_is_loaded(seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        for (index, (_, graph)) in small_networks().into_iter().enumerate() {
            let path = folder.path().join(format!("{index}.safetensors"));
            let checkpoint = Checkpoint { weights: Numbers::new(seed).weights(graph.spec()), architecture: graph.architecture };
            checkpoint.save(&path).unwrap();
            prop_assert_eq!(Checkpoint::load(&path).unwrap(), checkpoint);
        }
    }
}

#[test]
fn equal_content_gives_equal_bytes_and_no_leftovers() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    sample(1).save(&second).unwrap();
    sample(2).save(&first).unwrap();
    sample(1).save(&first).unwrap();
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn tensors_are_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    sample(1).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (header, body) = bytes[8..].split_at(u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize);
    let header = std::str::from_utf8(header).unwrap();
    let places: Vec<usize> =
        ["__metadata__", "fc1.bias", "fc1.weight", "norm2.shift"].iter().map(|name| header.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{header}");
    let flat: Vec<u8> = sample(1).weights.flat().iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(body, flat);
}

#[cfg(unix)]
#[test]
fn others_may_read_what_was_saved() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, plain) = (folder.path().join("weights.safetensors"), folder.path().join("plain"));
    sample(1).save(&path).unwrap();
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}

#[test]
fn numbers_that_are_not_finite_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let mut checkpoint = sample(1);
    checkpoint.weights = checkpoint.weights.map(|value| if value > 0.0 { f32::NAN } else { f32::NEG_INFINITY });
    checkpoint.save(&path).unwrap();
    let loaded = Checkpoint::load(&path).unwrap();
    assert!(!loaded.weights.is_finite());
    let bits = |weights: &Weights| weights.flat().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&loaded.weights), bits(&checkpoint.weights));
}

#[test]
fn a_file_cut_short_anywhere_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    sample(1).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(37).chain([1, 7, 8, 9, bytes.len() - 1]) {
        fs::write(&path, &bytes[..length]).unwrap();
        let message = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(message.contains("weights.safetensors") && message.contains("not a whole safetensors file"), "{length}: {message}");
        assert!(message.contains("\nhint: "), "{message}");
    }
    fs::write(&path, [bytes.as_slice(), b"tail"].concat()).unwrap();
    assert!(Checkpoint::load(&path).is_err());
}

#[test]
fn no_change_of_a_header_byte_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    sample(1).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for position in 0..bytes.len().min(1500) {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x15;
        fs::write(&path, damaged).unwrap();
        // Some changes only turn one number or name into another fine one; none may bring the program down.
        let _ = Checkpoint::load(&path);
    }
}

fn foreign(path: &Path, metadata: Option<&str>, tensors: &[(&str, Dtype, Vec<usize>)]) {
    let bytes = vec![0_u8; 4096];
    let size = |dtype: Dtype| if dtype == Dtype::F64 { 8 } else { 4 };
    let views = tensors.iter().map(|(name, dtype, shape)| {
        let length = shape.iter().product::<usize>() * size(*dtype);
        (*name, TensorView::new(*dtype, shape.clone(), &bytes[..length]).unwrap())
    });
    let metadata = metadata.map(|json| HashMap::from([("onebasin.architecture".to_owned(), json.to_owned())]));
    fs::write(path, safetensors::serialize(views, metadata).unwrap()).unwrap();
}

#[test]
fn files_of_others_are_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let json = r#"{"input":[1,1,2],"classes":1,"layers":[{"op":"flatten"},{"op":"linear","out":1,"bias":false}]}"#;
    let refused = |metadata: Option<&str>, tensors: &[(&str, Dtype, Vec<usize>)]| {
        foreign(&path, metadata, tensors);
        chain(&Checkpoint::load(&path).unwrap_err())
    };
    let weight = || ("fc1.weight", Dtype::F32, vec![1, 2]);
    foreign(&path, Some(json), &[weight()]);
    assert_eq!(Checkpoint::load(&path).unwrap().weights.flat(), [0.0, 0.0]);

    assert!(refused(None, &[weight()]).contains("its metadata has no `onebasin.architecture`"));
    assert!(refused(Some("{"), &[weight()]).contains("the text is no architecture"));
    assert!(refused(Some(&json.replace("bias", "biass")), &[weight()]).contains("unknown field `biass`"));
    assert!(refused(Some(&json.replace("\"classes\":1", "\"classes\":4")), &[weight()]).contains("ends with `1` numbers, expected `4`"));
    assert!(refused(Some(json), &[]).contains("parameter `fc1.weight`: missing, expected an array of shape [1, 2]"));
    assert!(
        refused(Some(json), &[("fc1.weight", Dtype::F32, vec![2, 1])])
            .contains("parameter `fc1.weight`: has shape [2, 1], expected [1, 2]")
    );
    assert!(
        refused(Some(json), &[("fc1.weight", Dtype::F64, vec![1, 2])]).contains("parameter `fc1.weight`: is of type F64, expected F32")
    );
    assert!(
        refused(Some(json), &[weight(), ("fc1.bias", Dtype::F32, vec![1])])
            .contains("parameter `fc1.bias`: not a parameter of this architecture")
    );
}

#[test]
fn files_that_cannot_be_read_or_written_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("no-such-folder").join("weights.safetensors");
    for error in [Checkpoint::load(&absent).unwrap_err(), sample(1).save(&absent).unwrap_err()] {
        assert!(error.to_string().contains("no-such-folder/weights.safetensors"), "{error}");
        assert!(error.source().is_some_and(|source| source.to_string().contains("No such file")), "{error:?}");
    }
    let taken = folder.path().join("folder");
    fs::create_dir(&taken).unwrap();
    sample(1).save(&taken).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a failed save leaves nothing behind");
}

#[test]
fn weights_of_another_architecture_are_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let mut checkpoint = sample(1);
    checkpoint.architecture = graph("family = 'mlp'\nhidden = [5, 4]\nnorm = 'batch'", [1, 3, 3], 7).architecture;
    assert_eq!(checkpoint.save(&path).unwrap_err().to_string(), "parameter `fc3.weight`: has shape [3, 4], expected [7, 4]");
    checkpoint.architecture.classes = 3;
    let message = checkpoint.save(&path).unwrap_err().to_string();
    assert!(message.starts_with("the network ends with `7` numbers, expected `3`, one a class"), "{message}");
    assert!(!path.exists());
}
