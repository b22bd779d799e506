use onebasin_checkpoints::{Dtype, StateDict, Tensor, from_bytes, read, to_pytorch, to_safetensors, with_tensors};

use crate::cases::fixture;

fn again(bytes: &[u8]) -> StateDict {
    from_bytes(bytes, "again".as_ref(), None).unwrap()
}

#[test]
fn both_formats_keep_names_order_types_shapes_and_bytes() {
    for name in ["layout.pt", "kinds.pt", "plain-legacy.pt", "nested-lightning.ckpt", "prefix-both.pt", "shared-legacy.pt"] {
        let dict = read(&fixture(name), None).unwrap();
        let torch = again(&to_pytorch(&dict));
        assert_eq!((&torch.tensors, &torch.nesting), (&dict.tensors, &dict.nesting), "{name}");
        assert_eq!(again(&to_safetensors(&dict)).tensors, dict.tensors, "{name}");
    }
}

#[test]
fn the_official_library_reads_what_is_written() {
    let dict = read(&fixture("layout.pt"), None).unwrap();
    let bytes = to_safetensors(&dict);
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, tensor) in &dict.tensors {
        let view = tensors.tensor(name).unwrap();
        assert_eq!((view.shape(), view.data()), (tensor.shape(), tensor.bytes()), "{name}");
    }
}

#[test]
fn numbers_go_back_into_the_type_they_came_in_each_to_the_nearest() {
    let of = |dtype, bytes| Tensor::new(dtype, vec![1], bytes);
    let third = 1.0_f32 / 3.0;
    assert_eq!(of(Dtype::F16, vec![0; 2]).with_values(&[third]).unwrap().to_f32().unwrap(), [0.333_251_95]);
    assert_eq!(of(Dtype::Bf16, vec![0; 2]).with_values(&[third]).unwrap().to_f32().unwrap(), [0.333_984_38]);
    assert_eq!(of(Dtype::F64, vec![0; 8]).with_values(&[third]).unwrap().to_f32().unwrap(), [third]);
    assert_eq!(of(Dtype::I64, vec![0; 8]).with_values(&[third]), None);
}

#[test]
fn other_keys_of_a_file_stay_where_numbers_change() {
    for (name, keeps) in [("nested-lightning.ckpt", true), ("layout.pt", false), ("plain-legacy.pt", false), ("nested-twice.pt", true)] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let mut dict = from_bytes(&bytes, name.as_ref(), None).unwrap();
        assert_eq!(!dict.beside.is_empty(), keeps, "{name}: {:?}", dict.beside);
        for (_, tensor) in &mut dict.tensors {
            let halves: Vec<f32> = tensor.to_f32().unwrap().iter().map(|value| value + 0.5).collect();
            if let Some(changed) = tensor.with_values(&halves) {
                *tensor = changed;
            }
        }
        let changed = with_tensors(&bytes, name.as_ref(), None, &dict).unwrap();
        assert_eq!(from_bytes(&changed, name.as_ref(), None).unwrap(), dict, "{name}");
        dict.tensors.pop();
        let error = with_tensors(&bytes, name.as_ref(), None, &dict).unwrap_err().to_string();
        assert!(error.contains("other tensors than were read"), "{error}");
    }
}

#[test]
fn a_key_takes_the_tensors_whose_names_begin_with_it() {
    let tensor = |value: f32| Tensor::new(Dtype::F32, vec![1], value.to_le_bytes().to_vec());
    let names = [("model.fc.weight", 1.0), ("model.fc.bias", 2.0), ("ema.module.fc.weight", 3.0), ("ema.module.fc.bias", 4.0)];
    let mut dict = StateDict::new(names.map(|(name, value)| (name.to_owned(), tensor(value))).into());
    dict.nesting = vec!["state_dict".to_owned()];
    let bytes = to_pytorch(&dict);
    for key in ["ema", "state_dict.ema", "state_dict.ema.module"] {
        let ema = from_bytes(&bytes, "net.pt".as_ref(), Some(key)).unwrap();
        assert_eq!((ema.tensors.len(), ema.tensors[0].1.to_f32().unwrap()[0]), (2, 3.0), "{key}");
        assert_eq!((ema.nesting.join("."), ema.beside.join(" ")), ("state_dict".to_owned(), "model".to_owned()), "{key}");
        // The other network stays where this one is written.
        let again = with_tensors(&bytes, "net.pt".as_ref(), Some(key), &ema).unwrap();
        assert_eq!(from_bytes(&again, "net.pt".as_ref(), None).unwrap().tensors, dict.tensors);
    }
    assert_eq!(from_bytes(&to_safetensors(&dict), "net".as_ref(), Some("model")).unwrap().tensors.len(), 2);
    for wrong in ["none", "mod", "state_dict.none"] {
        let error = from_bytes(&bytes, "net.pt".as_ref(), Some(wrong)).unwrap_err().to_string();
        assert!(error.contains("has no key"), "{error}");
    }
}

#[test]
fn tensors_that_share_numbers_cannot_part_in_their_file() {
    let bytes = std::fs::read(fixture("hooks-zip.pt")).unwrap();
    let mut dict = from_bytes(&bytes, "shared".as_ref(), None).unwrap();
    let place = dict.tensors.iter().position(|(name, _)| *name == dict.tied[0][0]).unwrap();
    let values = vec![7.0; dict.tensors[place].1.len()];
    dict.tensors[place].1 = dict.tensors[place].1.with_values(&values).unwrap();
    let error = with_tensors(&bytes, "shared".as_ref(), None, &dict).unwrap_err().to_string();
    assert!(error.contains("shares its numbers with another"), "{error}");
    assert!(with_tensors(b"{}", "none".as_ref(), None, &dict).unwrap_err().to_string().contains("no file of PyTorch"));
}

#[test]
fn tied_tensors_are_written_once_and_apart_where_they_have_parted() {
    let tensor = |value: f32| Tensor::new(Dtype::F32, vec![1000], value.to_le_bytes().repeat(1000));
    let mut dict = StateDict::new(["a", "b", "c"].map(|name| (name.to_owned(), tensor(1.0))).into());
    dict.tied = vec![vec!["a".to_owned(), "c".to_owned()]];
    let together = to_pytorch(&dict);
    assert_eq!(again(&together).tied, dict.tied);
    dict.tensors[2].1 = tensor(2.0);
    let apart = to_pytorch(&dict);
    assert_eq!((again(&apart).tied.len(), again(&apart).tensors), (0, dict.tensors));
    assert!(apart.len() > together.len() + 4000);
}

#[test]
fn equal_content_gives_equal_bytes() {
    let dict = read(&fixture("plain-zip.pt"), None).unwrap();
    assert_eq!(to_pytorch(&dict), to_pytorch(&dict.clone()));
    assert_eq!(to_safetensors(&dict), to_safetensors(&dict.clone()));
}

#[test]
fn headers_of_any_length_are_told_from_pickles() {
    // From a hundred to two thousand bytes, by steps of eight.
    for length in (1..2000).step_by(8) {
        let tensor = Tensor::new(Dtype::F32, vec![1], vec![0; 4]);
        let dict = StateDict::new(vec![("n".repeat(length), tensor)]);
        assert_eq!(again(&to_safetensors(&dict)).tensors, dict.tensors, "{length}");
    }
}
