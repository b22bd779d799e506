//! Against the real files, where this machine has them.

use std::path::PathBuf;
use std::time::Instant;

use onebasin_datasets::{Cifar, CifarLabels, DatasetError, Finding, Idx, SearchPaths, Source, digest, is_official, known, open, verify};

use crate::server::{Reply, Server};

/// The folder with real data sets, if it has this one.
fn data(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("ONEBASIN_DATA").map_or(beside, PathBuf::from);
    if root.join(name).is_dir() {
        return Some(root);
    }
    skip(&format!("`{}` is not there; set ONEBASIN_DATA to run this test", root.join(name).display()));
    None
}

#[expect(clippy::print_stderr, reason = "a skipped test should say so")]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

fn search_paths(root: PathBuf, cache: &tempfile::TempDir) -> SearchPaths {
    SearchPaths::offline([root], cache.path())
}

#[test]
fn the_official_mnist_has_its_counts_constants_and_first_labels() {
    let Some(root) = data("mnist") else { return };
    let cache = tempfile::tempdir().unwrap();
    let search_paths = search_paths(root, &cache);
    let mnist = open(&Source::named("mnist").unwrap(), &search_paths).unwrap();
    assert_eq!(mnist.train.class_counts(), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(mnist.test.class_counts(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    assert_eq!(mnist.train.labels[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    // The customary constants are the training images' own, rounded.
    let own = onebasin_datasets::Normalisation::of(&mnist.train);
    assert!((own.mean[0] - 0.1307).abs() < 5e-5 && (own.deviation[0] - 0.3081).abs() < 5e-5, "{own:?}");
    assert_eq!((mnist.normalisation.mean, mnist.normalisation.deviation), (vec![0.1307], vec![0.3081]));
}

#[test]
fn fashion_mnist_is_normalised_by_its_own_statistics_and_not_by_those_of_mnist() {
    let Some(root) = data("fashion-mnist") else { return };
    let cache = tempfile::tempdir().unwrap();
    let fashion = open(&Source::named("fashion-mnist").unwrap(), &search_paths(root, &cache)).unwrap();
    let own = onebasin_datasets::Normalisation::of(&fashion.train);
    let customary = fashion.normalisation;
    assert!((own.mean[0] - customary.mean[0]).abs() < 5e-5 && (own.deviation[0] - customary.deviation[0]).abs() < 5e-5, "{own:?}");
}

#[test]
fn the_official_files_verify() {
    let Some(root) = data("fashion-mnist") else { return };
    let cache = tempfile::tempdir().unwrap();
    let search_paths = search_paths(root, &cache);
    for name in ["mnist", "fashion-mnist"] {
        for verified in verify(known(name).unwrap(), &search_paths) {
            assert_eq!(verified.finding, Finding::Official, "{name}: {verified:?}");
        }
        let source = Source::named(name).unwrap();
        assert_eq!(is_official(&source, &digest(&source, &search_paths).unwrap()), Some(true), "{name}");
    }
}

#[test]
fn a_root_that_is_another_sets_folder_is_not_taken_for_it() {
    let Some(root) = data("fashion-mnist") else { return };
    let cache = tempfile::tempdir().unwrap();
    let search_paths = search_paths(root.join("fashion-mnist"), &cache);
    assert_eq!(open(&Source::named("fashion-mnist").unwrap(), &search_paths).unwrap().train.len(), 60_000);
    let text = open(&Source::named("mnist").unwrap(), &search_paths).unwrap_err().to_string();
    assert!(text.contains("holds `fashion-mnist`, whose files have the same names"), "{text}");
}

#[test]
fn a_remembered_digest_takes_milliseconds() {
    let Some(root) = data("mnist") else { return };
    let cache = tempfile::tempdir().unwrap();
    let search_paths = search_paths(root, &cache);
    let mnist = Source::named("mnist").unwrap();
    let first = digest(&mnist, &search_paths).unwrap();
    let (second, seconds) = (0..5)
        .map(|_| {
            let start = Instant::now();
            (digest(&mnist, &search_paths).unwrap(), start.elapsed().as_secs_f64())
        })
        .min_by(|left, right| left.1.total_cmp(&right.1))
        .unwrap();
    assert_eq!(first, second);
    // Reading the files takes some hundred milliseconds; remembering well below one.
    assert!(seconds < 0.02, "{seconds}");
}

#[test]
fn a_small_cut_of_mnist_is_read_by_a_table() {
    let Some(root) = data("tiny/mnist-512") else { return };
    let cache = tempfile::tempdir().unwrap();
    let tiny = open(&Source::Idx(Idx::in_directory("tiny/mnist-512")), &search_paths(root, &cache)).unwrap();
    assert_eq!((tiny.train.len(), tiny.test.len(), tiny.train.shape), (512, 256, (1, 28, 28)));
    assert_eq!(tiny.train.class_counts(), [52, 52, 51, 51, 51, 51, 51, 51, 51, 51]);
}

#[test]
fn a_missing_known_set_is_fetched_where_that_is_allowed() {
    // The child of this test: its environment cannot be changed from within.
    if let Some(cache) = std::env::var_os("ONEBASIN_TEST_CACHE") {
        let mut search_paths = SearchPaths { roots: Vec::new(), cache: cache.into(), fetch: false, spec_folder: None };
        let mnist = Source::named("mnist").unwrap();
        assert!(matches!(open(&mnist, &search_paths).unwrap_err(), DatasetError::Missing { .. }));
        search_paths.fetch = true;
        digest(&mnist, &search_paths).unwrap();
        assert_eq!(open(&mnist, &search_paths).unwrap().train.len(), 60_000);
        return;
    }
    let Some(root) = data("mnist") else { return };
    let server = Server::start(move |_, request| {
        let file = root.join(request.path.trim_start_matches("/sets/"));
        std::fs::read(file).map_or_else(|_| Reply::status("404 Not Found"), |bytes| Reply::ranged(&bytes, request))
    });
    let cache = tempfile::tempdir().unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "official::a_missing_known_set_is_fetched_where_that_is_allowed"])
        .env("ONEBASIN_MIRROR", &server.address)
        .env("ONEBASIN_TEST_CACHE", cache.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths.len(), 4, "{paths:?}");
    assert_eq!(paths[0], "/sets/mnist/train-images-idx3-ubyte.gz");
}

#[test]
fn the_small_cut_of_cifar_is_read_from_xz_with_differences() {
    let Some(root) = data("tiny/cifar10-512") else { return };
    let cache = tempfile::tempdir().unwrap();
    let tiny = Cifar { train: vec!["data_batch_1.bin".into()], ..Cifar::in_directory("tiny/cifar10-512", CifarLabels::Single) };
    let tiny = open(&Source::Cifar(tiny), &search_paths(root, &cache)).unwrap();
    assert_eq!((tiny.train.len(), tiny.test.len(), tiny.train.shape), (512, 256, (3, 32, 32)));
    assert_eq!(tiny.train.class_counts(), [52, 52, 51, 51, 51, 51, 51, 51, 51, 51]);
    assert_eq!(tiny.test.class_counts(), [26, 26, 26, 26, 26, 26, 25, 25, 25, 25]);
    // The first image is the well-known frog: its upper left corner in red, green, blue.
    assert_eq!((tiny.train.labels[0], [0, 1024, 2048].map(|channel| tiny.train.image(0)[channel])), (6, [59, 62, 63]));
}

#[test]
fn the_official_cifar_has_its_counts_and_constants_and_is_decompressed_once_for_its_digest() {
    let Some(root) = data("cifar10") else { return };
    let cache = tempfile::tempdir().unwrap();
    let search_paths = search_paths(root, &cache);
    let cifar = Source::named("cifar10").unwrap();
    let read = open(&cifar, &search_paths).unwrap();
    assert_eq!((read.train.class_counts(), read.test.class_counts()), (vec![5000; 10], vec![1000; 10]));
    let own = onebasin_datasets::Normalisation::of(&read.train);
    for (own, customary) in own.mean.iter().zip(&read.normalisation.mean) {
        assert!((own - customary).abs() < 1e-4, "{own} and {customary}");
    }
    let first = digest(&cifar, &search_paths).unwrap();
    let start = Instant::now();
    assert_eq!(digest(&cifar, &search_paths).unwrap(), first);
    // Decompressing takes seconds.
    assert!(start.elapsed().as_secs_f64() < 0.5, "{:?}", start.elapsed());
    assert_eq!(open(&cifar, &search_paths).unwrap(), read);
}

#[test]
fn a_part_of_cifar100_is_read_by_a_table_that_names_its_files() {
    let Some(root) = data("cifar100") else { return };
    let cache = tempfile::tempdir().unwrap();
    let search_paths = search_paths(root, &cache);
    let part = Cifar { train: vec!["train-first150.bin".into()], ..Cifar::in_directory("cifar100", CifarLabels::Fine) };
    let fine = open(&Source::Cifar(part), &search_paths).unwrap();
    assert_eq!((fine.train.class_counts(), fine.test.class_counts()), (vec![150; 100], vec![100; 100]));
    let verified = verify(known("cifar100").unwrap(), &search_paths);
    assert_eq!(verified[1].finding, Finding::Official);
    // The whole training file may lie there or not.
    assert!([Finding::Official, Finding::Missing].contains(&verified[0].finding), "{verified:?}");
}
