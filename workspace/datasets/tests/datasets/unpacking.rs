//! Sets that come in one archive, from a server on loopback.

use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use onebasin_datasets::{DatasetError, Fetching, Known, KnownFile, Patience, Remote, SearchPaths, Transfer, fetch, known};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::house::{NOTHING, gzip};
use crate::server::{Reply, Server};

/// Contents of the two files of the set, longer than one read and not to be compressed: xorshift.
fn contents() -> [Vec<u8>; 2] {
    [7u64, 11].map(|mut state| {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..200_000).map(|_| next()).collect()
    })
}

const FILES: [&str; 2] = ["train.bin", "test.bin"];

fn sha256(content: &[u8]) -> &'static str {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>().leak()
}

/// A tar of these paths and contents, in this order; the paths are written as they are, however bad.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in members {
        let mut header = tar::Header::new_old();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in members {
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(*path, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The archive as it should be.
fn right() -> Vec<u8> {
    let [train, test] = contents();
    gzip(&tar(&[("numbers/readme.html", b"<p>"), ("numbers/test.bin", &test), ("./numbers/train.bin", &train), ("numbers/more", b"more")]))
}

/// A set of the two files in an archive of this name and content.
fn set(name: &'static str, archive: &[u8]) -> Known {
    let [train, test] = contents();
    let file = |name, content: &[u8]| KnownFile { name, bytes: content.len() as u64, sha256: Some(sha256(content)), packed: None };
    Known {
        name: "numbers",
        format: "cifar",
        nested: &["inner/numbers", "numbers"],
        archive: Some(Remote { name, bytes: archive.len() as u64, sha256: Some(sha256(archive)) }),
        files: vec![file(FILES[0], &train), file(FILES[1], &test)].leak(),
        ..NOTHING
    }
}

struct Case {
    house: TempDir,
    known: Known,
    seen: Vec<(String, bool, u64)>,
    /// Stops when a file has come as far.
    stop: Option<(&'static str, u64)>,
}

impl Case {
    fn new(name: &'static str, archive: &[u8]) -> Case {
        Case { house: tempfile::tempdir().unwrap(), known: set(name, archive), seen: Vec::new(), stop: None }
    }

    fn fetch(&mut self, server: &Server) -> Result<Vec<PathBuf>, DatasetError> {
        let patience = Patience { attempts: 3, backoff: Duration::ZERO, silence: Duration::from_secs(5), ..Patience::default() };
        let fetching = Fetching { mirrors: vec![server.address.clone()], patience };
        let search_paths = SearchPaths::offline([], self.house.path().join("cache"));
        fetch(&self.known, &search_paths, &fetching, &mut |transfer: &Transfer<'_>| {
            assert!(transfer.index < transfer.files && transfer.bytes <= transfer.total, "{transfer:?}");
            self.seen.push((transfer.file.to_owned(), transfer.unpacking, transfer.bytes));
            match self.stop {
                Some((file, bytes)) if file == transfer.file && transfer.bytes >= bytes => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
    }

    /// What lies in the house, beside folders.
    fn there(&self) -> Vec<String> {
        let mut folders = vec![self.house.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    assert_ne!(entry.file_name().unwrap(), ".unpacking");
                    folders.push(entry);
                } else {
                    files.push(entry.strip_prefix(self.house.path()).unwrap().display().to_string());
                }
            }
        }
        files.sort();
        files
    }

    #[track_caller]
    fn has_the_files_alone(&self) {
        assert_eq!(self.there(), ["cache/numbers/.lock", "cache/numbers/test.bin", "cache/numbers/train.bin"]);
        for (name, content) in FILES.iter().zip(contents()) {
            assert!(std::fs::read(self.house.path().join("cache/numbers").join(name)).unwrap() == content, "{name}");
        }
    }

    /// Fetches from a server that has just this, and fails with these words, leaving nothing.
    #[track_caller]
    fn fails_and_leaves_nothing(name: &'static str, archive: &[u8], words: &[&str]) {
        let server = serving(archive);
        let mut case = Case::new(name, archive);
        let text = case.fetch(&server).unwrap_err().to_string();
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert!(text.contains(name) && text.contains("hint: the archive was removed"), "{text}");
        assert_eq!(case.there(), ["cache/numbers/.lock"]);
    }
}

fn serving(archive: &[u8]) -> Server {
    let served = archive.to_vec();
    Server::start(move |_, request| Reply::ranged(&served, request))
}

#[test]
fn an_archive_is_fetched_once_its_files_taken_out_and_itself_removed() {
    let archive = right();
    let server = serving(&archive);
    let mut case = Case::new("numbers.tar.gz", &archive);
    let folder = case.house.path().join("cache/numbers");
    assert_eq!(case.fetch(&server).unwrap(), FILES.map(|file| folder.join(file)));
    case.has_the_files_alone();
    assert_eq!(server.requests()[0].path, "/sets/numbers.tar.gz");
    for last in [("numbers.tar.gz".to_owned(), false, archive.len() as u64), ("train.bin".to_owned(), true, 200_000)] {
        assert!(case.seen.contains(&last), "{last:?}: {:?}", case.seen);
    }
    case.fetch(&server).unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_missing_or_changed_file_is_taken_out_again_and_the_others_stay() {
    let archive = right();
    let server = serving(&archive);
    let mut case = Case::new("numbers.tar.gz", &archive);
    case.fetch(&server).unwrap();
    let test = case.house.path().join("cache/numbers/test.bin");
    std::fs::write(&test, vec![0; 200_000]).unwrap();
    case.seen.clear();
    case.fetch(&server).unwrap();
    case.has_the_files_alone();
    assert!(case.seen.iter().all(|(file, _, _)| file != "train.bin"), "{:?}", case.seen);
}

#[test]
fn files_compressed_inside_a_zip_are_decompressed_and_namesakes_in_other_folders_left() {
    let [train, test] = contents();
    let (packed, wrong) = (gzip(&train), gzip(b"another set"));
    let members: [(&str, &[u8]); 5] = [
        ("train.bin.gz", &wrong),
        ("other/train.bin.gz", &wrong),
        ("numbers/letters-train.bin.gz", &wrong),
        ("numbers/train.bin.gz", &packed),
        ("inner/numbers/test.bin", &test),
    ];
    for (name, archive) in [("numbers.zip", zip(&members)), ("numbers.tar.gz", gzip(&tar(&members)))] {
        let server = serving(&archive);
        let mut case = Case::new(name, &archive);
        case.fetch(&server).unwrap();
        case.has_the_files_alone();
    }
}

#[test]
fn a_transfer_that_broke_and_an_unpacking_that_was_stopped_go_on() {
    let archive = right();
    let served = archive.clone();
    let server = Server::start(move |before, request| {
        let reply = Reply::ranged(&served, request);
        if before == 0 { reply.cut(100_000) } else { reply }
    });
    let mut case = Case::new("numbers.tar.gz", &archive);
    case.stop = Some(("train.bin", 100_000));
    let error = case.fetch(&server).unwrap_err();
    assert!(matches!(error, DatasetError::Interrupted { .. }) && error.to_string().contains("train.bin"), "{error}");
    // Not even the file that was whole.
    assert_eq!(case.there(), ["cache/numbers/.lock", "cache/numbers/numbers.tar.gz"]);
    // What a killed process would leave.
    let staging = case.house.path().join("cache/numbers/.unpacking");
    std::fs::create_dir(&staging).unwrap();
    std::fs::write(staging.join("test.bin"), b"half").unwrap();
    case.stop = None;
    case.fetch(&server).unwrap();
    case.has_the_files_alone();
    assert_eq!(server.ranges(), [None, Some(100_000)]);
}

#[test]
fn an_archive_with_a_wrong_digest_is_not_opened() {
    let archive = right();
    let mut other = archive.clone();
    // The time in the header of gzip: the files would come out right.
    other[4] ^= 1;
    let server = serving(&other);
    let mut case = Case::new("numbers.tar.gz", &archive);
    let text = case.fetch(&server).unwrap_err().to_string();
    assert!(text.contains("wrong SHA-256") && text.contains(sha256(&archive)) && text.contains(sha256(&other)), "{text}");
    assert_eq!(case.there(), ["cache/numbers/.lock"]);
}

#[test]
fn a_truncated_archive_leaves_nothing() {
    let [train, test] = contents();
    let whole = right();
    Case::fails_and_leaves_nothing("numbers.tar.gz", &whole[..whole.len() / 2], &["content: expected one complete archive"]);
    let archive = tar(&[("numbers/train.bin", &train), ("numbers/test.bin", &test)]);
    Case::fails_and_leaves_nothing("numbers.tar.gz", &gzip(&archive[..300_000]), &["`test.bin`: expected 200000 bytes, got 98"]);
    Case::fails_and_leaves_nothing("numbers.tar.gz", b"a page of words", &["content: expected one complete archive"]);
    let archive = zip(&[("numbers/train.bin", &train), ("numbers/test.bin", &test)]);
    Case::fails_and_leaves_nothing("numbers.zip", &archive[..archive.len() / 2], &["content: expected one complete archive"]);
    let half = &gzip(&train)[..90_000];
    let archive = zip(&[("numbers/train.bin.gz", half), ("numbers/test.bin", &test)]);
    Case::fails_and_leaves_nothing("numbers.zip", &archive, &["content: expected one complete archive"]);
}

#[test]
fn an_archive_without_a_file_or_with_another_one_leaves_nothing() {
    let [train, test] = contents();
    let members: [(&str, &[u8]); 2] = [("numbers/train.bin", &train), ("other/test.bin", &test)];
    let words = ["`test.bin`: expected it in a folder `inner/numbers` or `numbers`", "got no such file"];
    Case::fails_and_leaves_nothing("numbers.tar.gz", &gzip(&tar(&members)), &words);
    Case::fails_and_leaves_nothing("numbers.zip", &zip(&members), &words);
    let mut changed = test.clone();
    changed[199_999] ^= 1;
    let with = |test: &[u8]| gzip(&tar(&[("numbers/train.bin", &train), ("numbers/test.bin", test)]));
    Case::fails_and_leaves_nothing("numbers.tar.gz", &with(&changed), &["SHA-256 of `test.bin`", sha256(&test), sha256(&changed)]);
    Case::fails_and_leaves_nothing("numbers.tar.gz", &with(&test[..10]), &["`test.bin`: expected 200000 bytes, got 10 bytes"]);
    // A thousandth of the size when compressed.
    let endless = gzip(&vec![0; 300_000_000]);
    assert!(endless.len() < 1_000_000);
    let bomb = zip(&[("numbers/train.bin.gz", &endless), ("numbers/test.bin", &test)]);
    Case::fails_and_leaves_nothing("numbers.zip", &bomb, &["`train.bin`: expected 200000 bytes, got more than 200000 bytes"]);
}

#[test]
fn a_tar_that_is_blown_up_by_other_files_is_not_read_to_its_end() {
    let [train, test] = contents();
    let padding = vec![0; 4_000_000];
    let archive = tar(&[("numbers/padding", &padding), ("numbers/train.bin", &train), ("numbers/test.bin", &test)]);
    Case::fails_and_leaves_nothing("numbers.tar.gz", &gzip(&archive), &["numbers.tar.gz"]);
}

#[test]
fn paths_that_lead_out_of_the_folder_and_links_are_not_followed() {
    let [train, test] = contents();
    let bad = ["../train.bin", "numbers/../../train.bin", "/numbers/train.bin", "numbers/../train.bin", "../../../numbers/train.bin"];
    for path in bad {
        let members: [(&str, &[u8]); 2] = [(path, &train), ("numbers/test.bin", &test)];
        Case::fails_and_leaves_nothing("numbers.tar.gz", &gzip(&tar(&members)), &["`train.bin`: expected it in a folder"]);
        Case::fails_and_leaves_nothing("numbers.zip", &zip(&members), &["`train.bin`: expected it in a folder"]);
        // Beside the right files it does no harm.
        let members: [(&str, &[u8]); 3] = [(path, b"evil"), ("numbers/train.bin", &train), ("numbers/test.bin", &test)];
        let archive = gzip(&tar(&members));
        let mut case = Case::new("numbers.tar.gz", &archive);
        case.fetch(&serving(&archive)).unwrap();
        case.has_the_files_alone();
    }
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind) in [("numbers/train.bin", tar::EntryType::Symlink), ("numbers/test.bin", tar::EntryType::Link)] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, "/etc/passwd").unwrap();
    }
    Case::fails_and_leaves_nothing("numbers.tar.gz", &gzip(&builder.into_inner().unwrap()), &["got no such file"]);
}

#[test]
fn two_at_once_fetch_and_unpack_once() {
    let archive = right();
    let server = serving(&archive);
    let case = Case::new("numbers.tar.gz", &archive);
    let fetching = Fetching { mirrors: vec![server.address.clone()], patience: Patience::default() };
    let search_paths = SearchPaths::offline([], case.house.path().join("cache"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fetch(&case.known, &search_paths, &fetching, &mut |_| ControlFlow::Continue(())).unwrap());
        }
    });
    case.has_the_files_alone();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn every_known_archive_is_of_a_kind_that_is_unpacked() {
    for known in ["cifar10", "cifar100", "emnist-letters"].map(|name| known(name).unwrap()) {
        let archive = known.archive.unwrap();
        assert!(archive.name.ends_with(".tar.gz") || archive.name.ends_with(".zip"), "{}", archive.name);
        assert!(archive.sha256.is_some() && !known.nested.is_empty() && !known.mirrors.is_empty());
    }
}
