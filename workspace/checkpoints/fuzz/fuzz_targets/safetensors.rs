#![no_main]
//! Any bytes as the header of a safetensors file, before 64 bytes of numbers.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = [&(bytes.len() as u64).to_le_bytes(), bytes, &[0; 64]].concat();
    let _ = onebasin_checkpoints::from_bytes(&file, "fuzzed".as_ref(), None);
});
