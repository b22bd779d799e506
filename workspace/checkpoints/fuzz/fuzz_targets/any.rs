#![no_main]
//! Any bytes as a file: its content says of which format.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = onebasin_checkpoints::from_bytes(bytes, "fuzzed".as_ref(), None);
});
