#![no_main]
//! Any bytes behind the magic number of PyTorch's legacy format.

const HEAD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = onebasin_checkpoints::from_bytes(&[HEAD, bytes].concat(), "fuzzed".as_ref(), None);
});
