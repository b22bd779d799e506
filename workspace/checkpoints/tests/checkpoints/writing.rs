use onebasin_checkpoints::{Dtype, StateDict, Tensor, from_bytes, read, to_pytorch, to_safetensors};

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
