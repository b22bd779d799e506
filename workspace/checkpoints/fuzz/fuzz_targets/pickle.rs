#![no_main]
//! Any bytes as the pickle of PyTorch's zip archive, beside one storage of 64 bytes.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [("archive/data.pkl", bytes), ("archive/data/0", &[0; 64])] {
        archive.start_file(name, options).expect("a new name");
        archive.write_all(content).expect("memory");
    }
    let file = archive.finish().expect("memory").into_inner();
    let _ = onebasin_checkpoints::from_bytes(&file, "fuzzed".as_ref(), None);
});
