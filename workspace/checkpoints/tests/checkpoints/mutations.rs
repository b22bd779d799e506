use std::fs;

use onebasin_checkpoints::from_bytes;

use crate::cases::fixture;

/// Numbers that look drawn, the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }
}

/// Overwrites, cuts, repeats and inserts a few bytes.
fn mutate(bytes: &mut Vec<u8>, draws: &mut Draws) {
    for _ in 0..=draws.below(4) {
        let place = draws.below(bytes.len());
        match draws.below(6) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, draws.below(256) as u8),
            2 => {
                let piece = bytes[place..bytes.len().min(place + draws.below(64))].to_vec();
                let there = draws.below(bytes.len());
                bytes.splice(there..there, piece);
            }
            3 => bytes[place] ^= 1 << draws.below(8),
            _ => bytes[place] = draws.below(256) as u8,
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Reads mutated copies of a file; each is read or refused, and takes no memory beyond a small multiple of the file.
fn survive(name: &str, count: usize, prepare: impl Fn(&mut Vec<u8>)) {
    let whole = fs::read(fixture(name)).unwrap();
    let mut draws = Draws(name.len() as u64);
    for _ in 0..count {
        let mut bytes = whole.clone();
        mutate(&mut bytes, &mut draws);
        prepare(&mut bytes);
        if let Ok(dict) = from_bytes(&bytes, "mutated".as_ref(), None) {
            let held: usize = dict.tensors.iter().map(|(_, tensor)| tensor.bytes().len()).sum();
            assert!(held <= 64 * bytes.len() + (1 << 24), "{name}: {held} bytes of {}", bytes.len());
        }
    }
}

#[test]
fn ten_thousand_mutated_zip_archives_are_read_or_refused() {
    survive("layout.pt", 5_000, |_| {});
    survive("numbers-inside.pt", 5_000, |_| {});
}

#[test]
fn ten_thousand_mutated_legacy_files_are_read_or_refused() {
    survive("shared-legacy.pt", 5_000, |_| {});
    survive("plain-legacy.pt", 5_000, |_| {});
}

#[test]
fn ten_thousand_mutated_pickles_are_read_or_refused() {
    // Behind the magic number, so that the pickles themselves are met.
    let whole = fs::read(fixture("whole-module-legacy.pt")).unwrap();
    survive("whole-module-legacy.pt", 10_000, |bytes| {
        let head = whole.len().min(bytes.len()).min(40);
        bytes[..head].copy_from_slice(&whole[..head]);
    });
}

#[test]
fn ten_thousand_mutated_safetensors_are_read_or_refused() {
    survive("header-bf16.safetensors", 4_000, |_| {});
    survive("layout.pt.truth.safetensors", 6_000, |_| {});
}

#[test]
fn ten_thousand_mutated_numpy_archives_are_read_or_refused() {
    survive("arrays.npz", 6_000, |_| {});
    survive("arrays-compressed.npz", 4_000, |_| {});
}
