use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use onebasin_datasets::{DatasetError, Fetching, Known, KnownFile, Patience, Remote, SearchPaths, Transfer, fetch, known};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::house::NOTHING;
use crate::server::{Reply, Server};

const NAME: &str = "numbers-idx1-ubyte.gz";

/// Bytes enough for several reads.
fn content() -> Vec<u8> {
    (0..300_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A set of one file with this content.
fn set(content: &[u8]) -> Known {
    let sha256: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let packed = Remote { name: NAME, bytes: content.len() as u64, sha256: Some(sha256.leak()) };
    let files = vec![KnownFile { name: "numbers-idx1-ubyte", bytes: 0, sha256: None, packed: Some(packed) }];
    Known { name: "numbers", format: "idx", files: files.leak(), ..NOTHING }
}

struct Case {
    cache: TempDir,
    seen: Vec<u64>,
}

impl Case {
    fn new() -> Case {
        Case { cache: tempfile::tempdir().unwrap(), seen: Vec::new() }
    }

    fn fetch(&mut self, servers: &[&Server], content: &[u8]) -> Result<Vec<PathBuf>, DatasetError> {
        let patience = Patience { attempts: 3, backoff: Duration::ZERO, silence: Duration::from_secs(5), ..Patience::default() };
        let fetching = Fetching { mirrors: servers.iter().map(|server| server.address.clone()).collect(), patience };
        let search_paths = SearchPaths::offline([], self.cache.path());
        fetch(&set(content), &search_paths, &fetching, &mut |transfer: &Transfer<'_>| {
            assert_eq!((transfer.file, transfer.index, transfer.files, transfer.total), (NAME, 0, 1, content.len() as u64));
            self.seen.push(transfer.bytes);
            ControlFlow::Continue(())
        })
    }

    fn target(&self) -> PathBuf {
        self.cache.path().join("numbers").join(NAME)
    }

    fn part(&self) -> PathBuf {
        self.target().with_file_name(format!("{NAME}.part"))
    }

    #[track_caller]
    fn has(&self, content: &[u8]) {
        assert!(std::fs::read(self.target()).unwrap() == content, "the file differs");
        assert!(!self.part().exists());
    }

    #[track_caller]
    fn has_nothing(&self) {
        assert!(!self.target().exists());
        assert!(!self.part().exists());
    }
}

#[test]
fn a_file_is_fetched_once_and_kept() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request));
    let mut case = Case::new();
    assert_eq!(case.fetch(&[&server], &content).unwrap(), [case.target()]);
    case.has(&content);
    assert_eq!(case.seen.last(), Some(&300_000));
    assert!(case.seen.is_sorted() && case.seen.len() > 3, "{:?}", case.seen);
    case.fetch(&[&server], &content).unwrap();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.requests()[0].path, format!("/sets/{NAME}"));
}

#[test]
fn a_cut_connection_goes_on_where_it_ended() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |before, request| {
        let reply = Reply::ranged(&served, request);
        if before < 4 { reply.cut(50_000) } else { reply }
    });
    let mut case = Case::new();
    // Four cuts with three tries: those that brought bytes do not count.
    case.fetch(&[&server], &content).unwrap();
    case.has(&content);
    assert_eq!(server.ranges(), [None, Some(50_000), Some(100_000), Some(150_000), Some(200_000)]);
}

#[test]
fn a_later_call_goes_on_where_an_earlier_one_gave_up() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |before, request| match before {
        0 => Reply::ranged(&served, request).cut(70_000),
        1..=3 => Reply::status("503 Service Unavailable"),
        _ => Reply::ranged(&served, request),
    });
    let mut case = Case::new();
    let text = case.fetch(&[&server], &content).unwrap_err().to_string();
    assert!(text.contains("503") && text.contains("3 attempts"), "{text}");
    assert_eq!(std::fs::read(case.part()).unwrap(), content[..70_000]);
    case.fetch(&[&server], &content).unwrap();
    case.has(&content);
    assert_eq!(server.ranges().last(), Some(&Some(70_000)));
}

#[test]
fn a_server_that_ignores_ranges_sends_the_file_again_from_the_start() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |before, _| if before == 0 { Reply::whole(&served).cut(80_000) } else { Reply::whole(&served) });
    let mut case = Case::new();
    case.fetch(&[&server], &content).unwrap();
    case.has(&content);
    assert_eq!(server.ranges(), [None, Some(80_000)]);
    assert!(case.seen.windows(2).any(|pair| pair[1] == 0 && pair[0] == 80_000), "{:?}", case.seen);
}

#[test]
fn a_server_that_refuses_the_range_is_asked_for_the_whole_file() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |before, request| match (before, request.range) {
        (0, _) => Reply::whole(&served).cut(80_000),
        (_, Some(_)) => Reply::status("416 Range Not Satisfiable"),
        (_, None) => Reply::whole(&served),
    });
    let mut case = Case::new();
    case.fetch(&[&server], &content).unwrap();
    case.has(&content);
    assert_eq!(server.ranges(), [None, Some(80_000), None]);
}

#[test]
fn a_file_with_a_wrong_digest_is_removed_and_both_digests_are_named() {
    let content = content();
    let mut served = content.clone();
    served[123_456] ^= 1;
    let server = Server::start(move |_, request| Reply::ranged(&served, request));
    let mut case = Case::new();
    let text = case.fetch(&[&server], &content).unwrap_err().to_string();
    let expected: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(text.contains("wrong SHA-256") && text.contains(&expected) && text.contains(&server.address), "{text}");
    assert_eq!(server.requests().len(), 1);
    case.has_nothing();
}

#[test]
fn a_damaged_beginning_is_found_out_and_the_file_is_fetched_whole_again() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request));
    for length in [90_000, 300_000, 400_000] {
        let mut case = Case::new();
        std::fs::create_dir_all(case.part().parent().unwrap()).unwrap();
        std::fs::write(case.part(), vec![7; length]).unwrap();
        case.fetch(&[&server], &content).unwrap();
        case.has(&content);
        assert_eq!(server.ranges().last(), Some(&None), "{length}");
    }
}

#[test]
fn a_missing_file_is_looked_for_at_the_next_mirror_and_not_asked_for_twice() {
    let content = content();
    let served = content.clone();
    let empty = Server::start(|_, _| Reply::status("404 Not Found"));
    let full = Server::start(move |_, request| Reply::ranged(&served, request));
    let mut case = Case::new();
    case.fetch(&[&empty, &full], &content).unwrap();
    case.has(&content);
    assert_eq!((empty.requests().len(), full.requests().len()), (1, 1));

    let mut case = Case::new();
    let other = Server::start(|_, _| Reply::status("403 Forbidden"));
    let text = case.fetch(&[&empty, &other], &content).unwrap_err().to_string();
    for word in ["404 Not Found", "403 Forbidden", &empty.address, &other.address, "`--data DIR`"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!case.target().exists());
}

#[test]
fn a_second_mirror_continues_what_the_first_one_began() {
    let content = content();
    let served = content.clone();
    let first = Server::start(move |before, request| match before {
        0 => Reply::ranged(&served, request).cut(100_000),
        _ => Reply::status("500 Internal Server Error"),
    });
    let served = content.clone();
    let second = Server::start(move |_, request| Reply::ranged(&served, request));
    let mut case = Case::new();
    case.fetch(&[&first, &second], &content).unwrap();
    case.has(&content);
    assert_eq!(second.ranges(), [Some(100_000)]);
}

#[test]
fn a_page_longer_than_the_file_is_not_the_file() {
    let content = content();
    let served = [content.clone(), b"more".to_vec()].concat();
    let server = Server::start(move |_, request| Reply::ranged(&served, request));
    let mut case = Case::new();
    let text = case.fetch(&[&server], &content).unwrap_err().to_string();
    assert!(text.contains("answered with another file of 300004 bytes, not the 300000 bytes expected"), "{text}");
    assert!(!case.target().exists());
}

#[test]
fn a_wrong_file_in_place_is_replaced() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request));
    let mut case = Case::new();
    std::fs::create_dir_all(case.target().parent().unwrap()).unwrap();
    std::fs::write(case.target(), vec![1; content.len()]).unwrap();
    case.fetch(&[&server], &content).unwrap();
    case.has(&content);
}

#[test]
fn nobody_listening_is_an_error_after_the_tries_and_two_at_once_fetch_once() {
    let content = content();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let cache = tempfile::tempdir().unwrap();
    let search_paths = SearchPaths::offline([], cache.path());
    let patience = Patience { attempts: 2, backoff: Duration::ZERO, silence: Duration::from_secs(5), ..Patience::default() };
    let fetching = Fetching { mirrors: vec![closed.clone()], patience: patience.clone() };
    let text = fetch(&set(&content), &search_paths, &fetching, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(text.contains(&closed) && text.contains("after 2 attempts"), "{text}");

    let served = content.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request));
    let fetching = Fetching { mirrors: vec![server.address.clone()], patience };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fetch(&set(&content), &search_paths, &fetching, &mut |_| ControlFlow::Continue(())).unwrap());
        }
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_silent_server_counts_as_a_cut_connection() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |before, request| {
        let reply = Reply::ranged(&served, request);
        if before == 0 { reply.stall(60_000, Duration::from_secs(3)) } else { reply }
    });
    let cache = tempfile::tempdir().unwrap();
    let patience = Patience { attempts: 2, backoff: Duration::ZERO, silence: Duration::from_millis(300), ..Patience::default() };
    let fetching = Fetching { mirrors: vec![server.address.clone()], patience };
    let start = std::time::Instant::now();
    let search_paths = SearchPaths::offline([], cache.path());
    let paths = fetch(&set(&content), &search_paths, &fetching, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(start.elapsed() < Duration::from_millis(2900), "{:?}", start.elapsed());
    assert!(std::fs::read(&paths[0]).unwrap() == content);
    assert_eq!(server.ranges(), [None, Some(60_000)]);
}

#[test]
fn a_caller_may_stop_it_and_go_on_later() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request));
    let cache = tempfile::tempdir().unwrap();
    let fetching = Fetching { mirrors: vec![server.address.clone()], patience: Patience::default() };
    let search_paths = SearchPaths::offline([], cache.path());
    let mut stop = |transfer: &Transfer<'_>| if transfer.bytes > 100_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let error = fetch(&set(&content), &search_paths, &fetching, &mut stop).unwrap_err();
    assert!(matches!(error, DatasetError::Interrupted { .. }), "{error}");
    let paths = fetch(&set(&content), &search_paths, &fetching, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(std::fs::read(&paths[0]).unwrap() == content);
    assert!(server.ranges()[1].is_some_and(|from| from > 100_000), "{:?}", server.ranges());
}

#[test]
fn a_set_without_files_is_not_fetched_and_the_hint_says_why() {
    let cache = tempfile::tempdir().unwrap();
    let glyphs = known("glyphs").unwrap();
    let search_paths = SearchPaths::offline([], cache.path());
    let error = fetch(glyphs, &search_paths, &Fetching::standard(glyphs), &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("no files to fetch") && error.to_string().contains("generated"), "{error}");
}

#[test]
fn a_web_page_in_place_of_the_file_is_final_at_once() {
    let content = content();
    let page = b"<!DOCTYPE html><html><body>Please sign in</body></html>\n";
    for chunked in [false, true] {
        let server = Server::start(move |_, _| {
            let reply = Reply::whole(page).header("Content-Type: text/html; charset=utf-8");
            if chunked { reply.header("Transfer-Encoding: chunked") } else { reply }
        });
        let mut case = Case::new();
        let text = case.fetch(&[&server], &content).unwrap_err().to_string();
        assert!(text.contains("answered with a web page (text/html) of 56 bytes, not the 300000 bytes expected"), "{text}");
        assert_eq!(server.requests().len(), 1);
        assert!(!case.target().exists());
    }
}

#[test]
fn what_has_come_is_kept_when_a_web_page_answers_later() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |before, request| match before {
        0 => Reply::ranged(&served, request).cut(70_000),
        1 => Reply::whole(b"<html>").header("Content-Type: text/html"),
        _ => Reply::ranged(&served, request),
    });
    let mut case = Case::new();
    assert!(case.fetch(&[&server], &content).is_err());
    case.fetch(&[&server], &content).unwrap();
    case.has(&content);
    assert_eq!(server.ranges(), [None, Some(70_000), Some(70_000)]);
}

#[test]
fn a_server_that_goes_on_at_another_byte_is_not_asked_for_ever() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |_, request| match request.range {
        None => Reply::whole(&served).cut(80_000),
        Some(from) => Reply::misplaced(&served, from - 7),
    });
    let mut case = Case::new();
    let text = case.fetch(&[&server], &content).unwrap_err().to_string();
    assert!(text.contains("after 3 attempts without a new byte"), "{text}");
    assert!(server.requests().len() <= 6, "{:?}", server.ranges());
}

#[test]
fn a_server_that_dribbles_is_given_up() {
    let content = content();
    let served = content.clone();
    let slow = Server::start(move |_, request| Reply::ranged(&served, request).dribble(Duration::from_millis(2)));
    let served = content.clone();
    let quick = Server::start(move |_, request| Reply::ranged(&served, request));
    let cache = tempfile::tempdir().unwrap();
    let patience =
        Patience { attempts: 2, backoff: Duration::ZERO, window: Duration::from_millis(40), least: 10_000, ..Patience::default() };
    let search_paths = SearchPaths::offline([], cache.path());
    let fetching = Fetching { mirrors: vec![slow.address.clone()], patience: patience.clone() };
    let text = fetch(&set(&content), &search_paths, &fetching, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(text.contains(" bytes in 0.") && text.contains("after 2 attempts in a row"), "{text}");
    assert_eq!(slow.requests().len(), 2);
    // What came slowly is not fetched again.
    let fetching = Fetching { mirrors: vec![quick.address.clone()], patience };
    let paths = fetch(&set(&content), &search_paths, &fetching, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(std::fs::read(&paths[0]).unwrap() == content);
    assert!(quick.ranges()[0].is_some(), "{:?}", quick.ranges());
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_the_part_is_not_written_through() {
    let content = content();
    let served = content.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request));
    let mut case = Case::new();
    std::fs::create_dir_all(case.part().parent().unwrap()).unwrap();
    let other = case.cache.path().join("other");
    std::fs::write(&other, b"precious").unwrap();
    std::os::unix::fs::symlink(&other, case.part()).unwrap();
    case.fetch(&[&server], &content).unwrap();
    case.has(&content);
    assert!(!case.target().is_symlink());
    assert_eq!(std::fs::read(&other).unwrap(), b"precious");
}
