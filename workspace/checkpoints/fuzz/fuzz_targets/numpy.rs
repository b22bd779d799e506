#![no_main]
//! Any bytes as an array of an `.npz` archive.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file("a.npy", options).expect("a new name");
    archive.write_all(b"\x93NUMPY\x01\x00").expect("memory");
    archive.write_all(bytes).expect("memory");
    let file = archive.finish().expect("memory").into_inner();
    let _ = onebasin_checkpoints::from_bytes(&file, "fuzzed".as_ref(), None);
});
